"""The todo example's backend: a list of names over HTTP, kept in one SQLite file.

GET /todos/ lists them, POST /todos/NAME adds one, DELETE /todos/NAME removes it, /health answers.
"""

import os
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

LONGEST_NAME = 200


class Todos:
    """A connection per call: SQLite's belong to one thread, and the calls come from a pool."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def create(self) -> None:
        with closing(self._connect()) as connection, connection:
            connection.execute("CREATE TABLE IF NOT EXISTS todo (name TEXT PRIMARY KEY)")

    def names(self) -> list[str]:
        with closing(self._connect()) as connection:
            return [name for (name,) in connection.execute("SELECT name FROM todo ORDER BY rowid")]

    def add(self, name: str) -> bool:
        """False if it was there already."""
        with closing(self._connect()) as connection, connection:
            added = connection.execute("INSERT OR IGNORE INTO todo VALUES (?)", (name,))
            return added.rowcount == 1

    def remove(self, name: str) -> bool:
        """False if it was not there."""
        with closing(self._connect()) as connection, connection:
            return connection.execute("DELETE FROM todo WHERE name = ?", (name,)).rowcount == 1

    def _connect(self) -> sqlite3.Connection:
        return sqlite3.connect(self.path, timeout=5)


async def listed(request: Request) -> Response:
    return JSONResponse(await run_in_threadpool(request.app.state.todos.names))


async def added(request: Request) -> Response:
    name = request.path_params["name"]
    if len(name) > LONGEST_NAME:
        return JSONResponse({"error": f"a name has at most {LONGEST_NAME} characters"}, 400)
    is_new = await run_in_threadpool(request.app.state.todos.add, name)
    return JSONResponse({"name": name}, 201 if is_new else 200)


async def removed(request: Request) -> Response:
    name = request.path_params["name"]
    if await run_in_threadpool(request.app.state.todos.remove, name):
        return Response(status_code=204)
    return JSONResponse({"error": f"no todo is named {name}"}, 404)


async def health(request: Request) -> Response:
    return JSONResponse({"status": "ok"})


def application(path: Path) -> Starlette:
    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        app.state.todos = Todos(path)
        await run_in_threadpool(app.state.todos.create)
        yield

    routes = [
        Route("/todos/", listed, methods=["GET"]),
        Route("/todos/{name:path}", added, methods=["POST"]),
        Route("/todos/{name:path}", removed, methods=["DELETE"]),
        Route("/health", health),
    ]
    return Starlette(routes=routes, lifespan=lifespan)


if __name__ == "__main__":
    uvicorn.run(
        application(Path(os.environ.get("TODO_DATABASE", "/data/todos.sqlite"))),
        host=os.environ.get("TODO_HOST", "0.0.0.0"),
        port=int(os.environ.get("TODO_PORT", "8080")),
        access_log=False,
        timeout_keep_alive=60,  # longer than clients keep an idle connection
        timeout_graceful_shutdown=10,
    )
