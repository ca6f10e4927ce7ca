"""Which authorizations hold for the ports of given pods, as the policy objects say. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]

GATEWAY = "gateway.networking.k8s.io"
POLICY = "policy.linkerd.io"


@dataclass(frozen=True, slots=True, order=True)
class Row:
    """`route` is * where the authorization holds for the whole Server."""

    route: str
    server: str
    policy: str = ""
    server_authorization: str = ""


@dataclass(frozen=True, slots=True)
class PolicyObjects:
    """The policy objects of one namespace."""

    servers: list[Json]
    routes: list[Json]
    policies: list[Json]
    server_authorizations: list[Json]


def authorizations(pods: Iterable[Json], known: PolicyObjects) -> list[Row]:
    """A row for each authorization of each Server that selects one of the pods."""
    labels = [(pod["metadata"].get("labels") or {}) for pod in pods]
    rows: set[Row] = set()
    for server in known.servers:
        selector = server["spec"].get("podSelector")
        if selector is None or not any(selects(selector, pod) for pod in labels):
            continue
        rows.update(_of_server(server, known))
    return sorted(rows)


def _of_server(server: Json, known: PolicyObjects) -> Iterable[Row]:
    name = server["metadata"]["name"]
    for item in known.server_authorizations:
        target = item["spec"]["server"]
        marks = server["metadata"].get("labels") or {}
        by_labels = "selector" in target and selects(target["selector"], marks)
        if target.get("name") == name or by_labels:
            yield Row("*", name, server_authorization=item["metadata"]["name"])
    for item in known.policies:
        target = item["spec"]["targetRef"]
        policy = item["metadata"]["name"]
        if target["kind"] == "Namespace" or (target["kind"] == "Server" and target["name"] == name):
            yield Row("*", name, policy)
        elif target["kind"] in ("HTTPRoute", "GRPCRoute") and _is_route_of(target, name, known):
            yield Row(target["name"], name, policy)


def _is_route_of(target: Json, server: str, known: PolicyObjects) -> bool:
    return any(
        route["kind"] == target["kind"]
        and route["metadata"]["name"] == target["name"]
        and any(
            parent.get("kind") == "Server" and parent["name"] == server
            for parent in route["spec"].get("parentRefs") or []
        )
        for route in known.routes
    )


def selects(selector: Json, labels: dict[str, str]) -> bool:
    """A Kubernetes label selector; an empty one selects everything."""
    if any(labels.get(key) != value for key, value in (selector.get("matchLabels") or {}).items()):
        return False
    return all(_holds(item, labels) for item in selector.get("matchExpressions") or [])


def _holds(expression: Json, labels: dict[str, str]) -> bool:
    value, values = labels.get(expression["key"]), expression.get("values") or []
    match expression["operator"]:
        case "In":
            return value in values
        case "NotIn":
            return value not in values
        case "Exists":
            return value is not None
        case _:
            return value is None
