"""The kept layers: each under a hash of what went into it, so that only what changed is made anew.

Several packers may run at once: one makes a layer, the others wait for it and find it made.
"""

import fcntl
import hashlib
import json
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

from packing import layers
from packing.archive import Layer
from packing.process import step

UNUSED_SECONDS = 7 * 24 * 3600  # a layer that no image asked for since is deleted


def recipe(*makers: ModuleType) -> list[str]:
    """A layer is made anew, too, when the code that makes it has changed."""
    return [layers.file_digest(Path(maker.__file__ or "")) for maker in makers]


class Store:
    def __init__(self, folder: Path, architecture: str) -> None:
        self.folder = folder
        self.architecture = architecture
        folder.mkdir(parents=True, exist_ok=True)

    def layer(
        self,
        what: str,
        seed: object,
        makers: tuple[ModuleType, ...],
        fill: Callable[[Path], None],
    ) -> Layer:
        """The layer that `fill` makes, unless the same `seed` has made it before."""
        text = json.dumps([what, seed, recipe(*makers, layers), self.architecture])
        key = hashlib.sha256(text.encode()).hexdigest()[:32]
        tar, digest = (self.folder / f"{key}{end}" for end in (".tar", ".sha256"))
        with self.locked():
            if not (tar.exists() and digest.exists()):
                with step(what):
                    self._make(tar, fill)
                digest.write_text(layers.file_digest(tar))
            tar.touch()
            return Layer(tar, digest.read_text())

    def _make(self, tar: Path, fill: Callable[[Path], None]) -> None:
        tree = tar.with_suffix(".tree")
        shutil.rmtree(tree, ignore_errors=True)  # of a packer that was interrupted
        tree.mkdir()
        fill(tree)
        layers.write_layer(tree, tar)
        shutil.rmtree(tree)

    @contextmanager
    def locked(self) -> Iterator[None]:
        with (self.folder / ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def forget_unused(self) -> None:
        with self.locked():
            for tar in self.folder.glob("*.tar"):
                if time.time() - tar.stat().st_mtime > UNUSED_SECONDS:
                    tar.unlink()
                    tar.with_suffix(".sha256").unlink(missing_ok=True)
