//! Pods as network namespaces on one bridge, with real redirects and the real program as their proxy.
//! Needs root, `ip`, `iptables`, `nsenter` and `setpriv`.

use std::fs::File;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::os::fd::AsFd;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::certificates::write_identity;
use crate::client;
use crate::control::{ControlPlane, Doors};
use crate::wire::{Ends, Trouble, Wire};

/// Whose traffic the redirect leaves alone.
const PROXY_USER: u32 = 2102;

/// The bridge that a node's pods are on; all of it is gone when this is dropped.
pub struct Node {
    name: String,
    subnet: u8,
}

impl Node {
    /// `name` is short, for interfaces carry it too; `subnet` tells nodes of one machine apart.
    pub fn new(name: &str, subnet: u8) -> Self {
        let node = Self {
            name: format!("tk-{name}"),
            subnet,
        };
        let space = &node.name;
        new_space(space);
        ip(&format!("-n {space} link add bridge0 type bridge"));
        let gateway = node.gateway();
        ip(&format!("-n {space} address add {gateway}/24 dev bridge0"));
        ip(&format!("-n {space} link set bridge0 up"));
        ip(&format!("-n {space} link set lo up"));
        node
    }

    fn gateway(&self) -> Ipv4Addr {
        Ipv4Addr::new(10, 210, self.subnet, 1)
    }

    /// A pod with the address that ends in `number`; its traffic is not redirected yet.
    pub fn pod(&self, number: u8) -> Pod {
        let space = format!("{}-{number}", self.name);
        let ip_address = Ipv4Addr::new(10, 210, self.subnet, number);
        new_space(&space);
        let node = &self.name;
        ip(&format!(
            "-n {space} link add eth0 type veth peer name pod{number} netns {node}"
        ));
        ip(&format!("-n {node} link set pod{number} master bridge0 up"));
        ip(&format!("-n {space} address add {ip_address}/24 dev eth0"));
        ip(&format!("-n {space} link set eth0 up"));
        ip(&format!("-n {space} link set lo up"));
        ip(&format!(
            "-n {space} route add default via {}",
            self.gateway()
        ));
        Pod {
            space,
            ip: ip_address,
        }
    }

    /// A pod whose only link has this trouble.
    pub fn pod_on_wire(&self, number: u8, trouble: Trouble) -> (Pod, Wire) {
        let (space, node) = (format!("{}-{number}", self.name), &self.name);
        let ip_address = Ipv4Addr::new(10, 211, self.subnet, number);
        new_space(&space);
        let pod = Pod {
            space: space.clone(),
            ip: ip_address,
        };
        let ends = Ends {
            pod: "eth0".to_string(),
            node: format!("wire{number}"),
        };
        let wire = Wire::start(ends, pod.entrance(), entrance(node), trouble);
        ip(&format!("-n {space} address add {ip_address}/32 dev eth0"));
        ip(&format!("-n {space} route add default dev eth0"));
        ip(&format!("-n {space} link set lo up"));
        ip(&format!(
            "-n {node} route add {ip_address}/32 dev wire{number}"
        ));
        let forward = [
            "netns",
            "exec",
            node,
            "sysctl",
            "-qw",
            "net.ipv4.ip_forward=1",
        ];
        run(Command::new("ip").args(forward));
        (pod, wire)
    }

    /// Resets this share of the packets that go to `port` of another pod over a wire.
    pub fn reset(&self, port: u16, share: f64) {
        let rule = format!(
            "-A FORWARD -p tcp --dport {port} -m statistic --mode random --probability {share} \
             -j REJECT --reject-with tcp-reset"
        );
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.name, "iptables", "-w"]);
        run(command.args(rule.split_whitespace()));
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        ip(&format!("netns delete {}", self.name));
    }
}

pub struct Pod {
    space: String,
    pub ip: Ipv4Addr,
}

impl Pod {
    /// Runs on a thread of this pod; sockets stay where they were made.
    pub fn within<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        let enter = self.entrance();
        std::thread::scope(|scope| {
            let inside = || {
                enter();
                work()
            };
            scope.spawn(inside).join().expect("it does not panic")
        })
    }

    /// Runs a future on a thread of this pod, with a runtime of its own.
    pub async fn run<T, F>(&self, work: impl FnOnce() -> F + Send + 'static) -> T
    where
        T: Send + 'static,
        F: Future<Output = T>,
    {
        let enter = self.entrance();
        let (done, result) = tokio::sync::oneshot::channel();
        std::thread::spawn(move || {
            enter();
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            let runtime = runtime.expect("a thread can be started");
            let _ = done.send(runtime.block_on(work()));
        });
        result.await.expect("it does not panic")
    }

    /// The thread that calls it is in this pod from then on.
    pub fn entrance(&self) -> impl FnOnce() + Send + 'static {
        entrance(&self.space)
    }

    /// A listener of the pod, to be served by whoever asks.
    pub fn listener(&self, address: SocketAddr) -> TcpListener {
        self.within(|| {
            let listener = TcpListener::bind(address).expect("the port is free in a new pod");
            listener.set_nonblocking(true).expect("it is a socket");
            listener
        })
    }

    /// The application's port, on all of the pod's addresses.
    pub fn application(&self, port: u16) -> TcpListener {
        self.listener(SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)))
    }

    pub fn address(&self, port: u16) -> SocketAddr {
        SocketAddr::new(IpAddr::V4(self.ip), port)
    }

    /// As the init program does it: all TCP, save the proxy's own, loopback's and the admin ports'.
    pub fn redirect(&self) {
        for line in [
            "-A PREROUTING -p tcp -m multiport --dports 4190,4191 -j RETURN",
            "-A PREROUTING -p tcp -j REDIRECT --to-port 4143",
            &format!("-A OUTPUT -m owner --uid-owner {PROXY_USER} -j RETURN"),
            "-A OUTPUT -o lo -j RETURN",
            "-A OUTPUT -p tcp -j REDIRECT --to-port 4140",
        ] {
            self.iptables(&format!("-t nat {line}"));
        }
    }

    pub fn iptables(&self, rule: &str) {
        let mut command = self.command("iptables");
        run(command.arg("-w").args(rule.split(' ')));
    }

    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        command.arg(format!("--net=/run/netns/{}", self.space));
        command.arg(program);
        command
    }
}

impl Drop for Pod {
    fn drop(&mut self) {
        ip(&format!("netns delete {}", self.space));
    }
}

/// A program that is this pod's proxy: ours, or any that takes the same variables.
pub struct PodProxy {
    child: Child,
    directory: PathBuf,
    pub admin: SocketAddr,
    pub name: String,
    _doors: Doors,
}

/// Where a proxy in a pod may listen: all of its fixed ports are free there.
const LISTEN: [(&str, &str); 4] = [
    ("INBOUND_LISTEN_ADDR", "0.0.0.0:4143"),
    ("OUTBOUND_LISTEN_ADDR", "127.0.0.1:4140"),
    ("ADMIN_LISTEN_ADDR", "0.0.0.0:4191"),
    ("CONTROL_LISTEN_ADDR", "0.0.0.0:4190"),
];

impl PodProxy {
    /// Started and certified; `variables` are without their prefix.
    pub async fn start(
        plane: &ControlPlane,
        pod: &Pod,
        program: &Path,
        name: &str,
        variables: &[(&str, &str)],
    ) -> Self {
        let directory = std::env::temp_dir().join(format!("tulle-{}", pod.space));
        let _ = std::fs::remove_dir_all(&directory);
        std::fs::create_dir_all(&directory).expect("the temporary directory is ours");
        write_identity(&directory, name).expect("it can be written");
        std::fs::write(directory.join("token"), "a token").expect("it can be written");
        // Where cargo builds, another user may not be able to look.
        std::fs::copy(program, directory.join("proxy")).expect("the program is built");
        for file in ["", "key.p8", "csr.der", "token"] {
            chown(directory.join(file), Some(PROXY_USER), Some(PROXY_USER)).expect("we are root");
        }
        let loopback = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let doors = plane.doors(|| pod.listener(loopback));
        let log = File::create(directory.join("log")).expect("it can be written");
        let mut command = pod.command("setpriv");
        let user = PROXY_USER.to_string();
        command
            .args(["--reuid", &user, "--regid", &user, "--clear-groups"])
            .arg(directory.join("proxy"))
            .env_clear()
            .envs(plane.environment_by(&doors, name, &directory))
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a file can be shared"))
            .stderr(log);
        let ip = pod.ip.to_string();
        command.env("LINKERD2_PROXY_INBOUND_IPS", ip);
        for (key, value) in LISTEN.iter().chain(variables) {
            command.env(format!("LINKERD2_PROXY_{key}"), value);
        }
        let proxy = Self {
            child: command.spawn().expect("the program is there"),
            directory,
            admin: pod.address(4191),
            name: name.to_string(),
            _doors: doors,
        };
        let admin = proxy.admin;
        client::until(&format!("{name} is ready"), async || {
            let ready = pod.run(move || client::get(admin, "/ready")).await;
            ready.is_ok_and(|r| r.status == 200).then_some(())
        })
        .await;
        proxy
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits until a line of the metrics begins with `name`, has all of `labels`, and gives its value.
    pub async fn metric(&self, pod: &Pod, name: &str, labels: &[&str]) -> f64 {
        let admin = self.admin;
        let seen = client::until_metric(name, labels, async || {
            let answer = pod.run(move || client::get(admin, "/metrics")).await;
            answer.map(|a| a.body).unwrap_or_default()
        });
        seen.await
    }

    /// Asked to end, as the kubelet does it, and gone.
    pub async fn end(mut self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("it runs");
        client::until(&format!("{} has ended", self.name), async || {
            self.child.try_wait().expect("it is our child")
        })
        .await;
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.directory.join("log")).unwrap_or_default()
    }
}

impl Drop for PodProxy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

/// Leads the thread that calls it into that namespace.
fn entrance(space: &str) -> impl FnOnce() + Send + 'static {
    let path = Path::new("/run/netns").join(space);
    let file = File::open(path).expect("the namespace is there");
    move || {
        move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network))
            .expect("root may enter it");
    }
}

/// A killed run leaves its namespace behind.
fn new_space(space: &str) {
    let _ = Command::new("ip")
        .args(["netns", "delete", space])
        .stderr(Stdio::null())
        .status();
    ip(&format!("netns add {space}"));
}

fn ip(line: &str) {
    run(Command::new("ip").args(line.split(' ')));
}

fn run(command: &mut Command) {
    let output = command.output().expect("the program is installed");
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {complaint}");
}
