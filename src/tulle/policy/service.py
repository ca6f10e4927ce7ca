"""The two policy services: each stream follows the one view that answers its question."""

import asyncio
import ipaddress
import json
from typing import Any

from tulle.index.authority import AddressTarget, InvalidAuthority, ServiceTarget, parse
from tulle.index.cluster import Cluster
from tulle.index.views import Views
from tulle.policy.inbound import PortView
from tulle.policy.outbound import OutboundView
from tulle.proto import inbound_pb2, outbound_pb2
from tulle.serve.grpc import InvalidArgument, NotFound, ServerStream, Stream, Unary, service

INBOUND = "io.linkerd.proxy.inbound.InboundServerPolicies"
OUTBOUND = "io.linkerd.proxy.outbound.OutboundPolicies"

# A proxy may ask before the watch of pods has told of its own pod.
POD_WAIT_SECONDS = 3.0


def workload(text: str) -> tuple[str, str]:
    """Namespace and pod of `NS:POD` or of `{"ns": …, "pod": …}`. Raises InvalidArgument."""
    if text.startswith("{"):
        try:
            content: Any = json.loads(text)
        except ValueError as error:
            raise InvalidArgument(f"invalid workload {text!r}") from error
        namespace, pod = content.get("ns"), content.get("pod")
    else:
        namespace, _, pod = text.partition(":")
    if not isinstance(namespace, str) or not isinstance(pod, str) or not namespace or not pod:
        raise InvalidArgument(f"invalid workload {text!r}: give NAMESPACE:POD")
    return namespace, pod


def client_namespace(text: str) -> str:
    """Of a proxy that names its workload in a way we do not know: none."""
    try:
        return workload(text)[0]
    except InvalidArgument:
        return ""


def address_text(ip: Any) -> str:
    """An address message as text. Raises InvalidArgument."""
    match ip.WhichOneof("ip"):
        case "ipv4":
            return str(ipaddress.IPv4Address(ip.ipv4))
        case "ipv6":
            number = ipaddress.IPv6Address(ip.ipv6.first << 64 | ip.ipv6.last)
            return str(number.ipv4_mapped or number)
    raise InvalidArgument("an address is needed")


class Inbound:
    """Answers GetPort and WatchPort."""

    def __init__(self, cluster: Cluster, views: Views) -> None:
        self._cluster, self._views = cluster, views

    def handlers(self) -> Any:
        return service(
            INBOUND,
            Unary("GetPort", inbound_pb2.PortSpec, self.get_port),
            ServerStream("WatchPort", inbound_pb2.PortSpec, self.watch_port),
        )

    def _question(self, request: Any) -> PortView:
        namespace, pod = workload(request.workload)
        if not 0 < request.port < 65536:
            raise InvalidArgument(f"invalid port {request.port}")
        return PortView(self._cluster, namespace, pod, request.port)

    async def get_port(self, request: Any) -> bytes:
        question = self._question(request)
        answer = self._views.look(question)
        if answer is None:
            raise NotFound(f"there is no pod {question.namespace}/{question.pod}")
        return answer

    async def watch_port(self, request: Any, stream: Stream) -> None:
        question = self._question(request)
        with self._views.follow(question, question) as view:
            if view.value is None:
                try:
                    async with asyncio.timeout(POD_WAIT_SECONDS):
                        await view.after(view.version)
                except TimeoutError:
                    pass
            while (value := view.value) is not None:
                version = view.version
                await stream.write(value)
                await view.after(version)
        raise NotFound(f"there is no pod {question.namespace}/{question.pod}")


class Outbound:
    """Answers Get and Watch."""

    def __init__(self, cluster: Cluster, views: Views) -> None:
        self._cluster, self._views = cluster, views

    def handlers(self) -> Any:
        return service(
            OUTBOUND,
            Unary("Get", outbound_pb2.TrafficSpec, self.get),
            ServerStream("Watch", outbound_pb2.TrafficSpec, self.watch),
        )

    def _question(self, request: Any) -> OutboundView:
        namespace = client_namespace(request.source_workload)
        return OutboundView(self._cluster, self._target(request), namespace)

    def _target(self, request: Any) -> ServiceTarget | AddressTarget:
        if request.WhichOneof("target") == "addr":
            if not 0 < request.addr.port < 65536:
                raise InvalidArgument(f"invalid port {request.addr.port}")
            return AddressTarget(address_text(request.addr.ip), request.addr.port)
        try:
            return parse(request.authority, self._cluster.cluster_domain)
        except InvalidAuthority as error:
            raise NotFound(str(error)) from error

    async def get(self, request: Any) -> bytes:
        answer = self._views.look(self._question(request))
        if answer is None:
            raise NotFound("no such service")
        return answer

    async def watch(self, request: Any, stream: Stream) -> None:
        question = self._question(request)
        with self._views.follow(question, question) as view:
            while (value := view.value) is not None:
                version = view.version
                await stream.write(value)
                await view.after(version)
        raise NotFound("no such service")
