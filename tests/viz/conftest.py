"""A cluster in a store, a client that lists it, and a Prometheus that says what a test tells it."""

import asyncio
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import parse_qs

import httpx
import pytest
import pytest_asyncio

from tulle.k8s.client import NotFound
from tulle.k8s.store import Store
from tulle.serve import admin, asgi
from tulle.viz import pods
from tulle.viz.api import Api
from tulle.viz.inventory import Inventory
from tulle.viz.prometheus import Prometheus

SOURCE = Path(__file__).resolve().parents[2] / "src"
DEFAULT_CONFIG = "global:\n  scrape_interval: 10s\n"


def pod(name, namespace="shop", *, meshed=True, phase="Running", owner=None, **labels):
    """A pod as the API server gives it; `owner` is kind and name."""
    marks = {"linkerd.io/control-plane-ns": "tulle"} if meshed else {}
    proxy = {
        "name": "tulle-proxy",
        "ports": [{"name": "linkerd-admin", "containerPort": 4191}],
    }
    references = [{"kind": owner[0], "name": owner[1], "controller": True}] if owner else []
    return {
        "metadata": {
            "name": name,
            "namespace": namespace,
            "labels": {**marks, **labels},
            "ownerReferences": references,
        },
        "spec": {
            "serviceAccountName": f"{name}-account",
            "containers": [{"name": "app", "ports": [{"containerPort": 8080}]}],
            "initContainers": [proxy] if meshed else [],
        },
        "status": {"phase": phase, "podIP": "10.1.0.7"},
    }


class Objects:
    """Lists what a test puts in, as the API server would; a kind of which nothing is put is 404."""

    def __init__(self):
        self.lists = {}
        self.namespaces = {"shop"}

    async def list(self, path, labelSelector=None, fieldSelector=None):
        if path not in self.lists:
            raise NotFound(404, "NotFound", "", path)
        items = self.lists[path]
        if fieldSelector:
            name = fieldSelector.removeprefix("metadata.name=")
            items = [item for item in items if item["metadata"]["name"] == name]
        if labelSelector:
            key, _, value = labelSelector.partition("=")
            items = [item for item in items if item["metadata"].get("labels", {}).get(key) == value]
        return items

    async def get(self, path):
        if path.rpartition("/")[2] not in self.namespaces:
            raise NotFound(404, "NotFound", "", path)
        return {}


class Answers:
    """What Prometheus answers: the first pattern that is found in a query gives the samples."""

    def __init__(self):
        self.samples = {}
        self.ranges = {}  # as samples, of values by moment
        self.asked = []
        self.moments = []
        self.config = DEFAULT_CONFIG
        self.status = 200
        self.recorded = []  # names of recording rules

    def __call__(self, request):
        if self.status != 200:
            return httpx.Response(self.status, json={"status": "error", "error": "too busy"})
        if request.url.path == "/api/v1/status/config":
            return self._data({"yaml": self.config})
        if request.url.path == "/api/v1/rules":
            rules = [{"name": name, "health": "ok", "query": "…"} for name in self.recorded]
            return self._data({"groups": [{"name": "sums", "rules": rules}]})
        asked = parse_qs(request.url.query.decode())
        query = asked["query"][0]
        self.asked.append(query)
        self.moments += asked.get("time", [])
        if request.url.path == "/api/v1/query_range":
            return self._data({"resultType": "matrix", "result": self._matrix(query)})
        for pattern, samples in self.samples.items():
            if re.search(pattern, query):
                vector = [{"metric": labels, "value": [0, str(v)]} for labels, v in samples]
                return self._data({"resultType": "vector", "result": vector})
        return self._data({"resultType": "vector", "result": []})

    def _matrix(self, query):
        for pattern, series in self.ranges.items():
            if re.search(pattern, query):
                return [
                    {"metric": labels, "values": [[at, str(v)] for at, v in values.items()]}
                    for labels, values in series
                ]
        return []

    @staticmethod
    def _data(content):
        return httpx.Response(200, content=json.dumps({"status": "success", "data": content}))


@pytest.fixture
def store():
    return Store()


@pytest.fixture
def objects():
    return Objects()


@pytest.fixture
def answers():
    return Answers()


@pytest.fixture
def add(store):
    def put(item):
        metadata = item["metadata"]
        store.put("pods", (metadata["namespace"], metadata["name"]), pods.read(item))

    return put


@pytest.fixture
def inventory(objects, store):
    return Inventory(objects, store, "tulle")


@pytest.fixture
def prometheus(answers):
    http = httpx.AsyncClient(transport=httpx.MockTransport(answers))
    return Prometheus(http, "http://prometheus:9090")


@pytest.fixture
def new_pod():
    return pod


@pytest_asyncio.fixture
async def api_port(inventory, prometheus):
    """metrics-api on a real port."""
    listener, stop = admin.listen("127.0.0.1:0"), asyncio.Event()
    served = Api(inventory, prometheus, "cluster.local")
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(asgi.serve(served, listener, stop))
        yield listener.getsockname()[1]
        stop.set()


@pytest.fixture
def viz(api_port, tmp_path):
    """Runs `tulle viz …`; gives exit code, standard output and standard error."""

    async def run(*words):
        variables = {**os.environ, "PYTHONPATH": str(SOURCE), "KUBECONFIG": str(tmp_path / "none")}
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tulle.cli.main", "viz", *words),
            f"--api-addr=127.0.0.1:{api_port}",
            env=variables,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await process.communicate()
        return process.returncode, out.decode(), err.decode()

    return run


@pytest.fixture(scope="session")
def promtool():
    """Out of Debian's package of Prometheus, which the image is made of too."""
    cache = Path(os.environ.get("TULLE_CACHE", Path.home() / ".cache" / "tulle"))
    found = cache / "promtool" / "usr" / "bin" / "promtool"
    if not found.exists():
        folder = cache / "deb"
        folder.mkdir(parents=True, exist_ok=True)
        if not list(folder.glob("prometheus_*.deb")):
            command = ["apt-get", "-o", "APT::Sandbox::User=root", "download", "prometheus"]
            subprocess.run(command, cwd=folder, check=True, capture_output=True)
        archive = max(folder.glob("prometheus_*.deb"))
        subprocess.run(["dpkg", "-x", str(archive), str(cache / "promtool")], check=True)
    return found
