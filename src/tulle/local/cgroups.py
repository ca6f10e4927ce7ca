"""The subtree of each cgroup hierarchy that belongs to one cluster: `tulle-NAME`, v1 and v2 alike.

The node sees this subtree as its root, so clusters do not see each other's pods. Below it, `node`
holds the components and `kubepods` (the kubelet's) the pods.
"""

import ctypes
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tulle.local.errors import LocalError

MOUNTS = Path("/proc/self/mounts")
NEEDED = frozenset({"cpu", "memory", "pids"})
EMPTY_SECONDS = 5.0
CLONE_NEWCGROUP = 0x02000000
GENERAL_OPTIONS = frozenset({"rw", "relatime", "nosuid", "nodev", "noexec", "xattr"})


@dataclass(frozen=True, slots=True)
class Hierarchy:
    root: str
    kind: str  # cgroup, or cgroup2
    options: str  # which controllers, for v1


@dataclass(frozen=True, slots=True)
class Hierarchies:
    """Every mounted hierarchy. `unified`: v2 alone; beside v1 a v2 root has no controllers."""

    mounted: tuple[Hierarchy, ...]
    unified: bool

    def of(self, group: str) -> list[Path]:
        return [Path(each.root) / group for each in self.mounted]


def parse(mounts: str) -> Hierarchies:
    """From the text of /proc/mounts."""
    rows = [line.split() for line in mounts.splitlines()]
    found = tuple(
        Hierarchy(row[1], row[2], _controllers_of(row[3]))
        for row in rows
        if row[2] in ("cgroup", "cgroup2")
    )
    return Hierarchies(found, unified=all(each.kind == "cgroup2" for each in found))


def _controllers_of(options: str) -> str:
    return ",".join(
        word
        for word in options.split(",")
        if word not in GENERAL_OPTIONS and not word.startswith(("release_agent=", "ns"))
    )


def hierarchies() -> Hierarchies:
    return parse(MOUNTS.read_text())


def controllers(found: Hierarchies) -> frozenset[str]:
    """The controllers that a cluster could use here."""
    if not found.unified:
        return frozenset(name for each in found.mounted for name in each.options.split(","))
    if not found.mounted:
        return frozenset()
    text = (Path(found.mounted[0].root) / "cgroup.controllers").read_text()
    return frozenset(text.split())


def create(found: Hierarchies, group: str) -> None:
    """Make the cluster's subtree anew: the kubelet stumbles over groups of pods that are gone."""
    remove(found, group)
    for path in found.of(group):
        if found.unified:
            _delegate(path.parent)
        path.mkdir()
        _inherit_cpuset(path)


def enter(mounted: Sequence[Hierarchy], group: str) -> None:
    """Called by the node's pid 1: make the subtree its root, and join `node` below it.

    A v2 group with processes passes no controllers on, so delegation comes last.
    """
    for each in mounted:
        (Path(each.root) / group / "cgroup.procs").write_text("0")
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWCGROUP) != 0:
        raise OSError(ctypes.get_errno(), "no cgroup namespace")
    for each in mounted:
        _mount_again(each)
        node = Path(each.root) / "node"
        node.mkdir(exist_ok=True)
        _inherit_cpuset(node)
        (node / "cgroup.procs").write_text("0")
        if each.kind == "cgroup2":
            _delegate(Path(each.root))


def _mount_again(each: Hierarchy) -> None:
    options = ["-o", each.options] if each.kind == "cgroup" else []
    subprocess.run(["umount", each.root], check=True)
    mount = ["mount", "-t", each.kind, *options, each.kind, each.root]
    subprocess.run(mount, check=True)


def remove(found: Hierarchies, group: str) -> None:
    """Remove the subtree; its processes are dead, but the kernel may need a moment to say so."""
    deadline = time.monotonic() + EMPTY_SECONDS
    roots = found.of(group)
    while any([_remove_tree(root) for root in roots]):
        if time.monotonic() > deadline:
            raise LocalError(f"cgroup {group} is still in use: run the command again in a moment")
        time.sleep(0.1)


def _remove_tree(root: Path) -> bool:
    """True while something is left. Cgroup files cannot be deleted, only their folders."""
    if not root.exists():
        return False
    folders = sorted(_folders(root), key=lambda path: len(path.parts), reverse=True)
    for folder in folders:
        try:
            folder.rmdir()
        except OSError:
            continue  # busy: its last process is being reaped
    return root.exists()


def _folders(root: Path) -> Sequence[Path]:
    return [root, *(path for path in root.rglob("*") if path.is_dir())]


def _delegate(path: Path) -> None:
    available = (path / "cgroup.controllers").read_text().split()
    if available:
        (path / "cgroup.subtree_control").write_text(_enabled(available))


def _enabled(available: Sequence[str]) -> str:
    return " ".join(f"+{name}" for name in available)


def _inherit_cpuset(path: Path) -> None:
    """A v1 cpuset starts empty and takes no process until it names its cpus and memory."""
    for name in ("cpuset.cpus", "cpuset.mems"):
        file = path / name
        parent = path.parent / name
        if file.exists() and parent.exists() and not file.read_text().strip():
            file.write_text(parent.read_text())
