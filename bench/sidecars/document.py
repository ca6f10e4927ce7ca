"""Writes a run into docs/performance.md, between two marks; what people wrote around them stays."""

import datetime as dt
from pathlib import Path
from typing import Any

from . import table

OURS = "tulle"
BEGIN, END = "<!-- bench begins -->", "<!-- bench ends -->"


class NoPlace(Exception):
    """The document has no marks to write between."""


def section(result: dict[str, Any]) -> list[str]:
    machine = result["machine"]
    rounds = result["rounds"]
    date = dt.datetime.fromisoformat(result["date"])
    intro = (
        f"{date:%d %B %Y, %H:%M} UTC; {machine['cores']} cores, {machine['memory_gib']} GiB, "
        f"Linux {machine['kernel']}; load average before the run "
        f"{machine['load_average']:.1f}; {result['seconds_per_workload']} s per workload; "
        f"medians and extremes of n rounds. The last columns are ratios of medians."
    )
    lines = [intro, ""]
    lines += [f"{label} was skipped: {why}.\n" for label, why in result["skipped"].items()]
    lines += table.lines(rounds, OURS)
    if growth := result.get("growth"):
        lines += ["", *growth_lines(growth)]
    return lines


def growth_lines(growth: dict[str, Any]) -> list[str]:
    lines = [
        "How the client's side grows; CPU is of one request over kept HTTP/1.1 connections:",
        "",
    ]
    for name in ("connections", "destinations", "routes"):
        points = growth[name]
        lines += [
            f"| {name} | {' | '.join(str(point[name]) for point in points)} |",
            "|---" * (len(points) + 1) + "|",
            numbers("RSS, MiB", points, "rss_kib", 1024),
            numbers("anonymous, MiB", points, "anonymous_kib", 1024),
            numbers("CPU, µs per request", points, "cpu_us", 1),
            "",
            f"![growth by {name}](performance/{name}.svg)",
            "",
        ]
    scrape = growth["scrape"]
    quiet, busy = scrape["latency_ms_without"], scrape["latency_ms_with"]
    lines.append(
        f"A scrape of {scrape['series']} series takes {scrape['milliseconds']:.0f} ms "
        f"({scrape['milliseconds_per_10k_series']:.1f} ms per 10,000). With a scrape every 100 ms, "
        f"requests at a constant rate take {busy['p50']:.2f} / {busy['p99']:.2f} ms (p50 / p99) "
        f"instead of {quiet['p50']:.2f} / {quiet['p99']:.2f} ms."
    )
    return lines


def numbers(name: str, points: list[dict[str, float]], key: str, divided_by: float) -> str:
    cells = [f"{p[key] / divided_by:.1f}" if key in p else "-" for p in points]
    return f"| {name} | {' | '.join(cells)} |"


def update(file: Path, result: dict[str, Any]) -> None:
    text = file.read_text()
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise NoPlace(f"{file} has no {BEGIN} and {END} to write between")
    new = "\n".join(section(result))
    file.write_text(f"{before}{BEGIN}\n{new}\n{END}{after}")
