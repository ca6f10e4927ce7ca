"""Runs a tool and turns its failure into a sentence; prints each step with its seconds."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class ToolFailed(Exception):
    """A tool that packing relies on did not do its work; the text holds what it said."""


def run(*command: str, cwd: Path | None = None, env: dict[str, str] | None = None) -> str:
    try:
        done = subprocess.run(
            command, cwd=cwd, env=env, capture_output=True, text=True, check=False
        )
    except FileNotFoundError:
        raise ToolFailed(f"{command[0]} is not on this machine; packing needs it") from None
    if done.returncode != 0:
        said = (done.stderr or done.stdout).strip()[-2000:]
        raise ToolFailed(f"`{' '.join(command)}` failed:\n{said}")
    return done.stdout


@contextmanager
def step(text: str) -> Iterator[None]:
    started = time.monotonic()
    yield
    print(f"  {text} ({time.monotonic() - started:.1f} s)", file=sys.stderr, flush=True)
