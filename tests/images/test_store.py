"""Layers are made once per seed."""

import os
import threading
import time
from pathlib import Path

from packing.store import UNUSED_SECONDS, Store


class Counting:
    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, tree: Path) -> None:
        self.calls += 1
        (tree / "file").write_text("content")


def test_a_layer_is_made_again_only_for_another_seed(tmp_path: Path) -> None:
    store, fill = Store(tmp_path, "amd64"), Counting()
    first = store.layer("files", ["a"], (), fill)
    assert store.layer("files", ["a"], (), fill) == first
    assert fill.calls == 1
    other = store.layer("files", ["b"], (), fill)
    assert fill.calls == 2
    assert other.digest == first.digest, "the same files are the same layer to a registry"


def test_packers_at_the_same_time_make_it_once(tmp_path: Path) -> None:
    fill = Counting()
    work = [
        threading.Thread(target=Store(tmp_path, "amd64").layer, args=("files", [], (), fill))
        for _ in range(4)
    ]
    for thread in work:
        thread.start()
    for thread in work:
        thread.join()
    assert fill.calls == 1
    assert not list(tmp_path.glob("*.tree"))


def test_what_was_left_by_an_interrupted_packer_does_no_harm(tmp_path: Path) -> None:
    store, fill = Store(tmp_path, "amd64"), Counting()
    layer = store.layer("files", [], (), fill)
    layer.path.unlink()
    layer.path.with_suffix(".tree").mkdir()
    (layer.path.with_suffix(".tree") / "half").touch()
    assert store.layer("files", [], (), fill) == layer


def test_unused_layers_are_forgotten(tmp_path: Path) -> None:
    store, fill = Store(tmp_path, "amd64"), Counting()
    old, new = store.layer("files", [1], (), fill), store.layer("files", [2], (), fill)
    past = time.time() - UNUSED_SECONDS - 60
    os.utime(old.path, (past, past))
    store.forget_unused()
    assert (old.path.exists(), new.path.exists()) == (False, True)
