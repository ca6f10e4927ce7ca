"""A day of a mesh at ten seconds: all of it kept, what is older gone, and small; then asked for."""

import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import pytest_asyncio

sys.path.insert(0, str(Path(__file__).parent))

import itertools

import fill_history
from fill_history import BEGIN, END, SPIKE, WORKLOADS, key, numbers
from served_dashboard import Served, serving

from tulle.viz.web.rows import thinned
from tulle.viz.web.store import CHUNK_SECONDS, KEPT_SECONDS, STEP_SECONDS, Store

MOST_MEBIBYTES = 8  # of memory, beside what an empty history takes
MOST_FILE_MEBIBYTES = 48
HOUR = 3600


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    """The file, and what its writer said of its memory."""
    path = tmp_path_factory.mktemp("history") / "history.db"
    command = [sys.executable, fill_history.__file__, str(path)]
    source = Path(__file__).resolve().parents[2] / "src"
    environment = {**os.environ, "PYTHONPATH": str(source)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    return path, json.loads(done.stdout)


@pytest.fixture
def store(filled):
    with contextlib.closing(Store(str(filled[0]))) as found:
        yield found


def test_every_sample_of_the_last_day_is_kept(store):
    begin = END - KEPT_SECONDS
    for number in (1, WORKLOADS // 2, WORKLOADS - 1):
        found = store.span(key(number), begin, END, ["rps", "p99"])
        moments = range(begin, END + 1, STEP_SECONDS)
        assert len(found["rps"]) == len(moments) == 24 * 360 + 1
        for moment, rate, p99 in zip(moments, found["rps"], found["p99"], strict=True):
            wanted = numbers(number, moment)
            assert (rate, p99) == pytest.approx((wanted["rps"], wanted["p99"]), rel=1e-3)
    assert len(store.at(END - KEPT_SECONDS)) == WORKLOADS


def test_what_is_older_than_a_day_is_gone(store):
    first = store.first()
    assert END - KEPT_SECONDS - CHUNK_SECONDS < first <= END - KEPT_SECONDS
    assert set(store.span(key(1), BEGIN, first - 1, ["rps"])["rps"]) == {None}
    assert store.at(BEGIN) == {}


def test_a_day_of_two_hundred_workloads_is_small(filled):
    path, memory = filled
    assert memory["most"] - memory["before"] <= MOST_MEBIBYTES
    assert path.stat().st_size <= MOST_FILE_MEBIBYTES * 1024 * 1024


@pytest_asyncio.fixture
async def served(store, tmp_path):
    found = Served(tmp_path)
    found.sources = type(found.sources)(
        found.shop, store, journal=found.sources.journal, clock=lambda: found.now
    )
    found.now = END
    async with serving(found):
        yield found


@pytest.mark.parametrize(("hours", "step"), [(1, 10), (6, 60), (24, 240)])
async def test_longer_ranges_have_longer_steps_and_the_same_numbers(served, hours, step):
    begin = END - hours * HOUR
    query = {"kind": "deployment", "namespace": "shop", "name": "web-7", "from": begin, "to": END}
    found = await served.json("/api/history", **query)
    assert (found["source"], found["stepSeconds"]) == ("own", step)
    times, rates = found["times"], found["series"]["rps"]
    assert times[0] == begin - begin % step
    assert [later - sooner for sooner, later in itertools.pairwise(times)] == [step] * (
        len(times) - 1
    )
    assert 360 <= len(times) <= 362
    for moment, rate, p99 in zip(times, rates, found["series"]["p99"], strict=True):
        steps = [numbers(7, at) for at in range(int(moment), int(moment) + step, 10) if at <= END]
        mean = sum(one["rps"] for one in steps) / len(steps)
        assert rate == pytest.approx(mean, rel=1e-3)
        assert p99 == pytest.approx(max(one["p99"] for one in steps), rel=1e-3)


async def test_a_spike_stays_to_be_seen_in_a_day(served):
    query = {"kind": "deployment", "namespace": "shop", "name": "web-0"}
    found = await served.json("/api/history", **query, **{"from": END - 24 * HOUR, "to": END})
    (place,) = [n for n, at in enumerate(found["times"]) if at <= SPIKE < at + 240]
    series = found["series"]
    assert series["p99"][place] == pytest.approx(5000, rel=1e-3)
    # Of 1230 requests a second in 24 steps, 500 failed.
    assert series["success"][place] == pytest.approx(1 - 500 / 1230, rel=1e-3)
    others = [value for n, value in enumerate(series["p99"]) if n != place]
    assert set(others) == {100.0}


def test_a_quiet_step_does_not_hide_a_busy_one_that_failed():
    found = thinned({"rps": [1.0, 99.0, None], "success": [1.0, 0.0, 1.0]}, 3)
    assert found == {"rps": [50.0], "success": [0.01]}
    assert thinned({"rps": [0.0, None], "success": [0.5, 1.0]}, 2)["success"] == [0.75]
    assert thinned({"rps": [None, None], "p99": [None, None]}, 2) == {"rps": [None], "p99": [None]}
