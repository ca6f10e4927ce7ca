"""How a sidecar grows: memory and CPU by idle connections, destinations and routes; its scrape."""

import ipaddress
import re
import statistics
import threading
import time
from collections.abc import Iterator
from typing import Any

from . import load, mesh
from .accounting import cpu_seconds, memory_kib
from .authority import Authority
from .pods import Pods
from .round import running
from .subjects import Sidecar
from .workloads import Plan

ADMIN = load.Target("127.0.0.1", 4191)
SETTLE_SECONDS = 0.5
LOAD_SECONDS = 2
SCRAPES = 10

Point = dict[str, float]


def services(first: int, last: int) -> Iterator[load.Target]:
    """Each address of the services' network is a destination of its own."""
    for number in range(first, last):
        host = ipaddress.ip_address(int(mesh.SERVICES.network_address) + 1000 + number)
        yield load.Target(str(host), mesh.HTTP1.service)


def memory(subject: Sidecar) -> Point:
    time.sleep(SETTLE_SECONDS)
    return {f"{kind}_kib": kib for kind, kib in memory_kib(subject.pids()["client"]).items()}


def cpu_per_request(pods: Pods, subject: Sidecar) -> Point:
    """Of the client's side, at saturation."""
    pid = subject.pids()["client"]
    before = cpu_seconds(pid)
    figures = load.wrk(pods.client, subject.target(mesh.HTTP1).url(), LOAD_SECONDS)
    spent = cpu_seconds(pid) - before
    if figures["errors"]:
        raise load.LoadFailed(f"{figures['errors']} requests failed")
    return {"cpu_us": spent * 1e6 / figures["requests"]}


def by_connections(subject: Sidecar, authority: Authority, steps: list[int]) -> list[Point]:
    with running(subject, authority) as (pods, _), load.Held(pods.client) as held:
        points: list[Point] = []
        for count in steps:
            more = count - len(held.connections)
            held.add([subject.target(mesh.HTTP1)] * more)
            points.append({"connections": count, **memory(subject)})
        if held.errors:
            raise load.LoadFailed(f"{held.errors} of {len(held.connections)} connections failed")
        # With all of them open, the others must not be slower.
        points[-1] |= cpu_per_request(pods, subject)
        return points


def by_destinations(
    subject: Sidecar, authority: Authority, steps: list[int], plan: Plan
) -> tuple[list[Point], dict[str, Any]]:
    with running(subject, authority) as (pods, _), load.Held(pods.client) as held:
        points = []
        for count in steps:
            held.add(services(len(held.connections), count))
            grown = memory(subject)
            point = {"destinations": count, **grown, **cpu_per_request(pods, subject)}
            points.append(point)
        if held.errors:
            raise load.LoadFailed(f"{held.errors} destinations did not answer")
        return points, scrape(pods, subject, plan)


def scrape(pods: Pods, subject: Sidecar, plan: Plan) -> dict[str, Any]:
    """How long /metrics takes with all those series, and what requests feel of it meanwhile."""
    target, seconds = subject.target(mesh.HTTP1), 3
    quiet = load.constant_rate(pods.client, plan.generator, "http1", target, plan.rate, seconds)
    times: list[float] = []
    ended = threading.Event()

    def again_and_again() -> None:
        while not ended.wait(0.1):
            times.append(timed_scrape(pods)[0])

    scraping = threading.Thread(target=again_and_again)
    scraping.start()
    try:
        busy = load.constant_rate(pods.client, plan.generator, "http1", target, plan.rate, seconds)
    finally:
        ended.set()
        scraping.join()
    alone = [timed_scrape(pods) for _ in range(SCRAPES)]
    series = alone[-1][1]
    middle = statistics.median(milliseconds for milliseconds, _ in alone)
    return {
        "series": series,
        "milliseconds": middle,
        "milliseconds_per_10k_series": middle * 1e4 / series,
        "scrapes_under_load": len(times),
        "milliseconds_under_load": statistics.median(times),
        "latency_ms_without": quiet["latency_ms"],
        "latency_ms_with": busy["latency_ms"],
    }


def timed_scrape(pods: Pods) -> tuple[float, int]:
    begun = time.monotonic()
    said = load.ask(pods.client, ADMIN, "/metrics")
    took = (time.monotonic() - begun) * 1e3
    if not load.is_ok(said):
        raise load.LoadFailed(f"/metrics answers {said[:200]!r}")
    return took, len(re.findall(rb"^[a-z]", said.partition(b"\r\n\r\n")[2], re.MULTILINE))


def by_routes(make: Any, authority: Authority, steps: list[int]) -> list[Point]:
    """`make` gives a fresh subject; a request passes all rules but the last, which takes it."""
    points = []
    for count in steps:
        subject = make()
        subject.routes = count
        with running(subject, authority) as (pods, _):
            spent = cpu_per_request(pods, subject)
            points.append({"routes": count, **memory(subject), **spent})
    return points
