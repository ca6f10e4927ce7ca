"""`tulle viz top` on a real pseudo-terminal, and what its keys make of the rows."""

import asyncio
import os
import sys
from pathlib import Path

import pytest
import pytest_asyncio

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tapped import exchange, serving
from terminal import Terminal

from tulle.cli.top_view import View, columns
from tulle.viz.tap.tally import Tally

SOURCE = Path(__file__).resolve().parents[2] / "src"
TITLES = ["Source", "Destination", "Method", "Path", "Count", "Best", "Worst", "Last", "Success"]
POD = "frontend-7d9f8c6b5d-x2x4z"


@pytest_asyncio.fixture
async def tap(tmp_path):
    async with serving(tmp_path) as served:
        yield served


@pytest.fixture
def command():
    return [sys.executable, "-m", "tulle.cli.main", "viz", "top", "deploy/web"]


@pytest.fixture
def environment(tap):
    return {**os.environ, "PYTHONPATH": str(SOURCE), "KUBECONFIG": str(tap.kubeconfig)}


def row_of(lines, word):
    return next((number for number, line in enumerate(lines) if word in line), None)


async def test_the_screen(tap, command, environment):
    """What row is where, what the keys do, and that the terminal is given back."""
    for number in range(3):
        tap.put(exchange(number, path="/often", status=500 if number == 0 else 200))
    tap.put(exchange(3, path="/slow", source=POD, destination=POD, took="0.200s"))
    with Terminal(command, environment) as terminal:

        async def until(holds):
            return await asyncio.to_thread(terminal.until, holds)

        lines = await until(lambda lines: row_of(lines, "/slow") == 5)
        assert lines[0] == "(press q to quit)"
        assert lines[1].startswith("(press a/LeftArrowKey to scroll left, d/RightArrowKey")
        assert lines[3].replace("▼", "").split()[:9] == TITLES
        assert "Count▼" in lines[3]
        assert lines[4].split() == [
            *("ui-1", "web-1", "GET", "/often", "3", "2ms", "2ms", "2ms", "66.67%"),
        ]
        assert max(map(len, lines)) <= 80
        assert lines[5].startswith("fronte…x2x4z")
        assert lines[5].endswith("100.00%"), "the numbers are seen at 80 columns"

        terminal.press("d")
        lines = await until(lambda lines: POD[5:] in lines[5])
        assert "100.00%" not in lines[5]
        terminal.press("\x1bOD")  # the left arrow, as a keypad in application mode sends it
        await until(lambda lines: lines[5].endswith("100.00%"))

        terminal.press("ss")  # from Count over Best to Worst
        await until(lambda lines: "Worst▼" in lines[3] and row_of(lines, "/slow") == 4)
        terminal.press("r")
        await until(lambda lines: "Worst▲" in lines[3] and row_of(lines, "/slow") == 5)

        terminal.press("/oftn\x7fen\r")
        await until(lambda lines: lines[2].startswith("filter: often (press"))
        assert row_of(terminal.lines(), "/slow") is None
        tap.put(exchange(9, path="/often"))
        await until(lambda lines: " 4 " in lines[4])
        terminal.press("\x1b")
        await until(lambda lines: row_of(lines, "/slow") is not None)

        terminal.resize(132, 8)
        lines = await until(lambda lines: any(POD in line for line in lines))
        assert len(lines) == 8
        terminal.resize(80, 24)
        await until(lambda lines: lines[5].endswith("100.00%") or lines[4].endswith("100.00%"))

        terminal.press("q")
        assert await asyncio.to_thread(terminal.end) == 0


@pytest.mark.parametrize("key", ["\x03", "q"])
async def test_it_ends_quietly(tap, command, environment, key):
    with Terminal(command, environment) as terminal:
        await asyncio.to_thread(terminal.until, lambda lines: "press q" in lines[0])
        terminal.press(key)
        assert await asyncio.to_thread(terminal.end) == 0
        assert not any("Traceback" in line for line in terminal.lines())


async def test_a_refusal_is_told_on_the_users_own_screen(tap, command, environment):
    tap.refusal = (403, '{"message": "User \\"ann\\" cannot watch resource \\"deployments/tap\\""}')
    with Terminal(command, environment, columns=300) as terminal:
        assert await asyncio.to_thread(terminal.end) == 1
        (said,) = [line for line in terminal.lines() if "not allowed to tap" in line]
    assert 'deployment/web: User "ann" cannot watch resource "deployments/tap"' in said
    assert "ClusterRole of viz whose name ends in -tap-admin" in said


async def test_a_pipe_gets_one_table(tap, command, environment):
    tap.put(exchange(0, path="/a"), exchange(1, path="/b", took="2.5s"))
    process = await asyncio.create_subprocess_exec(
        *command, "--seconds", "2", env=environment, stdout=asyncio.subprocess.PIPE
    )
    out, _ = await process.communicate()
    assert process.returncode == 0
    assert out.decode() == (
        "Source   Destination   Method   Path   Count   Best   Worst   Last   Success Rate\n"
        "ui-1     web-1         GET      /a         1    2ms     2ms    2ms        100.00%\n"
        "ui-1     web-1         GET      /b         1     2s      2s     2s        100.00%\n"
    )


async def test_the_filters_go_to_the_server(tap, command, environment):
    words = ("--once", "--seconds", "3", "--method", "POST", "--path", "/a", "--max-rps", "7")
    process = await asyncio.create_subprocess_exec(
        *command, *words, env=environment, stderr=asyncio.subprocess.PIPE
    )
    _, err = await process.communicate()
    assert err == b"no requests were seen\n"
    ((path, request),) = tap.asked
    assert path.endswith("/watch/namespaces/shop/deployments/web/tap")
    assert request.max_rps == 7
    http = [match.http for match in request.match.all.matches]
    assert http[0].HasField("method")
    assert http[0].method.registered == 1
    assert http[1].path.prefix == "/a"


def view_of(*exchanges, **options):
    tally = Tally(**options)
    for events in exchanges:
        for event in events:
            tally.add(event)
    return View(columns(by_route=tally.by_route, hide_sources=tally.hide_sources)), tally.rows()


def test_rows_scroll_and_stop_at_the_last():
    view, rows = view_of(*(exchange(number, path=f"/{number:02}") for number in range(30)))
    assert len(view.table(rows, 120, 11)) == 11
    view.press("page down")
    assert " /10 " in view.table(rows, 120, 11)[1]
    for _ in range(9):
        view.press("page down")
    assert " /29 " in view.table(rows, 120, 11)[-1]
    view.press("up")
    assert " /28 " in view.table(rows, 120, 11)[-1]


def test_names_rise_and_numbers_fall():
    view, rows = view_of(exchange(0, path="/b"), exchange(1, path="/a"))
    for _ in range(8):  # over the numbers, and from the first column to Path
        view.press("s")
    title, first, _ = view.table(rows, 120, 10)
    assert "Path▲" in title
    assert " /a " in first


def test_by_route_and_without_sources():
    view, rows = view_of(exchange(0), by_route=True, hide_sources=True)
    assert view.table(rows, 120, 10)[0].split()[:3] == ["Destination", "Route", "Count▼"]


def test_a_q_in_a_filter_is_text():
    view, _ = view_of(exchange(0))
    view.press("/")
    assert view.press("q")
    assert view.title()[2] == "filter: q_"
    view.press("escape")
    assert not view.press("q")
