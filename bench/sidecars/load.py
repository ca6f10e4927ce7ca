"""Load generators, run in the client's pod, and readers of what they print."""

import json
import re
import socket
import subprocess
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from .pods import Pod

Figures = dict[str, Any]
MILLISECONDS = {"us": 1e-3, "ms": 1.0, "s": 1e3, "m": 6e4}


class LoadFailed(Exception):
    """A generator did not run, or what it says is not what was asked for."""


@dataclass(frozen=True)
class Target:
    """Where the client sends: the service, or the server's pod when there is no proxy."""

    host: str
    port: int

    def url(self, path: str = "/") -> str:
        return f"http://{self.host}:{self.port}{path}"

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


def run(pod: Pod, command: list[str], seconds: float) -> str:
    done = subprocess.run(
        pod.inside(command), text=True, capture_output=True, timeout=seconds + 60, check=False
    )
    if done.returncode != 0:
        said = (done.stdout + done.stderr)[-1000:]
        raise LoadFailed(f"`{' '.join(command)}` exited {done.returncode}: {said}")
    return done.stdout


def milliseconds(text: str) -> float:
    found = re.fullmatch(r"([\d.]+)(us|ms|s|m)", text)
    if found is None:
        raise LoadFailed(f"{text!r} is not a time")
    return float(found[1]) * MILLISECONDS[found[2]]


def wrk(
    pod: Pod, url: str, seconds: int, connections: int = 32, *, closes: bool = False
) -> Figures:
    """HTTP/1.1 as fast as it goes; `closes`: a new connection for each request."""
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency"]
    if closes:
        command += ["-H", "Connection: close"]
    return read_wrk(run(pod, [*command, url], seconds))


def read_wrk(said: str) -> Figures:
    rate = re.search(r"Requests/sec:\s+([\d.]+)", said)
    count = re.search(r"(\d+) requests in", said)
    if rate is None or count is None:
        raise LoadFailed(f"wrk said {said!r}")
    refused = re.search(r"Non-2xx or 3xx responses: (\d+)", said)
    broken = re.search(
        r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", said
    )
    latencies = re.findall(r"^\s+(\d+)%\s+([\d.]+\w+)", said, re.MULTILINE)
    return {
        "rps": float(rate[1]),
        "requests": int(count[1]),
        "errors": (int(refused[1]) if refused else 0)
        + (sum(map(int, broken.groups())) if broken else 0),
        "latency_ms": {f"p{share}": milliseconds(time) for share, time in latencies},
    }


def h2load(pod: Pod, url: str, seconds: int, connections: int = 8, streams: int = 8) -> Figures:
    """HTTP/2 with prior knowledge, as fast as it goes."""
    command = ["h2load", "-t1", f"-c{connections}", f"-m{streams}", f"-D{seconds}", url]
    return read_h2load(run(pod, command, seconds))


def read_h2load(said: str) -> Figures:
    rate = re.search(r"finished in [\d.]+\w+, ([\d.]+) req/s", said)
    counts = re.search(r"(\d+) done, (\d+) succeeded, (\d+) failed, (\d+) errored", said)
    statuses = re.search(r"status codes: (\d+) 2xx, (\d+) 3xx, (\d+) 4xx, (\d+) 5xx", said)
    if rate is None or counts is None or statuses is None:
        raise LoadFailed(f"h2load said {said!r}")
    done, _, failed, errored = map(int, counts.groups())
    _, *others = map(int, statuses.groups())
    return {"rps": float(rate[1]), "requests": done, "errors": failed + errored + sum(others)}


def constant_rate(
    pod: Pod, generator: Path, protocol: str, target: Target, rate: int, seconds: int
) -> Figures:
    """Evenly spaced arrivals over 16 connections, so that latency is not that of a queue."""
    command = [str(generator), protocol, str(target), str(rate), str(seconds), "16"]
    figures: Figures = json.loads(run(pod, command, seconds))
    return figures


def iperf3(pod: Pod, target: Target, seconds: int) -> Figures:
    """One stream from client to server."""
    command = ["iperf3", "-J", "-c", target.host, "-p", str(target.port), "-t", str(seconds)]
    said = json.loads(run(pod, command, seconds))
    received = said["end"]["sum_received"]
    return {"gbps": received["bits_per_second"] / 1e9, "gigabytes": received["bytes"] / 1e9}


def read_response(connection: socket.socket) -> bytes:
    """Head and body of one response with a content-length."""
    said = b""
    while b"\r\n\r\n" not in said:
        more = connection.recv(65536)
        if not more:
            return said
        said += more
    head, _, body = said.partition(b"\r\n\r\n")
    length = re.search(rb"(?i)content-length:\s*(\d+)", head)
    missing = int(length[1]) - len(body) if length else 0
    pieces = [head, b"\r\n\r\n", body]
    while missing > 0:
        more = connection.recv(65536)
        if not more:
            break
        pieces.append(more)
        missing -= len(more)
    return b"".join(pieces)


def request(target: Target, path: str = "/") -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: {target}\r\n\r\n".encode()


def ask(pod: Pod, target: Target, path: str = "/") -> bytes:
    """One response, whole; empty when nobody answers."""

    def body() -> bytes:
        try:
            with socket.create_connection((target.host, target.port), timeout=10) as connection:
                connection.sendall(request(target, path))
                return read_response(connection)
        except OSError:
            return b""

    return pod.call(body)


def is_ok(response: bytes) -> bool:
    return response.startswith(b"HTTP/1.1 200")


class Held:
    """Connections with one answered request on each, then silence, until they are let go."""

    def __init__(self, pod: Pod) -> None:
        self.pod = pod
        self.connections: list[socket.socket] = []
        self.errors = 0

    def __enter__(self) -> Self:
        return self

    def add(self, targets: Iterable[Target]) -> None:
        def body() -> None:
            for target in targets:
                connection = socket.create_connection((target.host, target.port), timeout=20)
                self.connections.append(connection)
                connection.sendall(request(target))
                self.errors += not is_ok(read_response(connection))

        self.pod.call(body)

    def __exit__(self, *_: object) -> None:
        for connection in self.connections:
            connection.close()


def hold(pod: Pod, targets: list[Target], seconds: float) -> Figures:
    """What held connections cost: opened, asked once, kept for a while."""
    with Held(pod) as held:
        held.add(targets)
        time.sleep(seconds)
        return {"connections": len(targets), "errors": held.errors}
