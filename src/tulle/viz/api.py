"""The HTTP interface of metrics-api: JSON for the command line, the dashboard and Prometheus."""

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import parse_qs

from tulle import durations
from tulle.k8s.client import ApiError, Unreachable
from tulle.serve.asgi import Message, Receive, Send, respond
from tulle.serve.logs import Log
from tulle.viz import inbound, outbound, routes
from tulle.viz.dashboard_api import DashboardApi, moment
from tulle.viz.edges import edges
from tulle.viz.inventory import Inventory
from tulle.viz.kinds import EDGE_KINDS, KINDS, SENDERS, Resource
from tulle.viz.prometheus import Prometheus, PrometheusError
from tulle.viz.queries import reached, scraped
from tulle.viz.stat import BadRequest, Question, answer, as_json
from tulle.viz.targets import target_groups

log = Log("metrics-api")

Json = dict[str, Any]
Params = dict[str, list[str]]
JSON = "application/json"


class Refusal(Exception):
    """Why there is no answer, as a sentence, with HTTP's word for it."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status

    @property
    def is_of_the_question(self) -> bool:
        """Another question would be answered; else the same one, at another time."""
        return self.status < 500


@dataclass(frozen=True, slots=True)
class Api:
    """An ASGI application. Every answer is JSON; a refusal is `{"error": sentence}`."""

    inventory: Inventory
    prometheus: Prometheus
    cluster_domain: str

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["method"] != "GET" and scope["path"] in self._routes():
            await _answer(send, 405, {"error": "this interface is only read"})
            return
        try:
            content = await self.ask(scope["path"], parse_qs(scope["query_string"].decode()))
        except Refusal as refusal:
            await _answer(send, refusal.status, {"error": str(refusal)})
        else:
            await _answer(send, 200, content)

    async def ask(self, path: str, params: Params) -> Any:
        """What stands at a path, whichever interface it is asked by; or a Refusal."""
        found = self._routes().get(path)
        if found is None:
            raise Refusal(404, f"there is nothing at {path}")
        try:
            return await found(params)
        except (BadRequest, ValueError) as error:
            raise Refusal(400, str(error)) from error
        except PrometheusError as error:
            log.warn("cannot answer", path=path, reason=error)
            raise Refusal(503, str(error)) from error
        except (ApiError, Unreachable) as error:
            log.warn("cannot answer", path=path, reason=error)
            raise Refusal(502, f"metrics-api asked the API server: {error}") from error

    def _routes(self) -> dict[str, Callable[[Params], Awaitable[Any]]]:
        return {
            "/api/stat": self._stat,
            "/api/edges": self._edges,
            "/api/routes": self._of_routes,
            "/api/inbound": self._inbound,
            "/api/outbound": self._outbound,
            "/api/authz": self._authorized,
            "/api/pods": self._pods,
            "/api/services": self._services,
            "/api/check": self._check,
            "/api/selfcheck": self._self_check,
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
                    "proxy_version": pod.proxy_version,
                    "owners": sorted(f"{kind}/{name}" for kind, name in pod.owners),
                }
                for pod in sorted(pods, key=lambda pod: (pod.namespace, pod.name))
            ]
        }

    async def _check(self, params: Params) -> Json:
        """How many proxies there are, and which of them Prometheus does not reach."""
        namespace = _one(params, "namespace")
        meshed = {
            (pod.namespace, pod.name)
            for pod in self.inventory.pods(namespace)
            if self.inventory.is_meshed(pod) and not pod.has_ended
        }
        samples = await self.prometheus.query(reached(namespace))
        issuer = await self.prometheus.query("min(issuer_cert_ttl_seconds)")
        found = {(s.labels.get("namespace", ""), s.labels.get("pod", "")) for s in samples}
        return {
            "meshed_pods": len(meshed),
            "scraped_proxies": len(meshed & found),
            "unreached": sorted(map("/".join, meshed - found)),
            "scrape_interval": await self.prometheus.scrape_interval(),
            "issuer_seconds_left": issuer[0].value if issuer else None,
        }

    async def _services(self, params: Params) -> Json:
        items = await self.inventory.listed(KINDS["service"].path(_one(params, "namespace")))
        found = [(item["metadata"]["namespace"], item["metadata"]["name"]) for item in items]
        return {"services": [{"namespace": space, "name": name} for space, name in sorted(found)]}

    async def _self_check(self, _: Params) -> Json:
        """Whether those answer on whom all else depends; that one does not is an answer too."""
        asked: dict[str, Callable[[], Awaitable[Any]]] = {
            "kubernetes": lambda: self.inventory.exists("kube-system"),
            "prometheus": lambda: self.prometheus.query(scraped("")),
        }
        results = []
        for name, ask in asked.items():
            found = {"subsystem": name, "description": f"metrics-api can ask {name}"}
            try:
                await ask()
            except (ApiError, PrometheusError, Unreachable) as error:
                results.append({**found, "status": "ERROR", "message": str(error)})
            else:
                results.append({**found, "status": "OK", "message": ""})
        return {"results": results}

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
    if question.to and question.to.kind.is_policy:
        raise BadRequest(f"a {question.to.kind.name} is no destination; name what it is of")
    if question.source and question.target.kind.is_policy:
        raise BadRequest(f"who asks is not told apart by a {question.target.kind.name}")


async def _answer(send: Send, status: int, content: object) -> None:
    await respond(send, status, json.dumps(content, separators=(",", ":")).encode(), JSON)
