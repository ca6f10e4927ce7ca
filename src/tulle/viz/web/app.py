"""The dashboard's server: which path is which answer, who may ask by what name, and the policy that
keeps a page from loading anything that is not ours."""

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from tulle import durations, names
from tulle.serve.asgi import Message, Receive, Send
from tulle.viz.kinds import KINDS
from tulle.viz.stat import CLASSIFICATION
from tulle.viz.web import charts, live
from tulle.viz.web.assets import Assets
from tulle.viz.web.callers import allows
from tulle.viz.web.graphs import Graphs
from tulle.viz.web.http import (
    NAME,
    Answer,
    Query,
    Refused,
    answer,
    bearer,
    body_of,
    header,
    is_foreign,
)
from tulle.viz.web.live import Wanted
from tulle.viz.web.metrics import Unanswered
from tulle.viz.web.overview import Overview
from tulle.viz.web.profiles import Profiles
from tulle.viz.web.search import Search
from tulle.viz.web.sources import Sources
from tulle.viz.web.splits import RESOURCES
from tulle.viz.web.store import STEP_SECONDS
from tulle.viz.web.weights import Splits
from tulle.viz.web.workloads import Workloads

Json = dict[str, Any]

SECURITY = (
    (
        b"content-security-policy",
        b"default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
        b"img-src 'self'; worker-src 'self'; base-uri 'none'; form-action 'none'; "
        b"frame-ancestors 'none'",
    ),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
)
NOT_STORED = (b"cache-control", b"no-store")
PLURALS = {kind.plural: kind.name for kind in KINDS.values()}
STREAMS = ("tap", "top")
WINDOW_SECONDS = 60


def host_pattern(namespace: str, cluster_domain: str) -> re.Pattern[str]:
    """The names by which the dashboard is reached; by any other one, a strange site's page could
    read it through its visitor's browser (DNS rebinding)."""
    domain = re.escape(cluster_domain)
    service = rf"web\.{re.escape(namespace)}\.svc(\.{domain})?"
    return re.compile(rf"(localhost|127\.0\.0\.1|\[::1\]|{service})(:\d+)?")


class Dashboard:
    """An ASGI application. `hosts` are the names that it answers to."""

    def __init__(
        self, sources: Sources, hosts: re.Pattern[str], assets: Assets | None = None
    ) -> None:
        self._sources, self._hosts = sources, hosts
        self._assets = assets or Assets()
        self._workloads, self._graphs = Workloads(sources), Graphs(sources)
        self._overview, self._search = Overview(sources), Search(sources)
        self._profiles, self._splits = Profiles(sources), Splits(sources)

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        try:
            self._admit(scope)
            stream = self._stream(scope)
            if stream is not None:
                await live.serve(stream, [*SECURITY, NOT_STORED], receive, send)
                return
            found = await self._answer(scope, receive)
        except Refused as refused:
            found = answer(scope, refused.status, refused.content)
        except Unanswered as error:
            found = answer(scope, error.status, {"error": str(error), "hint": "tulle viz check"})
        await _sent(scope, found, send)

    def _admit(self, scope: Message) -> None:
        host = header(scope, b"host")
        if not self._hosts.fullmatch(host):
            raise Refused(
                400,
                f"the dashboard does not answer to the name {host!r}",
                "reach it by `tulle viz dashboard`, or allow the name by --enforced-host",
            )
        if scope["method"] not in ("GET", "HEAD", "PUT"):
            raise Refused(
                405, "the dashboard is read by GET; profiles and splits are written by PUT"
            )

    def _stream(self, scope: Message) -> AsyncIterator[Any] | None:
        """Of tap or top; None if something else is asked."""
        name = scope["path"].removeprefix("/api/").strip("/").removesuffix(".json")
        if name not in STREAMS or scope["path"] not in (f"/api/{name}", f"/{name}.json"):
            return None
        if is_foreign(scope):
            raise Refused(403, "a tap is started by the dashboard's own pages, or by no page")
        if scope["method"] != "GET":
            raise Refused(405, "a tap is read by GET")
        taps = self._sources.live
        if taps is None:
            raise Refused(503, "the dashboard has no API server to tap by")
        wanted = Wanted.of(Query.of(scope))
        return taps.tap(wanted) if name == "tap" else taps.top(wanted)

    async def _answer(self, scope: Message, receive: Receive) -> Answer:
        path, query = scope["path"], Query.of(scope)
        parts = path.strip("/").split("/")
        if scope["method"] == "PUT":
            return await self._written(scope, receive, parts, query)
        if path.startswith("/assets/"):
            return self._assets.asset(scope)
        if path.startswith("/api/"):
            return answer(scope, 200, await self._api(scope, parts[1:], query))
        if path.endswith(".json"):
            content = await self._data(path.removesuffix(".json").strip("/").split("/"), query)
            return answer(scope, 200, content)
        if not is_page(parts):
            raise Refused(404, "there is no such page")
        return self._assets.page(scope)

    async def _api(self, scope: Message, parts: list[str], query: Query) -> Json:
        plain: dict[str, Callable[[Query], Awaitable[Json]]] = {
            "overview": self._overview.answer,
            "workloads": self._workloads.table,
            "topology": self._graphs.topology,
            "edges": self._graphs.edges,
            "routes": self._routes,
            "search": self._search.answer,
        }
        match parts:
            case [name] if name in plain:
                return await plain[name](query)
            case ["session"]:
                return await self._session(bearer(scope))
            case ["history"]:
                return await charts.history(self._sources, query)
            case ["pods"]:
                return await self._workloads.table(query, "pod")
            case ["namespaces"]:
                return await self._workloads.table(query, "namespace")
            case ["workloads", kind, namespace, name] if kind in KINDS and _named(namespace, name):
                within = "" if kind == "namespace" else namespace
                return await self._workloads.one(kind, within, name, query)
            case ["profiles", namespace, service] if _named(namespace, service):
                return await self._profiles.read(namespace, service)
            case ["can", "profiles", namespace] if _named(namespace):
                return await self._profiles.may(namespace, bearer(scope))
            case ["splits", namespace, service] if _named(namespace, service):
                return await self._splits.read(namespace, service, query)
            case ["can", "splits", namespace] if _named(namespace):
                return await self._splits.may(namespace, bearer(scope))
            case _:
                raise Refused(404, f"there is nothing at {scope['path']}")

    async def _data(self, parts: list[str], query: Query) -> Json:
        """What the page of a path shows."""
        match parts:
            case ["" | "index"]:
                return await self._overview.answer(query)
            case ["topology"]:
                return await self._graphs.topology(query)
            case ["edges"]:
                return await self._graphs.edges(query)
            case ["routes"]:
                return await self._routes(query)
            case [plural] if plural in PLURALS:
                return await self._workloads.table(query, PLURALS[plural])
            case ["namespaces", namespace] if _named(namespace):
                return await self._workloads.namespace(namespace, query)
            case ["namespaces", namespace, plural] if plural in PLURALS and _named(namespace):
                return await self._workloads.table(query, PLURALS[plural], namespace)
            case ["namespaces", space, plural, name] if plural in PLURALS and _named(space, name):
                return await self._workloads.one(PLURALS[plural], space, name, query)
            case _:
                raise Refused(404, "there is no such page")

    async def _routes(self, query: Query) -> Json:
        kind, at = query.kind("service"), query.moment("at")
        asked = {"kind": kind, "window": query.window()}
        asked |= {word: text for word in ("namespace", "name") if (text := query.name(word))}
        asked |= {"at": str(at)} if at is not None else {}
        if to := query.text("to"):
            namespace, _, name = to.rpartition("/")
            within = namespace or asked.get("namespace", "")
            asked |= {"to_kind": "service", "to_namespace": within, "to_name": name}
        rows, notes = await self._workloads.routes_of(asked)
        return {"rows": rows, "notes": notes, "at": at}

    async def _session(self, token: str) -> Json:
        sources, place, store = self._sources, self._sources.place, self._sources.history
        try:
            check = await sources.metrics.get("/api/check", {})
        except Unanswered:  # a page starts without numbers too
            check = {}
        can_tap = sources.live is not None
        if can_tap and sources.api is not None:
            resource = "deployments/tap"
            can_tap = await allows(sources.api, "watch", "", names.TAP_GROUP, resource)
        edits = (await self._profiles.may("", token))["update"] if token else False
        return {
            "version": names.VERSION,
            "namespace": place.namespace,
            "controlNamespace": place.control_namespace,
            "clusterDomain": place.cluster_domain,
            "now": sources.clock(),
            "scrapeSeconds": durations.seconds(check.get("scrape_interval") or "10s"),
            "windowSeconds": WINDOW_SECONDS,
            "history": {
                "from": store.first(),
                "stepSeconds": STEP_SECONDS,
                "series": store.series,
                "maxSeries": store.limits.series,
                "seconds": store.limits.seconds,
                "refused": store.refused,
            },
            "can": {"tap": can_tap, "editProfiles": edits},
            "classification": "5xx",
            "classificationText": CLASSIFICATION,
        }

    async def _written(
        self, scope: Message, receive: Receive, parts: list[str], query: Query
    ) -> Answer:
        writing = self._writing(parts, query)
        if writing is None:
            raise Refused(405, "only profiles and the weights of splits are written")
        if is_foreign(scope):
            raise Refused(403, "a change is made by the dashboard's own pages, or by no page")
        if not header(scope, b"content-type").startswith("application/json"):
            raise Refused(415, "the body is JSON; say so by Content-Type: application/json")
        content = await writing(await body_of(scope, receive), bearer(scope))
        return answer(scope, 200, content)

    def _writing(
        self, parts: list[str], query: Query
    ) -> Callable[[bytes, str], Awaitable[Json]] | None:
        """What takes a body and a token, by the path; None if nothing is written there."""
        profiles, splits = self._profiles, self._splits

        async def profile(body: bytes, token: str) -> Json:
            _, _, namespace, service = parts
            if query.text("validate") == "true":
                _, problems = profiles.judge(namespace, service, body)
                return {"problems": problems}
            return await profiles.write(namespace, service, body, token)

        async def split(body: bytes, token: str) -> Json:
            _, _, namespace, resource, name = parts
            return await splits.write(namespace, resource, name, body, query, token)

        match parts:
            case ["api", "profiles", namespace, service] if _named(namespace, service):
                return profile
            case ["api", "splits", space, resource, name] if resource in RESOURCES:
                return split if _named(space, name) else None
            case _:
                return None


def is_page(parts: list[str]) -> bool:
    match parts:
        case ["" | "topology" | "edges" | "routes" | "tap" | "top"]:
            return True
        case [plural] if plural in PLURALS:
            return True
        case ["namespaces", namespace]:
            return _named(namespace)
        case ["namespaces", namespace, plural] if plural in PLURALS:
            return _named(namespace)
        case ["namespaces", namespace, plural, name] if plural in PLURALS:
            return _named(namespace, name)
        case _:
            return False


def _named(*words: str) -> bool:
    """`-` stands for no namespace."""
    return all(word == "-" or NAME.fullmatch(word) for word in words)


async def _sent(scope: Message, found: Answer, send: Send) -> None:
    headers = [
        (b"content-type", found.content_type.encode()),
        (b"content-length", str(len(found.body)).encode()),
        *SECURITY,
        *found.headers,
    ]
    if not any(name == b"cache-control" for name, _ in found.headers):
        headers.append(NOT_STORED)
    await send({"type": "http.response.start", "status": found.status, "headers": headers})
    body = b"" if scope["method"] == "HEAD" else found.body
    await send({"type": "http.response.body", "body": body})
