"""The todo example's user interface: one page, rendered here from what the backend answers.

A form adds a todo and a button removes one; both post to this server, which calls the backend.
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import quote

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.templating import Jinja2Templates

BACKEND_WITHIN_SECONDS = 5.0
TEMPLATES = Jinja2Templates(Path(__file__).parent / "templates")  # escapes what it is given


async def page(request: Request) -> Response:
    try:
        answer = await backend(request).get("todos/")
        answer.raise_for_status()
    except httpx.HTTPError as error:
        return failed(request, error)
    return TEMPLATES.TemplateResponse(request, "index.html", {"todos": answer.json()})


async def add(request: Request) -> Response:
    async with request.form() as form:
        name = str(form.get("name", "")).strip()
    if name:
        try:
            (await backend(request).post(f"todos/{quote(name, safe='')}")).raise_for_status()
        except httpx.HTTPError as error:
            return failed(request, error)
    return RedirectResponse("/", 303)


async def remove(request: Request) -> Response:
    async with request.form() as form:
        name = str(form.get("name", ""))
    try:
        await backend(request).delete(f"todos/{quote(name, safe='')}")
    except httpx.HTTPError as error:
        return failed(request, error)
    return RedirectResponse("/", 303)


async def health(request: Request) -> Response:
    return JSONResponse({"status": "ok"})


def backend(request: Request) -> httpx.AsyncClient:
    client: httpx.AsyncClient = request.app.state.backend
    return client


def failed(request: Request, error: httpx.HTTPError) -> Response:
    context = {"problem": f"the backend did not answer: {error or type(error).__name__}"}
    return TEMPLATES.TemplateResponse(request, "index.html", context, status_code=502)


def application(backend_url: str) -> Starlette:
    """`backend_url` is where the todos are listed, for example http://todobackend:8080/todos/."""
    base = backend_url.rstrip("/").removesuffix("/todos") + "/"

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with httpx.AsyncClient(base_url=base, timeout=BACKEND_WITHIN_SECONDS) as client:
            app.state.backend = client
            yield

    routes = [
        Route("/", page, methods=["GET"]),
        Route("/add", add, methods=["POST"]),
        Route("/remove", remove, methods=["POST"]),
        Route("/health", health),
    ]
    return Starlette(routes=routes, lifespan=lifespan)


if __name__ == "__main__":
    uvicorn.run(
        application(os.environ.get("BACKEND_URL", "http://todobackend:8080/todos/")),
        host=os.environ.get("TODO_HOST", "0.0.0.0"),
        port=int(os.environ.get("TODO_PORT", "8090")),
        access_log=False,
        timeout_keep_alive=60,  # longer than clients keep an idle connection
        timeout_graceful_shutdown=10,
    )
