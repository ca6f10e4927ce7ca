"""What can be tapped, and the URL that stands for it: RBAC sees a tap as that URL. Pure."""

from dataclasses import dataclass
from urllib.parse import quote, unquote

from tulle import names

# Kind: the plural that the URL has.
PLURALS = {
    "cronjob": "cronjobs",
    "daemonset": "daemonsets",
    "deployment": "deployments",
    "job": "jobs",
    "namespace": "namespaces",
    "pod": "pods",
    "replicaset": "replicasets",
    "replicationcontroller": "replicationcontrollers",
    "statefulset": "statefulsets",
}
KINDS = {plural: kind for kind, plural in PLURALS.items()}
WATCH_PREFIX = f"/apis/{names.TAP_GROUP}/{names.TAP_VERSION}/watch/namespaces/"


@dataclass(frozen=True, slots=True)
class Target:
    """`name` is empty where every object of the kind is meant."""

    namespace: str
    kind: str
    name: str = ""

    def __str__(self) -> str:
        if self.kind == "namespace":
            return f"namespace/{self.namespace}"
        return f"{self.kind}/{self.name}" if self.name else PLURALS[self.kind]

    @property
    def path(self) -> str:
        namespace = f"{WATCH_PREFIX}{quote(self.namespace, safe='')}"
        if self.kind == "namespace":
            return f"{namespace}/tap"
        return f"{namespace}/{PLURALS[self.kind]}/{quote(self.name, safe='')}/tap"


def target_of(path: str) -> Target | None:
    """The target of a URL's path; None if it is none of ours."""
    if not path.startswith(WATCH_PREFIX):
        return None
    match [unquote(part) for part in path.removeprefix(WATCH_PREFIX).split("/")]:
        case [namespace, "tap"] if namespace:
            return Target(namespace, "namespace", namespace)
        case [namespace, plural, name, "tap"] if namespace and plural in KINDS:
            kind = KINDS[plural]
            return None if kind == "namespace" else Target(namespace, kind, name)
        case _:
            return None
