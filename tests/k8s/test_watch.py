"""One watch against a scripted API server: resume, relist, silence, kinds that come and go."""

import asyncio
import contextlib
from random import Random

import pytest

from tulle.k8s.client import ApiError, Gone, NotFound, Unreachable
from tulle.k8s.store import Store
from tulle.k8s.watch import Kind, Timing, Watch, retry_delay

FAST = Timing(silence=0.05, lifetime=2.0, missing=0.01, longest_backoff=0.01)
HOLD = "hold"  # the watch stays open and says nothing


def thing(name, version="1", value=1):
    return {"metadata": {"name": name, "namespace": "n", "resourceVersion": version}, "v": value}


def page(version, *items, token=""):
    return {"metadata": {"resourceVersion": version, "continue": token}, "items": list(items)}


def event(kind, item):
    return {"type": kind, "object": item}


BOOKMARK = event("BOOKMARK", {"metadata": {"resourceVersion": "50"}})


class Script:
    """Answers of an API server, in order; what it was asked is kept."""

    def __init__(self, lists, watches):
        self.lists, self.watches = list(lists), list(watches)
        self.asked = []
        self.done = asyncio.Event()

    async def get(self, path, **params):
        self.asked.append(("list", path, params.get("continue")))
        answer = self.lists.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def stream(self, path, **params):
        self.asked.append(("watch", path, params["resourceVersion"]))
        if not self.watches:
            self.done.set()
            await asyncio.Event().wait()
        for entry in self.watches.pop(0):
            if isinstance(entry, Exception):
                raise entry
            if entry == HOLD:
                await asyncio.Event().wait()
            yield entry


class Events:
    def __init__(self):
        self.warnings = []

    def warn(self, text, **fields):
        self.warnings.append((text, fields))

    def info(self, text, **fields):
        pass


def prune(item):
    return item["v"] + 0


async def followed(script, kind=None, timing=FAST):
    """The store and the watch once the script is played."""
    store, events = Store(), Events()
    kind = kind or Kind("Thing", ("/things",), prune)
    watch = Watch(kind, script, store, events, timing=timing, rng=Random(1))
    async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
        task = tasks.create_task(watch.follow())
        await script.done.wait()
        task.cancel()
    return store, watch, events


async def test_pages_are_put_together_and_events_applied():
    first = page("9", thing("a"), token="more")
    events = [
        event("ADDED", thing("c", "11", 3)),
        event("MODIFIED", thing("a", "12", 7)),
        event("DELETED", thing("b", "13")),
    ]
    script = Script([first, page("10", thing("b"))], [events])
    store, watch, _ = await followed(script)
    assert dict(store.all("Thing")) == {("n", "a"): 7, ("n", "c"): 3}
    assert script.asked[-1] == ("watch", "/things", "13")
    assert watch.state == "synced"


async def test_a_watch_that_the_server_ends_goes_on_where_it_was():
    script = Script([page("10")], [[BOOKMARK], [event("ADDED", thing("a", "51"))]])
    await followed(script)
    assert [entry[2] for entry in script.asked if entry[0] == "watch"] == ["10", "50", "51"]


@pytest.mark.parametrize(
    "lost",
    [Gone(410, "Expired", "", "/things"), event("ERROR", {"code": 410, "reason": "Expired"})],
)
async def test_what_is_too_old_is_listed_anew_and_the_vanished_removed(lost):
    script = Script([page("10", thing("a"), thing("b")), page("90", thing("b"))], [[lost]])
    store, _, _ = await followed(script)
    assert set(store.all("Thing")) == {("n", "b")}


async def test_a_silent_watch_is_begun_again():
    script = Script([page("10")], [[BOOKMARK, HOLD]])
    await followed(script)
    assert [entry[2] for entry in script.asked if entry[0] == "watch"] == ["10", "50"]


async def test_an_unreachable_server_is_waited_for_and_nothing_forgotten():
    script = Script([page("10", thing("a"))], [[Unreachable("no route")], [BOOKMARK]])
    store, _, _ = await followed(script)
    assert set(store.all("Thing")) == {("n", "a")}
    assert [entry[0] for entry in script.asked].count("list") == 1


async def test_a_missing_kind_counts_as_settled_and_is_followed_once_it_comes():
    missing = NotFound(404, "NotFound", "", "/things")
    script = Script([missing, missing, page("1", thing("a"))], [])
    store, watch, events = await followed(script)
    assert watch.settled.is_set()
    assert set(store.all("Thing")) == {("n", "a")}
    assert events.warnings == []


async def test_the_first_version_that_the_server_has_is_used():
    missing = NotFound(404, "NotFound", "", "/v2/things")
    script = Script([missing, page("1", thing("a"))], [])
    await followed(script, Kind("Thing", ("/v2/things", "/v1/things"), prune))
    assert script.asked[-1][1] == "/v1/things"


async def test_one_trouble_is_one_warning():
    errors = [ApiError(500, "InternalError", "boom", "/things") for _ in range(4)]
    script = Script([*errors, page("1")], [])
    _, _, events = await followed(script)
    assert [text for text, _ in events.warnings] == ["cannot watch; trying on"]


async def test_an_object_that_cannot_be_read_does_not_stop_the_others():
    script = Script([page("1", thing("bad", value="text"), thing("good"))], [])
    store, _, events = await followed(script)
    assert set(store.all("Thing")) == {("n", "good")}
    assert events.warnings[0][1]["name"] == "n/bad"


async def test_equal_objects_wake_nobody():
    store, seen = Store(), []
    store.listen("Thing", seen.append)
    store.put("Thing", ("n", "a"), 1)
    store.put("Thing", ("n", "a"), 1)
    store.put("Thing", ("n", "a"), None)
    store.put("Thing", ("n", "a"), None)
    assert [(change.old, change.new) for change in seen] == [(None, 1), (1, None)]


def test_delays_double_up_to_a_limit():
    delays = [retry_delay(attempt, 10, Random(1)) for attempt in range(12)]
    assert 0.05 <= delays[0] <= 0.1
    assert all(5 <= delay <= 10 for delay in delays[8:])


async def test_following_ends_when_cancelled():
    script = Script([page("1")], [])
    with contextlib.suppress(asyncio.CancelledError):
        await followed(script)
