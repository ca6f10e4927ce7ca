"""Where a route's traffic goes, and how it is balanced, as messages. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, ip_address
from typing import Any

from tulle.policy import route_messages as common
from tulle.policy.settings import Accrual, Penalty
from tulle.proto import destination_pb2 as destination
from tulle.proto import meta_pb2 as meta
from tulle.proto import net_pb2 as net
from tulle.proto import outbound_pb2 as pb
from tulle.routes import Filter

QUEUE = pb.Queue(capacity=100, failfast_timeout=common.duration(3.0))
_FIRST_ROUND_TRIP, _DECAY = common.duration(0.03), common.duration(10.0)
_BALANCE = pb.Backend.BalanceP2c


@dataclass(frozen=True, slots=True)
class Share:
    """A backend's part of a rule's traffic. `error`: why it cannot be used."""

    backend: pb.Backend
    weight: int
    filters: tuple[Filter, ...] = ()
    error: str | None = None


def service_metadata(namespace: str, name: str, port: int) -> meta.Metadata:
    return common.resource("core", "Service", name, namespace=namespace, port=port)


def service_backend(
    namespace: str, name: str, port: int, *, authority: str, penalty: Penalty | None
) -> pb.Backend:
    balancer = _BALANCE(
        discovery=pb.Backend.EndpointDiscovery(
            dst=pb.Backend.EndpointDiscovery.DestinationGet(path=authority)
        )
    )
    if penalty is None:
        plain = _BALANCE.PeakEwma(default_rtt=_FIRST_ROUND_TRIP, decay=_DECAY)
        balancer.peak_ewma.CopyFrom(plain)
    else:
        costly = _BALANCE.PenaltyPeakEwma(
            default_rtt=_FIRST_ROUND_TRIP,
            decay=_DECAY,
            penalty=common.duration(penalty.penalty),
            max_retry_after=common.duration(penalty.most_retry_after),
            penalty_decay=_DECAY,
        )
        balancer.penalty_peak_ewma.CopyFrom(costly)
    return pb.Backend(
        metadata=service_metadata(namespace, name, port), queue=QUEUE, balancer=balancer
    )


def tcp_address(address: str, port: int) -> net.TcpAddress:
    ip = ip_address(address)
    if isinstance(ip, IPv4Address):
        return net.TcpAddress(ip=net.IPAddress(ipv4=int(ip)), port=port)
    parts = net.IPv6(first=int(ip) >> 64, last=int(ip) & (2**64 - 1))
    return net.TcpAddress(ip=net.IPAddress(ipv6=parts), port=port)


def forward(metadata: meta.Metadata, address: str, port: int, weight: int = 1) -> pb.Backend:
    """To the address that the client dialled itself."""
    endpoint = destination.WeightedAddr(addr=tcp_address(address, port), weight=weight)
    return pb.Backend(metadata=metadata, queue=QUEUE, forward=endpoint)


def invalid(metadata: meta.Metadata, weight: int, error: str) -> Share:
    return Share(pb.Backend(metadata=metadata, queue=QUEUE), weight, error=error)


def distribution(kind: Any, default: pb.Backend, shares: Iterable[Share], filters: Any) -> Any:
    """`kind`: the route's message class; `filters`: its translation of a share's filters."""
    found = list(shares)
    if not found:
        only = kind.Distribution.FirstAvailable(backends=[kind.RouteBackend(backend=default)])
        return kind.Distribution(first_available=only)
    weighted = [
        kind.WeightedRouteBackend(
            weight=share.weight,
            backend=kind.RouteBackend(backend=share.backend, filters=filters(share)),
        )
        for share in found
    ]
    return kind.Distribution(random_available=kind.Distribution.RandomAvailable(backends=weighted))


def accrual_message(accrual: Accrual | None) -> pb.FailureAccrual | None:
    if accrual is None:
        return None
    rate = accrual.success_rate
    backoff = pb.ExponentialBackoff(
        min_backoff=common.duration(accrual.least_penalty),
        max_backoff=common.duration(accrual.most_penalty),
        jitter_ratio=accrual.jitter,
        respect_retry_after_hint=rate is not None and rate.honors_retry_after,
    )
    if rate is None:
        consecutive = pb.FailureAccrual.ConsecutiveFailures(
            max_failures=accrual.most_failures, backoff=backoff
        )
        return pb.FailureAccrual(consecutive_failures=consecutive)
    unified = pb.FailureAccrual.Unified(
        success_rate_threshold=rate.threshold,
        decay=common.duration(rate.window),
        min_requests=rate.least_requests,
        max_consecutive_failures=accrual.most_failures,
        backoff=backoff,
    )
    return pb.FailureAccrual(unified=unified)
