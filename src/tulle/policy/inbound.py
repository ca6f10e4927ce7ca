"""What WatchPort answers: the policy of one port of one pod. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass

from tulle.index.cluster import Cluster, pod_port_is_opaque
from tulle.index.index import Reader
from tulle.index.pods import Pod
from tulle.index.policies import NetworkMatch, RateLimit, Server
from tulle.policy import inbound_messages as messages
from tulle.policy.authorize import (
    DEFAULT_POLICIES,
    POLICY_GROUP,
    Authorization,
    default_authorizations,
    route_authorizations,
    server_authorizations,
)
from tulle.policy.inbound_messages import ServerRoute
from tulle.routes import Route

INBOUND_ROUTES = ("HTTPRoute", "GatewayHTTPRoute")


@dataclass(frozen=True, slots=True)
class PortView:
    """One question; called with a reader it gives the encoded answer, None for no such pod."""

    cluster: Cluster
    namespace: str
    pod: str
    port: int

    def __call__(self, reader: Reader) -> bytes | None:
        pod = reader.pod(self.namespace, self.pod)
        if pod is None:
            return None
        server = self._server(reader, pod)
        if server is None:
            return self._by_default(reader, pod)
        return self._by_server(reader, pod, server)

    def _server(self, reader: Reader, pod: Pod) -> Server | None:
        """Of several that select the port, which admission should have refused, the oldest."""
        found = [
            server
            for server in reader.in_namespace("Server", self.namespace)
            if server.pods is not None
            if server.port == self.port
            or (isinstance(server.port, str) and pod.is_named(server.port, self.port))
            if server.pods.selects(pod.labels)
        ]
        return min(found, key=lambda server: (server.created, server.name), default=None)

    def _default_policy(self, reader: Reader, pod: Pod) -> str:
        """A pod's comes before its namespace's before the installation's; invalid ones are not."""
        above = reader.namespace(self.namespace)
        for policy in (pod.default_policy, above.default_policy if above else None):
            if policy in DEFAULT_POLICIES:
                return str(policy)
        return self.cluster.default_policy

    def _by_default(self, reader: Reader, pod: Pod) -> bytes:
        policy = self._default_policy(reader, pod)
        needed = pod.require_identity_ports
        authorizations = default_authorizations(
            self.cluster, policy, needs_identity=needed is not None and self.port in needed
        )
        opaque = pod_port_is_opaque(self.cluster, reader, pod, self.port)
        return messages.server(
            messages.Port(
                reference=("", "default", policy),
                protocol="opaque" if opaque else "unknown",
                authorizations=authorizations,
                routes=self._default_routes(pod),
            )
        )

    def _by_server(self, reader: Reader, pod: Pod, server: Server) -> bytes:
        attached = list(self._attached(reader, INBOUND_ROUTES, server))
        return messages.server(
            messages.Port(
                reference=(POLICY_GROUP, "server", server.name),
                protocol=server.protocol,
                authorizations=server_authorizations(self.cluster, reader, server),
                routes=attached or self._default_routes(pod),
                grpc_routes=list(self._attached(reader, ("GRPCRoute",), server))
                or [ServerRoute(None, "default")],
                limit=self._limit(reader, server),
            )
        )

    def _attached(
        self, reader: Reader, kinds: tuple[str, ...], server: Server
    ) -> Iterable[ServerRoute]:
        found: list[Route] = [
            route
            for kind in kinds
            for route in reader.in_namespace(kind, self.namespace)
            if any(
                (parent.group, parent.kind, parent.name) == (POLICY_GROUP, "Server", server.name)
                for parent in route.parents
            )
        ]
        for route in sorted(found, key=Route.order):
            authorizations = route_authorizations(self.cluster, reader, route)
            yield ServerRoute(route, route.name, tuple(authorizations))

    def _default_routes(self, pod: Pod) -> list[ServerRoute]:
        """Everything, by the port's authorizations; the kubelet's probes, by their networks."""
        routes = [ServerRoute(None, "default")]
        paths = tuple(path for port, path in pod.probes if port == self.port)
        if paths and self.cluster.probe_networks:
            networks = tuple(NetworkMatch(network) for network in self.cluster.probe_networks)
            probe = Authorization("default", "probe", networks, "unauthenticated")
            routes.append(ServerRoute(None, "probe", (probe,), paths))
        return routes

    def _limit(self, reader: Reader, server: Server) -> messages.Limit | None:
        """Of several the oldest counts."""
        items: list[RateLimit] = reader.in_namespace("RateLimit", self.namespace)
        found = [item for item in items if item.server == server.name]
        limit = min(found, key=lambda item: (item.created, item.name), default=None)
        if limit is None:
            return None
        overrides = tuple(
            (rate, tuple(self.cluster.identity(name, ns) for ns, name in clients))
            for rate, clients in limit.overrides
        )
        return messages.Limit(limit.name, limit.total, limit.identity, overrides)
