"""The one made-up mesh of the benchmark: names, ports and the proxies' environment."""

import ipaddress
import json
import os
from dataclasses import dataclass
from pathlib import Path

from . import pods

TRUST_DOMAIN, CONTROL_NAMESPACE, NAMESPACE = "cluster.local", "linkerd", "bench"
CONTROL_PORT = 8086
SERVICES = ipaddress.ip_network("10.96.0.0/12")


@dataclass(frozen=True)
class Port:
    """A service's port and its pod's; what the endpoint is said to speak."""

    service: int
    pod: int
    is_opaque: bool = False


HTTP1 = Port(80, 8080)
HTTP2 = Port(82, 8082)
OPAQUE = Port(5201, 5201, is_opaque=True)
PORTS = (HTTP1, HTTP2, OPAQUE)


def identity(account: str) -> str:
    return f"{account}.{NAMESPACE}.serviceaccount.identity.{CONTROL_NAMESPACE}.{TRUST_DOMAIN}"


def control_identity(account: str) -> str:
    base = f"{CONTROL_NAMESPACE}.serviceaccount.identity.{CONTROL_NAMESPACE}.{TRUST_DOMAIN}"
    return f"linkerd-{account}.{base}"


def service_name(address: str) -> str | None:
    """Every address of the services' network is a service, so that any number can be dialled."""
    ip = ipaddress.ip_address(address)
    if ip not in SERVICES:
        return None
    return f"web-{int(ip) - int(SERVICES.network_address)}"


def port_of(service: int | None = None, pod: int | None = None) -> Port | None:
    matching = (p for p in PORTS if service == p.service or pod == p.pod)
    return next(matching, None)


def environment(
    role: str, pod: pods.Pod, anchors: str, folder: Path, token: Path
) -> dict[str, str]:
    """What the injector writes with default values, for one worker."""
    plane = f"127.0.0.1:{CONTROL_PORT}"
    private = "10.0.0.0/8,100.64.0.0/10,172.16.0.0/12,192.168.0.0/16"
    workload = {"ns": NAMESPACE, "pod": f"{role}-0"}
    inbound_ports = ",".join(str(port.pod) for port in PORTS) if role == "server" else ""
    values = {
        "CORES": "1",
        "CORES_MIN": "1",
        "LOG": "warn,linkerd=info,hickory=error,[{headers}]=off,[{request}]=off",
        "LOG_FORMAT": "plain",
        "SHUTDOWN_ENDPOINT_ENABLED": "false",
        "DESTINATION_SVC_ADDR": plane,
        "DESTINATION_SVC_NAME": control_identity("destination"),
        "POLICY_SVC_ADDR": plane,
        "POLICY_SVC_NAME": control_identity("destination"),
        "IDENTITY_SVC_ADDR": plane,
        "IDENTITY_SVC_NAME": control_identity("identity"),
        "DESTINATION_PROFILE_NETWORKS": private,
        "DESTINATION_PROFILE_SUFFIXES": f"svc.{TRUST_DOMAIN}.",
        "DESTINATION_CONTEXT": json.dumps({**workload, "nodeName": "node"}),
        "POLICY_CLUSTER_NETWORKS": private,
        "POLICY_WORKLOAD": json.dumps(workload),
        "CONTROL_STREAM_INITIAL_TIMEOUT": "3s",
        "CONTROL_STREAM_IDLE_TIMEOUT": "5m",
        "CONTROL_STREAM_LIFETIME": "1h",
        "CONTROL_LISTEN_ADDR": "0.0.0.0:4190",
        "ADMIN_LISTEN_ADDR": "0.0.0.0:4191",
        "OUTBOUND_LISTEN_ADDR": f"127.0.0.1:{pods.OUTBOUND}",
        "OUTBOUND_LISTEN_ADDRS": f"127.0.0.1:{pods.OUTBOUND}",
        "OUTBOUND_CONNECT_TIMEOUT": "1000ms",
        "OUTBOUND_CONNECT_KEEPALIVE": "10000ms",
        "OUTBOUND_CONNECT_USER_TIMEOUT": "30s",
        "OUTBOUND_DISCOVERY_IDLE_TIMEOUT": "5s",
        "OUTBOUND_SERVER_HTTP2_KEEP_ALIVE_INTERVAL": "10s",
        "OUTBOUND_SERVER_HTTP2_KEEP_ALIVE_TIMEOUT": "3s",
        "INBOUND_LISTEN_ADDR": f"0.0.0.0:{pods.INBOUND}",
        "INBOUND_IPS": pod.ip,
        "INBOUND_PORTS": inbound_ports,
        "INBOUND_DEFAULT_POLICY": "all-unauthenticated",
        "INBOUND_CONNECT_TIMEOUT": "100ms",
        "INBOUND_ACCEPT_KEEPALIVE": "10000ms",
        "INBOUND_ACCEPT_USER_TIMEOUT": "30s",
        "INBOUND_DISCOVERY_IDLE_TIMEOUT": "90s",
        "INBOUND_SERVER_HTTP2_KEEP_ALIVE_INTERVAL": "10s",
        "INBOUND_SERVER_HTTP2_KEEP_ALIVE_TIMEOUT": "3s",
        "INBOUND_PORTS_DISABLE_PROTOCOL_DETECTION": "25,587,3306,4444,5432,6379,9300,11211",
        "IDENTITY_DIR": str(folder),
        "IDENTITY_TRUST_ANCHORS": anchors,
        "IDENTITY_TOKEN_FILE": str(token),
        "IDENTITY_LOCAL_NAME": identity(role),
    }
    named = {f"LINKERD2_PROXY_{key}": value for key, value in values.items()}
    return {**named, "PATH": os.environ["PATH"]}
