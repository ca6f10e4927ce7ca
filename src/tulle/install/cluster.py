"""What an install asks a cluster before it renders anything, and what an upgrade finds there."""

from dataclasses import dataclass
from typing import Any

import yaml

from tulle import names
from tulle.injector.settings import NATIVE_SIDECARS_SINCE
from tulle.install import charts
from tulle.install.anchors import Issuer, ServingCertificate
from tulle.install.manifests import Certificates
from tulle.install.objects import decoded
from tulle.k8s.client import Client, NotFound

Json = dict[str, Any]

DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
ADMISSION = "/apis/admissionregistration.k8s.io/v1"
WEBHOOKS = f"{ADMISSION}/mutatingwebhookconfigurations"
VALIDATING_WEBHOOKS = f"{ADMISSION}/validatingwebhookconfigurations"


@dataclass(frozen=True, slots=True)
class Stored:
    """What an earlier install left in the cluster."""

    overrides: Json
    certificates: Certificates


async def found_object(client: Client, path: str) -> Json | None:
    try:
        return await client.get(path)
    except NotFound:
        return None


async def has_install(client: Client, namespace: str) -> bool:
    path = f"/api/v1/namespaces/{namespace}/configmaps/{names.CONFIG_CONFIGMAP}"
    return await found_object(client, path) is not None


async def missing_definitions(client: Client) -> list[str]:
    """Names of our CustomResourceDefinitions that the cluster lacks."""
    wanted = [item["metadata"]["name"] for item in charts.resource_definitions()]
    present = {item["metadata"]["name"] for item in await client.list(DEFINITIONS)}
    return [name for name in wanted if name not in present]


async def has_gateway_api(client: Client) -> bool:
    groups = (await client.get("/apis")).get("groups") or []
    return any(group["name"] == "gateway.networking.k8s.io" for group in groups)


async def known_values(client: Client) -> Json:
    """Values that the cluster itself decides, unless the user says otherwise."""
    found: Json = {}
    if ports := await _api_server_ports(client):
        found["proxyInit"] = {"kubeAPIServerPorts": ports}
    version = await client.get("/version")
    minor = int(str(version.get("minor", "0")).rstrip("+") or 0)
    if (int(version.get("major") or 1), minor) < NATIVE_SIDECARS_SINCE:
        found["proxy"] = {"nativeSidecar": False}
    return found


async def _api_server_ports(client: Client) -> str | None:
    """The ports behind Service default/kubernetes, which skip every outbound proxy."""
    service = await found_object(client, "/api/v1/namespaces/default/services/kubernetes")
    if service is None:
        return None
    ports: set[int] = set()
    for port in service["spec"].get("ports") or []:
        numbers = (port.get("port"), port.get("targetPort"))
        ports.update(number for number in numbers if isinstance(number, int))
    return ",".join(map(str, sorted(ports))) or None


async def stored_install(client: Client, namespace: str) -> Stored | None:
    """None: no install by the command line, perhaps one by Helm."""
    secrets = f"/api/v1/namespaces/{namespace}/secrets"
    kept = await found_object(client, f"{secrets}/{names.OVERRIDES_SECRET}")
    if kept is None:
        return None
    overrides = yaml.safe_load(decoded(kept["data"]["tulle-config-overrides"])) or {}
    roots = await found_object(
        client, f"/api/v1/namespaces/{namespace}/configmaps/{names.TRUST_ROOTS_CONFIGMAP}"
    )
    anchors = ((roots or {}).get("data") or {}).get("ca-bundle.crt", "")
    issuer = _issuer(await found_object(client, f"{secrets}/{names.ISSUER_SECRET}"), anchors)
    serving = _serving(
        await found_object(client, f"{secrets}/{names.INJECTOR_TLS_SECRET}"),
        await found_object(client, f"{WEBHOOKS}/{names.INJECTOR_WEBHOOK_CONFIG}"),
    )
    validating = _serving(
        await found_object(client, f"{secrets}/{names.POLICY_VALIDATOR_TLS_SECRET}"),
        await found_object(
            client, f"{VALIDATING_WEBHOOKS}/{names.POLICY_VALIDATOR_WEBHOOK_CONFIG}"
        ),
    )
    return Stored(overrides, Certificates(issuer, serving, anchors, validating))


def _issuer(secret: Json | None, anchors: str) -> Issuer | None:
    data = (secret or {}).get("data") or {}
    if "crt.pem" not in data or "key.pem" not in data:
        return None
    return Issuer(anchors, decoded(data["crt.pem"]), decoded(data["key.pem"]))


def _serving(secret: Json | None, webhook: Json | None) -> ServingCertificate | None:
    data = (secret or {}).get("data") or {}
    hooks = (webhook or {}).get("webhooks") or []
    bundle = hooks[0]["clientConfig"].get("caBundle") if hooks else None
    if "tls.crt" not in data or "tls.key" not in data or not bundle:
        return None
    return ServingCertificate(decoded(data["tls.crt"]), decoded(data["tls.key"]), decoded(bundle))
