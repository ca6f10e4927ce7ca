"""The dashboard's server: which path is which page, who may ask by what name, and the policy that
keeps a page from loading anything that is not ours."""

import json
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from importlib.resources import files
from typing import Any
from urllib.parse import parse_qs, unquote

from tulle.serve.admin import Message, Receive, Send
from tulle.viz.web import html, live, pages
from tulle.viz.web.live import BadQuery, Live, Wanted
from tulle.viz.web.metrics import Json, Metrics, Unanswered

SECURITY = [
    (
        b"content-security-policy",
        b"default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
        b"img-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    ),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cache-control", b"no-store"),
]
STATIC = {
    html.STYLE_PATH: ("style.css", "text/css; charset=utf-8"),
    html.SCRIPT_PATH: ("refresh.js", "text/javascript; charset=utf-8"),
    html.LIVE_SCRIPT_PATH: ("live.js", "text/javascript; charset=utf-8"),
}
PAGE, JSON = "text/html; charset=utf-8", "application/json"
MOST_PEERS = 20  # of one object, each of which costs a question
LIVE_API_PATHS = ("/api/tap", "/api/top")
API_PATHS = ("/api/stat", "/api/edges", "/api/routes", "/api/pods", "/api/check")
NAME = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?")


def host_pattern(namespace: str, cluster_domain: str) -> re.Pattern[str]:
    """The names by which the dashboard is reached; by any other one, a strange site's page could
    read it through its visitor's browser (DNS rebinding)."""
    domain = re.escape(cluster_domain)
    service = rf"web\.{re.escape(namespace)}\.svc(\.{domain})?"
    return re.compile(rf"(localhost|127\.0\.0\.1|\[::1\]|{service})(:\d+)?")


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    content_type: str
    body: bytes
    location: str = ""


class NoSuchPage(Exception):
    """A path that is no page."""


@dataclass(frozen=True, slots=True)
class Dashboard:
    """An ASGI application that is only read."""

    metrics: Metrics
    hosts: re.Pattern[str]
    live: Live | None = None  # None: no API server is there to be asked

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        stream = self._stream(scope)
        if stream is not None:
            await live.serve(stream, SECURITY, receive, send)
            return
        answer = await self._answer(scope)
        headers = [
            (b"content-type", answer.content_type.encode()),
            (b"content-length", str(len(answer.body)).encode()),
            *SECURITY,
        ]
        if answer.location:
            headers.append((b"location", answer.location.encode()))
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        body = b"" if scope["method"] == "HEAD" else answer.body
        await send({"type": "http.response.body", "body": body})

    def _stream(self, scope: Message) -> AsyncIterator[Any] | None:
        """Of tap or top; None if it is another question, or one that is to be refused."""
        if self.live is None or not self.hosts.fullmatch(_host(scope)) or scope["method"] != "GET":
            return None
        streams = {"/api/tap": self.live.tap, "/api/top": self.live.top}
        found = streams.get(scope["path"])
        if found is None:
            return None
        try:
            return found(Wanted.of(_query(scope)))
        except BadQuery:
            return None

    async def _answer(self, scope: Message) -> Answer:
        host = _host(scope)
        if not self.hosts.fullmatch(host):
            return _failed(
                400,
                f"The dashboard does not answer to the name {host!r}. Reach it by "
                "`tulle viz dashboard`, or allow the name by --enforced-host.",
            )
        if scope["method"] not in ("GET", "HEAD"):
            return _failed(405, "The dashboard is only read.")
        path = scope["path"]
        if path in STATIC:
            name, content_type = STATIC[path]
            return Answer(200, content_type, _static(name))
        if path == "/":
            return Answer(302, PAGE, b"", "/namespaces")
        if path in API_PATHS:
            return await self._api(path, _query(scope))
        if path in LIVE_API_PATHS:
            return _failed(400, "Name a kind that has pods, and its namespace.")
        if path.strip("/") in pages.LIVE:
            return Answer(200, PAGE, _live_page(path, _query(scope)).encode())
        try:
            return Answer(200, PAGE, (await self._page(path)).encode())
        except NoSuchPage:
            return _failed(404, "There is no such page.")
        except Unanswered as error:
            return _failed(error.status, str(error), path)

    async def _api(self, path: str, asked: dict[str, str]) -> Answer:
        try:
            content = await self.metrics.get(path, asked)
        except Unanswered as error:
            return Answer(error.status, JSON, json.dumps({"error": str(error)}).encode())
        return Answer(200, JSON, json.dumps(content).encode())

    async def _page(self, path: str) -> str:
        match [unquote(part) for part in path.strip("/").split("/")]:
            case ["namespaces"]:
                return await self._namespaces(path)
            case ["edges"]:
                found = pages.edge_table(await self.metrics.edges("deployment"), "deployments")
                return _page("Edges", "", path, [found])
            case [plural] if plural in pages.KINDS:
                return await self._kind("", plural, path)
            case ["namespaces", namespace, *rest] if NAME.fullmatch(namespace):
                return await self._of_namespace(namespace, rest, path)
            case _:
                raise NoSuchPage

    async def _of_namespace(self, namespace: str, rest: list[str], path: str) -> str:
        match rest:
            case []:
                return await self._overview(namespace, path)
            case ["edges"]:
                answer = await self.metrics.edges("deployment", namespace)
                found = pages.edge_table(answer, "deployments")
                return _page(f"{namespace}: edges", namespace, path, [found])
            case ["routes"]:
                tables = await self._routes(namespace)
                return _page(f"{namespace}: routes", namespace, path, tables)
            case [plural] if plural in pages.KINDS:
                return await self._kind(namespace, plural, path)
            case [plural, name] if plural in pages.KINDS and NAME.fullmatch(name):
                return await self._object(namespace, plural, name, path)
            case _:
                raise NoSuchPage

    async def _namespaces(self, path: str) -> str:
        answer = await self.metrics.stat("namespace")
        found = pages.stat_table("Namespaces", "namespaces", answer)
        return _page("Namespaces", "", path, [found])

    async def _kind(self, namespace: str, plural: str, path: str) -> str:
        kind, title = pages.KINDS[plural]
        answer = await self.metrics.stat(kind, namespace)
        found = pages.stat_table(title, plural, answer, with_namespace=not namespace)
        shown = f"{namespace}: {title}" if namespace else title
        return _page(shown, namespace, path, [found])

    async def _overview(self, namespace: str, path: str) -> str:
        found = []
        for plural in pages.OVERVIEW:
            kind, title = pages.KINDS[plural]
            answer = await self.metrics.stat(kind, namespace)
            if answer["rows"]:
                found.append(pages.stat_table(title, plural, answer))
        edges = await self.metrics.edges("deployment", namespace)
        return _page(namespace, namespace, path, [*found, pages.edge_table(edges, "deployments")])

    async def _object(self, namespace: str, plural: str, name: str, path: str) -> str:
        kind, title = pages.KINDS[plural]
        answer = await self.metrics.stat(kind, namespace, name)
        found = [pages.stat_table(title, plural, answer)]
        if kind == "service":
            found += await self._routes(namespace, name)
        elif kind != "trafficsplit":
            found += await self._traffic(kind, plural, namespace, name)
        return _page(f"{kind}/{name}", namespace, path, found)

    async def _routes(self, namespace: str, service: str = "") -> list[html.Table]:
        """Of Services that have profiles; that there are none is no failure of a page."""
        asked = {"kind": "service", "namespace": namespace}
        try:
            answer = await self.metrics.get(
                "/api/routes", {**asked, "name": service} if service else asked
            )
        except Unanswered as error:
            if error.status != 400:
                raise
            return [pages.no_routes(str(error))]
        return [pages.route_table(table) for table in answer["tables"]]

    async def _traffic(self, kind: str, plural: str, namespace: str, name: str) -> list[html.Table]:
        """Who calls it, whom it calls, and whether that is secured."""
        edges = await self.metrics.edges(kind, namespace)
        found = []
        for title, word, ends in pages.peers(edges, (namespace, name)):
            rows: list[Json] = []
            for peer_namespace, peer in ends[:MOST_PEERS]:
                where = {f"{word}_namespace": peer_namespace, f"{word}_name": peer}
                more = {f"{word}_kind": kind, **where}
                answer = await self.metrics.stat(kind, namespace, name, **more)
                renamed = {"namespace": peer_namespace, "name": peer}
                rows += [{**row, **renamed} for row in answer["rows"]]
            if rows:
                answer = {"rows": rows}
                found.append(pages.stat_table(title, plural, answer, with_namespace=True))
        return [*found, pages.edge_table(edges, plural, (namespace, name))]


def _host(scope: Message) -> str:
    found: bytes = dict(scope["headers"]).get(b"host", b"")
    return found.decode("latin-1")


def _query(scope: Message) -> dict[str, str]:
    text = scope["query_string"].decode("latin-1")
    return {key: values[0] for key, values in parse_qs(text).items()}


def _live_page(path: str, query: dict[str, str]) -> str:
    name = path.strip("/")
    sections = pages.live_sections(name, query)
    return html.page(name.capitalize(), _bars("", path), sections, html.LIVE_SCRIPT_PATH)


def _page(title: str, namespace: str, path: str, tables: list[html.Table]) -> str:
    sections = [html.table(table) for table in tables]
    return html.page(title, _bars(namespace, path), sections)


def _bars(namespace: str, path: str) -> list[str]:
    always = [("Namespaces", "/namespaces"), ("Tap", "/tap"), ("Top", "/top")]
    top = html.links([*always, *pages.navigation()], path)
    return [top, html.links(pages.navigation(namespace), path)] if namespace else [top]


def _failed(status: int, message: str, path: str = "") -> Answer:
    content = html.page(
        "Not found" if status == 404 else "No answer", _bars("", path), [html.failure(message)]
    )
    return Answer(status, PAGE, content.encode())


def _static(name: str) -> bytes:
    return files("tulle.viz.web").joinpath("static", name).read_bytes()
