"""What the node sees of the machine: its mounts, settings and network. Runs inside the node.

The node shares the machine's root file system, but its /etc, /opt, /var and /run are its own.
"""

import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

LINK = "eth0"
LINK_SECONDS = 60.0
# The kubelet insists on these; they are the whole machine's, so the node is shown what it wants.
SYSCTLS: Mapping[str, str] = {
    "vm/overcommit_memory": "1",
    "kernel/panic": "10",
    "kernel/panic_on_oops": "1",
    "kernel/keys/root_maxkeys": "1000000",
    "kernel/keys/root_maxbytes": "25000000",
}
OVERLAID = ("etc", "opt")
VAR_FOLDERS = ("lib/kubelet", "log/pods", "log/containers", "lib/cni", "tmp", "cache")


class NodeFailed(Exception):
    """The node cannot be prepared; its log says why."""


@dataclass(frozen=True, slots=True)
class Filesystem:
    directory: str  # the cluster's state
    visible: Sequence[str]  # folders of the machine below /var that must stay visible
    files: Mapping[str, str]  # written into the node's own /etc: path -> text
    cni_binaries: str


@dataclass(frozen=True, slots=True)
class Network:
    hostname: str
    address: str  # with prefix length
    gateway: str
    link: str


def run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise NodeFailed(f"{' '.join(command)}: {done.stderr.strip()}")


def mount(spec: Filesystem) -> None:
    """Everything here is private to the node's mount namespace and ends with it."""
    state = Path(spec.directory)
    run("mount", "--make-rshared", "/")
    for name in OVERLAID:
        _overlay(Path("/") / name, state / "overlay" / name)
    _own_var(state / "var", [spec.directory, *spec.visible])
    run("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", "/run")
    for folder in ("lock", "netns", "containerd", "cni"):
        Path("/run", folder).mkdir()
    _show_sysctls(state / "sysctl")
    binaries = Path("/opt/cni/bin")
    binaries.mkdir(parents=True, exist_ok=True)
    run("cp", "-u", *map(str, Path(spec.cni_binaries).iterdir()), str(binaries))
    for path, text in spec.files.items():
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).unlink(missing_ok=True)  # it may be a link into the machine's /run
        Path(path).write_text(text)


def connect(network: Network) -> None:
    """Wait for the link that the launcher hands in, then set addresses and forwarding."""
    _await_link()
    run("ip", "link", "set", "lo", "up")
    run("ip", "address", "replace", network.address, "dev", LINK)
    run("ip", "link", "set", LINK, "up")
    run("ip", "route", "replace", "default", "via", network.gateway)
    Path("/proc/sys/net/ipv4/ip_forward").write_text("1")
    bridged = Path("/proc/sys/net/bridge/bridge-nf-call-iptables")
    if bridged.exists():
        bridged.write_text("1")
    # Nothing leaves the node: an address nobody has is refused at once, not passed back and forth.
    run("iptables", "-A", "FORWARD", "-o", LINK, "!", "-d", network.link, "-j", "REJECT")


def _overlay(target: Path, state: Path) -> None:
    if not target.is_dir():
        return
    upper, work = state / "upper", state / "work"
    for folder in (upper, work):
        folder.mkdir(parents=True, exist_ok=True)
    options = f"lowerdir={target},upperdir={upper},workdir={work}"
    run("mount", "-t", "overlay", "overlay", "-o", options, str(target))


def _own_var(var: Path, visible: Sequence[str]) -> None:
    for folder in VAR_FOLDERS:
        (var / folder).mkdir(parents=True, exist_ok=True)
    link = var / "run"
    if not link.is_symlink():
        link.symlink_to("/run")
    for path in visible:
        if Path(path).is_relative_to("/var"):
            place = var / Path(path).relative_to("/var")
            place.mkdir(parents=True, exist_ok=True)
            run("mount", "--bind", path, str(place))
    run("mount", "--rbind", str(var), "/var")


def _show_sysctls(folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    for name, value in SYSCTLS.items():
        shown = folder / name.replace("/", ".")
        shown.write_text(f"{value}\n")
        run("mount", "--bind", str(shown), f"/proc/sys/{name}")


def _await_link() -> None:
    deadline = time.monotonic() + LINK_SECONDS
    while LINK not in _links():
        if time.monotonic() > deadline:
            raise NodeFailed(f"no {LINK} was handed in within {LINK_SECONDS:.0f} s")
        time.sleep(0.02)


def _links() -> list[str]:
    """From /proc: the machine's /sys shows the links of the first network namespace."""
    rows = Path("/proc/net/dev").read_text().splitlines()[2:]
    return [row.split(":")[0].strip() for row in rows]
