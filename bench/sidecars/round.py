"""One round of one subject: fresh pods, backend, proxies, then each workload with its account."""

import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from . import load, mesh, peers, process
from .accounting import Account, memory_kib
from .authority import Authority
from .pods import Pods
from .subjects import NoProxy, Subject
from .workloads import Plan, Workload

BODY = "x" * 128
BIG_BYTES = 64 * 1024
SETTLE_SECONDS = 1.5
ETH_P_ALL = 3


@contextmanager
def backend(pods: Pods, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """nginx and iperf3 in the server's pod."""
    file, log = peers.backend_file(folder, BODY, BIG_BYTES), folder / "backend.log"
    commands = (["nginx", "-e", str(log), "-c", str(file)], ["iperf3", "-s", "-p", "5201"])
    programs = [process.start(pods.server, command, log) for command in commands]
    try:
        for program, port in ((0, 8080), (0, 8082), (1, 5201)):
            ready = lambda port=port: process.is_listening(pods.server, port)  # noqa: E731
            process.wait(programs[program], log, ready)
        yield programs[0]
    finally:
        for program in programs:
            process.stop(program)


@contextmanager
def running(subject: Subject, authority: Authority) -> Iterator[tuple[Pods, int]]:
    """The subject in pods of its own, and the backend's pid."""
    with (
        tempfile.TemporaryDirectory(prefix="tulle-bench-") as temporary,
        Pods(f"bench{os.getpid()}") as pods,
    ):
        folder = Path(temporary)
        folder.chmod(0o755)
        with backend(pods, folder) as application:
            try:
                subject.start(pods, authority, folder)
                yield pods, application.pid
            finally:
                subject.stop()


def is_encrypted(pods: Pods, subject: Subject) -> bool:
    """A marker that is sent through, and what comes back, are never seen on the wire between."""
    marker = f"/?marker={os.urandom(8).hex()}"
    frames: list[bytes] = []
    is_sniffing, ended = threading.Event(), threading.Event()

    def sniff() -> None:
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL)) as wire:
            wire.bind(("eth0", 0))
            wire.settimeout(0.05)
            is_sniffing.set()
            while not ended.is_set():
                try:
                    frames.append(wire.recv(65535))
                except TimeoutError:
                    continue

    sniffing = threading.Thread(target=lambda: pods.server.call(sniff))
    sniffing.start()
    is_sniffing.wait(5)
    answer = load.ask(pods.client, subject.target(mesh.HTTP1), marker)
    time.sleep(0.2)
    ended.set()
    sniffing.join()
    seen = b"".join(frames)
    if BODY.encode() not in answer or not seen:
        raise load.LoadFailed(f"{subject.label}: nothing came through: {answer[:200]!r}")
    return marker.encode() not in seen and BODY.encode() not in seen


def measure(
    workload: Workload, pods: Pods, subject: Subject, backend_pid: int, plan: Plan
) -> dict[str, Any]:
    with Account({**subject.pids(), "backend": backend_pid}) as account:
        figures = workload.run(pods, subject, plan)
    figures |= {
        "seconds": account.seconds,
        "cpu_seconds": account.cpu,
        "context_switches": account.switches,
        "before_kib": account.before_kib,
        "peak_kib": account.peak_kib,
        "load_average": os.getloadavg()[0],
    }
    return figures


def play(
    subject: Subject, authority: Authority, workloads: Iterable[Workload], plan: Plan
) -> dict[str, Any]:
    """Everything that one round of a subject tells."""
    with running(subject, authority) as (pods, backend_pid):
        result: dict[str, Any] = {
            "label": subject.label,
            "ready_ms": subject.ready_ms,
            "binary_bytes": subject.binary.stat().st_size if subject.binary else None,
        }
        time.sleep(SETTLE_SECONDS)
        result["idle_kib"] = {role: memory_kib(pid) for role, pid in subject.pids().items()}
        result["is_encrypted"] = is_encrypted(pods, subject)
        if not result["is_encrypted"] and not isinstance(subject, NoProxy):
            raise load.LoadFailed(f"{subject.label} sends plain text")
        measured: dict[str, Any] = {}
        for workload in workloads:
            if workload.needs not in subject.supports:
                continue
            measured[workload.name] = measure(workload, pods, subject, backend_pid, plan)
            tell(subject.label, workload.name, measured[workload.name])
        result["workloads"] = measured
    return result


def tell(label: str, name: str, figures: dict[str, Any]) -> None:
    keys = ("rps", "gbps", "errors", "latency_ms")
    short = ", ".join(f"{key} {figures[key]}" for key in keys if key in figures)
    print(f"{label:>9} {name:8} {short}", file=sys.stderr, flush=True)
