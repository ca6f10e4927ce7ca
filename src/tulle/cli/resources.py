"""The words by which a user names Kubernetes objects, and the pods that they stand for."""

from dataclasses import dataclass
from typing import Any

from tulle.cli.target import Failure
from tulle.k8s.client import Client, NotFound

Json = dict[str, Any]

# Kind: its plural, and the short names.
KINDS: dict[str, tuple[str, tuple[str, ...]]] = {
    "authorizationpolicy": ("authorizationpolicies", ("ap", "authzpolicy")),
    "cronjob": ("cronjobs", ("cj",)),
    "daemonset": ("daemonsets", ("ds",)),
    "deployment": ("deployments", ("deploy",)),
    "httproute": ("httproutes", ()),
    "job": ("jobs", ()),
    "link": ("links", ("ln",)),
    "meshtlsauthentication": ("meshtlsauthentications", ("meshtlsauthn",)),
    "namespace": ("namespaces", ("ns",)),
    "networkauthentication": ("networkauthentications", ("netauthn", "networkauthn")),
    "pod": ("pods", ("po",)),
    "replicaset": ("replicasets", ("rs",)),
    "replicationcontroller": ("replicationcontrollers", ("rc",)),
    "server": ("servers", ("srv",)),
    "serverauthorization": ("serverauthorizations", ("saz", "serverauthz", "srvauthz")),
    "service": ("services", ("svc",)),
    "serviceprofile": ("serviceprofiles", ("sp",)),
    "statefulset": ("statefulsets", ("sts",)),
    "trafficsplit": ("trafficsplits", ("ts",)),
}
NAMES = {
    word: kind for kind, (plural, short) in KINDS.items() for word in (kind, plural, *short)
} | {"all": "all"}

# Where the API serves each kind.
ROOTS = {
    "authorizationpolicy": "/apis/policy.linkerd.io/v1alpha1",
    "cronjob": "/apis/batch/v1",
    "daemonset": "/apis/apps/v1",
    "deployment": "/apis/apps/v1",
    "httproute": "/apis/policy.linkerd.io/v1beta3",
    "job": "/apis/batch/v1",
    "link": "/apis/multicluster.linkerd.io/v1alpha3",
    "meshtlsauthentication": "/apis/policy.linkerd.io/v1alpha1",
    "namespace": "/api/v1",
    "networkauthentication": "/apis/policy.linkerd.io/v1alpha1",
    "pod": "/api/v1",
    "replicaset": "/apis/apps/v1",
    "replicationcontroller": "/api/v1",
    "server": "/apis/policy.linkerd.io/v1beta3",
    "serverauthorization": "/apis/policy.linkerd.io/v1beta1",
    "service": "/api/v1",
    "serviceprofile": "/apis/linkerd.io/v1alpha2",
    "statefulset": "/apis/apps/v1",
    "trafficsplit": "/apis/split.smi-spec.io/v1alpha4",
}
SELECTING = frozenset(
    {
        "daemonset", "deployment", "job", "replicaset", "replicationcontroller", "service",
        "statefulset",
    }
)  # fmt: skip


def path_of(kind: str, namespace: str) -> str:
    """The collection of a kind."""
    within = "" if kind == "namespace" else f"/namespaces/{namespace}"
    return f"{ROOTS[kind]}{within}/{KINDS[kind][0]}"


@dataclass(frozen=True, slots=True)
class Resource:
    """`name` is empty where all of the kind are meant."""

    kind: str
    name: str = ""

    def __str__(self) -> str:
        return f"{self.kind}/{self.name}" if self.name else self.kind


def kind_of(word: str) -> str:
    kind = NAMES.get(word)
    if kind is None:
        raise Failure(f"there is no kind of object called {word!r}; known are {', '.join(KINDS)}")
    return kind


def resources(words: tuple[str, ...]) -> list[Resource]:
    """TYPE, TYPE/NAME, TYPE NAME…, or several TYPE/NAME."""
    if not words:
        raise Failure("name an object, such as deployment/web")
    if "/" not in words[0]:
        kind, named = kind_of(words[0]), words[1:]
        if any("/" in name for name in named):
            raise Failure(
                f"{' '.join(words)}: give either one kind and names, or kind/name for each"
            )
        found = [Resource(kind, name) for name in named] or [Resource(kind)]
    else:
        found = [_slashed(word) for word in words]
    if len(found) > 1 and any(item.kind == "all" for item in found):
        raise Failure("all stands for every kind, so it stands alone")
    if len(set(found)) < len(found):
        raise Failure(f"{' '.join(words)}: an object is named twice")
    return found


def _slashed(word: str) -> Resource:
    kind, slash, name = word.partition("/")
    if not slash or not name or "/" in name:
        raise Failure(f"{word!r} does not name an object; write it as kind/name")
    return Resource(kind_of(kind), name)


async def pods_of(client: Client, resource: Resource, namespace: str) -> list[Json]:
    """The pods that a resource stands for."""
    pods = f"/api/v1/namespaces/{namespace}/pods"
    if resource.kind == "namespace":
        return await client.list(f"/api/v1/namespaces/{resource.name or namespace}/pods")
    if resource.kind == "pod":
        if not resource.name:
            return await client.list(pods)
        return [await _existing(client, f"{pods}/{resource.name}", resource, namespace)]
    if resource.kind not in SELECTING or not resource.name:
        raise Failure(f"{resource} does not stand for pods; name a workload, such as deploy/web")
    path = f"{path_of(resource.kind, namespace)}/{resource.name}"
    item = await _existing(client, path, resource, namespace)
    return await client.list(pods, labelSelector=_selector(item))


async def _existing(client: Client, path: str, resource: Resource, namespace: str) -> Json:
    try:
        return await client.get(path)
    except NotFound as error:
        raise Failure(f"{resource} does not exist in the namespace {namespace}") from error


def _selector(item: Json) -> str:
    """A workload's selector, as the API takes it in a query."""
    selector = item["spec"].get("selector") or {}
    is_plain = item.get("kind") in ("Service", "ReplicationController")
    labels = selector if is_plain else selector.get("matchLabels") or {}
    parts = [f"{key}={value}" for key, value in labels.items()]
    words = {"In": "in", "NotIn": "notin"}
    for expression in [] if is_plain else selector.get("matchExpressions") or []:
        key, operator = expression["key"], expression["operator"]
        if operator in words:
            parts.append(f"{key} {words[operator]} ({','.join(expression['values'])})")
        else:
            parts.append(key if operator == "Exists" else f"!{key}")
    return ",".join(parts)
