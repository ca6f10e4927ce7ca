#!/usr/bin/env python3
"""Ask a URL for its page at a steady rate, and count the answers.

    python load.py --rate 2 --seconds 30 http://192.0.2.10:8090

Each request starts on its own time, whatever the others take, so a slow server gets no fewer.
Exits 1 if a request failed (no answer, or a status of 400 and above).
"""

import argparse
import statistics
import sys
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass


@dataclass(frozen=True)
class Answer:
    seconds: float
    failure: str | None


def ask(url: str, timeout: float) -> Answer:
    started = time.monotonic()
    failure = None
    try:
        with urllib.request.urlopen(url, timeout=timeout) as answer:
            answer.read()
    except urllib.error.HTTPError as error:
        failure = f"status {error.code}"
        error.close()
    except OSError as error:
        failure = str(error)
    return Answer(time.monotonic() - started, failure)


def ask_at_rate(url: str, rate: float, seconds: float, timeout: float) -> list[Answer]:
    started = time.monotonic()
    with ThreadPoolExecutor(max_workers=64) as pool:
        waiting = []
        for number in range(max(1, round(rate * seconds))):
            time.sleep(max(0.0, started + number / rate - time.monotonic()))
            waiting.append(pool.submit(ask, url, timeout))
        return [answer.result() for answer in waiting]


def parts(seconds: float, every: float) -> list[float]:
    """The whole time, cut where a report is due."""
    if every <= 0 or every >= seconds:
        return [seconds]
    whole = int(seconds // every)
    rest = seconds - whole * every
    return [every] * whole + ([rest] if rest > 0 else [])


def report(answers: list[Answer]) -> str:
    latencies = sorted(answer.seconds * 1000 for answer in answers)
    failures = [answer.failure for answer in answers if answer.failure]
    high = latencies[min(len(latencies) - 1, int(len(latencies) * 0.99))]
    lines = [
        f"{len(answers)} requests, {len(failures)} failed,"
        f" median {statistics.median(latencies):.1f} ms, p99 {high:.1f} ms"
    ]
    lines += [f"  {failures.count(kind)} x {kind}" for kind in sorted(set(failures))]
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("url")
    parser.add_argument("--rate", type=float, default=0.5, help="requests per second (0.5)")
    parser.add_argument("--seconds", type=float, default=60, help="how long (60)")
    parser.add_argument("--every", type=float, default=0, help="report so often, in seconds (end)")
    parser.add_argument("--timeout", type=float, default=10, help="seconds per request (10)")
    given = parser.parse_args()
    if given.rate <= 0:
        parser.error("--rate must be above 0")
    answers: list[Answer] = []
    for part in parts(given.seconds, given.every):
        answers += ask_at_rate(given.url, given.rate, part, given.timeout)
        print(report(answers), flush=True)
    return 1 if any(answer.failure for answer in answers) else 0


if __name__ == "__main__":
    sys.exit(main())
