"""Brings a cluster up and takes it down; every step may be repeated, so `up` also repairs."""

import base64
import os
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path
from typing import Any

import yaml

from tulle.local import (
    api,
    cgroups,
    debian,
    dnsquery,
    gateway,
    images,
    kubeconfig,
    node,
    pki,
    plan,
    preflight,
    provision,
)
from tulle.local.api import Api, ApiFailed
from tulle.local.errors import LocalError, NotRunning, StartTimeout
from tulle.local.locks import held
from tulle.local.paths import Caches
from tulle.local.plan import Plan

READY_SECONDS = 180.0
POLL_SECONDS = 0.1

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Up:
    """What `up` found and did."""

    plan: Plan
    was_running: bool
    imported: Sequence[str]
    kubeconfig: Path
    previous_context: str | None


def up(root: Path, caches: Caches, name: str, say: Say) -> Up:
    """Boot, or complete, the cluster; returns when its node is Ready and its DNS answers."""
    chosen = _claim(root, name)
    chosen.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    with held(chosen.directory, lambda: say(f"another launcher works on {name}: waiting")):
        provisions = provision.ensure(caches, say)
        leaves = pki.leaves(chosen.node, chosen.node_address, chosen.api_address, chosen.domain)
        pki.ensure(chosen.pki, leaves, chosen.server, chosen.context)
        pid = node.find(chosen)
        was_running = pid is not None
        if pid is None:
            say("booting the node")
            pid = node.boot(chosen, node.spec_of(chosen, caches, provisions.packages))
        node.connect(chosen, pid)
        imported = _import(chosen, caches, pid, provisions)
        if imported:
            say(f"imported {', '.join(_short(each.name) for each in imported)}")
        _complete(chosen, caches, pid, say)
        ours = yaml.safe_load(chosen.kubeconfig.read_text())
        merged = kubeconfig.enter(chosen.directory, ours)
    names = [each.name for each in imported]
    return Up(chosen, was_running, names, merged.path, merged.previous)


def down(root: Path, name: str, *, purge: bool) -> bool:
    """End the node; with `purge` its state goes too. False when there was nothing to end."""
    found = plan.find(root, name)
    if found is None:
        return False
    if os.geteuid() != 0:
        raise LocalError("ending a local cluster needs root: run `sudo tulle local down`")
    ended = node.end(found)
    node.remove_link(found)
    cgroups.remove(cgroups.hierarchies(), found.node)
    left = kubeconfig.leave(found.directory, found.context)
    if purge:
        if found.directory.exists():
            shutil.rmtree(found.directory)
        plan.release(root, name)
    return ended or purge or left is not None


def load(root: Path, caches: Caches, name: str, archives: Sequence[Path]) -> list[str]:
    """Import archives into a running cluster; returns the images' names."""
    running, pid = find_running(root, name)
    for path in archives:
        if not path.is_file():
            raise LocalError(f"{path} does not exist: give the archive of an image (a .tar)")
    packages = debian.ensure(caches.deb, lambda _: None)
    absolute = [path.resolve() for path in archives]
    imported = images.import_archives(running, pid, packages, absolute, unpack=True)
    return [each.name for each in imported]


def find_running(root: Path, name: str) -> tuple[Plan, int]:
    found = plan.find(root, name)
    pid = node.find(found) if found else None
    if found is None or pid is None:
        flag = "" if name == plan.DEFAULT_NAME else f" --name {name}"
        raise NotRunning(f"cluster {name} does not run: start it by `tulle local up{flag}`")
    return found, pid


def _claim(root: Path, name: str) -> Plan:
    """Look before anything is written: a machine that cannot boot a node gets no index either."""
    plan.check_name(name)
    if os.geteuid() != 0:
        raise LocalError(str(preflight.NO_ROOT))
    known = plan.find(root, name)
    candidate = known or Plan(name, 0, root / name)
    facts = preflight.gather(root, candidate.host_link if known else "")
    if known is None:
        index = plan.first_free(plan.used(root), facts.routes)
        candidate = Plan(name, index, root / name)
    problems = [] if known and node.find(known) else preflight.check(facts, candidate)
    if problems:
        lines = "\n".join(f"  - {problem}" for problem in problems)
        raise LocalError(f"this machine cannot run a local cluster yet:\n{lines}")
    return plan.claim(root, name, facts.routes)


def _import(
    chosen: Plan, caches: Caches, pid: int, provisions: provision.Provisions
) -> list[images.Imported]:
    packages = provisions.packages
    _await("containerd", chosen, lambda: images.is_runtime_up(pid, packages))
    meshes = sorted(caches.images.glob("*.tar"))
    archives = [*provisions.own_images, *meshes]
    fresh = images.changed(archives, images.recorded(chosen))
    return images.import_archives(chosen, pid, packages, fresh, unpack=False)


def _complete(chosen: Plan, caches: Caches, pid: int, say: Say) -> None:
    with Api(chosen.kubeconfig) as connection:
        _await("kube-apiserver", chosen, lambda: connection.is_ok("/readyz"))
        say("API server ready")
        booted = _booted_at(pid)
        for document in _add_ons(chosen):
            _apply(connection, document, chosen)
        _await("kubelet", chosen, lambda: is_node_ready(connection, chosen.node, booted))
        say("node Ready")
        for document in _gateway(caches):
            _apply(connection, document, chosen)
        name = f"kubernetes.default.svc.{chosen.domain}"
        _await("coredns", chosen, lambda: dnsquery.resolves(chosen.dns_address, name))
        say("DNS answers")


def is_node_ready(connection: Api, name: str, since: datetime) -> bool:
    """A node that was killed is still recorded as Ready: only what was said since boot counts."""
    try:
        found = connection.get(f"/api/v1/nodes/{name}")
    except ApiFailed:
        return False
    for condition in found.get("status", {}).get("conditions", []):
        if condition["type"] == "Ready" and condition["status"] == "True":
            return datetime.fromisoformat(condition["lastHeartbeatTime"]) >= since
    return False


def _booted_at(pid: int) -> datetime:
    """When pid 1 started, to the second below, as heartbeats have whole seconds."""
    ticks = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])
    uptime = float(Path("/proc/uptime").read_text().split()[0])
    age = uptime - ticks / os.sysconf("SC_CLK_TCK")
    return datetime.fromtimestamp(int(time.time() - age), UTC)


def _add_ons(chosen: Plan) -> Iterator[dict[str, Any]]:
    def encoded(file: str) -> str:
        return base64.b64encode((chosen.pki / file).read_bytes()).decode()

    values = {
        "DNS": chosen.dns_address,
        "DOMAIN": chosen.domain,
        "COREDNS_IMAGE": images.COREDNS_IMAGE,
        "METRICS_IMAGE": images.METRICS_IMAGE,
        "CA": encoded("ca.crt"),
        "METRICS_CERTIFICATE": encoded("metrics-server.crt"),
        "METRICS_KEY": encoded("metrics-server.key"),
    }
    for name in ("addresses.yaml", "coredns.yaml", "metrics-server.yaml"):
        text = (resources.files("tulle.local") / "manifests" / name).read_text()
        yield from api.documents(text, values)


def _gateway(caches: Caches) -> Sequence[dict[str, Any]]:
    path = gateway.manifest(caches)
    return api.documents(path.read_text(), {}) if path.exists() else ()


def _apply(connection: Api, document: dict[str, Any], chosen: Plan) -> None:
    """A server that just became ready refuses some writes for a moment yet."""

    def applied() -> bool:
        try:
            connection.apply(document)
        except ApiFailed as error:
            if error.status in (400, 422):
                raise LocalError(str(error)) from error
            return False
        return True

    _await("kube-apiserver", chosen, applied)


def _await(component: str, chosen: Plan, is_true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while not is_true():
        if node.find(chosen) is None:
            raise StartTimeout(f"the node ended: see {chosen.logs}/supervisor.log")
        if time.monotonic() > deadline:
            raise StartTimeout(
                f"{component} is not ready after {READY_SECONDS:.0f} s: see "
                f"`tulle local logs {component} --name {chosen.name}`"
            )
        time.sleep(POLL_SECONDS)


def _short(image: str) -> str:
    return image.removeprefix("docker.io/")
