"""What OutboundPolicies answers: how a client's traffic to an address or a Service goes. Pure."""

from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address

from tulle.index.authority import AddressTarget, ServiceTarget
from tulle.index.cluster import Cluster, service_port_is_opaque
from tulle.index.index import Reader
from tulle.index.objects import Service
from tulle.index.policies import EgressNetwork
from tulle.index.splits import TrafficSplit, split_of
from tulle.policy import outbound_messages as messages
from tulle.policy import route_messages as common
from tulle.policy import settings
from tulle.policy.backends import (
    Share,
    forward,
    invalid,
    service_backend,
    service_metadata,
)
from tulle.proto import outbound_pb2 as pb
from tulle.routes import CORE_GROUP, POLICY_GROUP, Backend, Reference, Route

HTTP_KINDS = ("HTTPRoute", "GatewayHTTPRoute")
EGRESS_FALLBACK = "egress-fallback"

RoutesOf = Callable[..., list[Route]]
IpAddress = IPv4Address | IPv6Address


@dataclass(frozen=True, slots=True)
class OutboundView:
    """One question; called with a reader it gives the encoded answer, None for not found."""

    cluster: Cluster
    target: ServiceTarget | AddressTarget
    client_namespace: str

    def __call__(self, reader: Reader) -> bytes | None:
        target = self.target
        if isinstance(target, AddressTarget):
            return self._at_address(reader, target)
        service = reader.service(target.namespace, target.name)
        if service is None or service.is_external_name or target.hostname is not None:
            return None
        return self._of_service(reader, service)

    def _at_address(self, reader: Reader, target: AddressTarget) -> bytes | None:
        service = reader.service_at(target.address)
        if service is not None:
            return self._of_service(reader, service)
        # The profile tells of pods; a policy would hide what it says.
        if reader.pod_at(target.address) or reader.pod_behind(target.address, target.port):
            return None
        address = ip_address(target.address)
        if (network := self._egress_network(reader, target)) is not None:
            return self._of_egress(reader, network, target)
        if any(address in network for network in self.cluster.networks):
            return None
        return self._fallback(target)

    def _routes(self, reader: Reader, kinds: tuple[str, ...], parent: Reference) -> list[Route]:
        """Routes of the client's own namespace come before those of the Service's."""
        for namespace in dict.fromkeys((self.client_namespace, parent.namespace)):
            found = [
                route
                for kind in kinds
                for route in reader.in_namespace(kind, namespace)
                if any(_is_parent(entry, parent) for entry in route.parents)
            ]
            if found:
                return sorted(found, key=Route.order)
        return []

    def _of_service(self, reader: Reader, service: Service) -> bytes:
        number = self.target.port
        metadata = service_metadata(service.namespace, service.name, number)
        port = service.port(number)
        if port is None:
            return messages.refused(metadata)
        annotations = dict(service.settings)
        penalty = settings.penalty(annotations)
        is_opaque = service_port_is_opaque(self.cluster, reader, service, number)
        protocol = port.app_protocol or ("linkerd.io/opaque" if is_opaque else None)
        is_bytes = protocol not in (None, "http", "kubernetes.io/h2c")
        split = split_of(reader.in_namespace("TrafficSplit", service.namespace), service.name)
        parent = messages.Parent(
            metadata=metadata,
            backend=self._backend(
                service.namespace, service.name, number, None if is_bytes else penalty
            ),
            settings=annotations,
            share=lambda backend: self._share(reader, backend),
            accrual=settings.accrual(annotations),
            shares=self._split(reader, split, number),
            matches=self._split_matches(reader, split),
            allows_request_headers=self.cluster.allows_request_headers,
        )
        reference = Reference(CORE_GROUP, "Service", service.namespace, service.name, number)
        return messages.encoded(self._protocol(reader, parent, reference, protocol), metadata)

    def _protocol(
        self, reader: Reader, parent: messages.Parent, reference: Reference, protocol: str | None
    ) -> pb.ProxyProtocol:
        """The application protocol decides; without one, the routes that are attached."""

        def routes(*kinds: str) -> list[Route]:
            return self._routes(reader, kinds, reference)

        match protocol:
            case "http":
                return messages.http1(parent, routes(*HTTP_KINDS))
            case "kubernetes.io/h2c":
                if grpc := routes("GRPCRoute"):
                    return messages.grpc(parent, grpc)
                return messages.http2(parent, routes(*HTTP_KINDS))
            case None:
                return self._detected(parent, routes)
        return pb.ProxyProtocol(opaque=messages.opaque(parent, routes("TCPRoute")))

    @staticmethod
    def _detected(parent: messages.Parent, routes: RoutesOf) -> pb.ProxyProtocol:
        if grpc := routes("GRPCRoute"):
            return messages.grpc(parent, grpc)
        if http := routes(*HTTP_KINDS):
            return messages.detect(parent, http)
        if tls := routes("TLSRoute"):
            return messages.tls(parent, tls)
        if tcp := routes("TCPRoute"):
            return pb.ProxyProtocol(opaque=messages.opaque(parent, tcp))
        return messages.detect(parent, [])

    def _backend(
        self, namespace: str, name: str, port: int, penalty: settings.Penalty | None
    ) -> pb.Backend:
        authority = f"{self.cluster.service_name(name, namespace)}:{port}"
        return service_backend(namespace, name, port, authority=authority, penalty=penalty)

    def _share(self, reader: Reader, backend: Backend) -> Share | None:
        target = backend.target
        if (target.group, target.kind) == (POLICY_GROUP, "EgressNetwork"):
            return self._egress_share(reader, backend)
        if target.kind != "Service" or target.group != CORE_GROUP:
            metadata = common.resource(target.group, target.kind, target.name)
            return invalid(metadata, backend.weight, f"{target.kind} is no kind of backend")
        metadata = service_metadata(target.namespace, target.name, target.port or 0)
        service = reader.service(target.namespace, target.name)
        if service is None or service.is_external_name:
            return invalid(metadata, backend.weight, f"Service not found {target.name}")
        if target.port is None:
            return invalid(metadata, backend.weight, f"no port is given for {target.name}")
        penalty = settings.penalty(dict(service.settings))
        made = self._backend(target.namespace, target.name, target.port, penalty)
        return Share(made, backend.weight, backend.filters)

    def _split(self, reader: Reader, split: TrafficSplit | None, port: int) -> tuple[Share, ...]:
        if split is None:
            return ()
        leaves = (
            Backend(Reference(CORE_GROUP, "Service", split.namespace, leaf, port), weight, ())
            for leaf, weight in split.leaves
        )
        shares = (self._share(reader, leaf) for leaf in leaves)
        return tuple(share for share in shares if share is not None)

    @staticmethod
    def _split_matches(reader: Reader, split: TrafficSplit | None) -> messages.Matches:
        """None: the split holds for all requests. A group that is not there holds for none."""
        if split is None or not split.groups:
            return None
        named = (reader.named("HTTPRouteGroup", split.namespace, name) for name in split.groups)
        return tuple(match for group in named if group is not None for match in group.matches)

    def _egress_network(self, reader: Reader, target: AddressTarget) -> EgressNetwork | None:
        """The client's namespace before the global one; the narrowest, then the oldest."""
        address = ip_address(target.address)
        for namespace in dict.fromkeys(
            (self.client_namespace, self.cluster.global_egress_namespace)
        ):
            networks: list[EgressNetwork] = reader.in_namespace("EgressNetwork", namespace)
            found = [
                (-width, network.created, network.name, network)
                for network in networks
                if (width := self._width(network, address)) is not None
            ]
            if found:
                return min(found)[3]
        return None

    def _width(self, network: EgressNetwork, address: IpAddress) -> int | None:
        """The prefix length by which a network holds an address; None: it does not."""
        if not network.networks:
            inside = any(address in entry for entry in self.cluster.networks)
            return None if inside else 0
        widths = [
            entry.network.prefixlen
            for entry in network.networks
            if address in entry.network
            if not any(address in excepted for excepted in entry.excepted)
        ]
        return max(widths, default=None)

    def _of_egress(self, reader: Reader, network: EgressNetwork, target: AddressTarget) -> bytes:
        metadata = common.resource(
            POLICY_GROUP,
            "EgressNetwork",
            network.name,
            namespace=network.namespace,
            port=target.port,
        )
        annotations = dict(network.settings)
        parent = messages.Parent(
            metadata=metadata,
            backend=forward(metadata, target.address, target.port),
            settings=annotations,
            share=lambda backend: self._share(reader, backend),
            accrual=settings.accrual(annotations),
            is_allowed=network.is_allowed,
            allows_request_headers=self.cluster.allows_request_headers,
        )
        reference = Reference(
            POLICY_GROUP, "EgressNetwork", network.namespace, network.name, target.port
        )
        return messages.encoded(self._protocol(reader, parent, reference, None), metadata)

    def _egress_share(self, reader: Reader, backend: Backend) -> Share:
        """An EgressNetwork may be a backend of its own routes only: it is where traffic goes."""
        target, ours = backend.target, self.target
        metadata = common.resource(
            POLICY_GROUP, "EgressNetwork", target.name, namespace=target.namespace, port=ours.port
        )
        if not isinstance(ours, AddressTarget):
            return invalid(metadata, backend.weight, "an EgressNetwork needs itself as parent")
        network = self._egress_network(reader, ours)
        if network is None or (network.namespace, network.name) != (target.namespace, target.name):
            return invalid(metadata, backend.weight, "an EgressNetwork needs itself as parent")
        made = forward(metadata, ours.address, ours.port, backend.weight)
        return Share(made, backend.weight, backend.filters)

    def _fallback(self, target: AddressTarget) -> bytes:
        """Outside the cluster: on to where the client wanted."""
        metadata = common.by_default(EGRESS_FALLBACK)
        parent = messages.Parent(
            metadata=metadata,
            backend=forward(metadata, target.address, target.port),
            settings={},
            share=lambda _backend: None,
        )
        protocol = messages.detect(parent, [])
        for route in (
            *protocol.detect.opaque.routes,
            *protocol.detect.http1.routes,
            *protocol.detect.http2.routes,
        ):
            route.metadata.CopyFrom(metadata)
        return messages.encoded(protocol, metadata)


def _is_parent(entry: Reference, parent: Reference) -> bool:
    same = (entry.group, entry.kind, entry.namespace, entry.name) == (
        parent.group,
        parent.kind,
        parent.namespace,
        parent.name,
    )
    return same and entry.port in (None, parent.port)
