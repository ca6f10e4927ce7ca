"""How many frames a second the dashboard's graph of 500 workloads has while a hand moves it.

Usage: PYTHONPATH=src python bench/topology.py [--seconds 3] [--rounds 5]
Writes bench/results/topology.json.

The page is the built one, its server the real dashboard over made-up workloads, the browser
Debian's Chromium without a graphics card. For some seconds the graph is dragged and zoomed at every
frame that the browser offers (`requestAnimationFrame`), then moved by the arrow keys, which draws
all of it anew each time. Frames are counted by the canvas itself. Beside them stand the load of the
machine and the CPU that a frame cost all processes of the browser: on a machine with other work it
says more.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from playwright.sync_api import Locator, sync_playwright

ROOT = Path(__file__).resolve().parents[1]
RESULT = ROOT / "bench" / "results" / "topology.json"
sys.path[:0] = [str(ROOT / "tests" / "web"), str(ROOT / "tests" / "viz")]

from great_mesh import CALLS, DRAGGED, KEYED, NAMESPACES, WORKLOADS, cpu_seconds, great_mesh  # noqa: E402
from site_of_shop import Site  # noqa: E402

Json = dict[str, Any]

VIEW = {"width": 1280, "height": 900}
READY_MS = 120_000


def measured(canvas: Locator, script: str, seconds: float) -> Json:
    before, spent = int(canvas.get_attribute("data-frames") or 0), cpu_seconds()
    begun = time.monotonic()
    found = canvas.evaluate(script, seconds)
    took, cost = time.monotonic() - begun, cpu_seconds() - spent
    frames = found["drawn"] - before
    slowest = sorted(found["rates"])[len(found["rates"]) // 20]
    return {
        "frames_per_second": round(frames / took, 1),
        "slowest_twentieth": round(slowest, 1),
        "cpu_ms_per_frame": round(1000 * cost / max(1, frames), 1),
    }


def middle(rounds: list[Json]) -> Json:
    """The median of each figure."""
    return {name: statistics.median(one[name] for one in rounds) for name in rounds[0]}


def run(executable: str, seconds: float, rounds: int) -> Json:
    site = Site()
    great_mesh(site.shop)
    with site, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        page = browser.new_page(base_url=site.base, viewport=VIEW)
        begun = time.monotonic()
        page.goto("/topology")
        canvas = page.locator(".graph canvas")
        page.locator(".graph canvas[data-ready=true]").wait_for(timeout=READY_MS)
        placed = time.monotonic() - begun
        shown = int(canvas.get_attribute("data-nodes") or 0)
        assert shown == WORKLOADS, f"the graph shows {shown} workloads"
        found = {
            name: middle([measured(canvas, script, seconds) for _ in range(rounds)])
            for name, script in (("dragged and zoomed", DRAGGED), ("drawn anew", KEYED))
        }
        version = browser.version
        browser.close()
    return {"browser": version, "seconds_to_first_picture": round(placed, 1), **found}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    executable = shutil.which("chromium") or shutil.which("google-chrome")
    if executable is None:
        raise SystemExit("there is no Chromium; install it: apt-get install chromium")
    subprocess.run([sys.executable, ROOT / "tools" / "web.py"], check=True)
    load = os.getloadavg()
    found = run(executable, options.seconds, options.rounds)
    content = {
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "cores": os.cpu_count(),
        "load_average_before": load,
        "load_average_after": os.getloadavg(),
        "workloads": WORKLOADS,
        "namespaces": NAMESPACES,
        "edges": CALLS,
        "view": VIEW,
        "seconds": options.seconds,
        "rounds": options.rounds,
        **found,
    }
    RESULT.parent.mkdir(parents=True, exist_ok=True)
    RESULT.write_text(json.dumps(content, indent=2) + "\n")
    print(RESULT.read_text(), end="")


if __name__ == "__main__":
    main()
