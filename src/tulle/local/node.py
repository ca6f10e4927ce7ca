"""The node from outside: its spec, its boot, how to find it again, its link, and its end.

Nothing is remembered about a running node: it is found by its pid 1, so that a launcher that was
killed halfway, or a node that was, leaves nothing to repair.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network
from pathlib import Path

from tulle.local import cgroups, components, configs, nodefs
from tulle.local.debian import Packages
from tulle.local.errors import LocalError, StartTimeout
from tulle.local.paths import Caches
from tulle.local.plan import Plan
from tulle.local.supervisor import ApiAccess, Component, Spec

MODULE = "tulle.local.supervisor"
BOOT_SECONDS = 10.0
END_SECONDS = 20.0
POLL_SECONDS = 0.02
CAP_SYS_RESOURCE = 24


@dataclass(frozen=True, slots=True)
class Process:
    pid: int  # as the machine counts
    inner_pid: int  # as the node counts
    command: str


def command(*argv: str) -> str:
    """The output of a program that is expected to succeed."""
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise LocalError(f"{' '.join(argv)}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


def find(plan: Plan) -> int | None:
    """The pid of the node's pid 1, or None when the node does not run."""
    wanted = os.fsencode(plan.directory)
    for folder in _processes():
        try:
            argv = (folder / "cmdline").read_bytes().split(b"\0")
            if MODULE.encode() in argv and wanted in argv and _inner_pids(folder)[-1] == 1:
                return int(folder.name)
        except (OSError, IndexError):
            continue  # it ended while we looked
    return None


def boot(plan: Plan, spec: Spec) -> int:
    """Start pid 1 in namespaces of its own; it outlives us. Returns its pid."""
    plan.logs.mkdir(parents=True, exist_ok=True)
    spec.write()
    namespaces = ["--mount", "--propagation=private", "--net", "--uts", "--pid", "--ipc"]
    unshare = ["unshare", *namespaces, "--fork", "--kill-child", "--mount-proc"]
    with (plan.logs / "supervisor.log").open("ab") as log:
        subprocess.Popen(
            [*unshare, "--", sys.executable, "-m", MODULE, str(plan.directory)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            cwd="/",
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )
    deadline = time.monotonic() + BOOT_SECONDS
    while (pid := find(plan)) is None:
        if time.monotonic() > deadline:
            raise StartTimeout(f"the node did not start: see {plan.logs}/supervisor.log")
        time.sleep(POLL_SECONDS)
    return pid


def connect(plan: Plan, pid: int) -> None:
    """Give the node its end of the link, unless it has it; route its ranges to it."""
    if not _has_link(plan.host_link) or not _node_has_link(pid):
        remove_link(plan)
        peer = ["peer", "name", nodefs.LINK, "netns", str(pid)]
        command("ip", "link", "add", plan.host_link, "type", "veth", *peer)
    prefix = f"{plan.host_address}/{plan.link.prefixlen}"
    command("ip", "address", "replace", prefix, "dev", plan.host_link)
    command("ip", "link", "set", plan.host_link, "up")
    for network in plan.routed:
        via = ["via", plan.node_address, "dev", plan.host_link]
        command("ip", "route", "replace", str(network), *via)


def remove_link(plan: Plan) -> None:
    """The routes go with it."""
    if _has_link(plan.host_link):
        subprocess.run(["ip", "link", "delete", plan.host_link], capture_output=True, check=False)


def end(plan: Plan) -> bool:
    """Kill pid 1, and with it every process of the node. True when there was one."""
    pid = find(plan)
    if pid is None:
        return False
    gone = [process.pid for process in processes(pid)]
    os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + END_SECONDS
    while any(Path(f"/proc/{each}").exists() for each in gone):
        if time.monotonic() > deadline:
            raise LocalError(f"node {plan.node} does not end: pid {pid} is stuck in the kernel")
        time.sleep(POLL_SECONDS)
    return True


def inside(pid: int, *argv: str) -> list[str]:
    """The command line that runs `argv` inside the node."""
    return ["nsenter", "-t", str(pid), "-m", "-n", "-u", "-i", "-p", "--", *argv]


def processes(pid: int) -> list[Process]:
    """Every process of the node, pods too: those whose pid namespace is, or is below, its own."""
    found = []
    for folder in _processes():
        try:
            pids = _inner_pids(folder)
            if len(pids) > 1 and _is_below(folder, pid):
                text = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode().strip()
                found.append(Process(int(folder.name), pids[1], text))
        except OSError:
            continue
    return found


def spec_of(plan: Plan, caches: Caches, packages: Packages) -> Spec:
    """Everything pid 1 must know, for a plan on this machine."""
    found = cgroups.hierarchies()
    cgroups.create(found, plan.node)
    search = [*packages.search_path, "/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin"]
    runtime = configs.Runtime(packages.runc, has_capability(CAP_SYS_RESOURCE))
    config = plan.directory / "config"
    config.mkdir(parents=True, exist_ok=True)
    (config / "containerd.toml").write_text(configs.containerd(plan, runtime))
    (config / "kubelet.yaml").write_text(configs.kubelet(plan))
    files = {
        f"{configs.CNI_CONFIG}/10-tulle.conflist": configs.pod_network(plan),
        "/etc/resolv.conf": "nameserver 127.0.0.1\noptions ndots:1\n",
        "/etc/hosts": f"127.0.0.1 localhost\n{plan.node_address} {plan.node}\n",
        "/etc/hostname": f"{plan.node}\n",
    }
    visible = [str(caches.root), sys.prefix, sys.base_prefix, *filter(os.path.isdir, sys.path)]
    return Spec(
        directory=str(plan.directory),
        filesystem=nodefs.Filesystem(str(plan.directory), visible, files, str(packages.cni)),
        network=nodefs.Network(
            plan.node,
            f"{plan.node_address}/{plan.link.prefixlen}",
            plan.host_address,
            str(plan.link),
        ),
        cgroups=found.mounted,
        api=ApiAccess(plan.node_address, components.SECURE_PORT, str(plan.pki)),
        components=_components(plan, caches.bin, config, packages),
        search_path=":".join([*search, "/sbin", "/bin"]),
    )


def has_capability(number: int) -> bool:
    status = Path("/proc/self/status").read_text()
    line = next(row for row in status.splitlines() if row.startswith("CapEff:"))
    return bool(int(line.split()[1], 16) >> number & 1)


def _components(
    plan: Plan, binaries: Path, config: Path, packages: Packages
) -> Sequence[Component]:
    pki, node = plan.pki, plan.node
    pods, services = str(plan.pods), str(plan.services)
    etcd_port = components.NODE_ETCD_PORT
    flags = components.ApiServerFlags(
        plan.node_address, components.SECURE_PORT, etcd_port, services, plan.domain
    )
    etcd = components.etcd(binaries, plan.directory / "etcd", etcd_port, etcd_port + 1)
    manager = components.kube_controller_manager(binaries, pki, pods, services)
    kubelet = components.kubelet(binaries, pki, config / "kubelet.yaml", node, plan.node_address)
    addresses = [sys.executable, "-m", "tulle.local.addresses"]
    addresses += [str(pki / "addresses.kubeconfig"), str(plan.load_balancers)]
    return [
        Component("etcd", etcd),
        Component("kube-apiserver", components.kube_apiserver(binaries, pki, flags)),
        Component("containerd", [str(packages.containerd), "-c", str(config / "containerd.toml")]),
        Component("kubelet", kubelet, needs_api=True),
        Component("kube-controller-manager", manager, needs_api=True),
        Component("kube-scheduler", components.kube_scheduler(binaries, pki), needs_api=True),
        Component("kube-proxy", components.kube_proxy(binaries, pki, node, pods), needs_api=True),
        Component("addresses", addresses, needs_api=True),
    ]


def routed_elsewhere(own_link: str | None) -> list[IPv4Network]:
    """What the host routes already, apart from its default route and our own links."""
    networks = []
    for line in command("ip", "-4", "route", "show", "table", "main").splitlines():
        words = line.split()
        ours = "dev" in words and words[words.index("dev") + 1] == own_link
        if words and words[0][0].isdigit() and not ours:
            networks.append(IPv4Network(words[0], strict=False))
    return networks


def _processes() -> Iterator[Path]:
    return (folder for folder in Path("/proc").iterdir() if folder.name.isdigit())


def _inner_pids(folder: Path) -> list[int]:
    """The pids of one process, from the outermost namespace that we see to its own."""
    for line in (folder / "status").read_text().splitlines():
        if line.startswith("NSpid:"):
            return [int(word) for word in line.split()[1:]]
    return []


def _is_below(folder: Path, ancestor: int) -> bool:
    """True when `ancestor` is the process itself or one of those that started it."""
    pid = int(folder.name)
    while pid > 1:
        if pid == ancestor:
            return True
        stat = Path(f"/proc/{pid}/stat").read_text()
        pid = int(stat.rpartition(")")[2].split()[1])
    return False


def _has_link(name: str) -> bool:
    return Path("/sys/class/net", name).exists()


def _node_has_link(pid: int) -> bool:
    rows = Path(f"/proc/{pid}/net/dev").read_text().splitlines()[2:]
    return any(row.split(":")[0].strip() == nodefs.LINK for row in rows)
