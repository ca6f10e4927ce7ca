"""What is known of the cluster, found by what the rooms above ask for; each look-up is noted.

[Service] <- [Slice] -> [Pod] <- [Server] <- [ServerAuthorization | AuthorizationPolicy | RateLimit]
    ^------- [Route] ---------------^            [Pod], [Service] and host addresses, by address
"""

from collections.abc import Callable, Iterable
from typing import Any

from tulle.index.objects import Namespace, Node, Service, Slice
from tulle.index.pods import Pod
from tulle.k8s.store import Change, Store

Topic = tuple[str, ...]

# Kinds that are looked up namespace by namespace, for they are few and change seldom.
BY_NAMESPACE = (
    "Server",
    "ServerAuthorization",
    "AuthorizationPolicy",
    "RateLimit",
    "EgressNetwork",
    "HTTPRoute",
    "GatewayHTTPRoute",
    "GRPCRoute",
    "TLSRoute",
    "TCPRoute",
    "TrafficSplit",
)
# Kinds that are looked up by their name.
BY_NAME = (
    "Namespace",
    "Node",
    "Service",
    "Pod",
    "MeshTLSAuthentication",
    "NetworkAuthentication",
    "ServiceProfile",
    "HTTPRouteGroup",
)


class Index:
    """Look-ups over the store, and which topics a change touches."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._groups: dict[Topic, dict[tuple[str, str], Any]] = {}
        self._listeners: list[Callable[[Topic], None]] = []
        for kind in (*BY_NAMESPACE, *BY_NAME, "EndpointSlice"):
            store.listen(kind, self._changed)

    def listen(self, listener: Callable[[Topic], None]) -> None:
        self._listeners.append(listener)

    def group(self, topic: Topic) -> dict[tuple[str, str], Any]:
        return self._groups.get(topic, {})

    def _changed(self, change: Change) -> None:
        before = set(groups_of(change.kind, change.old)) if change.old is not None else set()
        after = set(groups_of(change.kind, change.new)) if change.new is not None else set()
        for topic in before - after:
            members = self._groups[topic]
            del members[change.key]
            if not members:
                del self._groups[topic]
        for topic in after:
            self._groups.setdefault(topic, {})[change.key] = change.new
        touched = before | after
        if change.kind in BY_NAME:
            touched.add((change.kind, *change.key))
        for topic in touched:
            for listener in self._listeners:
                listener(topic)


def groups_of(kind: str, item: Any) -> Iterable[Topic]:
    """Under which topics an object is found, other than by its own name."""
    match item:
        case Slice():
            return [("Slices", item.namespace, item.service)]
        case Service():
            return [("ServiceAddress", address) for address in item.cluster_ips]
        case Pod():
            return _pod_groups(item)
        case Node():
            return [("NodeAddress", address) for address in item.addresses]
    return [(kind, item.namespace)] if kind in BY_NAMESPACE else []


def _pod_groups(item: Pod) -> Iterable[Topic]:
    if item.has_ended:
        return
    if not item.on_host_network:
        for address in item.addresses:
            yield ("PodAddress", address)
    for address in item.host_addresses:
        for host_port, _ in item.host_ports:
            yield ("HostPort", address, str(host_port))


class Reader:
    """Look-ups of one computation. `topics` is what its result rests on."""

    def __init__(self, index: Index) -> None:
        self._index = index
        self.topics: set[Topic] = set()

    def named(self, kind: str, namespace: str, name: str) -> Any:
        self.topics.add((kind, namespace, name))
        return self._index.store.get(kind, namespace, name)

    def _group(self, *topic: str) -> Iterable[Any]:
        self.topics.add(topic)
        return self._index.group(topic).values()

    def namespace(self, name: str) -> Namespace | None:
        found: Namespace | None = self.named("Namespace", "", name)
        return found

    def zone(self, node: str) -> str:
        if not node:
            return ""
        found: Node | None = self.named("Node", "", node)
        return found.zone if found else ""

    def service(self, namespace: str, name: str) -> Service | None:
        found: Service | None = self.named("Service", namespace, name)
        return found

    def service_at(self, address: str) -> Service | None:
        return next(iter(self._group("ServiceAddress", address)), None)

    def slices(self, service: Service) -> list[Slice]:
        return list(self._group("Slices", service.namespace, service.name))

    def pod(self, namespace: str, name: str) -> Pod | None:
        found: Pod | None = self.named("Pod", namespace, name)
        return found

    def pod_at(self, address: str) -> Pod | None:
        """The pod whose own address this is; of several (one is going) the newest to come."""
        found = list(self._group("PodAddress", address))
        return found[-1] if found else None

    def pod_behind(self, address: str, host_port: int) -> Pod | None:
        """The pod that a port of a node leads to."""
        return next(iter(self._group("HostPort", address, str(host_port))), None)

    def pods_in(self, namespace: str) -> list[Pod]:
        """For a single look: no topic tells of another pod, so no view may rest on this."""
        pods = self._index.store.all("Pod").values()
        return [pod for pod in pods if pod.namespace == namespace and not pod.has_ended]

    def in_namespace(self, kind: str, namespace: str) -> list[Any]:
        return list(self._group(kind, namespace))
