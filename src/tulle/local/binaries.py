"""The pinned table of programs, and where each comes from: cache, release servers, or a build."""

import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from tulle.local.errors import BuildFailed

KUBERNETES = "1.34.4"
VERSIONS = {
    "kube-apiserver": KUBERNETES,
    "kubelet": KUBERNETES,
    "kube-controller-manager": KUBERNETES,
    "kube-scheduler": KUBERNETES,
    "kube-proxy": KUBERNETES,
    "kubectl": KUBERNETES,
    "etcd": "3.6.4",
    "coredns": "1.12.4",
    "metrics-server": "0.9.0",
    "pause": "1",
}
OLDEST_KUBECTL = (1, 28)
RECORD = "manifest.json"

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Binary:
    """One program: its module in `build/`, its package, and its cost on two cores."""

    name: str
    package: str
    seconds: int
    module: str = ""  # folder below build/ that holds go.mod
    release: str | None = None  # URL; @VERSION@ and @ARCH@ are replaced
    member: str | None = None  # the file inside a release archive

    @property
    def version(self) -> str:
        return VERSIONS[self.name]


def _kubernetes(name: str, seconds: int) -> Binary:
    url = f"https://dl.k8s.io/v@VERSION@/bin/linux/@ARCH@/{name}"
    return Binary(name, f"k8s.io/kubernetes/cmd/{name}", seconds, release=url)


GITHUB = "https://github.com"
ETCD_RELEASE = f"{GITHUB}/etcd-io/etcd/releases/download/v@VERSION@"
METRICS_RELEASE = f"{GITHUB}/kubernetes-sigs/metrics-server/releases/download/v@VERSION@"
# In this order the shared packages are compiled by the first. The CoreDNS of the releases has
# fifty-four plugins, of which a cluster needs few: ours has fifteen, and is always built, as is
# `pause`.
TABLE = (
    _kubernetes("kube-apiserver", 234),
    _kubernetes("kubelet", 59),
    _kubernetes("kube-controller-manager", 33),
    _kubernetes("kube-scheduler", 12),
    _kubernetes("kube-proxy", 12),
    Binary(
        "etcd",
        "go.etcd.io/etcd/server/v3",
        12,
        release=f"{ETCD_RELEASE}/etcd-v@VERSION@-linux-@ARCH@.tar.gz",
        member="etcd-v@VERSION@-linux-@ARCH@/etcd",
    ),
    Binary("coredns", "./coredns", 15),
    Binary("pause", "./pause", 3),
    _kubernetes("kubectl", 40),
    Binary(
        "metrics-server",
        "sigs.k8s.io/metrics-server/cmd/metrics-server",
        147,
        module="metrics",
        release=f"{METRICS_RELEASE}/metrics-server-linux-@ARCH@",
    ),
)


def architecture() -> str:
    """As Go and the release servers call it."""
    machine = platform.machine()
    known = {"x86_64": "amd64", "aarch64": "arm64"}
    if machine not in known:
        raise BuildFailed(f"a local cluster needs an x86_64 or aarch64 machine; this is {machine}")
    return known[machine]


def needed(names: Iterable[str] | None = None) -> list[Binary]:
    """All of the table; kubectl only where the machine has none, or one that is too old."""
    if names is not None:
        wanted = set(names)
        return [each for each in TABLE if each.name in wanted]
    return [each for each in TABLE if each.name != "kubectl" or not has_kubectl()]


def has_kubectl() -> bool:
    path = shutil.which("kubectl")
    if path is None:
        return False
    done = subprocess.run(
        [path, "version", "--client", "-o", "json"], capture_output=True, text=True, check=False
    )
    return is_recent(done.stdout)


def is_recent(version_json: str) -> bool:
    """True when `kubectl version -o json` names 1.28 or newer."""
    try:
        text = json.loads(version_json)["clientVersion"]["gitVersion"]
    except (json.JSONDecodeError, KeyError, TypeError):
        return False
    match = re.match(r"v(\d+)\.(\d+)", text)
    return match is not None and (int(match[1]), int(match[2])) >= OLDEST_KUBECTL


def recipe(binary: Binary) -> str:
    """Changes whenever what would be built does: version, package, and the module's pins."""
    root = resources.files("tulle.local") / "build"
    module = root / binary.module if binary.module else root
    digest = hashlib.sha256(f"{binary.version} {binary.package}".encode())
    for name in ("go.mod", "go.sum"):
        digest.update((module / name).read_bytes())
    if binary.package.startswith("./"):
        digest.update((module / binary.package[2:] / "main.go").read_bytes())
    return digest.hexdigest()[:16]


def missing(folder: Path, wanted: Iterable[Binary]) -> list[Binary]:
    """Those that the cache has not, or has by another recipe."""
    record = read_record(folder)
    return [
        each
        for each in wanted
        if not os.access(folder / each.name, os.X_OK)
        or record.get(each.name, {}).get("recipe") != recipe(each)
    ]


def keep(folder: Path, binary: Binary, program: Path, origin: str) -> None:
    """Move a finished program into the cache and record it."""
    program.chmod(0o755)
    program.replace(folder / binary.name)
    entry = {"version": binary.version, "recipe": recipe(binary), "origin": origin}
    record = {**read_record(folder), binary.name: entry}
    fresh = folder / f"{RECORD}.new"
    fresh.write_text(json.dumps(record, indent=1, sort_keys=True) + "\n")
    fresh.replace(folder / RECORD)


def read_record(folder: Path) -> dict[str, dict[str, str]]:
    try:
        record: dict[str, dict[str, str]] = json.loads((folder / RECORD).read_text())
    except FileNotFoundError:
        return {}
    return record
