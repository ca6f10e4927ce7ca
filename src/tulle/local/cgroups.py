"""The subtree of each cgroup hierarchy that belongs to one cluster: `tulle-NAME`, v1 and v2 alike.

Below it, `node` holds the components and `kubepods` (the kubelet's) the pods.
"""

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tulle.local.errors import LocalError

MOUNTS = Path("/proc/self/mounts")
NEEDED = frozenset({"cpu", "memory", "pids"})
EMPTY_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Hierarchies:
    """Where cgroups are mounted: one root of v2, or a root per controller of v1."""

    roots: tuple[Path, ...]
    unified: bool

    def of(self, group: str) -> list[Path]:
        return [root / group for root in self.roots]


def parse(mounts: str) -> Hierarchies:
    """From the text of /proc/mounts; a v2 root beside v1 controllers carries none of them."""
    rows = [line.split() for line in mounts.splitlines()]
    first = tuple(Path(row[1]) for row in rows if row[2] == "cgroup")
    second = tuple(Path(row[1]) for row in rows if row[2] == "cgroup2")
    return Hierarchies(first or second, unified=not first)


def hierarchies() -> Hierarchies:
    return parse(MOUNTS.read_text())


def controllers(found: Hierarchies) -> frozenset[str]:
    """The controllers that a cluster could use here."""
    if not found.roots:
        return frozenset()
    if found.unified:
        return frozenset((found.roots[0] / "cgroup.controllers").read_text().split())
    return frozenset(name for root in found.roots for name in root.name.split(","))


def create(found: Hierarchies, group: str) -> list[Path]:
    """Make the cluster's subtree; returns the `node` groups, which its pid 1 joins."""
    if found.unified:
        _delegate(found.roots[0])
    nodes = []
    for path in found.of(group):
        path.mkdir(exist_ok=True)
        if found.unified:
            _delegate(path)
        node = path / "node"
        node.mkdir(exist_ok=True)
        for each in (path, node):
            _inherit_cpuset(each)
        nodes.append(node)
    return nodes


def remove(found: Hierarchies, group: str) -> None:
    """Remove the subtree; its processes are dead, but the kernel may need a moment to say so."""
    deadline = time.monotonic() + EMPTY_SECONDS
    roots = [*found.of(group), *_beside(found, group)]
    while any([_remove_tree(root) for root in roots]):
        if time.monotonic() > deadline:
            raise LocalError(f"cgroup {group} is still in use: run the command again in a moment")
        time.sleep(0.1)


def _beside(found: Hierarchies, group: str) -> Iterable[Path]:
    """Under v1 a runtime may have made the group in the v2 hierarchy beside it too."""
    if found.unified or not found.roots:
        return ()
    return (found.roots[0].parent / "unified" / group,)


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
    (path / "cgroup.subtree_control").write_text(" ".join(f"+{name}" for name in available))


def _inherit_cpuset(path: Path) -> None:
    """A v1 cpuset starts empty and takes no process until it names its cpus and memory."""
    for name in ("cpuset.cpus", "cpuset.mems"):
        file = path / name
        parent = path.parent / name
        if file.exists() and parent.exists() and not file.read_text().strip():
            file.write_text(parent.read_text())
