"""The todo example's two programs, each served on a real port of the loopback."""

import asyncio
import importlib.util
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import uvicorn

TODO = Path(__file__).parents[2] / "examples" / "todo"


def load(path: str) -> ModuleType:
    file = TODO / path
    spec = importlib.util.spec_from_file_location(file.stem, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Server(uvicorn.Server):
    """Says when it listens."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listens = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.listens.set()


@asynccontextmanager
async def served(application: Any) -> AsyncIterator[str]:
    """The application's URL while it is served."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        config = uvicorn.Config(application, log_level="warning", lifespan="on")
        server = Server(config)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(server.serve(sockets=[listener]))
            await server.listens.wait()
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
            server.should_exit = True


@pytest.fixture
async def backend(tmp_path: Path) -> AsyncIterator[str]:
    module = load("backend/todobackend.py")
    async with served(module.application(tmp_path / "todos.sqlite")) as url:
        yield url


@pytest.fixture
async def page(backend: str) -> AsyncIterator[str]:
    """The user interface in front of that backend."""
    module = load("ui/todoui.py")
    async with served(module.application(f"{backend}/todos/")) as url:
        yield url
