"""Events are written apart from the work, and not twice in a row."""

import asyncio
import contextlib
from datetime import UTC, datetime, timedelta

from tulle.k8s.client import Forbidden
from tulle.k8s.events import QUEUED, Recorder, Subject

WEB = Subject("apps/v1", "Deployment", "shop", "web", "u-1")


class Api:
    def __init__(self) -> None:
        self.written: asyncio.Queue[tuple[str, dict]] = asyncio.Queue()
        self.allowed = True

    async def create(self, path, body, **_):
        if not self.allowed:
            raise Forbidden(403, "Forbidden", "no", path)
        await self.written.put((path, body))
        return body


class Clock:
    def __init__(self) -> None:
        self.time = datetime(2030, 1, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.time


@contextlib.asynccontextmanager
async def writing(recorder: Recorder, on_failure=lambda error: None):
    async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
        task = tasks.create_task(recorder.run(on_failure))
        yield
        task.cancel()


async def test_an_event_names_its_object_and_its_author() -> None:
    api = Api()
    recorder = Recorder(api, "tulle-proxy-injector", now=Clock())
    recorder.record(WEB, "Injected", "put the proxy in")
    async with writing(recorder):
        path, body = await api.written.get()
    assert path == "/api/v1/namespaces/shop/events"
    assert body["involvedObject"] == {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "namespace": "shop",
        "name": "web",
        "uid": "u-1",
    }
    assert (body["reason"], body["type"]) == ("Injected", "Normal")
    assert body["source"] == {"component": "tulle-proxy-injector"}
    assert body["firstTimestamp"] == "2030-01-01T00:00:00Z"


async def test_the_same_is_said_again_only_after_a_while() -> None:
    clock = Clock()
    recorder = Recorder(Api(), "c", now=clock)
    assert recorder.record(WEB, "Injected", "one")
    assert not recorder.record(WEB, "Injected", "one")
    assert recorder.record(WEB, "Injected", "another text")
    clock.time += timedelta(minutes=10)
    assert recorder.record(WEB, "Injected", "one")
    assert recorder.record(WEB, "Issued", "until 1", key="leaf")
    assert not recorder.record(WEB, "Issued", "until 2", key="leaf")


async def test_a_full_queue_holds_nobody_up() -> None:
    recorder = Recorder(Api(), "c", now=Clock())
    answers = [recorder.record(WEB, "R", str(number)) for number in range(QUEUED + 1)]
    assert answers == [*[True] * QUEUED, False]


async def test_a_refusal_is_told_and_the_next_one_is_written() -> None:
    api, failures = Api(), asyncio.Queue()
    api.allowed = False
    recorder = Recorder(api, "c", now=Clock())
    async with writing(recorder, failures.put_nowait):
        recorder.record(WEB, "A", "a")
        assert isinstance(await failures.get(), Forbidden)
        api.allowed = True
        recorder.record(WEB, "B", "b")
        _, body = await api.written.get()
    assert body["reason"] == "B"
