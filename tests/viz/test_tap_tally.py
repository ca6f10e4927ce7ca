"""How events become the rows of top."""

from typing import Any

import pytest
from google.protobuf.json_format import ParseDict

from tulle.proto import tap_pb2
from tulle.viz.tap.tally import MAX_ROWS, Tally, duration_text


class Exchange:
    """The three events of one request, as one proxy tells them."""

    def __init__(self, stream: int, *, path: str = "/", direction: str = "INBOUND") -> None:
        self.id = {"base": 1, "stream": stream}
        self.base = {
            "source": {"ip": {"ipv4": 0x0A000001}, "port": 5000},
            "sourceMeta": {"labels": {"pod": "ui-1"}},
            "destination": {"ip": {"ipv4": 0x0A000002}, "port": 80},
            "routeMeta": {"labels": {"route": f"GET {path}"}},
            "proxyDirection": direction,
        }
        self.path = path

    def event(self, kind: str, **content: Any) -> Any:
        http = {kind: {"id": self.id, **content}}
        return ParseDict({**self.base, "http": http}, tap_pb2.TapEvent())

    def request(self) -> Any:
        return self.event("requestInit", method={"registered": "GET"}, path=self.path)

    def response(self, status: int = 200) -> Any:
        return self.event("responseInit", httpStatus=status)

    def end(self, took: str = "0.002s", **eos: int) -> Any:
        return self.event("responseEnd", sinceRequestInit=took, eos=eos)


def exchanged(tally: Tally, exchange: Exchange, *, status: int = 200, **end: Any) -> None:
    for event in (exchange.request(), exchange.response(status), exchange.end(**end)):
        tally.add(event)


def test_a_row_has_the_best_the_worst_and_the_last():
    tally = Tally()
    for number, took in enumerate(("0.002s", "0.001s", "0.005s", "0.003s")):
        exchanged(tally, Exchange(number), took=took)
    (row,) = tally.rows()
    assert (row.count, row.best, row.worst, row.last) == (4, 1000, 5000, 3000)
    assert (row.key.source, row.key.destination) == ("ui-1", "10.0.0.2")
    assert (row.key.method, row.key.path) == ("GET", "/")


@pytest.mark.parametrize(
    ("status", "eos", "is_success"),
    [
        (200, {}, True),
        (404, {}, True),
        (500, {}, False),
        (200, {"grpcStatusCode": 0}, True),
        (200, {"grpcStatusCode": 7}, True),
        (200, {"grpcStatusCode": 14}, False),
        (200, {"resetErrorCode": 8}, False),
    ],
)
def test_what_counts_as_a_success(status, eos, is_success):
    tally = Tally()
    exchanged(tally, Exchange(1), status=status, **eos)
    assert tally.rows()[0].success_rate == is_success


def test_a_request_seen_at_both_ends_counts_once():
    tally = Tally()
    for number in range(3):
        exchanged(tally, Exchange(number))
        exchanged(tally, Exchange(number, direction="OUTBOUND"))
    assert [row.count for row in tally.rows()] == [3]


def test_an_end_without_its_beginning_is_dropped():
    tally = Tally()
    tally.add(Exchange(1).response())
    tally.add(Exchange(1).end())
    assert tally.rows() == []


def test_routes_and_hidden_sources_put_rows_together():
    tally = Tally(by_route=True, hide_sources=True)
    exchanged(tally, Exchange(1, path="/a"))
    exchanged(tally, Exchange(2, path="/a"))
    (row,) = tally.rows()
    assert (row.key.source, row.key.route, row.key.path) == ("", "GET /a", "")


def test_the_most_frequent_comes_first_and_the_number_of_rows_is_bounded():
    tally = Tally()
    for number in range(MAX_ROWS + 10):
        exchanged(tally, Exchange(number, path=f"/{number}"))
    last = f"/{MAX_ROWS + 9}"
    exchanged(tally, Exchange(MAX_ROWS + 10, path=last))
    rows = tally.rows()
    assert len(rows) == MAX_ROWS
    assert (rows[0].key.path, rows[0].count) == (last, 2)


@pytest.mark.parametrize(
    ("microseconds", "text"),
    [(999, "999µs"), (1000, "1ms"), (999_999, "999ms"), (1_000_000, "1s"), (61_000_000, "61s")],
)
def test_durations_are_short(microseconds, text):
    assert duration_text(microseconds) == text
