"""The backend's list over HTTP."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import httpx

TODO = Path(__file__).parents[2] / "examples" / "todo"


async def test_todos_are_listed_in_the_order_they_came(backend: str) -> None:
    async with httpx.AsyncClient(base_url=backend) as client:
        assert (await client.get("/todos/")).json() == []
        for name in ("wash", "cook", "a b/c"):
            assert (await client.post(f"/todos/{name}")).status_code == 201
        assert (await client.get("/todos/")).json() == ["wash", "cook", "a b/c"]


async def test_a_todo_is_there_once(backend: str) -> None:
    async with httpx.AsyncClient(base_url=backend) as client:
        assert (await client.post("/todos/wash")).status_code == 201
        assert (await client.post("/todos/wash")).status_code == 200
        assert (await client.get("/todos/")).json() == ["wash"]


async def test_removing_what_is_not_there_is_said(backend: str) -> None:
    async with httpx.AsyncClient(base_url=backend) as client:
        await client.post("/todos/wash")
        assert (await client.delete("/todos/wash")).status_code == 204
        again = await client.delete("/todos/wash")
        assert (again.status_code, again.json()) == (404, {"error": "no todo is named wash"})
        assert (await client.get("/todos/")).json() == []


async def test_a_name_has_a_limit(backend: str) -> None:
    async with httpx.AsyncClient(base_url=backend) as client:
        assert (await client.post(f"/todos/{'x' * 201}")).status_code == 400
        assert (await client.get("/health")).json() == {"status": "ok"}


def test_sigterm_ends_the_program(tmp_path: Path) -> None:
    environment = {
        **os.environ,
        "TODO_DATABASE": str(tmp_path / "todos.sqlite"),
        "TODO_HOST": "127.0.0.1",
        "TODO_PORT": "0",
    }
    program = [sys.executable, str(TODO / "backend" / "todobackend.py")]
    with subprocess.Popen(program, env=environment, stderr=subprocess.PIPE, text=True) as server:
        assert server.stderr is not None
        started = next(line for line in server.stderr if "running on" in line)
        url = started.split("running on ")[1].split()[0]
        with httpx.Client() as idle:  # keeps its connection open
            assert idle.get(f"{url}/health").status_code == 200
            server.send_signal(signal.SIGTERM)
            assert "Finished server process" in server.stderr.read()
            assert server.wait(timeout=5) in (0, -signal.SIGTERM)
