"""What of Helm's rendering and the command line's has to be equal, and values to try."""

import copy
import difflib
import json

import yaml

DRAWN = ("--kube-version", "1.34.0")  # without a cluster, Helm supposes an ancient one
YAML_TEXTS = ("values", "prometheus.yml", "rules.yml")
HOOK = "helm.sh/hook"


def keyed(objects):
    """By what names an object: none may stand there twice."""
    found = {}
    for item in objects:
        metadata = item["metadata"]
        key = f"{item['kind']} {metadata.get('namespace', '')}/{metadata['name']}"
        assert key not in found, f"{key} twice"
        found[key] = comparable(item)
    return found


def both(helms, ours):
    """The same by Helm and by the command line, without Namespace and hook."""
    ours = [item for item in ours if item["kind"] != "Namespace"]
    return keyed(item for item in helms if not is_hook(item)), keyed(ours)


def assert_same(helms, ours):
    """Says of each object that is not the same in which lines."""
    texts = [json.dumps(items, indent=1, sort_keys=True).splitlines() for items in (helms, ours)]
    different = difflib.unified_diff(*texts, "by Helm", "by tulle", n=8, lineterm="")
    shown = "\n".join(different)
    assert not shown, shown


def is_hook(item):
    return HOOK in item["metadata"].get("annotations", {})


def comparable(item):
    """Without what is new at each rendering, and with texts of YAML as what they say."""
    item = copy.deepcopy(item)
    if item["kind"] == "ConfigMap":
        item["data"] = {
            key: yaml.safe_load(text) if key in YAML_TEXTS else text
            for key, text in item["data"].items()
        }
    if item["kind"] == "Secret" and item["type"] == "kubernetes.io/tls":
        item["data"] = sorted(item["data"])
    if item["kind"] == "APIService":
        item["spec"]["caBundle"] = bool(item["spec"]["caBundle"])
    for hook in item.get("webhooks", []):
        if "caBundle" in hook["clientConfig"]:
            hook["clientConfig"]["caBundle"] = bool(hook["clientConfig"]["caBundle"])
    if item["kind"] == "Deployment":
        annotations = item["spec"]["template"]["metadata"]["annotations"]
        if "checksum/config" in annotations:
            annotations["checksum/config"] = len(annotations["checksum/config"])
    return item


def tree(path, value):
    """The values in which one key is set."""
    found = value
    for part in reversed(path.split(".")):
        found = {part: found}
    return found


def another(default):
    """A value of the same kind that is not the default."""
    if isinstance(default, bool):
        return not default
    if isinstance(default, int):
        return default + 7
    if isinstance(default, list):
        return ["one", "two"]
    if isinstance(default, dict):
        return {**default, "example.com/one": "two", "three": "4"}
    return "another"


def merge(into, more):
    """`into`, with `more` laid over it."""
    more = copy.deepcopy(more)
    for key, value in more.items():
        if isinstance(value, dict) and isinstance(into.get(key), dict):
            merge(into[key], value)
        else:
            into[key] = value
    return into
