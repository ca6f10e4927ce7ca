"""The HTTP interface of metrics-api: JSON for the command line, the dashboard and Prometheus."""

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import parse_qs

from tulle import durations
from tulle.k8s.client import ApiError, Unreachable
from tulle.serve.admin import Message, Receive, Send, respond
from tulle.serve.logs import Log
from tulle.viz import inbound, outbound, routes
from tulle.viz.dashboard_api import DashboardApi, moment
from tulle.viz.edges import edges
from tulle.viz.inventory import Inventory
from tulle.viz.kinds import EDGE_KINDS, KINDS, SENDERS, Resource
from tulle.viz.prometheus import Prometheus, PrometheusError
from tulle.viz.queries import scraped
from tulle.viz.stat import BadRequest, Question, answer, as_json
from tulle.viz.targets import target_groups

log = Log("metrics-api")

Json = dict[str, Any]
Params = dict[str, list[str]]
JSON = "application/json"


@dataclass(frozen=True, slots=True)
class Api:
    """An ASGI application. Every answer is JSON; a refusal is `{"error": sentence}`."""

    inventory: Inventory
    prometheus: Prometheus
    cluster_domain: str

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        found = self._routes().get(scope["path"])
        if found is None:
            await _answer(send, 404, {"error": f"there is nothing at {scope['path']}"})
            return
        if scope["method"] != "GET":
            await _answer(send, 405, {"error": "this interface is only read"})
            return
        try:
            content = await found(parse_qs(scope["query_string"].decode()))
        except (BadRequest, ValueError) as error:
            await _answer(send, 400, {"error": str(error)})
        except PrometheusError as error:
            log.warn("cannot answer", path=scope["path"], reason=error)
            await _answer(send, 503, {"error": str(error)})
        except (ApiError, Unreachable) as error:
            log.warn("cannot answer", path=scope["path"], reason=error)
            await _answer(send, 502, {"error": f"metrics-api asked the API server: {error}"})
        else:
            await _answer(send, 200, content)

    def _routes(self) -> dict[str, Callable[[Params], Awaitable[Any]]]:
        return {
            "/api/stat": self._stat,
            "/api/edges": self._edges,
            "/api/routes": self._of_routes,
            "/api/inbound": self._inbound,
            "/api/outbound": self._outbound,
            "/api/authz": self._authorized,
            "/api/pods": self._pods,
            "/api/check": self._check,
            "/targets": self._targets,
            **DashboardApi(self.inventory, self.prometheus, self.cluster_domain).routes(),
        }

    async def _stat(self, params: Params) -> Json:
        question = Question(
            _resource(params, ""),
            _one(params, "window") or "1m",
            _one(params, "selector"),
            _resource(params, "to_") if "to_kind" in params else None,
            _resource(params, "from_") if "from_kind" in params else None,
        )
        _judge(question)
        asked = self.prometheus.at(moment(params))
        found = await answer(question, self.inventory, asked, self.cluster_domain)
        namespace = question.target.namespace
        if not found.rows and namespace and not await self.inventory.exists(namespace):
            raise BadRequest(f"the namespace {namespace} does not exist")
        return as_json(question, found)

    async def _of_routes(self, params: Params) -> Json:
        """For one object, or for each of a kind that has profiles."""
        target, window = _resource(params, ""), _one(params, "window") or "1m"
        to = _resource(params, "to_") if "to_kind" in params else None
        durations.seconds(window)
        asked = self.prometheus.at(moment(params))
        if target.name:
            targets = [target]
        else:
            entries = await self.inventory.entries(target, _one(params, "selector"))
            targets = [replace(target, name=entry.name) for entry in entries]
        tables: list[Json] = []
        refused = f"there is no {target.kind.name} in the namespace {target.namespace}"
        for item in targets:
            question = routes.Question(item, window, to)
            try:
                rows = await routes.routes(question, self.inventory, asked, self.cluster_domain)
            except BadRequest as error:
                refused = str(error)
                continue
            shown = [routes.row_json(row) for row in rows]
            tables.append({"resource": f"{item.kind.name}/{item.name}", "rows": shown})
        if not tables:
            raise BadRequest(refused)
        return {"window": window, "tables": tables}

    async def _inbound(self, params: Params) -> Json:
        return {"rows": await inbound.inbound(*_of_senders(params), self.prometheus)}

    async def _outbound(self, params: Params) -> Json:
        return {"rows": await outbound.outbound(*_of_senders(params), self.prometheus)}

    async def _authorized(self, params: Params) -> Json:
        return {"rows": await inbound.authorized(*_of_senders(params), self.prometheus)}

    async def _edges(self, params: Params) -> Json:
        kind = _one(params, "kind")
        if kind not in EDGE_KINDS:
            raise BadRequest(f"there are no edges of {kind or 'nothing'}; name a kind with pods")
        namespace, asked = _one(params, "namespace"), self.prometheus.at(moment(params))
        found = await edges(KINDS[kind], namespace, self.inventory, asked)
        if not found and namespace and not await self.inventory.exists(namespace):
            raise BadRequest(f"the namespace {namespace} does not exist")
        return {"edges": [edge.as_json() for edge in found]}

    async def _pods(self, params: Params) -> Json:
        pods = self.inventory.pods(_one(params, "namespace"))
        return {
            "pods": [
                {
                    "namespace": pod.namespace,
                    "name": pod.name,
                    "status": pod.status,
                    "address": pod.address,
                    "is_meshed": self.inventory.is_meshed(pod),
                    "is_ready": pod.is_ready,
                    "restarts": pod.restarts,
                    "restarted": pod.restarted,
                    "owners": sorted(f"{kind}/{name}" for kind, name in pod.owners),
                }
                for pod in sorted(pods, key=lambda pod: (pod.namespace, pod.name))
            ]
        }

    async def _check(self, params: Params) -> Json:
        """How many proxies there are, and how many of them Prometheus reaches."""
        meshed = [pod for pod in self.inventory.pods() if self.inventory.is_meshed(pod)]
        reached = await self.prometheus.query(scraped(""))
        return {
            "meshed_pods": sum(not pod.has_ended for pod in meshed),
            "scraped_proxies": int(sum(sample.value for sample in reached)),
        }

    async def _targets(self, params: Params) -> list[Json]:
        return target_groups(self.inventory.pods(), frozenset(params.get("namespace", ())))


def _one(params: Params, name: str) -> str:
    return params.get(name, [""])[0]


def _resource(params: Params, prefix: str) -> Resource:
    word = _one(params, f"{prefix}kind")
    if word not in KINDS:
        raise BadRequest(f"there are no metrics of the kind {word or '(none given)'}")
    kind = KINDS[word]
    namespace = "" if word == "namespace" else _one(params, f"{prefix}namespace")
    return Resource(kind, namespace, _one(params, f"{prefix}name"))


def _of_senders(params: Params) -> tuple[Resource, str]:
    """The workloads that are meant, and the window."""
    target, window = _resource(params, ""), _one(params, "window") or "1m"
    if target.kind.name not in SENDERS:
        raise BadRequest(f"a {target.kind.name} has no proxy of its own; name a workload")
    durations.seconds(window)
    return target, window


def _judge(question: Question) -> None:
    if question.to and question.source:
        raise BadRequest("traffic is asked for either to or from a resource, not both")
    if question.source and question.source.kind.name not in SENDERS:
        raise BadRequest(f"a {question.source.kind.name} sends nothing, so no traffic is from it")
    if question.to and question.target.kind.name not in SENDERS:
        raise BadRequest(f"a {question.target.kind.name} sends nothing, so it has no traffic to")
    if question.to and question.to.kind.name == "trafficsplit":
        raise BadRequest("a trafficsplit is no destination; name its service")


async def _answer(send: Send, status: int, content: object) -> None:
    await respond(send, status, json.dumps(content, separators=(",", ":")).encode(), JSON)
