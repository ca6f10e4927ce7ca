"""What only the dashboard asks of metrics-api: the whole graph, spans of time, proxies, names."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tulle.viz.backends import backends
from tulle.viz.graph import accounts_of, around, edges_json, graph, graph_json, totals
from tulle.viz.inventory import Inventory
from tulle.viz.kinds import KINDS, Resource
from tulle.viz.prometheus import Prometheus
from tulle.viz.proxies import proxies, unproven
from tulle.viz.series import MOST_MOMENTS, Span, over
from tulle.viz.stat import BadRequest, Question, traffic

Json = dict[str, Any]
Params = Mapping[str, list[str]]
Handler = Callable[[Params], Awaitable[Any]]

NAMED = ("deployment", "statefulset", "daemonset", "job", "cronjob", "service", "namespace")


def one(params: Params, name: str) -> str:
    return params.get(name, [""])[0]


def moment(params: Params, name: str = "at") -> float | None:
    """Unix seconds; None where it is not given."""
    text = one(params, name)
    try:
        return float(text) if text else None
    except ValueError:
        raise BadRequest(f"{name} is a moment in Unix seconds, not {text!r}") from None


def resource(params: Params, prefix: str = "") -> Resource:
    word = one(params, f"{prefix}kind")
    if word not in KINDS:
        raise BadRequest(f"there are no metrics of the kind {word or '(none given)'}")
    namespace = "" if word == "namespace" else one(params, f"{prefix}namespace")
    return Resource(KINDS[word], namespace, one(params, f"{prefix}name"))


@dataclass(frozen=True, slots=True)
class DashboardApi:
    inventory: Inventory
    prometheus: Prometheus
    cluster_domain: str

    def routes(self) -> dict[str, Handler]:
        return {
            "/api/graph": self._graph,
            "/api/around": self._around,
            "/api/series": self._series,
            "/api/proxies": self._proxies,
            "/api/unmeshed": self._unmeshed,
            "/api/names": self._names,
            "/api/backends": self._backends,
        }

    async def _graph(self, params: Params) -> Json:
        """With `totals`, namespaces and Services too."""
        window, then = one(params, "window") or "1m", moment(params)
        asked = self.prometheus.at(then)
        found = await graph(one(params, "namespace"), window, self.inventory, asked)
        answer = {"window": window, **graph_json(found, self.inventory)}
        if one(params, "totals"):
            sums = await totals(window, asked, self.cluster_domain)
            answer["totals"] = [
                {"ref": item, "numbers": numbers.as_json()} for item, numbers in sums.items()
            ]
        return answer

    async def _around(self, params: Params) -> Json:
        window, target = one(params, "window") or "1m", _named(params)
        found = await around(target, window, self.inventory, self.prometheus.at(moment(params)))
        return {"window": window, "edges": edges_json(found, accounts_of(self.inventory))}

    async def _series(self, params: Params) -> Json:
        target = _named(params)
        to = resource(params, "to_") if "to_kind" in params else None
        begin, end, step = (moment(params, name) for name in ("from", "to", "step"))
        if begin is None or end is None or step is None or begin > end or step < 1:
            raise BadRequest("name from, to and a step of at least a second")
        if (end - begin) / step > MOST_MOMENTS:
            raise BadRequest(f"that is more than {MOST_MOMENTS} moments; give a longer step")
        asked = traffic(Question(target, to=to), self.cluster_domain)
        window = one(params, "window") or "1m"
        return await over(asked, Span(begin, end, step), window, self.prometheus)

    async def _proxies(self, params: Params) -> Json:
        target = _named(params) if one(params, "kind") else None
        return {"proxies": await proxies(target, self.inventory, self.prometheus)}

    async def _unmeshed(self, params: Params) -> Json:
        window, asked = one(params, "window") or "1m", self.prometheus.at(moment(params))
        return {"sources": await unproven(_named(params), window, asked)}

    async def _backends(self, params: Params) -> Json:
        namespace, service = one(params, "namespace"), one(params, "name")
        window, asked = one(params, "window") or "1m", self.prometheus.at(moment(params))
        return {"rows": await backends(namespace, service, window, asked)}

    async def _names(self, _: Params) -> Json:
        """Of all that a user may look for by name."""
        found = {(pod.workload[0], pod.namespace, pod.workload[1]) for pod in self.inventory.pods()}
        found |= {("pod", pod.namespace, pod.name) for pod in self.inventory.pods()}
        for name in NAMED:
            for item in await self.inventory.listed(KINDS[name].path("")):
                metadata = item["metadata"]
                found.add((name, metadata.get("namespace", ""), metadata["name"]))
        return {"names": sorted(found)}


def _named(params: Params) -> Resource:
    target = resource(params)
    if not target.name:
        raise BadRequest(f"name the {target.kind.name}")
    return target
