"""Which running proxies would not trust an issuer: they keep the anchors that they started with."""

import datetime
from typing import Any

from tulle import names
from tulle.install.anchors import Sources, verify_issuer_chain
from tulle.install.pem import BadCertificates, load_certificates
from tulle.k8s.client import Client

Json = dict[str, Any]

ANCHORS_VARIABLE = "LINKERD2_PROXY_IDENTITY_TRUST_ANCHORS"


def proxy_container(pod: Json) -> Json | None:
    """The proxy of a pod, whether it is a native sidecar or an ordinary container."""
    spec = pod["spec"]
    for container in [*(spec.get("initContainers") or []), *(spec.get("containers") or [])]:
        if container["name"] == names.PROXY_CONTAINER:
            found: Json = container
            return found
    return None


def trust_anchors(pod: Json) -> str | None:
    """The PEM text in the proxy's environment; None where a ConfigMap holds it, or no proxy is."""
    container = proxy_container(pod) or {}
    for variable in container.get("env") or []:
        if variable["name"] == ANCHORS_VARIABLE:
            value: str | None = variable.get("value")
            return value
    return None


async def meshed_pods(
    client: Client, control_namespace: str, namespace: str | None = None
) -> list[Json]:
    """Pods with a proxy of this control plane, in one namespace or in all."""
    within = f"/namespaces/{namespace}" if namespace else ""
    selector = f"{names.CONTROL_NAMESPACE_LABEL}={control_namespace}"
    pods = await client.list(f"/api/v1{within}/pods", labelSelector=selector)
    return [pod for pod in pods if proxy_container(pod)]


async def workloads_that_distrust(client: Client, control_namespace: str, issuer: str) -> list[str]:
    """Pods as namespace/name; not the control plane's, which an upgrade restarts by itself."""
    chain = load_certificates(issuer, "the issuer's certificate")
    now = datetime.datetime.now(datetime.UTC)
    judged: dict[str, bool] = {}
    found = []
    for pod in await meshed_pods(client, control_namespace):
        anchors = trust_anchors(pod)
        if anchors is None or pod["metadata"]["namespace"] == control_namespace:
            continue
        if anchors not in judged:
            judged[anchors] = _trusts(anchors, chain, now)
        if not judged[anchors]:
            found.append(f"{pod['metadata']['namespace']}/{pod['metadata']['name']}")
    return sorted(found)


def _trusts(anchors: str, chain: list[Any], now: datetime.datetime) -> bool:
    try:
        loaded = load_certificates(anchors, "the trust anchors of a pod")
        verify_issuer_chain(chain, loaded, Sources(), now)
    except BadCertificates:
        return False
    return True
