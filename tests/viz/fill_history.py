"""Fills a history as 25 hours of a mesh of 200 workloads would: `python fill_history.py FILE`.

Prints as JSON how much memory the process held before and at the most, in MiB.
"""

import json
import math
import sys
from pathlib import Path

from tulle.viz.web.store import STEP_SECONDS, Store

WORKLOADS = 200
HOURS = 25
BEGIN = 1_700_000_000 - 1_700_000_000 % 3600
END = BEGIN + HOURS * 3600 - STEP_SECONDS  # of the last sample
SPIKE = END - 11 * 3600  # one step of web-0 that failed and was slow, at a hundredfold rate


def numbers(number, moment):
    """Of a workload at a moment: any values that do not repeat."""
    if number == 0 and moment == SPIKE:
        return {"rps": 1000.0, "success": 0.5, "p50": 5.0, "p95": 50.0, "p99": 5000.0, "tcp": 3.0}
    if number == 0:
        return {"rps": 10.0, "success": 1.0, "p50": 5.0, "p95": 50.0, "p99": 100.0, "tcp": 3.0}
    noise = ((moment // STEP_SECONDS) * 7919 + number * 104729) % 997 / 100
    rate = 50 + number + 20 * math.sin(moment / 5000) + noise
    latency = {"p50": rate / 7, "p95": rate / 3, "p99": rate * 1.3}
    return {"rps": rate, "success": 0.99, **latency, "tcp": float(number), "secured": 1.0}


def key(number):
    return f"deployment/shop/web-{number}"


def resident_mebibytes():
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    raise AssertionError("no VmRSS")


def main():
    store, before = Store(sys.argv[1]), resident_mebibytes()
    most = before
    for moment in range(BEGIN, END + 1, STEP_SECONDS):
        store.add(moment, {key(number): numbers(number, moment) for number in range(WORKLOADS)})
        if moment % 900 == 0:
            most = max(most, resident_mebibytes())
    store.close()
    print(json.dumps({"before": before, "most": most}))


if __name__ == "__main__":
    main()
