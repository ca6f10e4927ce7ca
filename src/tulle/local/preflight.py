"""Names everything that would keep a node from booting, before anything starts.

`gather` looks at the machine; `check` judges, and is pure.
"""

import os
import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Network
from pathlib import Path

from tulle.local import cgroups, node
from tulle.local.plan import Plan

GIGABYTE = 1024**3
LEAST_DISK = 3 * GIGABYTE
LEAST_MEMORY = 2 * GIGABYTE
TOOLS = {
    "ip": "iproute2",
    "iptables": "iptables",
    "mount": "mount",
    "nsenter": "util-linux",
    "unshare": "util-linux",
}
CAPABILITIES = {"CAP_NET_ADMIN": 12, "CAP_SYS_ADMIN": 21, "CAP_SYS_CHROOT": 18, "CAP_MKNOD": 27}


@dataclass(frozen=True, slots=True)
class Problem:
    what: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.what}: {self.remedy}"


NO_ROOT = Problem("a local cluster needs root", "run `sudo tulle local up`")


@dataclass(frozen=True, slots=True)
class Facts:
    """What matters of a machine; a probe that failed carries the kernel's words."""

    uid: int
    capabilities: frozenset[str]
    tools: frozenset[str]
    controllers: frozenset[str]
    free_disk: int  # bytes
    available_memory: int  # bytes
    overlay: str | None  # why it does not work; None: it does
    bridge: str | None
    nat: str | None
    routes: tuple[IPv4Network, ...] = ()


def check(facts: Facts, plan: Plan) -> list[Problem]:
    """Without root nothing else can be judged, nor the kernel without capabilities."""
    if facts.uid != 0:
        return [NO_ROOT]
    privileges = list(_privileges(facts))
    kernel = _kernel(facts) if not CAPABILITIES.keys() - facts.capabilities else ()
    return [*privileges, *kernel, *_room(facts), *_addresses(facts, plan)]


def gather(directory: Path, own_link: str) -> Facts:
    uid = os.geteuid()
    if uid != 0:
        nothing: frozenset[str] = frozenset()
        return Facts(uid, nothing, nothing, nothing, 0, 0, None, None, None)
    probes = Probes(directory)
    tools = frozenset(name for name in TOOLS if shutil.which(name))
    return Facts(
        uid=uid,
        capabilities=frozenset(n for n, bit in CAPABILITIES.items() if node.has_capability(bit)),
        tools=tools,
        controllers=cgroups.controllers(cgroups.hierarchies()),
        free_disk=shutil.disk_usage(_existing(directory)).free,
        available_memory=_available_memory(),
        overlay=probes.overlay(),
        bridge=probes.bridge(),
        nat=probes.nat(),
        routes=tuple(node.routed_elsewhere(own_link)) if "ip" in tools else (),
    )


class Probes:
    """Each tries the thing itself, in namespaces that end with the try."""

    def __init__(self, directory: Path) -> None:
        self._directory = _existing(directory)

    def overlay(self) -> str | None:
        """On the file system that will hold the node's files: not every one can be written over."""
        script = (
            'set -e; d=$(mktemp -d -p "$1"); trap \'umount "$d/m" 2>/dev/null; rm -rf "$d"\' EXIT;'
            'mkdir "$d/l" "$d/u" "$d/w" "$d/m";'
            'mount -t overlay overlay -o "lowerdir=$d/l,upperdir=$d/u,workdir=$d/w" "$d/m"'
        )
        return _try("unshare", "--mount", "sh", "-c", script, "sh", str(self._directory))

    def bridge(self) -> str | None:
        script = "ip link add probe0 type bridge && ip link add probe1 type veth peer name probe2"
        return _try("unshare", "--net", "sh", "-c", script)

    def nat(self) -> str | None:
        """What kube-proxy relies on: nat, conntrack and comment matches."""
        rule = "-m comment --comment probe -m conntrack --ctstate NEW -j MASQUERADE"
        script = f"iptables -w -t nat -A POSTROUTING {rule}"
        return _try("unshare", "--net", "sh", "-c", script)


def _privileges(facts: Facts) -> Iterable[Problem]:
    for name in sorted(CAPABILITIES.keys() - facts.capabilities):
        yield Problem(
            f"{name} is missing", "run on a machine, or in a container started with --privileged"
        )
    for tool in sorted(TOOLS.keys() - facts.tools):
        yield Problem(f"`{tool}` is missing", f"`apt-get install {TOOLS[tool]}`")


def _kernel(facts: Facts) -> Iterable[Problem]:
    for name in sorted(cgroups.NEEDED - facts.controllers):
        remedy = f"boot with it enabled, for example `cgroup_enable={name}` on the kernel's line"
        yield Problem(f"the cgroup controller {name} is missing", remedy)
    if facts.overlay:
        yield Problem(
            f"overlay mounts do not work ({facts.overlay})",
            "`modprobe overlay`, or set TULLE_LOCAL_ROOT to a folder on ext4 or xfs",
        )
    if facts.bridge:
        yield Problem(f"no bridge or veth ({facts.bridge})", "`modprobe bridge veth`")
    if facts.nat:
        yield Problem(f"iptables cannot nat ({facts.nat})", "`modprobe nf_nat xt_conntrack`")


def _room(facts: Facts) -> Iterable[Problem]:
    if facts.free_disk < LEAST_DISK:
        yield Problem(
            f"{facts.free_disk / GIGABYTE:.1f} GB of disk are free, 3 are needed",
            "make room, or set TULLE_LOCAL_ROOT to a folder on a larger disk",
        )
    if facts.available_memory < LEAST_MEMORY:
        yield Problem(
            f"{facts.available_memory / GIGABYTE:.1f} GB of memory are available, 2 are needed",
            "end other programs",
        )


def _addresses(facts: Facts, plan: Plan) -> Iterable[Problem]:
    for network in (plan.link, *plan.routed):
        for other in facts.routes:
            if network.overlaps(other):
                yield Problem(
                    f"{network} is routed elsewhere ({other})",
                    f"remove that route, or `tulle local down --purge --name {plan.name}` and up "
                    "again, which takes other addresses",
                )


def _try(*argv: str) -> str | None:
    try:
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return None  # the missing tool is named already
    if done.returncode == 0:
        return None
    return (done.stderr.strip().splitlines() or ["no reason given"])[-1]


def _existing(path: Path) -> Path:
    while not path.exists():
        path = path.parent
    return path


def _available_memory() -> int:
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return 0
