"""The questions of stat and edges as PromQL. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tulle import names
from tulle.viz.kinds import Resource

# What the kubelet asks is no traffic of the workload, nor is what Prometheus asks of its proxy.
PROBES = {"route_kind": "default", "route_name": "probe"}
NOT_ADMIN = f'target_port!="{names.ADMIN_PORT}"'
QUANTILES = {"p50": 0.5, "p95": 0.95, "p99": 0.99}


@dataclass(frozen=True, slots=True)
class Traffic:
    """Which series count, and the labels by which they are told apart."""

    direction: str
    labels: Mapping[str, str]  # an empty value asks that the label be there
    group: tuple[str, ...]
    patterns: Mapping[str, str] = field(default_factory=dict)  # label: regular expression
    with_admin: bool = False  # probes and the admin port count too

    @property
    def peer(self) -> str:
        return "src" if self.direction == "inbound" else "dst"

    def matchers(self, **more: str) -> str:
        parts = [f'direction="{self.direction}"']
        for label, value in {**self.labels, **more}.items():
            parts.append(f"{label}={quoted(value)}" if value else f'{label}!=""')
        parts += [f"{label}=~{quoted(text)}" for label, text in self.patterns.items()]
        if self.direction == "inbound" and not self.with_admin:
            parts.append(NOT_ADMIN)
        return "{" + ",".join(parts) + "}"

    def by(self, *more: str) -> str:
        return f"by ({', '.join((*self.group, *more))})"


def quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def inbound(target: Resource) -> Traffic:
    """What the target's own proxies received."""
    return Traffic("inbound", target.labels(), _group(target))


def governed(target: Resource) -> Traffic:
    """What a policy let in, on whatever port it stands."""
    return Traffic("inbound", target.labels(), _of_policy(target), with_admin=True)


def refused(target: Resource, window: str) -> str:
    """What was let in by nobody, at a Server or a route. The counter has no direction."""
    parts = [f"{k}={quoted(v)}" if v else f'{k}!=""' for k, v in target.labels().items()]
    series = f"inbound_http_authz_deny_total{{{','.join(parts)}}}"
    return f"sum(increase({series}[{window}])) by ({', '.join(_of_policy(target))})"


def _of_policy(target: Resource) -> tuple[str, ...]:
    """A route may be attached to several Servers, with numbers of its own at each."""
    return (*_group(target), *(("srv_name",) if target.kind.name == "httproute" else ()))


def outbound(target: Resource, to: Resource) -> Traffic:
    """What the target's proxies sent to another resource."""
    return Traffic("outbound", {**target.labels(), **to.labels("dst_")}, _group(target))


def received_from(target: Resource, source: Resource) -> Traffic:
    """What the source's proxies sent to the target, which need not be meshed."""
    labels = {**source.labels(), **target.labels("dst_")}
    return Traffic("outbound", labels, _group(target, "dst_"))


def to_service(target: Resource, domain: str, source: Resource | None) -> Traffic:
    """What clients sent to a Service's name, by whatever pods answered."""
    labels = {**(source.labels() if source else {}), **target.labels("dst_")}
    name, namespace = _pattern(target.name), _pattern(target.namespace)
    authority = rf"^{name}\.{namespace}\.svc\.{_pattern(domain)}.*"
    return Traffic("outbound", labels, ("dst_namespace", "dst_service"), {"authority": authority})


def to_split(
    namespace: str, services: Sequence[str], domain: str, source: Resource | None
) -> Traffic:
    """What clients sent to a split's apex, by the leaf that got it.

    A proxy names either the apex that was asked for or the leaf that it chose, so `services` are
    all of them; requests to a leaf by its own name are counted too.
    """
    names = "|".join(_pattern(name) for name in services)
    authority = rf"^({names})\.{_pattern(namespace)}\.svc\.{_pattern(domain)}.*"
    labels = {**(source.labels() if source else {}), "dst_namespace": namespace, "dst_service": ""}
    return Traffic("outbound", labels, ("dst_namespace", "dst_service"), {"authority": authority})


def _pattern(text: str) -> str:
    return text.replace(".", r"\.") if text else "[^.]+"


def _group(target: Resource, prefix: str = "") -> tuple[str, ...]:
    if target.kind.name == "namespace":
        return (f"{prefix}namespace",)
    return f"{prefix}namespace", f"{prefix}{target.kind.label}"


def _change(function: str, family: str, traffic: Traffic, window: str) -> str:
    """Over the window, without probes."""
    found = f"{function}({family}{traffic.matchers()}[{window}])"
    if traffic.direction == "inbound" and not traffic.with_admin:
        found += f" unless {function}({family}{traffic.matchers(**PROBES)}[{window}])"
    return found


def requests(traffic: Traffic, window: str, *more: str) -> str:
    change = _change("increase", "response_total", traffic, window)
    return f"sum({change}) {traffic.by('classification', *more)}"


def buckets(traffic: Traffic, window: str) -> str:
    change = _change("rate", "response_latency_ms_bucket", traffic, window)
    return f"sum({change}) {traffic.by('le')}"


def latency(traffic: Traffic, window: str, quantile: float) -> str:
    return f"histogram_quantile({quantile}, {buckets(traffic, window)})"


def open_connections(traffic: Traffic, *more: str) -> str:
    return f"sum(tcp_open_connections{traffic.matchers()}) {traffic.by(*more)}"


def transferred(traffic: Traffic, window: str, way: str) -> str:
    """Bytes read or written, seen from the proxy."""
    family = f"tcp_{way}_bytes_total{traffic.matchers(peer=traffic.peer)}"
    return f"sum(increase({family}[{window}])) {traffic.by()}"


def edges(label: str) -> str:
    series = f'tcp_open_connections{{direction="outbound",{label}!="",dst_{label}!=""}}'
    group: Sequence[str] = (
        label, f"dst_{label}", "pod", "server_id", "namespace", "dst_namespace", "no_tls_reason",
    )  # fmt: skip
    return f"sum({series}) by ({', '.join(dict.fromkeys(group))}) > 0"


def reached(namespace: str) -> str:
    """One sample for each proxy that Prometheus reaches, by namespace and pod."""
    where = f",namespace={quoted(namespace)}" if namespace else ""
    return f'sum(up{{job="linkerd-proxy"{where}}}) by (namespace, pod) > 0'


def scraped(namespace: str) -> str:
    """How many proxies Prometheus reaches."""
    where = f",namespace={quoted(namespace)}" if namespace else ""
    return f'sum(up{{job="linkerd-proxy"{where}}})'
