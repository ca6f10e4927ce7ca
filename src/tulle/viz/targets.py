"""Whom Prometheus scrapes: pods in the form of its HTTP service discovery. Pure.

The labels are those that Prometheus' own discovery of pods would set, so that the same
relabelling serves either.
"""

import re
from collections.abc import Iterable
from typing import Any

from tulle.viz.pods import Pod, Port

Json = dict[str, Any]

META = "__meta_kubernetes_"


def target_groups(pods: Iterable[Pod], namespaces: frozenset[str]) -> list[Json]:
    """One group for each admin port; no namespaces: all of them."""
    return [
        _group(pod, port)
        for pod in pods
        if pod.address and not pod.has_ended and (not namespaces or pod.namespace in namespaces)
        for port in pod.admin_ports
    ]


def _group(pod: Pod, port: Port) -> Json:
    labels = {
        f"{META}namespace": pod.namespace,
        f"{META}pod_name": pod.name,
        f"{META}pod_phase": pod.phase,
        f"{META}pod_container_name": port.container,
        f"{META}pod_container_port_name": port.name,
    }
    labels |= {f"{META}pod_label_{_sanitized(key)}": text for key, text in pod.labels.items()}
    host = f"[{pod.address}]" if ":" in pod.address else pod.address
    return {"targets": [f"{host}:{port.number}"], "labels": labels}


def _sanitized(label: str) -> str:
    return re.sub(r"[^a-zA-Z0-9_]", "_", label)
