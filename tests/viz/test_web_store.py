"""The dashboard's own memory: what it keeps, how exactly, and what it lets go."""

import pytest

from tulle.viz.web.store import CHUNK_SECONDS, FIELDS, STEP_SECONDS, Limits, Store

T = 1_700_000_000 - 1_700_000_000 % CHUNK_SECONDS
WEB, UI = "deployment/shop/web", "deployment/shop/ui"


def fill(store, seconds, begin=T, keys=(WEB,)):
    for moment in range(begin, begin + seconds, STEP_SECONDS):
        store.add(
            moment + 3.2, {key: {"rps": float(moment - T), "success": 0.98765} for key in keys}
        )


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "history.db")


def test_a_span_reaches_over_what_is_written_and_what_is_open(path):
    store = Store(path)
    fill(store, 2 * CHUNK_SECONDS + 40)
    found = store.span(WEB, T, T + 2 * CHUNK_SECONDS + 30, ["rps", "success", "p99"])
    assert [round(value) for value in found["rps"]] == list(range(0, 2 * CHUNK_SECONDS + 40, 10))
    assert set(found["p99"]) == {None}
    assert found["success"][3] == pytest.approx(0.98765, rel=3e-4)


def test_a_gap_is_none_and_a_span_may_lie_outside(path):
    store = Store(path)
    fill(store, 30)
    fill(store, 10, begin=T + 60)
    assert store.span(WEB, T - 20, T + 60, ["rps"])["rps"] == [
        *(None, None, 0, 10, 20),
        *(None, None, None, 60),
    ]
    assert store.span("deployment/shop/none", T, T + 20, ["rps"])["rps"] == [None] * 3


def test_a_moment_shows_every_series(path):
    store = Store(path)
    fill(store, CHUNK_SECONDS + 20, keys=(WEB, UI))
    assert store.at(T + 55)[UI]["rps"] == 50.0
    assert store.at(T + CHUNK_SECONDS)[WEB]["rps"] == CHUNK_SECONDS
    assert store.at(T - 100) == {}


def test_it_outlives_its_process(path):
    before = Store(path)
    fill(before, 40)
    before.close()
    after = Store(path)
    assert after.first() == T
    fill(after, 20, begin=T + 2 * CHUNK_SECONDS)
    assert after.span(WEB, T, T + 30, ["rps"])["rps"] == [0, 10, 20, 30]


def test_a_process_that_ends_within_a_chunk_loses_no_more_than_its_own_part(path):
    first = Store(path)
    fill(first, 40)
    first.close()
    second = Store(path)
    fill(second, 40, begin=T + 100)
    second.close()
    found = Store(path).span(WEB, T, T + 130, ["rps"])["rps"]
    assert found[:4] == [0, 10, 20, 30]
    assert found[10:] == [100, 110, 120, 130]


def test_a_damaged_file_starts_anew(path):
    before = Store(path)
    fill(before, 40)
    before.close()
    with open(path, "r+b") as file:  # noqa: PTH123
        file.write(b"not a database at all, but something else")
    after = Store(path)
    assert after.first() is None
    fill(after, 40)
    assert after.span(WEB, T, T, ["rps"])["rps"] == [0]


def test_what_is_older_than_a_day_is_gone():
    store = Store(limits=Limits(seconds=2 * CHUNK_SECONDS))
    fill(store, 6 * CHUNK_SECONDS)
    assert store.first() == T + 3 * CHUNK_SECONDS
    assert store.span(WEB, T, T + 100, ["rps"])["rps"] == [None] * 11


def test_series_beyond_the_limit_are_refused_and_counted():
    store = Store(limits=Limits(series=2))
    store.add(T, {key: {"rps": 1.0} for key in ("namespace//a", "namespace//b", WEB)})
    assert (store.series, store.refused) == (2, 1)
    assert WEB not in store.at(T)


def test_a_full_file_drops_its_oldest_and_stays_within_its_bytes(tmp_path):
    path = tmp_path / "history.db"
    store = Store(str(path), Limits(bytes=256 * 1024))
    keys = [f"deployment/shop/web-{number}" for number in range(50)]
    for moment in range(T, T + 30 * CHUNK_SECONDS, STEP_SECONDS):
        entries = {}
        for number, key in enumerate(keys):
            entries[key] = {
                name: ((moment * 7919 + number * 104729 + place * 31) % 9973) / 7
                for place, name in enumerate(FIELDS)
            }
        store.add(moment, entries)
    store.close()
    assert path.stat().st_size <= 256 * 1024
    again = Store(str(path))
    assert again.first() > T
    assert len(again.at(T + 29 * CHUNK_SECONDS + 50)) == 50
