"""What GetProfile answers for a Service, for one pod behind it, or for a bare address. Pure."""

from dataclasses import dataclass

from tulle.destination import profile_messages as messages
from tulle.destination.endpoints import (
    Client,
    Endpoint,
    address_endpoint,
    servers_of,
    service_endpoints,
)
from tulle.index.authority import AddressTarget, ServiceTarget
from tulle.index.cluster import Cluster, pod_port_is_opaque, service_port_is_opaque
from tulle.index.index import Reader
from tulle.index.objects import Service
from tulle.index.profiles import ServiceProfile
from tulle.index.splits import split_of


@dataclass(frozen=True, slots=True)
class ProfileView:
    """One question; called with a reader it gives the encoded answer."""

    cluster: Cluster
    target: ServiceTarget | AddressTarget
    client_namespace: str

    def __call__(self, reader: Reader) -> bytes:
        target = self.target
        if isinstance(target, AddressTarget):
            return self._at_address(reader, target)
        service = reader.service(target.namespace, target.name)
        if service is None or service.is_external_name:
            return messages.empty_profile()
        if target.hostname is not None:
            found = service_endpoints(self.cluster, reader, service, target, Client())
            return self._of_endpoint(reader, next(iter(found.values()), None))
        return self._of_service(reader, service, target.port)

    def _at_address(self, reader: Reader, target: AddressTarget) -> bytes:
        service = reader.service_at(target.address)
        if service is not None:
            return self._of_service(reader, service, target.port)
        found = address_endpoint(self.cluster, reader, (target.address, target.port))
        return self._of_endpoint(reader, found)

    def _of_endpoint(self, reader: Reader, endpoint: Endpoint | None) -> bytes:
        """An address that nobody knows gets the defaults: the client connects to it as it is."""
        if endpoint is None:
            port = self.target.port
            return messages.endpoint_profile(None, port in self.cluster.default_opaque_ports)
        opaque = endpoint.hint == "opaque"
        if endpoint.pod is not None and not opaque:
            opaque = self._is_opaque(reader, endpoint)
        return messages.endpoint_profile(endpoint, opaque)

    def _is_opaque(self, reader: Reader, endpoint: Endpoint) -> bool:
        """Of a port that no proxy guards: then no hint says it."""
        pod = reader.pod(*endpoint.pod) if endpoint.pod else None
        if pod is None:
            return False
        servers = servers_of(reader, pod, endpoint.address[1])
        if servers and servers[0].is_opaque:
            return True
        return pod_port_is_opaque(self.cluster, reader, pod, endpoint.address[1])

    def _of_service(self, reader: Reader, service: Service, port: int) -> bytes:
        if service.port(port) is None:
            return messages.empty_profile()  # the policy API refuses this port
        profile = self._profile(reader, service)
        opaque = service_port_is_opaque(self.cluster, reader, service, port)
        if profile is not None and profile.opaque_ports is not None:
            opaque = opaque or port in profile.opaque_ports
        return messages.service_profile(
            messages.ServiceFacts(
                name=self.cluster.service_name(service.name, service.namespace),
                service=(service.namespace, service.name, port),
                is_opaque=opaque,
                overrides=self._overrides(reader, service, profile, port),
            ),
            profile,
        )

    def _profile(self, reader: Reader, service: Service) -> ServiceProfile | None:
        """The client's own namespace comes first, then that of the Service."""
        name = self.cluster.service_name(service.name, service.namespace)
        for namespace in dict.fromkeys((self.client_namespace, service.namespace)):
            if not namespace:
                continue
            found: ServiceProfile | None = reader.named("ServiceProfile", namespace, name)
            if found is not None:
                return found
        return None

    def _overrides(
        self, reader: Reader, service: Service, profile: ServiceProfile | None, port: int
    ) -> tuple[messages.Override, ...]:
        split = split_of(reader.in_namespace("TrafficSplit", service.namespace), service.name)
        if split is not None and not split.groups:  # a profile's shares hold for all requests
            return tuple(
                messages.Override(
                    f"{self.cluster.service_name(leaf, service.namespace)}:{port}",
                    weight,
                    (service.namespace, leaf, port),
                )
                for leaf, weight in split.leaves
            )
        if profile is None:
            return ()
        return tuple(
            messages.Override(_with_port(authority, port), weight, None)
            for authority, weight in profile.overrides
        )


def _with_port(authority: str, port: int) -> str:
    return authority if ":" in authority else f"{authority}:{port}"
