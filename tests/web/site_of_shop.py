"""The real dashboard with the built page, on a real port, over a made-up shop."""

import asyncio
import threading
import time
from concurrent.futures import Future
from pathlib import Path

from shop import Shop

from tulle.k8s.client import Client
from tulle.k8s.kubeconfig import Access
from tulle.serve import admin, asgi
from tulle.viz.web.app import Dashboard, host_pattern
from tulle.viz.web.assets import Assets
from tulle.viz.web.collector import Collector
from tulle.viz.web.journal import Change, Journal
from tulle.viz.web.sources import Sources
from tulle.viz.web.store import Store

STATIC = Path(__file__).resolve().parents[2] / "src" / "tulle" / "viz" / "web" / "static"
HOSTS = host_pattern("tulle-viz", "cluster.local")
STARTED_SECONDS = 60


class Taps:
    """Plays the tap API: requests without end, or a refusal."""

    def __init__(self):
        self.wanted = []
        self.refusal = None
        self.count = 0

    async def tap(self, wanted):
        self.wanted.append(wanted)
        if self.refusal is not None:
            raise self.refusal
        while True:
            self.count += 1
            for event in request_events(self.count, has_headers=wanted.has_headers):
                yield event
            await asyncio.sleep(0.02)  # the pace of the traffic that is played

    async def top(self, wanted):
        self.wanted.append(wanted)
        if self.refusal is not None:
            raise self.refusal
        while True:
            self.count += 1
            yield [top_row("/items", 10 * self.count, 1.0), top_row("/orders", self.count, 0.9)]
            await asyncio.sleep(0.02)


def request_events(number, *, has_headers):
    known = {"base": 1, "stream": number}
    headers = [{"name": "user-agent", "valueStr": "shopper"}] if has_headers else []
    ends = {
        "source": {
            "ip": "10.0.0.1",
            "port": 40000 + number % 1000,
            "metadata": {"deployment": "ui", "namespace": "shop", "tls": "true"},
        },
        "destination": {
            "ip": "10.0.0.2",
            "port": 80,
            "metadata": {"deployment": "web", "namespace": "shop"},
        },
        "routeMeta": {},
        "proxyDirection": "INBOUND",
    }
    took = {"seconds": 0, "nanos": 4_000_000}
    init = {"method": "GET", "scheme": "HTTP", "authority": "web", "path": f"/items/{number}"}
    end = {"sinceRequestInit": took, "responseBytes": 7, "trailers": []}
    return [
        {**ends, "requestInitEvent": {"id": known, **init, "headers": headers}},
        {
            **ends,
            "responseInitEvent": {
                "id": known,
                "sinceRequestInit": took,
                "httpStatus": 200,
                "headers": [],
            },
        },
        {**ends, "responseEndEvent": {"id": known, **end}},
    ]


def top_row(path, count, success):
    ends = {"source": "ui", "destination": "web", "method": "GET", "path": path}
    return {**ends, "count": count, "best": 1.0, "worst": 9.0, "last": 2.0, "success": success}


class Site:
    """Serves from a thread of its own, as Playwright holds the test's."""

    def __init__(self, state="full", kube=None):
        self.shop, self.taps = Shop(state, clock=time.time), Taps()
        self.base = ""
        self._kube = kube
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._is_up = Future()
        self._thread = threading.Thread(target=self._serve)

    def __enter__(self):
        self._thread.start()
        self.base = self._is_up.result(STARTED_SECONDS)
        return self

    def __exit__(self, *_):
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()
        self._loop.close()

    def _serve(self):
        try:
            self._loop.run_until_complete(self._run())
        except Exception as error:
            self._is_up.set_exception(error)

    def answer(self):
        """Ends the state `slow`."""
        self.shop.state = "full"
        self._loop.call_soon_threadsafe(self.shop.release)

    async def _run(self):
        behind, listener = admin.listen("127.0.0.1:0"), admin.listen("127.0.0.1:0")
        access = Access(f"http://127.0.0.1:{behind.getsockname()[1]}")
        async with Client(access) as api, asyncio.TaskGroup() as tasks:
            sources = Sources(
                self.shop,
                Store(),
                journal=Journal(),
                live=self.taps,
                api=None if self._kube is None else api,
            )
            if self.shop.state == "full":
                await self._remember(sources)
            dashboard = Dashboard(sources, HOSTS, Assets(STATIC))
            if self._kube is not None:
                tasks.create_task(asgi.serve(self._kube, behind, self._stop))
            tasks.create_task(asgi.serve(dashboard, listener, self._stop))
            self._is_up.set_result(f"http://localhost:{listener.getsockname()[1]}")
        behind.close()

    async def _remember(self, sources):
        """Twenty minutes of the shop, and one change in them."""
        begin = time.time() - 1200
        clock = [begin]
        collector = Collector(
            self.shop.get, sources.history, sources.recent, sources.journal, lambda: clock[0]
        )
        for step in range(120):
            clock[0] = begin + 10 * step
            await collector.sample()
        sources.journal.add(
            Change(begin + 900, "deployment", "shop", "web", "rollout", "web:1 became web:2")
        )
