"""Lines as an operator and a log collector read them."""

import io
import json

import pytest

from tulle.serve import logs


@pytest.fixture
def stream():
    return io.StringIO()


def test_a_plain_line_has_time_level_text_and_fields(stream):
    logs.configure("info", "plain", stream)
    logs.Log("test").info("endpoint added", endpoint="10.0.0.1:80", note="two words")
    time, _, rest = stream.getvalue().partition(" ")
    assert time.startswith('time="2')
    assert rest == 'level=info msg="endpoint added" endpoint=10.0.0.1:80 note="two words"\n'


def test_a_json_line_holds_the_same_and_the_trace(stream):
    logs.configure("info", "json", stream)
    try:
        raise ValueError("broken")
    except ValueError:
        logs.Log("test").exception("a call failed", method="Get")
    line = json.loads(stream.getvalue())
    assert (line["level"], line["msg"], line["method"]) == ("error", "a call failed", "Get")
    assert "ValueError: broken" in line["trace"]


def test_lines_below_the_level_are_left_out(stream):
    logs.configure("warn", "plain", stream)
    logs.Log("test").info("unseen")
    logs.Log("test").warn("seen")
    assert stream.getvalue().count("\n") == 1


def test_a_text_with_a_percent_sign_stays_as_it_is(stream):
    logs.configure("info", "plain", stream)
    logs.Log("test").info("100%s done")
    assert "100%s done" in stream.getvalue()
