"""The dashboard on a real port, over sources of the tests' own."""

import asyncio
import contextlib

import httpx
from shop import Shop

from tulle.serve import admin, asgi
from tulle.viz.web.app import Dashboard, host_pattern
from tulle.viz.web.assets import Assets
from tulle.viz.web.collector import Collector
from tulle.viz.web.journal import Journal
from tulle.viz.web.sources import Sources
from tulle.viz.web.store import Store

NOW = 1_764_000_000.0


class Served:
    """What a test needs of it: what is behind, its address, and the time that it believes."""

    def __init__(self, folder, api=None, live=None):
        self.now = NOW
        self.shop = Shop(clock=lambda: self.now)
        self.folder = folder
        journal = Journal(lambda: self.now)
        self.sources = Sources(
            self.shop, Store(), journal=journal, live=live, api=api, clock=lambda: self.now
        )
        self.collector = Collector(
            self.shop.get, self.sources.history, self.sources.recent, journal, lambda: self.now
        )
        self.base = ""

    async def request(self, method, path, **options):
        async with httpx.AsyncClient(base_url=self.base, trust_env=False) as http:
            return await http.request(method, path, **options)

    async def get(self, path, **options):
        return await self.request("GET", path, **options)

    async def json(self, path, **params):
        answer = await self.get(path, params=params)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def samples(self, count):
        """Lets time pass, with a sample each ten seconds."""
        for _ in range(count):
            self.now += 10
            await self.collector.sample()


@contextlib.asynccontextmanager
async def serving(found):
    stop, front = asyncio.Event(), admin.listen("127.0.0.1:0")
    found.base = f"http://localhost:{front.getsockname()[1]}"
    dashboard = Dashboard(
        found.sources, host_pattern("tulle-viz", "cluster.local"), Assets(found.folder)
    )
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(asgi.serve(dashboard, front, stop))
        yield found
        stop.set()
