"""Names that clients ask for: `web.shop.svc.cluster.local:80`, `10.0.0.1:80`. Pure."""

from dataclasses import dataclass
from ipaddress import ip_address

DEFAULT_PORT = 80


class InvalidAuthority(ValueError):
    """The text names neither an address nor a Service of this cluster."""


@dataclass(frozen=True, slots=True)
class ServiceTarget:
    namespace: str
    name: str
    port: int
    hostname: str | None = None  # of one pod behind a headless Service


@dataclass(frozen=True, slots=True)
class AddressTarget:
    address: str
    port: int


def _split(authority: str) -> tuple[str, int]:
    host, colon, port = authority.rpartition(":")
    if not colon or authority.endswith("]"):
        return authority, DEFAULT_PORT
    if not port.isdecimal() or not 0 < int(port) <= 65535:
        raise InvalidAuthority(f"invalid port in {authority!r}")
    return host, int(port)


def parse(authority: str, cluster_domain: str) -> ServiceTarget | AddressTarget:
    """Raises InvalidAuthority."""
    host, port = _split(authority)
    try:
        return AddressTarget(str(ip_address(host.strip("[]"))), port)
    except ValueError:
        return _service(authority, host, port, cluster_domain)


def _service(authority: str, host: str, port: int, cluster_domain: str) -> ServiceTarget:
    stem = host.lower().rstrip(".").removesuffix(f".{cluster_domain}")
    match stem.split("."):
        case [name, namespace, "svc"] if name and namespace:
            return ServiceTarget(namespace, name, port)
        case [hostname, name, namespace, "svc"] if hostname and name and namespace:
            return ServiceTarget(namespace, name, port, hostname)
    raise InvalidAuthority(f"{authority!r} is not of the form NAME.NAMESPACE.svc.{cluster_domain}")
