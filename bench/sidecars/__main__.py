"""Runs the benchmark: rounds that alternate between the subjects, then Tulle's growth and costs.

Usage: python -m bench.sidecars --proxy PATH --generator PATH; `make bench` builds both. Writes
bench/results/NAME.json, the table in docs/performance.md, and the plots beside it.
"""

import argparse
import datetime as dt
import json
import os
import platform
import resource
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from . import document, growth, plots, subjects
from .authority import Authority
from .load import LoadFailed
from .process import NotStarted
from .round import play
from .workloads import WORKLOADS, Plan

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "bench" / "results"
OURS = "tulle"
PEER = "linkerd2"
PEER_VARIABLE = "TULLE_PEER_PROXY"


def machine() -> dict[str, Any]:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "name": platform.node(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(memory / 2**30),
        "kernel": platform.release(),
        "load_average": os.getloadavg()[0],
    }


def peer() -> tuple[Path | None, str]:
    """The peer's binary, or why there is none."""
    named = os.environ.get(PEER_VARIABLE)
    if not named:
        return None, f"${PEER_VARIABLE} names no linkerd2-proxy binary"
    path = Path(named)
    if not os.access(path, os.X_OK):
        return None, f"{path}, which ${PEER_VARIABLE} names, is no program"
    return path, ""


def rounds(
    labels: list[str],
    binaries: dict[str, Path],
    authority: Authority,
    plan: Plan,
    arguments: argparse.Namespace,
) -> list[dict[str, Any]]:
    """Subjects alternate, so that what else the machine does meets all alike."""
    wanted = arguments.workloads.split(",") if arguments.workloads else None
    workloads = [w for w in WORKLOADS if wanted is None or w.name in wanted]
    played = []
    for number in range(arguments.rounds):
        for label in labels:
            try:
                result = play(subjects.make(label, binaries), authority, workloads, plan)
            except (LoadFailed, NotStarted) as error:
                if label == OURS:
                    raise
                print(f"{label}: round {number} failed: {error}", file=sys.stderr)
                continue
            played.append({"round": number, **result})
    return played


def grown(binary: Path, authority: Authority, plan: Plan, *, is_quick: bool) -> dict[str, Any]:
    def fresh() -> subjects.Sidecar:
        return subjects.Sidecar(OURS, binary)

    connections = [0, 250, 500, 1000] if is_quick else [0, 250, 500, 1000, 2000, 4000]
    destinations = [1, 50, 200] if is_quick else [1, 100, 500, 1000, 2000]
    routes = [1, 100] if is_quick else [1, 10, 100, 1000]
    by_destinations, scrape = growth.by_destinations(fresh(), authority, destinations, plan)
    return {
        "connections": growth.by_connections(fresh(), authority, connections),
        "destinations": by_destinations,
        "routes": growth.by_routes(fresh, authority, routes),
        "scrape": scrape,
    }


def arguments_of(words: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench.sidecars", description=__doc__)
    parser.add_argument("--proxy", type=Path, required=True, help="Tulle's proxy")
    parser.add_argument("--generator", type=Path, required=True, help="tulle-loadgen")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=4, help="of each workload")
    parser.add_argument("--quick", action="store_true", help="1 round of 2 s, small growth")
    parser.add_argument("--subjects", help="comma-separated; default: all that there are")
    parser.add_argument("--workloads", help=f"of {','.join(w.name for w in WORKLOADS)}")
    parser.add_argument("--no-growth", action="store_true")
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--no-document", action="store_true", help="leave docs/ as they are")
    arguments = parser.parse_args(words)
    if arguments.quick:
        arguments.rounds, arguments.seconds = 1, 2
    return arguments


def chosen(arguments: argparse.Namespace) -> tuple[list[str], dict[str, Path], dict[str, str]]:
    """Labels, binaries of the sidecars, and what is skipped, each with its reason."""
    binaries, skipped = {OURS: arguments.proxy.resolve()}, {}
    path, why = peer()
    if path is None:
        skipped[PEER] = why
    else:
        binaries[PEER] = path
    labels = ["none", "haproxy", "nginx", *([PEER] if path else []), OURS]
    if arguments.subjects:
        asked = arguments.subjects.split(",")
        labels = [label for label in labels if label in asked]
    for label, reason in skipped.items():
        print(f"{label} is skipped: {reason}", file=sys.stderr)
    return labels, binaries, skipped


def main() -> None:
    arguments = arguments_of()
    if os.geteuid() != 0:
        raise SystemExit("bench: it makes network namespaces; run it as root")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    # Thousands of connections are held, by us and by the proxies, which inherit it.
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    labels, binaries, skipped = chosen(arguments)
    plan = Plan(arguments.generator.resolve(), arguments.seconds)
    begun = time.monotonic()
    result: dict[str, Any] = {
        "date": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        "machine": machine(),
        "seconds_per_workload": arguments.seconds,
        "skipped": skipped,
    }
    with tempfile.TemporaryDirectory(prefix="tulle-bench-authority-") as folder:
        Path(folder).chmod(0o755)
        authority = Authority(Path(folder) / "authority")
        result["rounds"] = rounds(labels, binaries, authority, plan, arguments)
        if OURS in labels and not arguments.no_growth:
            try:
                measured = grown(binaries[OURS], authority, plan, is_quick=arguments.quick)
                result["growth"] = measured
            except (LoadFailed, NotStarted, OSError) as error:
                # The rounds are worth keeping without it.
                result["skipped"]["growth"] = str(error)
    result["took_seconds"] = round(time.monotonic() - begun)
    arguments.results.mkdir(parents=True, exist_ok=True)
    file = arguments.results / f"{result['date'][:16].replace(':', '')}.json"
    file.write_text(json.dumps(result, indent=1) + "\n")
    print(f"bench: {file}", file=sys.stderr)
    print("\n".join(document.section(result)))
    if not arguments.no_document:
        document.update(ROOT / "docs" / "performance.md", result)
        plots.draw(ROOT / "docs" / "performance", result)


if __name__ == "__main__":
    main()
