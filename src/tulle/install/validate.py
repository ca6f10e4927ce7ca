"""Judges values before anything is rendered: the key, what it holds, what may stand there."""

import ipaddress
import re
from decimal import Decimal
from typing import Any

from tulle.injector.settings import INBOUND_POLICIES
from tulle.install.values import BadValue

Json = dict[str, Any]

LOG_LEVELS = ("off", "error", "warn", "info", "debug", "trace")
_LEVEL = "|".join(LOG_LEVELS)
LOG_FILTER = re.compile(
    rf"^(?:{_LEVEL}|[\w:.\-]+(?:\[[^\]]*\])?(?:=(?:{_LEVEL}))?|\[[^\]]*\](?:=(?:{_LEVEL}))?)$", re.I
)
DURATION = re.compile(r"^(?:\d+(?:\.\d+)?(?:ns|us|µs|ms|s|m|h|d))+$")
VERSION = re.compile(r"^[A-Za-z0-9_][A-Za-z0-9_.+-]{0,127}$")
DNS_NAME = re.compile(r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$")
QUANTITY = re.compile(r"^(\d+(?:\.\d*)?|\.\d+)([numkKMGTPE]|[KMGTPE]i|[eE][+-]?\d+)?$")
FACTORS = {
    "n": Decimal("1e-9"), "u": Decimal("1e-6"), "m": Decimal("1e-3"), "": Decimal(1),
    "k": Decimal(10) ** 3, "K": Decimal(10) ** 3, "M": Decimal(10) ** 6, "G": Decimal(10) ** 9,
    "T": Decimal(10) ** 12, "P": Decimal(10) ** 15, "E": Decimal(10) ** 18,
    "Ki": Decimal(2) ** 10, "Mi": Decimal(2) ** 20, "Gi": Decimal(2) ** 30,
    "Ti": Decimal(2) ** 40, "Pi": Decimal(2) ** 50, "Ei": Decimal(2) ** 60,
}  # fmt: skip


# Values by path, for the schema of the chart too.
CHOICES = {
    "controllerLogLevel": ("trace", "debug", "info", "warn", "error"),
    "controllerLogFormat": ("plain", "json"),
    "imagePullPolicy": ("Always", "IfNotPresent", "Never"),
    "webhookFailurePolicy": ("Ignore", "Fail"),
    "proxyInit.iptablesMode": ("nft", "legacy", "plain"),
    "identity.issuer.scheme": ("linkerd.io/tls", "kubernetes.io/tls"),
    "proxy.logFormat": ("plain", "json"),
    "proxy.accessLog": ("", "apache", "json"),
    "proxy.logHTTPHeaders": ("off", "insecure"),
    "proxy.defaultInboundPolicy": INBOUND_POLICIES,
    "proxy.outboundTransportMode": ("transparent", "transport-header"),
}
DURATIONS = (
    "identity.issuer.clockSkewAllowance",
    "identity.issuer.issuanceLifetime",
    "proxy.outboundConnectTimeout",
    "proxy.inboundConnectTimeout",
    "proxy.outboundDiscoveryCacheUnusedTimeout",
    "proxy.inboundDiscoveryCacheUnusedTimeout",
)
PORT_LISTS = (
    "proxy.opaquePorts",
    "proxy.requireIdentityOnInboundPorts",
    "proxyInit.ignoreInboundPorts",
    "proxyInit.ignoreOutboundPorts",
    "proxyInit.kubeAPIServerPorts",
)


def validate(values: Json) -> None:
    """Raises BadValue with the first value that cannot work."""
    _names(values)
    _networks("clusterNetworks", values["clusterNetworks"])
    _networks("proxyInit.skipSubnets", values["proxyInit"]["skipSubnets"])
    _numbers(values)
    for key, allowed in CHOICES.items():
        one_of(key, at(values, key), allowed)
    for key in DURATIONS:
        duration(key, at(values, key))
    for key in PORT_LISTS:
        port_list(key, at(values, key))
    _proxy(values["proxy"])


def at(values: Json, path: str) -> Any:
    found: Any = values
    for part in path.split("."):
        found = found[part]
    return found


def _proxy(proxy: Json) -> None:
    log_filter("proxy.logLevel", proxy["logLevel"])
    for name, port in proxy["ports"].items():
        port_number(f"proxy.ports.{name}", port)
    for name, resource in proxy["resources"].items():
        request_and_limit(f"proxy.resources.{name}", resource["request"], resource["limit"])
    _distinct_ports(proxy["ports"], "proxy.ports")


def _names(values: Json) -> None:
    for key in ("clusterDomain", "identityTrustDomain"):
        if not DNS_NAME.match(values[key] or "x"):
            raise BadValue(f"{key} is {values[key]!r}, which is not a lower-case DNS name")
    versions = {
        "controllerImageVersion": values["controllerImageVersion"],
        "linkerdVersion": values["linkerdVersion"],
        "proxy.image.version": values["proxy"]["image"]["version"],
    }
    for key, version in versions.items():
        if version and not VERSION.match(version):
            raise BadValue(f"{key} is {version!r}, which is not a version tag such as 0.1.0")


def _numbers(values: Json) -> None:
    if values["controllerReplicas"] < 1:
        raise BadValue(
            f"controllerReplicas is {values['controllerReplicas']}; at least 1 is needed"
        )
    if values["controllerUID"] < 1:
        raise BadValue("controllerUID is 0, and the control plane never runs as root")
    if values["proxy"]["uid"] < 1:
        raise BadValue("proxy.uid is 0; traffic of root would then skip the proxy")
    for key in ("proxyInjector", "policyValidator"):
        seconds = values[key]["timeoutSeconds"]
        if not 1 <= seconds <= 30:
            raise BadValue(f"{key}.timeoutSeconds is {seconds}; it lies between 1 and 30")


def one_of(key: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        choices = ", ".join(item or '""' for item in allowed)
        raise BadValue(f"{key} is {value!r}; it must be one of: {choices}")


def log_filter(key: str, text: str) -> None:
    for directive in re.split(r",(?![^\[]*\])", text):
        if not LOG_FILTER.match(directive.strip()):
            raise BadValue(
                f"{key} is {text!r}: {directive!r} is neither a level ({', '.join(LOG_LEVELS)}) "
                "nor target=level"
            )


def duration(key: str, text: str) -> None:
    if not DURATION.match(text):
        raise BadValue(f"{key} is {text!r}, which is not a duration such as 300ms, 20s or 24h0m0s")


def port_number(key: str, port: int) -> None:
    if not 1 <= port <= 65535:
        raise BadValue(f"{key} is {port}; a port lies between 1 and 65535")


def port_list(key: str, text: str) -> None:
    """Ports and ranges, separated by commas: 25,8000-8010."""
    for item in filter(None, (part.strip() for part in text.split(","))):
        low, dash, high = item.partition("-")
        if not low.isdigit() or (dash and not high.isdigit()):
            raise BadValue(f"{key} is {text!r}: {item!r} is not a port or a range such as 80-90")
        port_number(key, int(low))
        if dash:
            port_number(key, int(high))
            if int(high) < int(low):
                raise BadValue(f"{key} is {text!r}: the range {item} runs backwards")


def quantity(key: str, text: str) -> Decimal:
    match = QUANTITY.match(text)
    if match is None:
        raise BadValue(f"{key} is {text!r}, which is not a quantity such as 100m or 64Mi")
    number, suffix = Decimal(match[1]), match[2] or ""
    if suffix in FACTORS:
        return number * FACTORS[suffix]
    return number * Decimal(10) ** int(suffix[1:])


def request_and_limit(key: str, request: str, limit: str) -> None:
    wanted = quantity(f"{key}.request", request) if request else None
    allowed = quantity(f"{key}.limit", limit) if limit else None
    if wanted is not None and allowed is not None and wanted > allowed:
        raise BadValue(f"{key}: the request {request} is above the limit {limit}")


def _networks(key: str, text: str) -> None:
    for item in filter(None, (part.strip() for part in text.split(","))):
        try:
            ipaddress.ip_network(item)
        except ValueError as error:
            raise BadValue(
                f"{key}: {item!r} is not a network such as 10.0.0.0/8: {error}"
            ) from error


def _distinct_ports(ports: Json, key: str) -> None:
    seen: dict[int, str] = {}
    for name, port in ports.items():
        if port in seen:
            raise BadValue(f"{key}.{name} and {key}.{seen[port]} are both {port}")
        seen[port] = name
