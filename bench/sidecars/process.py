"""Programs that a run starts, waits for, and ends by their own handle."""

import socket
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from .pods import Pod


class NotStarted(Exception):
    """A program ended, or did not answer in time; its last words are told."""


def start(
    pod: Pod,
    command: list[str],
    log: Path,
    *,
    environment: Mapping[str, str] | None = None,
    uid: int | None = None,
) -> subprocess.Popen[bytes]:
    with log.open("wb") as output:
        return subprocess.Popen(
            pod.inside(command, uid),
            cwd="/" if uid else None,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )


def stop(program: subprocess.Popen[bytes]) -> None:
    program.terminate()
    try:
        program.wait(5)
    except subprocess.TimeoutExpired:
        program.kill()
        program.wait()


def wait(
    program: subprocess.Popen[bytes], log: Path, is_ready: Callable[[], bool], limit: float = 30
) -> float:
    """Seconds until it was ready."""
    begun = time.monotonic()
    while not is_ready():
        ended = program.poll()
        if ended is not None or time.monotonic() - begun > limit:
            why = f"is not ready after {limit} s" if ended is None else f"exited {ended}"
            said = log.read_text(errors="replace")[-1500:]
            raise NotStarted(f"{program.args!r} {why}: {said}")
        time.sleep(0.001)
    return time.monotonic() - begun


def is_listening(pod: Pod, port: int) -> bool:
    def body() -> bool:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            return False
        return True

    return pod.call(body)
