"""`--watch`: in place on a terminal, one table after the other in a pipe."""

import asyncio
import os
import re
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from terminal import Terminal

SOURCE = Path(__file__).resolve().parents[2] / "src"
DEPLOYMENTS = "/apis/apps/v1/namespaces/shop/deployments"
NARROW_TITLE = "NAME   MESHED   SUCCESS"


@pytest.fixture
def shop(objects, add, new_pod, answers):
    """web has traffic, of which a test can change the count."""
    objects.lists[DEPLOYMENTS] = [{"metadata": {"name": "web", "namespace": "shop"}}]
    add(new_pod("web-abc-1", owner=("ReplicaSet", "web-abc"), **{"pod-template-hash": "abc"}))
    key = {"namespace": "shop", "deployment": "web", "classification": "success"}

    def count(successes, failures=0):
        bad = {**key, "classification": "failure"}
        answers.samples = {"response_total": [(key, successes), (bad, failures)]}

    count(60)
    return count


@pytest.fixture
def command(api_port):
    words = ("viz", "stat", "deploy", "-n", "shop", "--watch", "--interval", "100ms")
    return [sys.executable, "-m", "tulle.cli.main", *words, f"--api-addr=127.0.0.1:{api_port}"]


@pytest.fixture
def environment(tmp_path):
    kept = {name: text for name, text in os.environ.items() if name != "NO_COLOR"}
    return {**kept, "PYTHONPATH": str(SOURCE), "KUBECONFIG": str(tmp_path / "none")}


async def test_a_terminal_is_drawn_over(shop, answers, command, environment):
    with Terminal(command, environment, columns=120) as terminal:
        until = terminal.until
        await asyncio.to_thread(until, lambda lines: any("1.0rps" in line for line in lines))
        shop(120, 120)
        lines = await asyncio.to_thread(until, lambda lines: any("4.0rps" in x for x in lines))
        titles = [line for line in lines if line.startswith(NARROW_TITLE)]
        assert len(titles) == 1
        row = next(number for number, line in enumerate(lines) if "4.0rps" in line)
        column = lines[row].index("50.00%")
        assert terminal.screen.buffer[row][column].fg == "red"
        answers.status = 500
        await asyncio.to_thread(until, lambda lines: any("too busy" in x for x in lines))
        assert any("4.0rps" in line for line in terminal.lines()), "the last table stays"
        answers.status = 200
        shop(180)
        lines = await asyncio.to_thread(until, lambda lines: any("3.0rps" in x for x in lines))
        assert not any("too busy" in line for line in lines)
        terminal.press("\x03")
        assert await asyncio.to_thread(terminal.end) == 0


async def test_a_narrow_terminal_wraps_nothing(shop, command, environment):
    with Terminal(command, environment, columns=40, lines=10) as terminal:
        lines = await asyncio.to_thread(
            terminal.until, lambda found: any(line.startswith("web ") for line in found)
        )
    assert len([line for line in lines if line.startswith(("NAME", "web"))]) == 2


async def test_no_color_is_obeyed(shop, command, environment):
    shop(1, 9)
    with Terminal(command, {**environment, "NO_COLOR": "1"}, columns=120) as terminal:
        lines = await asyncio.to_thread(
            terminal.until, lambda found: any("10.00%" in line for line in found)
        )
        row = next(number for number, line in enumerate(lines) if "10.00%" in line)
        assert {terminal.screen.buffer[row][at].fg for at in range(80)} == {"default"}


async def test_a_pipe_gets_one_table_after_the_other(shop, command, environment):
    process = await asyncio.create_subprocess_exec(
        *command, env=environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stderr is not None
    seen = b""
    async with asyncio.timeout(60):
        while seen.count(b"NAME") < 3:
            seen += await process.stdout.readline()
    process.terminate()
    notes = (await process.stderr.read()).decode()
    await process.wait()
    assert re.fullmatch(r"(NAME [^\n]*\nweb  [^\n]*\n\n?)+(NAME [^\n]*\n)?", seen.decode())
    assert b"\x1b" not in seen
    assert notes.count("note: ") == 1, "what is the same is said once"


async def test_what_cannot_be_asked_at_all_ends_it(shop, viz):
    code, out, err = await viz("stat", "deploy/none", "-n", "nowhere", "--watch")
    assert (code, out) == (1, "")
    assert "the namespace nowhere does not exist" in err


async def test_an_interval_is_a_duration(viz):
    code, _, err = await viz("stat", "deploy", "--watch", "--interval", "often")
    assert code == 1
    assert "often: a duration is" in err
