"""The page: what it shows, what its forms do, and what it says when the backend is away."""

import httpx

from .conftest import load, served


async def test_the_page_shows_what_its_form_added(page: str) -> None:
    async with httpx.AsyncClient(base_url=page, follow_redirects=True) as client:
        assert "Nothing to do." in (await client.get("/")).text
        answer = await client.post("/add", data={"name": " wash up/dry? "})
        assert answer.status_code == 200
        assert "<span>wash up/dry?</span>" in answer.text


async def test_done_removes_a_todo(page: str, backend: str) -> None:
    async with httpx.AsyncClient(base_url=page, follow_redirects=True) as client:
        await client.post("/add", data={"name": "50% of #1?"})
        assert "50% of #1?" in (await client.get("/")).text
        await client.post("/remove", data={"name": "50% of #1?"})
        assert (await client.get(f"{backend}/todos/")).json() == []


async def test_a_todo_cannot_bring_markup(page: str, backend: str) -> None:
    async with httpx.AsyncClient(base_url=page) as client:
        await client.post("/add", data={"name": '<script>alert("x")</script>'})
        assert len((await client.get(f"{backend}/todos/")).json()) == 1
        shown = (await client.get("/")).text
    assert "<script" not in shown
    assert "&lt;script&gt;" in shown


async def test_without_a_backend_the_page_says_so() -> None:
    module = load("ui/todoui.py")
    async with (
        served(module.application("http://127.0.0.1:1/todos/")) as page,
        httpx.AsyncClient(base_url=page) as client,
    ):
        answer = await client.get("/")
        assert answer.status_code == 502
        assert "the backend did not answer" in answer.text
        assert (await client.get("/health")).status_code == 200
