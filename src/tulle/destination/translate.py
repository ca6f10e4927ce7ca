"""Endpoints, address sets and profiles as messages of the proxy API. Pure."""

from collections.abc import Iterable
from functools import lru_cache
from ipaddress import IPv4Address, ip_address

from google.protobuf.duration_pb2 import Duration

from tulle.destination.endpoints import Address, Endpoint, Labels
from tulle.proto import destination_pb2 as pb
from tulle.proto import meta_pb2 as meta
from tulle.proto import net_pb2 as net

# Between proxies; a peer that vanished without a word is noticed within 13 seconds.
_KEEP_ALIVE = pb.Http2ClientParams(
    keep_alive=pb.Http2ClientParams.KeepAlive(
        interval=Duration(seconds=10), timeout=Duration(seconds=3), while_idle=True
    )
)


@lru_cache(maxsize=4096)
def tcp_address(address: Address) -> net.TcpAddress:
    host, port = address
    ip = ip_address(host)
    if isinstance(ip, IPv4Address):
        return net.TcpAddress(ip=net.IPAddress(ipv4=int(ip)), port=port)
    number = int(ip)
    parts = net.IPv6(first=number >> 64, last=number & (2**64 - 1))
    return net.TcpAddress(ip=net.IPAddress(ipv6=parts), port=port)


def _hint(endpoint: Endpoint) -> pb.ProtocolHint | None:
    if endpoint.hint is None and endpoint.transport_port is None:
        return None
    hint = pb.ProtocolHint()
    if endpoint.hint == "h2":
        hint.h2.SetInParent()
    elif endpoint.hint == "opaque":
        hint.opaque.SetInParent()
    if endpoint.transport_port is not None:
        hint.opaque_transport.inbound_port = endpoint.transport_port
    return hint


def weighted(endpoint: Endpoint) -> pb.WeightedAddr:
    message = pb.WeightedAddr(
        addr=tcp_address(endpoint.address),
        weight=endpoint.weight,
        metric_labels=dict(endpoint.labels),
        protocol_hint=_hint(endpoint),
        http2=_KEEP_ALIVE if endpoint.is_meshed else None,
    )
    if endpoint.identity is not None:
        message.tls_identity.dns_like_identity.name = endpoint.identity
        message.tls_identity.server_name.name = endpoint.identity
    if endpoint.pod is not None:
        namespace, name = endpoint.pod
        reference = meta.Resource(group="core", kind="Pod", name=name, namespace=namespace)
        message.resource_ref.resource.CopyFrom(reference)
    return message


def added(endpoints: Iterable[Endpoint], labels: Labels) -> bytes:
    addresses = [weighted(endpoint) for endpoint in endpoints]
    update = pb.Update(add=pb.WeightedAddrSet(addrs=addresses, metric_labels=dict(labels)))
    return bytes(update.SerializeToString())


def removed(addresses: Iterable[Address]) -> bytes:
    gone = pb.AddrSet(addrs=[tcp_address(address) for address in addresses])
    return bytes(pb.Update(remove=gone).SerializeToString())


def no_endpoints(exists: bool) -> bytes:
    return bytes(pb.Update(no_endpoints=pb.NoEndpoints(exists=exists)).SerializeToString())
