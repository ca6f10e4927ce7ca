"""Every workload of every kind at once: what it receives, and what goes between any two of them."""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from tulle.viz import queries
from tulle.viz.inventory import Inventory
from tulle.viz.kinds import KINDS, Resource
from tulle.viz.measured import Key, Numbers, measured
from tulle.viz.pods import Pod
from tulle.viz.prometheus import Prometheus
from tulle.viz.queries import QUANTILES, Traffic
from tulle.viz.recorded import LABELS, OWNERS
from tulle.workload import metric_label

Json = dict[str, Any]
Ref = tuple[str, str, str]  # kind, namespace and name
Labels = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Graph:
    """`nodes` are those that pods or proxies name; every end of an edge is one of them."""

    nodes: dict[Ref, tuple[list[Pod], Numbers]]
    edges: dict[tuple[Ref, Ref], Numbers]


def received(namespace: str, has_bare: bool) -> list[Traffic]:
    """What each workload's own proxies received. Bare pods are a group of their own."""
    where = {"namespace": namespace} if namespace else {}
    found = [Traffic("inbound", where, ("namespace", *LABELS))]
    if has_bare:
        found.append(Traffic("inbound", where, ("namespace", "pod"), _without_owner("")))
    return found


def sent(ends: Iterable[Labels], has_bare: bool, near: str = "") -> list[Traffic]:
    """What goes between workloads, for each of some sets of labels.

    `near`: the side (`src` or `dst`) that the labels name already, so it tells nothing apart.
    """
    owned = [""]
    kinds = [*owned, "pod"] if has_bare else owned
    found = []
    for labels in ends:
        for source in owned if near == "src" else kinds:
            for destination in owned if near == "dst" else kinds:
                group: tuple[str, ...] = ()
                if near != "src":
                    group += ("namespace", *((source,) if source else LABELS))
                if near != "dst":
                    group += ("dst_namespace", *_dst((destination,) if destination else LABELS))
                patterns = _without_owner("") if source else {}
                patterns |= _without_owner("dst_") if destination else {}
                found.append(Traffic("outbound", {"dst_namespace": "", **labels}, group, patterns))
    return found


def _without_owner(prefix: str) -> dict[str, str]:
    return {f"{prefix}{label}": "" for label in LABELS}


def _dst(labels: Iterable[str]) -> tuple[str, ...]:
    return tuple(f"dst_{label}" for label in labels)


def ref(labels: Mapping[str, str], prefix: str = "") -> Ref | None:
    for kind in (*OWNERS, "pod"):
        if name := labels.get(f"{prefix}{metric_label(kind)}"):
            return kind, labels.get(f"{prefix}namespace", ""), name
    return None


async def graph(
    namespace: str,
    window: str,
    inventory: Inventory,
    prometheus: Prometheus,
    *,
    edge_quantiles: tuple[str, ...] = ("p99",),
) -> Graph:
    """Of one namespace and whom it talks with, or of all."""
    pods = [pod for pod in inventory.pods() if not pod.has_ended]
    has_bare = _has_bare(inventory)
    ends: list[Labels] = [{}]
    if namespace:
        ends = [{"namespace": namespace}, {"dst_namespace": namespace}]
    nodes, edges = await asyncio.gather(
        measured(received(namespace, has_bare), window, prometheus, tuple(QUANTILES)),
        measured(sent(ends, has_bare), window, prometheus, edge_quantiles),
    )
    found_edges = _between(edges)
    return Graph(_nodes(namespace, pods, nodes, found_edges), found_edges)


async def around(
    target: Resource, window: str, inventory: Inventory, prometheus: Prometheus
) -> dict[tuple[Ref, Ref], Numbers]:
    """What one object sends and receives, by peer."""
    has_bare = _has_bare(inventory)
    sides = {"dst": target.labels("dst_")}
    if target.kind.name != "service":
        sides["src"] = target.labels()
    asked = [
        measured(sent([labels], has_bare, side), window, prometheus, tuple(QUANTILES))
        for side, labels in sides.items()
    ]
    near = target.kind.name, target.namespace, target.name
    found: dict[tuple[Ref, Ref], Numbers] = {}
    for side, answer in zip(sides, await asyncio.gather(*asked), strict=True):
        for key, numbers in answer.items():
            far = ref(dict(key), "" if side == "dst" else "dst_")
            if far is not None:
                found[(far, near) if side == "dst" else (near, far)] = numbers
    return found


async def totals(window: str, prometheus: Prometheus, domain: str) -> dict[Ref, Numbers]:
    """Of the whole mesh, of every namespace, and of every Service that was asked by its name."""
    every = tuple(QUANTILES)
    mesh, namespaces, services = await asyncio.gather(
        measured([Traffic("inbound", {}, ())], window, prometheus, every),
        measured([Traffic("inbound", {}, ("namespace",))], window, prometheus, every),
        measured(
            [queries.to_service(Resource(KINDS["service"], ""), domain, None)],
            window,
            prometheus,
            every,
        ),
    )
    found: dict[Ref, Numbers] = {}
    for numbers in mesh.values():
        found["mesh", "", ""] = numbers
    for key, numbers in namespaces.items():
        found["namespace", "", dict(key).get("namespace", "")] = numbers
    for key, numbers in services.items():
        labels = dict(key)
        found["service", labels.get("dst_namespace", ""), labels.get("dst_service", "")] = numbers
    return found


def _has_bare(inventory: Inventory) -> bool:
    """Whether any meshed pod has no owner, which costs questions of their own."""
    return any(
        pod.workload[0] == "pod" and not pod.has_ended and inventory.is_meshed(pod)
        for pod in inventory.pods()
    )


def _between(measured_edges: Mapping[Key, Numbers]) -> dict[tuple[Ref, Ref], Numbers]:
    found = {}
    for key, numbers in measured_edges.items():
        labels = dict(key)
        source, destination = ref(labels), ref(labels, "dst_")
        if source and destination:
            found[source, destination] = numbers
    return found


def _nodes(
    namespace: str,
    pods: Iterable[Pod],
    numbers: Mapping[Key, Numbers],
    edges: Iterable[tuple[Ref, Ref]],
) -> dict[Ref, tuple[list[Pod], Numbers]]:
    by_ref = {found: value for key, value in numbers.items() if (found := ref(dict(key)))}
    wanted = {end for edge in edges for end in edge} | by_ref.keys()
    owned: dict[Ref, list[Pod]] = {}
    for pod in pods:
        kind, name = pod.workload
        owned.setdefault((kind, pod.namespace, name), []).append(pod)
    wanted |= {item for item in owned if not namespace or item[1] == namespace}
    return {item: (owned.get(item, []), by_ref.get(item, Numbers())) for item in sorted(wanted)}


def graph_json(found: Graph, inventory: Inventory) -> Json:
    accounts = {item: pods[0].service_account for item, (pods, _) in found.nodes.items() if pods}
    return {
        "nodes": [
            {
                "ref": item,
                "pods": len(pods),
                "meshed_pods": sum(inventory.is_meshed(pod) for pod in pods),
                "ready_pods": sum(pod.is_ready for pod in pods),
                "restarts": sum(pod.restarts for pod in pods),
                "restarted": max((pod.restarted for pod in pods if pod.restarted), default=None),
                "numbers": numbers.as_json(),
            }
            for item, (pods, numbers) in found.nodes.items()
        ],
        "edges": edges_json(found.edges, accounts),
    }


def edges_json(edges: Mapping[tuple[Ref, Ref], Numbers], accounts: Mapping[Ref, str]) -> list[Json]:
    return [
        {
            "src": source,
            "dst": destination,
            "client_id": f"{accounts[source]}.{source[1]}"
            if numbers.server_id and source in accounts
            else "",
            "server_id": numbers.server_id,
            "no_tls_reason": numbers.no_tls_reason,
            "numbers": numbers.as_json(),
        }
        for (source, destination), numbers in sorted(edges.items())
    ]


def accounts_of(inventory: Inventory) -> dict[Ref, str]:
    """By workload and by pod."""
    found: dict[Ref, str] = {}
    for pod in inventory.pods():
        found["pod", pod.namespace, pod.name] = pod.service_account
        found[pod.workload[0], pod.namespace, pod.workload[1]] = pod.service_account
    return found
