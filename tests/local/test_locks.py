"""One launcher at a time: a second waits, says so, and goes on when the first is done."""

import threading
from pathlib import Path

from tulle.local.locks import held


def test_a_second_holder_waits_and_says_so(tmp_path: Path) -> None:
    waits, order = threading.Event(), []

    def second() -> None:
        with held(tmp_path, waits.set):
            order.append("second")

    thread = threading.Thread(target=second)
    with held(tmp_path):
        thread.start()
        assert waits.wait(timeout=10)
        order.append("first")
    thread.join(timeout=10)
    assert order == ["first", "second"]


def test_a_free_folder_is_held_at_once(tmp_path: Path) -> None:
    said: list[str] = []
    with held(tmp_path, lambda: said.append("waits")):
        pass
    assert said == []
