"""Builds programs from their Go modules, one after the other; finished ones are kept.

The recipe (go.mod, go.sum and two small mains) is package data in `build/`.
"""

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Sequence
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

from tulle.local.binaries import KUBERNETES, Binary, keep
from tulle.local.errors import BuildFailed
from tulle.local.paths import Caches

MEASURED_CORES = 2  # on which the table's seconds were taken
VERSION_PACKAGE = "k8s.io/component-base/version"
BUILD_GIGABYTES = 10
PROGRESS_SECONDS = 30.0

Say = Callable[[str], None]


def seconds(binaries: Sequence[Binary]) -> float:
    """How long the build takes here, at a guess from the cores."""
    return sum(each.seconds for each in binaries) * MEASURED_CORES / (os.cpu_count() or 1)


def build(binaries: Sequence[Binary], caches: Caches, say: Say) -> None:
    """Build each into the cache; the Go caches are deleted once all are there."""
    _check_machine(binaries, caches)
    minutes = max(1.0, seconds(binaries) / 60)
    say(
        f"building {len(binaries)} programs from source, once: about {minutes:.0f} min, "
        f"{BUILD_GIGABYTES} GB of disk meanwhile; an interrupted build goes on where it was"
    )
    source = caches.root / "build"
    shutil.rmtree(source, ignore_errors=True)
    _copy(resources.files("tulle.local") / "build", source)
    caches.bin.mkdir(parents=True, exist_ok=True)
    for position, binary in enumerate(binaries):
        rest = seconds(binaries[position:]) / 60
        say(f"  {position + 1}/{len(binaries)} {binary.name} (about {rest:.1f} min remain)")
        _build_one(binary, source / binary.module, caches, say)
    shutil.rmtree(source)


def _check_machine(binaries: Sequence[Binary], caches: Caches) -> None:
    names = ", ".join(each.name for each in binaries)
    if shutil.which("go") is None:
        raise BuildFailed(
            f"{names} must be built, and there is no go: install Go 1.24 or newer "
            "(https://go.dev/dl, or `apt-get install golang-go`) and run the command again"
        )
    free = shutil.disk_usage(caches.root).free
    if free < BUILD_GIGABYTES * 1024**3:
        raise BuildFailed(
            f"{names} must be built, which takes {BUILD_GIGABYTES} GB of disk for a while, and "
            f"{caches.root} has {free / 1024**3:.1f}: make room, or set TULLE_CACHE to another disk"
        )


def clean(caches: Caches) -> None:
    """Delete the Go caches: gigabytes that only another build would want."""
    for folder in (caches.objects, caches.modules):
        shutil.rmtree(folder, ignore_errors=True)


def go_environment(caches: Caches) -> dict[str, str]:
    """Static programs, paths of the builder left out, the module cache deletable."""
    return {
        **os.environ,
        "GOMODCACHE": str(caches.modules),
        "GOCACHE": str(caches.objects),
        "GOFLAGS": "-modcacherw -mod=mod -trimpath -buildvcs=false",
        "GOWORK": "off",
        "CGO_ENABLED": "0",
    }


def linker_flags() -> str:
    major, minor, _ = KUBERNETES.split(".")
    values = {
        "gitMajor": major,
        "gitMinor": minor,
        "gitVersion": f"v{KUBERNETES}",
        "gitCommit": "local",
        "gitTreeState": "clean",
        "buildDate": "2026-01-01T00:00:00Z",
    }
    return " ".join(["-s -w", *(f"-X {VERSION_PACKAGE}.{k}={v}" for k, v in values.items())])


def _build_one(binary: Binary, directory: Path, caches: Caches, say: Say) -> None:
    fresh = caches.bin / f"{binary.name}.new"
    flags = [f"-ldflags={linker_flags()}", "-o", str(fresh)]
    started = time.monotonic()
    with subprocess.Popen(
        ["nice", "-n", "5", "go", "build", *flags, binary.package],
        cwd=directory,
        env=go_environment(caches),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        while True:
            try:
                _, errors = process.communicate(timeout=PROGRESS_SECONDS)
                break
            except subprocess.TimeoutExpired:
                say(f"      {binary.name}: {time.monotonic() - started:.0f} s so far")
    if process.returncode != 0:
        log = caches.root / "build.log"
        log.write_text(errors)
        last = errors.strip().splitlines()[-1:]
        raise BuildFailed(f"{binary.name} was not built: {' '.join(last)} (all of it: {log})")
    keep(caches.bin, binary, fresh, "built")


def _copy(source: Traversable, target: Path) -> None:
    target.mkdir(parents=True)
    for entry in source.iterdir():
        if entry.is_dir():
            _copy(entry, target / entry.name)
        else:
            (target / entry.name).write_bytes(entry.read_bytes())
