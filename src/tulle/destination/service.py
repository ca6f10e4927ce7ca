"""The Destination service: each stream follows the one view that answers its question."""

import json
from dataclasses import dataclass
from typing import Any

from tulle.destination.addresses import AddressSet
from tulle.destination.endpoints import Client, service_endpoints
from tulle.destination.profiles import ProfileView
from tulle.index.authority import AddressTarget, InvalidAuthority, ServiceTarget, parse
from tulle.index.cluster import Cluster
from tulle.index.index import Reader
from tulle.index.views import Views
from tulle.proto import destination_pb2 as pb
from tulle.serve.grpc import (
    InvalidArgument,
    NotFound,
    ServerStream,
    Stream,
    service,
)

NAME = "io.linkerd.proxy.destination.Destination"


@dataclass(frozen=True, slots=True)
class AddressView:
    """One question of Get, as the key and the computation of a view."""

    cluster: Cluster
    target: ServiceTarget
    client: Client

    def __call__(self, reader: Reader) -> AddressSet:
        target = self.target
        found = reader.service(target.namespace, target.name)
        if found is None or found.is_external_name:
            return AddressSet(exists=False)
        return AddressSet(
            exists=True,
            is_local=found.is_local,
            labels=(("namespace", target.namespace), ("service", target.name)),
            endpoints=service_endpoints(self.cluster, reader, found, target, self.client),
        )


def client_of(token: str) -> tuple[str, str]:
    """Namespace and node name of the asking pod, from its context token: JSON or `ns:NAME`."""
    try:
        content: Any = json.loads(token)
    except ValueError:
        return token.removeprefix("ns:") if token.startswith("ns:") else "", ""
    if not isinstance(content, dict):
        return "", ""
    return str(content.get("ns") or ""), str(content.get("nodeName") or "")


class Destination:
    """Answers Get and GetProfile from the views, for as long as the client stays."""

    def __init__(self, cluster: Cluster, views: Views) -> None:
        self._cluster, self._views = cluster, views

    def handlers(self) -> Any:
        return service(
            NAME,
            ServerStream("Get", pb.GetDestination, self.get),
            ServerStream("GetProfile", pb.GetDestination, self.get_profile),
        )

    def _target(self, request: Any) -> ServiceTarget | AddressTarget:
        try:
            return parse(request.path, self._cluster.cluster_domain)
        except InvalidAuthority as error:
            raise InvalidArgument(str(error)) from error

    def _question(self, target: ServiceTarget, namespace: str, node: str) -> AddressView:
        """Clients of one zone share a view; those of a node, if the Service's traffic is local."""

        def client(reader: Reader) -> Client:
            found = reader.service(target.namespace, target.name)
            is_local = found is not None and found.is_local
            return Client(node=node if is_local else "", zone=reader.zone(node))

        return AddressView(self._cluster, target, self._views.look(client))

    async def get(self, request: Any, stream: Stream) -> None:
        target = self._target(request)
        if isinstance(target, AddressTarget):
            raise InvalidArgument(f"{request.path} is an address; ask for a Service's name")
        found = self._views.look(lambda reader: reader.service(target.namespace, target.name))
        if found is not None and found.is_external_name:
            raise NotFound(f"Service {target.namespace}/{target.name} is an external name")
        sent: AddressSet | None = None
        while True:
            question = self._question(target, *client_of(request.context_token))
            sent = await self._follow_addresses(question, stream, sent)

    async def _follow_addresses(
        self, question: AddressView, stream: Stream, sent: AddressSet | None
    ) -> AddressSet:
        """Until the Service's traffic becomes local or no longer is: then the view is another."""
        with self._views.follow(question, question) as view:
            was_local = view.value.is_local
            while True:
                value, version = view.value, view.version
                for message in value.full() if sent is None else value.since(sent):
                    await stream.write(message)
                sent = value
                if value.is_local != was_local:
                    return sent
                await view.after(version)

    async def get_profile(self, request: Any, stream: Stream) -> None:
        target = self._target(request)
        namespace, _ = client_of(request.context_token)
        question = ProfileView(self._cluster, target, namespace)
        if isinstance(target, ServiceTarget) and target.hostname is None:
            found = self._views.look(lambda r: r.service(target.namespace, target.name))
            if found is not None and found.is_external_name:
                raise NotFound(f"Service {target.namespace}/{target.name} is an external name")
        with self._views.follow(question, question) as view:
            while True:
                version = view.version
                await stream.write(view.value)
                await view.after(version)
