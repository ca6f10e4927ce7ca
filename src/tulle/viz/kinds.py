"""The kinds that viz knows: where the API serves them and by which metric label they are found."""

from dataclasses import dataclass

from tulle.workload import metric_label


@dataclass(frozen=True, slots=True)
class Kind:
    name: str
    root: str  # of the API: group and version
    plural: str

    @property
    def label(self) -> str:
        """On the proxy's series; with `dst_` before it, on those of its clients."""
        return metric_label(self.name)

    def path(self, namespace: str) -> str:
        """The collection; of all namespaces when none is given."""
        if self.name == "namespace" or not namespace:
            return f"{self.root}/{self.plural}"
        return f"{self.root}/namespaces/{namespace}/{self.plural}"


KINDS = {
    kind.name: kind
    for kind in (
        Kind("cronjob", "/apis/batch/v1", "cronjobs"),
        Kind("daemonset", "/apis/apps/v1", "daemonsets"),
        Kind("deployment", "/apis/apps/v1", "deployments"),
        Kind("job", "/apis/batch/v1", "jobs"),
        Kind("namespace", "/api/v1", "namespaces"),
        Kind("pod", "/api/v1", "pods"),
        Kind("replicaset", "/apis/apps/v1", "replicasets"),
        Kind("replicationcontroller", "/api/v1", "replicationcontrollers"),
        Kind("service", "/api/v1", "services"),
        Kind("statefulset", "/apis/apps/v1", "statefulsets"),
        Kind("trafficsplit", "/apis/split.smi-spec.io/v1alpha4", "trafficsplits"),
    )
}

# Those whose pods send requests, so that traffic can come from them.
SENDERS = frozenset(KINDS) - {"service", "trafficsplit"}
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
        if self.namespace:
            found[f"{prefix}namespace"] = self.namespace
        return found
