"""Golden metrics of workloads: what the cluster has, joined with what the proxies counted."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from tulle import durations
from tulle.viz import quantiles, queries, recorded
from tulle.viz.inventory import Entry, Inventory
from tulle.viz.kinds import Resource
from tulle.viz.prometheus import Prometheus, Sample
from tulle.viz.queries import QUANTILES, Traffic

Json = dict[str, Any]
Key = tuple[str, str]  # namespace and name

# Said with every answer: what the proxies count as a failure.
CLASSIFICATION = (
    "a failure is an answer of 5xx, a gRPC status of UNKNOWN, DEADLINE_EXCEEDED, "
    "PERMISSION_DENIED, INTERNAL, UNAVAILABLE or DATA_LOSS, or a broken stream"
)


class BadRequest(Exception):
    """A question without sense; the message is for the user."""


@dataclass(frozen=True, slots=True)
class Question:
    """`to` and `source` narrow the traffic; at most one of them is given."""

    target: Resource
    window: str = "1m"
    selector: str = ""
    to: Resource | None = None
    source: Resource | None = None


@dataclass(frozen=True, slots=True)
class Numbers:
    """Over the window. A quantile is None where no request was answered."""

    success_rate: float  # 0 to 1
    requests_per_second: float
    latency_ms: dict[str, float | None]
    open_connections: int
    read_bytes_per_second: float
    write_bytes_per_second: float


@dataclass(frozen=True, slots=True)
class Row:
    entry: Entry
    numbers: Numbers | None  # None: no requests
    unauthorized: float | None = None  # per second; None: not asked, or nothing was counted


@dataclass(frozen=True, slots=True)
class Answer:
    rows: tuple[Row, ...]
    scraped_proxies: int | None  # asked only where there is no traffic at all


async def answer(
    question: Question, inventory: Inventory, prometheus: Prometheus, domain: str
) -> Answer:
    await _check_window(question.window, prometheus)
    listing = inventory.entries(question.target, question.selector)
    if question.target.kind.name == "trafficsplit":
        entries = await listing
        rows = await _splits(question, entries, prometheus, domain)
    else:
        asking = _measured(traffic(question, domain), question.window, prometheus)
        entries, numbers = await asyncio.gather(listing, asking)
        rows = [Row(entry, numbers.get(entry.key)) for entry in entries]
        if question.target.kind.name in ("httproute", "server"):
            rows = await _with_refused(rows, question, prometheus)
    is_narrowed = question.to is not None or question.source is not None
    if is_narrowed:  # only who takes part
        rows = [row for row in rows if row.numbers]
    rows.sort(key=lambda row: (*row.entry.key, row.entry.leaf))
    scraped = None
    if entries and not any(row.numbers or row.unauthorized for row in rows):
        found = await prometheus.query(queries.scraped(question.target.namespace))
        scraped = int(sum(sample.value for sample in found))
    return Answer(tuple(rows), scraped)


async def _with_refused(rows: list[Row], question: Question, prometheus: Prometheus) -> list[Row]:
    samples = await prometheus.query(queries.refused(question.target, question.window))
    seconds = durations.seconds(question.window)
    asked = queries.governed(question.target)
    found = {_key(sample, asked): sample.value / seconds for sample in samples}

    def refused(row: Row) -> float | None:
        count = found.get(row.entry.key)
        return 0.0 if count is None and row.numbers else count

    return [replace(row, unauthorized=refused(row)) for row in rows]


async def _check_window(window: str, prometheus: Prometheus) -> None:
    interval = await prometheus.scrape_interval()
    if durations.seconds(window) < durations.seconds(interval):
        raise BadRequest(
            f"the window {window} is shorter than the {interval} in which Prometheus asks the "
            "proxies once; give a longer one"
        )


def traffic(question: Question, domain: str) -> Traffic:
    target = question.target
    if target.kind.is_policy:
        return queries.governed(target)
    if target.kind.name == "service":
        return queries.to_service(target, domain, question.source)
    if question.to:
        return queries.outbound(target, question.to)
    if question.source:
        return queries.received_from(target, question.source)
    return queries.inbound(target)


async def _splits(
    question: Question, entries: Iterable[Entry], prometheus: Prometheus, domain: str
) -> list[Row]:
    """The leaves of one apex are told apart by the Service that answered."""
    services: dict[Key, set[str]] = {}
    for entry in entries:
        apex = entry.namespace, entry.apex
        services.setdefault(apex, {entry.apex}).add(entry.leaf)
    asked = [
        _measured(
            queries.to_split(namespace, sorted(names), domain, question.source),
            question.window,
            prometheus,
        )
        for (namespace, _), names in services.items()
    ]
    found = dict(zip(services, await asyncio.gather(*asked), strict=True))
    return [
        Row(entry, found[entry.namespace, entry.apex].get((entry.namespace, entry.leaf)))
        for entry in entries
    ]


async def _measured(traffic: Traffic, window: str, prometheus: Prometheus) -> dict[Key, Numbers]:
    seconds = durations.seconds(window)
    known = await prometheus.recorded()
    asked = {"requests": recorded.requests(known, traffic, window)}
    asked["buckets"] = recorded.buckets(known, traffic, window)
    asked["open"] = queries.open_connections(traffic)
    asked["read"] = queries.transferred(traffic, window, "read")
    asked["write"] = queries.transferred(traffic, window, "write")
    answers = await asyncio.gather(*(prometheus.query(text) for text in asked.values()))
    by_name = dict(zip(asked, answers, strict=True))
    found = _counted(by_name.pop("requests"), traffic, seconds)
    latency = quantiles.by_key(by_name.pop("buckets"), lambda sample: _key(sample, traffic))
    values = {
        name: {_key(sample, traffic): sample.value for sample in samples}
        for name, samples in by_name.items()
    }
    return {
        key: replace(
            numbers,
            latency_ms={name: latency.get(key, {}).get(name) for name in QUANTILES},
            open_connections=round(values["open"].get(key, 0)),
            read_bytes_per_second=values["read"].get(key, 0) / seconds,
            write_bytes_per_second=values["write"].get(key, 0) / seconds,
        )
        for key, numbers in found.items()
    }


def _counted(samples: list[Sample], traffic: Traffic, seconds: float) -> dict[Key, Numbers]:
    """Success and rate; what had no request in the window is left out."""
    total: dict[Key, float] = {}
    success: dict[Key, float] = {}
    for sample in samples:
        key = _key(sample, traffic)
        total[key] = total.get(key, 0) + sample.value
        if sample.labels.get("classification") == "success":
            success[key] = success.get(key, 0) + sample.value
    return {
        key: Numbers(success.get(key, 0) / count, count / seconds, {}, 0, 0.0, 0.0)
        for key, count in total.items()
        if count > 0
    }


def _key(sample: Sample, traffic: Traffic) -> Key:
    values = [sample.labels.get(label, "") for label in traffic.group]
    return ("", values[0]) if len(values) == 1 else (values[0], "@".join(values[1:]))


def as_json(question: Question, found: Answer) -> Json:
    return {
        "kind": question.target.kind.name,
        "window": question.window,
        "classification": CLASSIFICATION,
        "scraped_proxies": found.scraped_proxies,
        "rows": [_row(row) for row in found.rows],
    }


def _row(row: Row) -> Json:
    entry, numbers = row.entry, row.numbers
    found: Json = {"namespace": entry.namespace, "name": entry.name}
    if entry.pods is not None:
        found |= {"meshed_pods": entry.meshed_pods, "running_pods": entry.pods}
        found["failed_pods"] = entry.failed_pods
    found |= {"status": entry.status} if entry.status else {}
    if entry.apex:
        found |= {"apex": entry.apex, "leaf": entry.leaf, "weight": entry.weight}
    found |= {"server": entry.server} if entry.server else {}
    if row.unauthorized is not None:
        found["unauthorized"] = row.unauthorized
    found["numbers"] = None
    if numbers is not None:
        found["numbers"] = {
            "success": numbers.success_rate,
            "rps": numbers.requests_per_second,
            **{f"latency_ms_{name}": value for name, value in numbers.latency_ms.items()},
            "tcp_open_connections": numbers.open_connections,
            "tcp_read_bytes_rate": numbers.read_bytes_per_second,
            "tcp_write_bytes_rate": numbers.write_bytes_per_second,
        }
    return found
