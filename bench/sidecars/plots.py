"""Plots of a run as SVG files, for docs/performance.md."""

from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("svg")
# The same figures give the same file.
matplotlib.rcParams["svg.hashsalt"] = "tulle"

from matplotlib import pyplot  # noqa: E402 - after its backend is chosen

MIB = 1024


def draw(folder: Path, result: dict[str, Any]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    growth = result.get("growth")
    if growth is None:
        return
    for name in ("connections", "destinations", "routes"):
        draw_growth(folder / f"{name}.svg", name, growth[name])


def draw_growth(file: Path, name: str, points: list[dict[str, float]]) -> None:
    """Memory on the left axis; CPU per request on the right, where it was measured."""
    figure, memory = pyplot.subplots(figsize=(6, 3.2), layout="constrained")
    counts = [point[name] for point in points]
    for kind, label in (("rss_kib", "RSS"), ("anonymous_kib", "anonymous memory")):
        memory.plot(counts, [p[kind] / MIB for p in points], marker="o", label=label)
    memory.set_xlabel(name)
    memory.set_ylabel("MiB, client side")
    memory.set_ylim(bottom=0)
    timed = [(p[name], p["cpu_us"]) for p in points if "cpu_us" in p]
    if len(timed) > 1:
        cpu = memory.twinx()
        cpu.plot(*zip(*timed, strict=True), "s--", color="tab:red", label="CPU per request")
        cpu.set_ylabel("µs per request")
        cpu.set_ylim(bottom=0)
    figure.legend(loc="outside upper center", ncols=3, frameon=False)
    figure.savefig(file, metadata={"Date": None, "Creator": None})
    pyplot.close(figure)
