"""The dashboard's questions to metrics-api: held for a moment, and told in words when they fail."""

import httpx
import pytest

from tulle.viz.web.metrics import (
    FRESH_SECONDS,
    KEPT_ANSWERS,
    MOST_KEPT_BYTES,
    Metrics,
    Unanswered,
)


class Behind:
    """metrics-api, as far as one answer goes."""

    def __init__(self):
        self.asked, self.now, self.answer = [], 0.0, httpx.Response(200, json={"rows": []})

    def __call__(self, request):
        self.asked.append(str(request.url))
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.fixture
def behind():
    return Behind()


@pytest.fixture
def metrics(behind):
    http = httpx.AsyncClient(transport=httpx.MockTransport(behind), base_url="http://metrics-api")
    return Metrics(http, clock=lambda: behind.now)


async def test_an_answer_is_held_for_a_moment_and_then_let_go(behind, metrics):
    for _ in range(3):
        await metrics.get("/api/stat", {"kind": "pod"})
    assert len(behind.asked) == 1
    behind.now += FRESH_SECONDS
    await metrics.get("/api/stat", {"kind": "job"})
    assert list(metrics._answers) == ["/api/stat?kind=job"]
    await metrics.get("/api/stat", {"kind": "pod"})
    assert len(behind.asked) == 3


async def test_only_so_many_answers_are_held(behind, metrics):
    for moment in range(2 * KEPT_ANSWERS):
        await metrics.get("/api/graph", {"at": str(moment)})
    assert len(metrics._answers) == KEPT_ANSWERS


async def test_a_large_answer_is_not_held(behind, metrics):
    behind.answer = httpx.Response(200, json={"rows": "x" * MOST_KEPT_BYTES})
    for _ in range(2):
        assert len((await metrics.get("/api/graph", {}))["rows"]) == MOST_KEPT_BYTES
    assert len(behind.asked) == 2


@pytest.mark.parametrize(
    ("answer", "status", "word"),
    [
        (httpx.ConnectError("refused"), 502, "does not answer: refused"),
        (httpx.Response(200, text="<html>"), 502, "without JSON"),
        (httpx.Response(503, json={"error": "Prometheus is away"}), 502, "Prometheus is away"),
        (httpx.Response(400, json={"error": "no such kind"}), 400, "no such kind"),
    ],
)
async def test_a_failure_is_told_in_words(behind, metrics, answer, status, word):
    behind.answer = answer
    with pytest.raises(Unanswered, match=word) as raised:
        await metrics.get("/api/stat", {})
    assert raised.value.status == status
