"""What one cluster is called and which addresses it has; a cluster's index decides all of them.

Each index has a link of its own to the host and a 10.N.0.0/16 that is cut into pods, services and
LoadBalancer addresses, so that clusters of different names run side by side.
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network
from pathlib import Path

from tulle import names
from tulle.local.components import SECURE_PORT
from tulle.local.errors import LocalError
from tulle.local.locks import held

DEFAULT_NAME = "local"
CLUSTERS = 16
FIRST_OCTET = 200  # of 10.N.0.0/16
FIRST_LINK_OCTET = 224  # of 172.31.N.0/30
REGISTRY = "clusters.json"
NAME_PATTERN = re.compile(r"[a-z0-9]([a-z0-9-]{0,28}[a-z0-9])?")


@dataclass(frozen=True, slots=True)
class Plan:
    name: str
    index: int
    directory: Path

    @property
    def node(self) -> str:
        return f"tulle-{self.name}"

    @property
    def context(self) -> str:
        return "tulle-local" if self.name == DEFAULT_NAME else f"tulle-local-{self.name}"

    @property
    def domain(self) -> str:
        return names.CLUSTER_DOMAIN

    @property
    def host_link(self) -> str:
        return f"tulle{self.index}"

    @property
    def link(self) -> IPv4Network:
        return IPv4Network(f"172.31.{FIRST_LINK_OCTET + self.index}.0/30")

    @property
    def host_address(self) -> str:
        return str(self.link[1])

    @property
    def node_address(self) -> str:
        return str(self.link[2])

    @property
    def pods(self) -> IPv4Network:
        return self._part("0.0/17")

    @property
    def node_pods(self) -> IPv4Network:
        """The only node gets the first /24."""
        return self._part("0.0/24")

    @property
    def services(self) -> IPv4Network:
        return self._part("128.0/18")

    @property
    def load_balancers(self) -> IPv4Network:
        return self._part("192.0/24")

    @property
    def api_address(self) -> str:
        return str(self.services[1])

    @property
    def dns_address(self) -> str:
        return str(self.services[10])

    @property
    def server(self) -> str:
        return f"https://{self.node_address}:{SECURE_PORT}"

    @property
    def routed(self) -> tuple[IPv4Network, ...]:
        """The ranges that the host has a route to while the node runs."""
        return (self.pods, self.services, self.load_balancers)

    @property
    def logs(self) -> Path:
        return self.directory / "log"

    @property
    def pki(self) -> Path:
        return self.directory / "pki"

    @property
    def kubeconfig(self) -> Path:
        return self.pki / "admin.kubeconfig"

    def _part(self, rest: str) -> IPv4Network:
        return IPv4Network(f"10.{FIRST_OCTET + self.index}.{rest}")


def check_name(name: str) -> None:
    if not NAME_PATTERN.fullmatch(name):
        raise LocalError(
            f"{name!r} cannot name a cluster: use 1 to 30 of a-z, 0-9 and -, as in `--name demo`"
        )


def first_free(used: Iterable[int], taken: Iterable[IPv4Network]) -> int:
    """The lowest index whose ranges touch none that the host already routes elsewhere."""
    taken = list(taken)
    blocked = set(used)
    for index in range(CLUSTERS):
        plan = Plan("", index, Path())
        ranges = (plan.link, *plan.routed)
        free = not any(network.overlaps(other) for network in ranges for other in taken)
        if index not in blocked and free:
            return index
    raise LocalError(
        f"no free addresses: 10.{FIRST_OCTET}.0.0/16 to 10.{FIRST_OCTET + CLUSTERS - 1}.0.0/16 "
        "are routed elsewhere or used by other clusters; remove one by "
        "`tulle local down --purge --name NAME`"
    )


def claim(root: Path, name: str, taken: Iterable[IPv4Network]) -> Plan:
    """The plan of `name`; a new name gets an index of its own, which it keeps until released."""
    check_name(name)
    root.mkdir(parents=True, exist_ok=True, mode=0o755)
    with held(root):
        registered = _read(root)
        if name not in registered:
            registered = {**registered, name: first_free(registered.values(), taken)}
            _write(root, registered)
    return Plan(name, registered[name], root / name)


def find(root: Path, name: str) -> Plan | None:
    """The plan of a name that was claimed before, or None."""
    check_name(name)
    index = _read(root).get(name)
    return None if index is None else Plan(name, index, root / name)


def used(root: Path) -> list[int]:
    return list(_read(root).values())


def release(root: Path, name: str) -> None:
    """Forget `name`; with the last name the root goes too, unless others put things there."""
    if not root.exists():
        return
    with held(root):
        remaining = {other: index for other, index in _read(root).items() if other != name}
        _write(root, remaining)
        if not remaining:
            (root / REGISTRY).unlink(missing_ok=True)
    if not any(root.iterdir()):
        root.rmdir()


def _read(root: Path) -> Mapping[str, int]:
    try:
        registered: dict[str, int] = json.loads((root / REGISTRY).read_text())
    except FileNotFoundError:
        return {}
    return registered


def _write(root: Path, registered: Mapping[str, int]) -> None:
    fresh = root / f"{REGISTRY}.new"
    fresh.write_text(json.dumps(registered, indent=1) + "\n")
    fresh.replace(root / REGISTRY)
