use super::*;

/// Folders of this test's own, gone when dropped.
struct Node(Folders);

impl Node {
    fn new(name: &str) -> Self {
        let root = std::env::temp_dir().join(format!("tulle-cni-{name}-{}", std::process::id()));
        let folders = Folders {
            binaries: root.join("bin"),
            networks: root.join("net.d"),
        };
        for folder in [&folders.binaries, &folders.networks] {
            fs::create_dir_all(folder).unwrap();
        }
        Node(folders)
    }

    fn put(&self, name: &str, text: &str) {
        fs::write(self.0.networks.join(name), text).unwrap();
    }

    fn types(&self, name: &str) -> Vec<String> {
        let text = fs::read(self.0.networks.join(name)).unwrap();
        let network: Value = serde_json::from_slice(&text).unwrap();
        let plugins = network["plugins"].as_array().unwrap().clone();
        let kind = |plugin: &Value| plugin["type"].as_str().unwrap().to_owned();
        plugins.iter().map(kind).collect()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let root = self.0.binaries.parent().unwrap();
        fs::remove_dir_all(root).unwrap();
    }
}

const BRIDGE: &str =
    r#"{"cniVersion": "1.0.0", "name": "pods", "plugins": [{"type": "bridge", "mtu": 1400}]}"#;

#[test]
fn the_plugin_is_last_and_what_was_there_stays() {
    let node = Node::new("last");
    node.put("10-pods.conflist", BRIDGE);
    node.put("20-later.conflist", BRIDGE);
    ensure(&node.0).unwrap();
    assert_eq!(node.types("10-pods.conflist"), ["bridge", TYPE]);
    assert_eq!(
        node.types("20-later.conflist"),
        ["bridge"],
        "the first alone is in use"
    );
    check(&node.0).unwrap();
    let text = fs::read_to_string(node.0.networks.join("10-pods.conflist")).unwrap();
    assert!(text.contains("1400"), "{text}");
    assert!(text.contains(ANNOTATIONS), "{text}");
    let mode = fs::metadata(node.0.binaries.join(TYPE))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o755);
}

#[test]
fn doing_it_again_writes_nothing() {
    let node = Node::new("again");
    node.put("10-pods.conflist", BRIDGE);
    ensure(&node.0).unwrap();
    let path = node.0.networks.join("10-pods.conflist");
    let before = fs::metadata(&path).unwrap().modified().unwrap();
    ensure(&node.0).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().modified().unwrap(), before);
}

#[test]
fn a_network_that_was_rewritten_gets_it_again_and_loses_it_at_the_end() {
    let node = Node::new("rewritten");
    node.put("10-pods.conflist", BRIDGE);
    ensure(&node.0).unwrap();
    node.put("10-pods.conflist", BRIDGE);
    assert!(matches!(check(&node.0), Err(InstallerError::Absent(_))));
    ensure(&node.0).unwrap();
    check(&node.0).unwrap();
    remove(&node.0).unwrap();
    assert_eq!(node.types("10-pods.conflist"), ["bridge"]);
    assert!(!node.0.binaries.join(TYPE).exists());
    remove(&node.0).unwrap();
}

#[test]
fn what_cannot_be_chained_is_named_and_left_alone() {
    let node = Node::new("single");
    let error = ensure(&node.0).unwrap_err().to_string();
    assert!(error.contains("has no network yet"), "{error}");
    for (name, text, said) in [
        ("20-a.conflist", "[]", "it is no object"),
        ("15-b.conflist", r#"{"plugins": []}"#, "it lists no plugins"),
        ("10-c.conf", r#"{"type": "bridge"}"#, "a single plugin"),
    ] {
        node.put(name, text);
        let error = ensure(&node.0).unwrap_err().to_string();
        assert!(error.contains(said) && error.contains(name), "{error}");
        let kept = fs::read_to_string(node.0.networks.join(name)).unwrap();
        assert_eq!(kept, text);
    }
}
