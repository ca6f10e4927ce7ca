"""What each container of the control plane and of viz holds after ten minutes of load.

Usage: python bench/memory.py [--minutes 10] [--rps 5]; runs on the cluster of the
current kubeconfig, which has the mesh, viz and the todo example; installs nothing. Load: a page of
the example --rps times a second (each makes the UI ask the backend), and every ten seconds stat,
edges and a second of tap. Then, per container: the working set that `kubectl top` shows, and
anonymous memory and PSS of its processes, which are read from this machine's /proc, so the node
has to run on it. Writes bench/results/memory.json and the table in docs/performance.md.
"""

import argparse
import contextlib
import json
import os
import re
import subprocess
import sys
import threading
import time
import urllib.request
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

Json = dict[str, Any]

ROOT = Path(__file__).resolve().parents[1]
RESULT = ROOT / "bench" / "results" / "memory.json"
PAGE = ROOT / "docs" / "performance.md"
BEGIN, END = "<!-- memory: begin -->", "<!-- memory: end -->"
NAMESPACES = ("tulle", "tulle-viz", "default")
TULLE = Path(sys.executable).with_name("tulle")
# Container: MiB of working set that it is to stay below, and what Linkerd 2.12 was seen to hold.
WANTED = {
    "identity": (30, 47),
    "destination": (45, 143),
    "proxy-injector": (35, 53),
    "metrics-api": (40, 49),
    "tap": (40, 57),
    "tap-injector": (40, 50),
    "web": (40, 42),
    "prometheus": (None, 158),
    "tulle-proxy": (None, 12),
}
KINDS = ("Pss", "Anonymous")


def run(*command: str | Path, check: bool = True) -> str:
    done = subprocess.run(
        [str(word) for word in command], capture_output=True, text=True, check=False
    )
    if check and done.returncode != 0:
        raise SystemExit(f"memory: {' '.join(map(str, command))}: {done.stderr.strip()}")
    return done.stdout


class Load:
    """Until `over`: pages of the example, and the questions that an operator asks."""

    def __init__(self, rps: float) -> None:
        address = run(
            "kubectl", "get", "svc", "todoui", "-o", "jsonpath={.status.loadBalancer.ingress[0].ip}"
        )
        self.url, self.pause = f"http://{address}:8090/", 1 / rps
        self.pages = self.failures = self.questions = 0
        self.over = threading.Event()

    def pages_for_ever(self) -> None:
        while not self.over.wait(self.pause):
            try:
                with urllib.request.urlopen(self.url, timeout=10) as answer:
                    answer.read()
                self.pages += 1
            except OSError:
                self.failures += 1

    def questions_for_ever(self) -> None:
        while not self.over.wait(10):
            run(TULLE, "viz", "stat", "deployments", "-A", check=False)
            run(TULLE, "viz", "edges", "deployments", check=False)
            with contextlib.suppress(subprocess.TimeoutExpired):
                command = [str(TULLE), "viz", "tap", "deploy/todoui"]
                subprocess.run(command, capture_output=True, timeout=3, check=False)
            self.questions += 3


def working_sets() -> dict[tuple[str, str, str], int]:
    """MiB by namespace, pod and container, as `kubectl top` has them."""
    found = {}
    for namespace in NAMESPACES:
        path = f"/apis/metrics.k8s.io/v1beta1/namespaces/{namespace}/pods"
        for pod in json.loads(run("kubectl", "get", "--raw", path))["items"]:
            for container in pod["containers"]:
                key = namespace, pod["metadata"]["name"], container["name"]
                found[key] = mebibytes(container["usage"]["memory"])
    return found


def mebibytes(quantity: str) -> int:
    units = {"Ki": 1 / 1024, "Mi": 1, "Gi": 1024, "": 1 / 2**20}
    number, unit = re.fullmatch(r"(\d+)(\w*)", quantity).groups()  # type: ignore[union-attr]
    return round(int(number) * units[unit])


def processes() -> dict[str, list[int]]:
    """Process ids of this machine by the container that they are in."""
    found: dict[str, list[int]] = {}
    for path in Path("/proc").glob("[0-9]*/cgroup"):
        with contextlib.suppress(OSError):
            for name in set(re.findall(r"[0-9a-f]{64}", path.read_text())):
                found.setdefault(name, []).append(int(path.parent.name))
    return found


def of_processes(pids: list[int]) -> dict[str, float]:
    """MiB of PSS and of anonymous memory, of all of them together."""
    total = dict.fromkeys(KINDS, 0.0)
    for pid in pids:
        with contextlib.suppress(OSError):
            for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                name, _, rest = line.partition(":")
                if name in total:
                    total[name] += int(rest.split()[0]) / 1024
    return total


def measured() -> list[Json]:
    sets, known, rows = working_sets(), processes(), []
    for namespace in NAMESPACES:
        for pod in json.loads(run("kubectl", "-n", namespace, "get", "pods", "-o", "json"))[
            "items"
        ]:
            status = pod["status"]
            entries = [
                *status.get("initContainerStatuses", ()),
                *status.get("containerStatuses", ()),
            ]
            for entry in entries:
                key = namespace, pod["metadata"]["name"], entry["name"]
                if key not in sets:
                    continue
                pids = known.get(entry["containerID"].rpartition("/")[2], [])
                memory = of_processes(pids)
                rows.append(
                    {
                        "namespace": namespace,
                        "pod": re.sub(r"-[0-9a-f]+-\w+$", "", key[1]),
                        "container": entry["name"],
                        "working_set_mib": sets[key],
                        "anonymous_mib": round(memory["Anonymous"], 1),
                        "pss_mib": round(memory["Pss"], 1),
                    }
                )
    return rows


def table(result: Json) -> str:
    """Proxies that are alike are one line: the least and the most."""
    lines = [
        "| container | pod | working set | anonymous | PSS | goal | Linkerd 2.12 |",
        "|---|---|---|---|---|---|---|",
    ]
    rows: list[Json] = result["containers"]
    for row in rows:
        if row["container"] in WANTED and row["container"] != "tulle-proxy":
            goal, other = WANTED[row["container"]]
            lines.append(
                f"| {row['container']} | {row['pod']} | {row['working_set_mib']} Mi "
                f"| {row['anonymous_mib']} MiB | {row['pss_mib']} MiB "
                f"| {f'{goal} Mi' if goal else '-'} | {other} Mi |"
            )
    proxies = [row for row in rows if row["container"] == "tulle-proxy"]
    spans = [
        f"{min(row[key] for row in proxies)} to {max(row[key] for row in proxies)}"
        for key in ("working_set_mib", "anonymous_mib", "pss_mib")
    ]
    lines.append(
        f"| tulle-proxy | all {len(proxies)} | {spans[0]} Mi | {spans[1]} MiB | {spans[2]} MiB "
        f"| - | {WANTED['tulle-proxy'][1]} Mi |"
    )
    return "\n".join(lines)


def written(page: str, result: Json) -> str:
    load = result["load"]
    text = (
        f"{BEGIN}\n`python bench/memory.py`, {result['date'][:10]}: after {load['minutes']} "
        f"minutes in which {load['pages']} pages of the todo example were asked for "
        f"({load['failures']} in vain), and stat, edges and tap {load['questions']} times; "
        f"scrape interval {result['scrape_interval']}, load average of the machine "
        f"{result['load_average']}.\n\n{table(result)}\n{END}"
    )
    return re.sub(f"{re.escape(BEGIN)}.*{re.escape(END)}", lambda _: text, page, flags=re.DOTALL)


def scrape_interval() -> str:
    path = ("kubectl", "-n", "tulle-viz", "get", "configmap", "prometheus-config")
    found = re.search(r"scrape_interval: (\w+)", run(*path, "-o", "jsonpath={.data}"))
    return found[1] if found else "unknown"


def main() -> None:
    parser = argparse.ArgumentParser(description="memory of the control plane and of viz")
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--rps", type=float, default=5)
    options = parser.parse_args()
    load = Load(options.rps)
    threads = [
        threading.Thread(target=load.pages_for_ever),
        threading.Thread(target=load.questions_for_ever),
    ]
    for thread in threads:
        thread.start()
    try:
        time.sleep(options.minutes * 60)
        rows = measured()  # while the load goes on
    finally:
        load.over.set()
        for thread in threads:
            thread.join()
    result = {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "load": {
            "minutes": options.minutes,
            "rps": options.rps,
            "pages": load.pages,
            "failures": load.failures,
            "questions": load.questions,
        },
        "scrape_interval": scrape_interval(),
        "load_average": round(os.getloadavg()[0], 1),
        "containers": rows,
    }
    RESULT.parent.mkdir(parents=True, exist_ok=True)
    RESULT.write_text(json.dumps(result, indent=2) + "\n")
    PAGE.write_text(written(PAGE.read_text(), result))
    print(table(result))


if __name__ == "__main__":
    main()
