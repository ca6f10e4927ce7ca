"""Plays identity, destination and policy for a pair of proxies, on one plain port of loopback.

Run in a pod as `python -m bench.sidecars.controlplane --authority FOLDER`. It answers what the
control plane answers for plain Services: detection, a balancer of one endpoint with mutual TLS, and
traffic without authentication allowed inbound. After its first answer to a watch it is silent.
"""

import argparse
import asyncio
import ipaddress
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "src"))

import grpc
from cryptography.hazmat.primitives.serialization import Encoding
from google.protobuf.duration_pb2 import Duration

from tulle.proto import (
    destination_pb2,
    destination_pb2_grpc,
    http_route_pb2,
    identity_pb2,
    identity_pb2_grpc,
    inbound_pb2,
    inbound_pb2_grpc,
    meta_pb2,
    net_pb2,
    outbound_pb2,
    outbound_pb2_grpc,
)

from . import mesh, pods
from .authority import Authority

Context = Any  # grpc.aio's own type is generic over messages that have no stubs


def seconds(value: float) -> Duration:
    return Duration(seconds=int(value), nanos=round(value % 1 * 1e9))


def address(ip: str, port: int) -> net_pb2.TcpAddress:
    return net_pb2.TcpAddress(ip=net_pb2.IPAddress(ipv4=int(ipaddress.IPv4Address(ip))), port=port)


def reference(name: str, port: int) -> meta_pb2.Metadata:
    resource = meta_pb2.Resource(
        group="core", kind="Service", name=name, namespace=mesh.NAMESPACE, port=port
    )
    return meta_pb2.Metadata(resource=resource)


def endpoint(port: mesh.Port, *, hints_http2: bool) -> destination_pb2.WeightedAddr:
    found = destination_pb2.WeightedAddr(addr=address(pods.SERVER_IP, port.pod), weight=10_000)
    for key, value in {"pod": "server-0", "deployment": "server", "zone": ""}.items():
        found.metric_labels[key] = value
    found.tls_identity.dns_like_identity.name = mesh.identity("server")
    found.tls_identity.server_name.name = mesh.identity("server")
    if port.is_opaque:
        found.protocol_hint.opaque.SetInParent()
        found.protocol_hint.opaque_transport.inbound_port = pods.INBOUND
    elif hints_http2:
        found.protocol_hint.h2.SetInParent()
    alive = destination_pb2.Http2ClientParams.KeepAlive(
        interval=seconds(10), timeout=seconds(3), while_idle=True
    )
    found.http2.keep_alive.CopyFrom(alive)
    return found


def route(backend: outbound_pb2.Backend, count: int) -> outbound_pb2.HttpRoute:
    """The last of `count` rules matches everything, so that a request must pass the others."""
    route_type = outbound_pb2.HttpRoute
    first = route_type.Distribution.FirstAvailable(
        backends=[route_type.RouteBackend(backend=backend)]
    )
    paths = [f"/other/{number}" for number in range(count - 1)] + ["/"]
    rules = [
        route_type.Rule(
            matches=[http_route_pb2.HttpRouteMatch(path=http_route_pb2.PathMatch(prefix=path))],
            backends=route_type.Distribution(first_available=first),
        )
        for path in paths
    ]
    return route_type(metadata=meta_pb2.Metadata(default="http"), rules=rules)


def opaque(backend: outbound_pb2.Backend) -> outbound_pb2.ProxyProtocol.Opaque:
    route_type = outbound_pb2.OpaqueRoute
    first = route_type.Distribution.FirstAvailable(
        backends=[route_type.RouteBackend(backend=backend)]
    )
    rule = route_type.Rule(backends=route_type.Distribution(first_available=first))
    only = route_type(metadata=meta_pb2.Metadata(default="opaq"), rules=[rule])
    return outbound_pb2.ProxyProtocol.Opaque(routes=[only])


def balancer(name: str, port: mesh.Port) -> outbound_pb2.Backend:
    balance = outbound_pb2.Backend.BalanceP2c
    authority = f"{name}.{mesh.NAMESPACE}.svc.{mesh.TRUST_DOMAIN}:{port.service}"
    discovery = outbound_pb2.Backend.EndpointDiscovery
    return outbound_pb2.Backend(
        metadata=reference(name, port.service),
        queue=outbound_pb2.Queue(capacity=100, failfast_timeout=seconds(3)),
        balancer=balance(
            discovery=discovery(dst=discovery.DestinationGet(path=authority)),
            peak_ewma=balance.PeakEwma(default_rtt=seconds(0.03), decay=seconds(10)),
        ),
    )


def outbound_policy(name: str, port: mesh.Port, routes: int) -> outbound_pb2.OutboundPolicy:
    backend = balancer(name, port)
    protocol_type = outbound_pb2.ProxyProtocol
    if port.is_opaque:
        protocol = protocol_type(opaque=opaque(backend))
    else:
        by_http = [route(backend, routes)]
        detect = protocol_type.Detect(
            timeout=seconds(10),
            opaque=opaque(backend),
            http1=protocol_type.Http1(routes=by_http),
            http2=protocol_type.Http2(routes=by_http),
        )
        protocol = protocol_type(detect=detect)
    return outbound_pb2.OutboundPolicy(protocol=protocol, metadata=reference(name, port.service))


def inbound_policy(pod_port: int) -> inbound_pb2.Server:
    name = "all-unauthenticated"
    labels = {"group": "", "kind": "default", "name": name}
    everywhere = net_pb2.IPNetwork(ip=net_pb2.IPAddress(ipv4=0), prefix_len=0)
    authorization = inbound_pb2.Authz(
        networks=[inbound_pb2.Network(net=everywhere)],
        authentication=inbound_pb2.Authn(unauthenticated=inbound_pb2.Authn.PermitUnauthenticated()),
        labels=labels,
        metadata=meta_pb2.Metadata(default=name),
    )
    port = mesh.port_of(pod=pod_port)
    protocol_type = inbound_pb2.ProxyProtocol
    if port is not None and port.is_opaque:
        protocol = protocol_type(opaque=protocol_type.Opaque())
    else:
        everything = http_route_pb2.HttpRouteMatch(path=http_route_pb2.PathMatch(prefix="/"))
        only = inbound_pb2.HttpRoute(
            metadata=meta_pb2.Metadata(default="default"),
            rules=[inbound_pb2.HttpRoute.Rule(matches=[everything])],
        )
        protocol = protocol_type(
            detect=protocol_type.Detect(timeout=seconds(10), http_routes=[only])
        )
    return inbound_pb2.Server(protocol=protocol, authorizations=[authorization], labels=labels)


async def silence() -> None:
    await asyncio.Event().wait()


class Identity(identity_pb2_grpc.IdentityServicer):  # type: ignore[misc]
    def __init__(self, authority: Authority) -> None:
        self.authority = authority

    async def Certify(self, request: Any, context: Context) -> identity_pb2.CertifyResponse:
        leaf, names = self.authority.sign(request.certificate_signing_request)
        if request.identity not in names:
            message = f"the request does not name {request.identity}"
            await context.abort(grpc.StatusCode.FAILED_PRECONDITION, message)
        response = identity_pb2.CertifyResponse(
            leaf_certificate=leaf.public_bytes(Encoding.DER),
            intermediate_certificates=[self.authority.issuer.public_bytes(Encoding.DER)],
        )
        response.valid_until.FromDatetime(leaf.not_valid_after_utc)
        return response


class Destination(destination_pb2_grpc.DestinationServicer):  # type: ignore[misc]
    def __init__(self, *, hints_http2: bool) -> None:
        self.hints_http2 = hints_http2

    async def Get(self, request: Any, context: Context) -> AsyncIterator[Any]:
        host, _, number = request.path.rpartition(":")
        port = mesh.port_of(service=int(number))
        if port is None:
            yield destination_pb2.Update(no_endpoints=destination_pb2.NoEndpoints(exists=False))
        else:
            labels = {"namespace": mesh.NAMESPACE, "service": host.partition(".")[0]}
            addresses = destination_pb2.WeightedAddrSet(
                addrs=[endpoint(port, hints_http2=self.hints_http2)], metric_labels=labels
            )
            yield destination_pb2.Update(add=addresses)
        await silence()

    async def GetProfile(self, request: Any, context: Context) -> AsyncIterator[Any]:
        host, _, number = request.path.rpartition(":")
        budget = destination_pb2.RetryBudget(
            retry_ratio=0.2, min_retries_per_second=10, ttl=seconds(10)
        )
        profile = destination_pb2.DestinationProfile(retry_budget=budget)
        name, port = mesh.service_name(host), mesh.port_of(service=int(number))
        if name is not None and port is not None:
            profile.fully_qualified_name = f"{name}.{mesh.NAMESPACE}.svc.{mesh.TRUST_DOMAIN}"
            profile.opaque_protocol = port.is_opaque
            profile.parent_ref.CopyFrom(reference(name, port.service))
        yield profile
        await silence()


class Outbound(outbound_pb2_grpc.OutboundPoliciesServicer):  # type: ignore[misc]
    def __init__(self, routes: int) -> None:
        self.routes = routes

    async def Watch(self, request: Any, context: Context) -> AsyncIterator[Any]:
        name = mesh.service_name(str(ipaddress.IPv4Address(request.addr.ip.ipv4)))
        port = mesh.port_of(service=request.addr.port)
        if name is None or port is None:
            await context.abort(grpc.StatusCode.NOT_FOUND, "no such service")
            return
        yield outbound_policy(name, port, self.routes)
        await silence()


class Inbound(inbound_pb2_grpc.InboundServerPoliciesServicer):  # type: ignore[misc]
    async def WatchPort(self, request: Any, context: Context) -> AsyncIterator[Any]:
        yield inbound_policy(request.port)
        await silence()


async def serve(arguments: argparse.Namespace) -> None:
    server = grpc.aio.server()
    identity = Identity(Authority(arguments.authority))
    identity_pb2_grpc.add_IdentityServicer_to_server(identity, server)
    destination = Destination(hints_http2=not arguments.no_http2_hint)
    destination_pb2_grpc.add_DestinationServicer_to_server(destination, server)
    outbound_pb2_grpc.add_OutboundPoliciesServicer_to_server(Outbound(arguments.routes), server)
    inbound_pb2_grpc.add_InboundServerPoliciesServicer_to_server(Inbound(), server)
    server.add_insecure_port(f"127.0.0.1:{mesh.CONTROL_PORT}")
    await server.start()
    await server.wait_for_termination()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--authority", type=Path, required=True)
    parser.add_argument("--routes", type=int, default=1, help="rules of each service's route")
    parser.add_argument("--no-http2-hint", action="store_true")
    asyncio.run(serve(parser.parse_args()))


if __name__ == "__main__":
    main()
