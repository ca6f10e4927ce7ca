"""The kinds that viz knows: where the API serves them and by which metric label they are found."""

from dataclasses import dataclass

from tulle.workload import metric_label

# Kinds of policy: the label of a server's proxy that names the object, and the label and value that
# tell its kind from others.
POLICY = {
    "authorizationpolicy": ("authz_name", "authz_kind", "authorizationpolicy"),
    "httproute": ("route_name", "route_kind", "HTTPRoute"),
    "server": ("srv_name", "srv_kind", "server"),
    "serverauthorization": ("authz_name", "authz_kind", "serverauthorization"),
}


@dataclass(frozen=True, slots=True)
class Kind:
    name: str
    root: str  # of the API: group and version
    plural: str
    other_root: str = ""  # where a kind is known to two groups

    @property
    def label(self) -> str:
        """On the proxy's series; with `dst_` before it, on those of its clients."""
        return POLICY[self.name][0] if self.name in POLICY else metric_label(self.name)

    @property
    def is_policy(self) -> bool:
        return self.name in POLICY

    def path(self, namespace: str) -> str:
        """The collection; of all namespaces when none is given."""
        return self._path(self.root, namespace)

    def paths(self, namespace: str) -> list[str]:
        """The same in each group that has the kind."""
        roots = [self.root, self.other_root] if self.other_root else [self.root]
        return [self._path(root, namespace) for root in roots]

    def _path(self, root: str, namespace: str) -> str:
        if self.name == "namespace" or not namespace:
            return f"{root}/{self.plural}"
        return f"{root}/namespaces/{namespace}/{self.plural}"


GROUP = "/apis/policy.linkerd.io"
KINDS = {
    kind.name: kind
    for kind in (
        Kind("authorizationpolicy", f"{GROUP}/v1alpha1", "authorizationpolicies"),
        Kind("cronjob", "/apis/batch/v1", "cronjobs"),
        Kind("daemonset", "/apis/apps/v1", "daemonsets"),
        Kind("deployment", "/apis/apps/v1", "deployments"),
        Kind("httproute", f"{GROUP}/v1beta3", "httproutes", "/apis/gateway.networking.k8s.io/v1"),
        Kind("job", "/apis/batch/v1", "jobs"),
        Kind("namespace", "/api/v1", "namespaces"),
        Kind("pod", "/api/v1", "pods"),
        Kind("replicaset", "/apis/apps/v1", "replicasets"),
        Kind("replicationcontroller", "/api/v1", "replicationcontrollers"),
        Kind("server", f"{GROUP}/v1beta3", "servers"),
        Kind("serverauthorization", f"{GROUP}/v1beta1", "serverauthorizations"),
        Kind("service", "/api/v1", "services"),
        Kind("statefulset", "/apis/apps/v1", "statefulsets"),
        Kind("trafficsplit", "/apis/split.smi-spec.io/v1alpha4", "trafficsplits"),
    )
}

# Those whose pods send requests, so that traffic can come from them.
SENDERS = frozenset(KINDS) - {"service", "trafficsplit", *POLICY}
# Those that own pods, or are one, or hold them: whose series carry their name.
EDGE_KINDS = SENDERS


@dataclass(frozen=True, slots=True)
class Resource:
    """`name` is empty where all of the kind are meant, `namespace` where all namespaces are."""

    kind: Kind
    namespace: str
    name: str = ""

    def labels(self, prefix: str = "") -> dict[str, str]:
        """What series of it carry. An empty value asks that the label be there."""
        if self.kind.name == "namespace":
            return {f"{prefix}namespace": self.name}
        found = {f"{prefix}{self.kind.label}": self.name}
        if self.kind.is_policy:
            _, label, value = POLICY[self.kind.name]
            found[label] = value
        if self.namespace:
            found[f"{prefix}namespace"] = self.namespace
        return found
