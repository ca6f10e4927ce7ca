"""`tulle viz profile`: the routes of live requests."""

import asyncio
import json
import os
import sys
from pathlib import Path

import pytest
import pytest_asyncio

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tapped import exchange, serving

from tulle import names

SOURCE = Path(__file__).resolve().parents[2] / "src"
UUID = "123e4567-e89b-12d3-a456-426614174000"


@pytest_asyncio.fixture
async def tap(tmp_path):
    async with serving(tmp_path) as served:
        served.objects = {
            f"/api/v1/namespaces/tulle/configmaps/{names.CONFIG_CONFIGMAP}": {
                "data": {"values": "clusterDomain: mesh.local\n"}
            }
        }
        yield served


@pytest.fixture
def profile(tap):
    async def run(*words):
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tulle.cli.main", "viz", "profile", "web"),
            *("--tap", "deploy/web", *words),
            env={**os.environ, "PYTHONPATH": str(SOURCE), "KUBECONFIG": str(tap.kubeconfig)},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await process.communicate()
        return process.returncode, out.decode(), err.decode()

    return run


async def test_each_kind_of_request_is_a_route(tap, profile):
    seen = (
        ("GET", "/todos/17"),
        ("GET", "/todos/4"),
        ("POST", "/todos"),
        ("GET", f"/users/{UUID}/todos.json"),
        ("GET", "/"),
    )
    for number, (method, path) in enumerate(seen):
        tap.put(exchange(number, method=method, path=path))
    tap.events.put_nowait(None)
    code, out, err = await profile("-o", "json")
    assert (code, err) == (0, "")
    found = json.loads(out)
    assert found["metadata"] == {"name": "web.shop.svc.mesh.local", "namespace": "shop"}
    routes = [(route["name"], route["condition"]) for route in found["spec"]["routes"]]
    assert routes == [
        ("POST /todos", {"method": "POST", "pathRegex": "/todos"}),
        ("GET /todos/{id}", {"method": "GET", "pathRegex": "/todos/[^/]*"}),
        (
            "GET /users/{id}/todos.json",
            {"method": "GET", "pathRegex": r"/users/[^/]*/todos\.json"},
        ),
    ]


async def test_no_more_routes_than_are_wanted(tap, profile):
    tap.put(*(exchange(number, path=f"/path-{number}-x") for number in range(9)))
    tap.events.put_nowait(None)
    _, out, _ = await profile("-o", "json", "--tap-route-limit", "2")
    assert len(json.loads(out)["spec"]["routes"]) == 2


async def test_silence_is_said(tap, profile):
    code, out, err = await profile("--tap-duration", "1s")
    assert (code, out) == (1, "")
    assert "no request came to deploy/web within 1 s" in err
