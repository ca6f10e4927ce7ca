"""Gives Services of type LoadBalancer an address that the host routes to the node.

Run in the node as `python -m tulle.local.addresses KUBECONFIG RANGE`. All state is in the API
server: an address is free once no Service's status holds it. kube-proxy does the rest.
"""

import logging
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Any

from tulle.local.api import Api, ApiFailed

WATCH_SECONDS = 60
RETRY_SECONDS = 1.0
SERVICES = "/api/v1/services"

log = logging.getLogger("tulle.local.addresses")


@dataclass(frozen=True, slots=True)
class Service:
    namespace: str
    name: str
    is_load_balancer: bool
    wanted: str | None  # spec.loadBalancerIP
    addresses: tuple[str, ...]  # of its status


@dataclass(frozen=True, slots=True)
class Change:
    """The address that a Service is to have; None takes it away."""

    service: Service
    address: IPv4Address | None


def service_of(raw: dict[str, Any]) -> Service:
    """A Service that names a load balancer class waits for another controller than us."""
    spec, metadata = raw["spec"], raw["metadata"]
    ours = spec.get("type") == "LoadBalancer" and not spec.get("loadBalancerClass")
    ingress = raw.get("status", {}).get("loadBalancer", {}).get("ingress") or []
    return Service(
        metadata["namespace"],
        metadata["name"],
        ours and "deletionTimestamp" not in metadata,
        spec.get("loadBalancerIP") or None,
        tuple(entry["ip"] for entry in ingress if "ip" in entry),
    )


def changes(services: Iterable[Service], pool: IPv4Network) -> list[Change]:
    """What to write so that each LoadBalancer Service has exactly one address of the pool."""
    services = sorted(services, key=lambda each: (each.namespace, each.name))
    holders: dict[IPv4Address, Service] = {}
    result, waiting = [], []
    for service in services:
        held = [IPv4Address(text) for text in service.addresses]
        ours = [address for address in held if address in pool]
        if not service.is_load_balancer:
            result += [Change(service, None)] if ours else []
        elif len(held) == 1 and ours and ours[0] not in holders and _suits(service, ours[0]):
            holders[ours[0]] = service
        else:
            waiting.append(service)
    for service in sorted(waiting, key=lambda each: each.wanted is None):
        address = _pick(service, pool, holders)
        if address is None:
            log.warning("no address: service=%s/%s", service.namespace, service.name)
            continue
        holders[address] = service
        result.append(Change(service, address))
    return result


def _suits(service: Service, address: IPv4Address) -> bool:
    return service.wanted is None or IPv4Address(service.wanted) == address


def _pick(
    service: Service, pool: IPv4Network, holders: dict[IPv4Address, Service]
) -> IPv4Address | None:
    if service.wanted is not None:
        wanted = IPv4Address(service.wanted)
        return wanted if wanted in pool and wanted not in holders else None
    return next((address for address in pool.hosts() if address not in holders), None)


def write(api: Api, change: Change) -> None:
    service = change.service
    address = str(change.address) if change.address else None
    ingress: Sequence[dict[str, str]] = [{"ip": address, "ipMode": "VIP"}] if address else []
    path = f"/api/v1/namespaces/{service.namespace}/services/{service.name}/status"
    api.patch(path, {"status": {"loadBalancer": {"ingress": ingress}}})
    log.info("service=%s/%s address=%s", service.namespace, service.name, address)


def run_once(api: Api, pool: IPv4Network) -> str:
    """Bring every Service in order; returns the resourceVersion that was looked at."""
    listed = api.get(SERVICES)
    for change in changes(map(service_of, listed["items"]), pool):
        try:
            write(api, change)
        except ApiFailed as error:
            if error.status not in (404, 409):  # gone or changed meanwhile: the watch will tell
                raise
    version: str = listed["metadata"]["resourceVersion"]
    return version


def follow(api: Api, pool: IPv4Network) -> None:
    while True:
        version = run_once(api, pool)
        api.await_change(SERVICES, version, WATCH_SECONDS)


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    kubeconfig, pool = Path(sys.argv[1]), IPv4Network(sys.argv[2])
    with Api(kubeconfig) as api:
        while True:
            try:
                follow(api, pool)
            except ApiFailed as error:
                log.warning("%s", error)
                time.sleep(RETRY_SECONDS)


if __name__ == "__main__":
    main()
