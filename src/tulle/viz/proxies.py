"""What the proxies of a workload say of themselves, and of callers who prove nothing."""

import asyncio
from collections.abc import Iterable
from typing import Any

from tulle import durations
from tulle.viz import queries
from tulle.viz.inventory import Inventory
from tulle.viz.kinds import Resource
from tulle.viz.pods import Pod
from tulle.viz.prometheus import Prometheus, Sample
from tulle.viz.queries import quoted

Json = dict[str, Any]

EXPIRES = "identity_cert_expiration_timestamp_seconds"
REFRESHED = "control_identity_cert_refresh_timestamp_seconds"


def of_target(target: Resource | None, inventory: Inventory) -> list[Pod]:
    """Meshed pods that have not ended."""
    if target is None:
        found: Iterable[Pod] = inventory.pods()
    else:
        kind, name = target.kind.name, target.name
        namespace = name if kind == "namespace" else target.namespace
        found = [
            pod
            for pod in inventory.pods(namespace)
            if kind == "namespace" or (kind, name) in {*pod.owners, ("pod", pod.name)}
        ]
    return [pod for pod in found if inventory.is_meshed(pod) and not pod.has_ended]


async def proxies(
    target: Resource | None, inventory: Inventory, prometheus: Prometheus
) -> list[Json]:
    """One entry for each proxy: its certificate's times, and its version as the injector set it."""
    where = ""
    if target is not None:
        namespace = target.name if target.kind.name == "namespace" else target.namespace
        where = f"{{namespace={quoted(namespace)}}}"
    asked = [f"max({name}{where}) by (namespace, pod)" for name in (EXPIRES, REFRESHED)]
    expires, refreshed = [
        _by_pod(answer) for answer in await asyncio.gather(*map(prometheus.query, asked))
    ]
    found = sorted(of_target(target, inventory), key=lambda pod: (pod.namespace, pod.name))
    return [
        {
            "namespace": pod.namespace,
            "pod": pod.name,
            "service_account": pod.service_account,
            "proxy_version": pod.proxy_version,
            "expires": expires.get((pod.namespace, pod.name)),
            "refreshed": refreshed.get((pod.namespace, pod.name)),
        }
        for pod in found
    ]


def _by_pod(samples: Iterable[Sample]) -> dict[tuple[str, str], float]:
    return {
        (sample.labels.get("namespace", ""), sample.labels.get("pod", "")): sample.value
        for sample in samples
    }


async def unproven(target: Resource, window: str, prometheus: Prometheus) -> list[Json]:
    """What came without a client's certificate, by reason and port: more a proxy does not know."""
    traffic = queries.inbound(target)
    plain = f"tls!={quoted('true')},{queries.NOT_ADMIN}"
    labels = ",".join(
        ['direction="inbound"', *(f"{key}={quoted(text)}" for key, text in target.labels().items())]
    )
    group = ("no_tls_reason", "target_port")
    counted = f"increase(response_total{{{labels},{plain}}}[{window}])"
    probes = f"increase(response_total{traffic.matchers(**queries.PROBES)}[{window}])"
    connections = f'tcp_open_connections{{{labels},peer="src",{plain}}}'
    requests, open_now = await asyncio.gather(
        prometheus.query(
            f"sum({counted} unless {probes}) by ({', '.join((*group, 'classification'))}) > 0"
        ),
        prometheus.query(f"sum({connections}) by ({', '.join(group)}) > 0"),
    )
    found: dict[tuple[str, ...], Json] = {}

    def entry(sample: Sample) -> Json:
        key = tuple(sample.labels.get(label, "") for label in group)
        return found.setdefault(
            key, {"reason": key[0], "port": key[1], "total": 0.0, "succeeded": 0.0, "tcp": 0}
        )

    for sample in requests:
        item = entry(sample)
        item["total"] += sample.value
        if sample.labels.get("classification") == "success":
            item["succeeded"] += sample.value
    for sample in open_now:
        entry(sample)["tcp"] = round(sample.value)
    return [_shares(item, durations.seconds(window)) for _, item in sorted(found.items())]


def _shares(item: Json, seconds: float) -> Json:
    total, succeeded = item.pop("total"), item.pop("succeeded")
    item["rps"] = total / seconds if total else None
    item["success"] = succeeded / total if total else None
    return item
