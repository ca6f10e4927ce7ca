"""A root file system from Debian's packages: their closure, downloaded and unpacked, not installed.

Nothing of a package is run. Each one's control file stays in var/lib/dpkg/status.d, where scanners
look for what an image without dpkg holds.
"""

import shutil
from pathlib import Path

from packing.description import Rootfs
from packing.process import run

ALWAYS_PRUNED = (
    "usr/share/doc",
    "usr/share/man",
    "usr/share/lintian",
    "usr/share/bug",
    "usr/share/locale",
)


def architecture() -> str:
    return run("dpkg", "--print-architecture").strip()


def unpack(rootfs: Rootfs, downloads: Path, tree: Path) -> None:
    downloads.mkdir(parents=True, exist_ok=True)
    for package, archive in _download(_closure(rootfs), downloads).items():
        run("dpkg", "-x", str(archive), str(tree))
        control = tree / "var/lib/dpkg/status.d" / package
        control.parent.mkdir(parents=True, exist_ok=True)
        control.write_text(run("dpkg-deb", "-f", str(archive)))
    _prune(rootfs, tree)
    for name, mode in rootfs.folders:
        (tree / name).mkdir(parents=True, exist_ok=True)
        (tree / name).chmod(mode)
    for name, target in rootfs.links:
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).symlink_to(target)


def _closure(rootfs: Rootfs) -> list[str]:
    """The named packages and what they need, each once, in the order of their names."""
    options = [f"--no-{kind}" for kind in ("recommends", "suggests", "conflicts", "breaks")]
    options += ["--no-replaces", "--no-enhances"]
    found: set[str] = set()
    waiting = set(rootfs.packages)
    while waiting:
        found |= waiting
        needed = _needed(run("apt-cache", "depends", *options, *sorted(waiting)))
        waiting = needed - found - set(rootfs.without)
    return sorted(found)


def _needed(listing: str) -> set[str]:
    """The first of each set of alternatives; a virtual package stands in angle brackets."""
    needed, is_alternative = set(), False
    for line in listing.splitlines():
        kind, colon, name = line.strip().partition(": ")
        if colon and not is_alternative and not name.startswith("<"):
            needed.add(name.removesuffix(":any"))
        is_alternative = kind.startswith("|")
    return needed


def _download(packages: list[str], downloads: Path) -> dict[str, Path]:
    """Each package's archive; those that are there already are not fetched again."""
    options = ["-o", "APT::Sandbox::User=root"]
    listing = run("apt-get", *options, "download", "--print-uris", *packages)
    names = [line.split()[1] for line in listing.splitlines() if line.startswith("'")]
    found = {name.split("_")[0]: downloads / name for name in names}
    if missing := sorted(name for name, path in found.items() if not path.exists()):
        run("apt-get", *options, "download", *missing, cwd=downloads)
    return {name: found[name] for name in sorted(found)}


def _prune(rootfs: Rootfs, tree: Path) -> None:
    kept = {path for pattern in rootfs.keep for path in tree.glob(pattern)}
    for pattern in (*ALWAYS_PRUNED, *rootfs.prune):
        for path in sorted(tree.glob(pattern)):
            if path in kept:
                continue
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
