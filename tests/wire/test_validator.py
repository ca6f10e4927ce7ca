"""The validating webhook, called by a real API server, with the rights that the install gives."""

import asyncio
import base64
from datetime import UTC, datetime

import pytest
from definitions import POLICY, define
from discovery import PATIENCE_SECONDS, running

from tulle.install import charts
from tulle.install.objects import Place
from tulle.install.rbac import DESTINATION_RULES
from tulle.install.webhooks import validator_webhook
from tulle.k8s.client import ApiError
from tulle.serve.self_signed import make_self_signed

pytestmark = pytest.mark.apiserver

HOOKS = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations"
GROUP = f"{POLICY}/v1beta3"


def server(name, **spec):
    return {
        "apiVersion": "policy.linkerd.io/v1beta3",
        "kind": "Server",
        "metadata": {"name": name},
        "spec": {"podSelector": {"matchLabels": {"app": name}}, "port": 80, **spec},
    }


def configuration(namespace, port, certificate):
    """As it is installed, but for one namespace and with an address instead of a Service."""
    place = Place("tulle", "test")
    values = {**charts.default_values(), "webhookFailurePolicy": "Fail"}
    found = validator_webhook(place, values, certificate)
    found["metadata"]["name"] = namespace
    (hook,) = found["webhooks"]
    encoded = base64.b64encode(certificate.encode()).decode()
    hook["clientConfig"] = {"url": f"https://localhost:{port}/", "caBundle": encoded}
    hook["namespaceSelector"] = {"matchLabels": {"kubernetes.io/metadata.name": namespace}}
    return found


async def refusal(cluster, item):
    """What the API server answers once it heeds the webhook, which takes it a moment."""
    path = cluster.path("servers", "", GROUP)
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            try:
                await cluster.client.create(path, item)
            except ApiError as error:
                return error
            await cluster.client.delete(cluster.path("servers", item["metadata"]["name"], GROUP))


async def test_a_server_that_no_proxy_could_follow_is_refused(cluster, kubeconfig_of, tmp_path):
    await define(cluster, ("servers", "Server", "v1beta3"))
    made = make_self_signed("localhost", datetime.now(UTC))
    (tmp_path / "tls.crt").write_text(made.certificate)
    (tmp_path / "tls.key").write_text(made.key)
    kubeconfig = await kubeconfig_of("discovery-validates", DESTINATION_RULES)
    servers = cluster.path("servers", "", GROUP)
    async with running(kubeconfig, "--tls", str(tmp_path)) as discovery:
        body = configuration(cluster.namespace, discovery.validator, made.certificate)
        await cluster.client.create(HOOKS, body)
        try:
            refused = await refusal(cluster, server("web", accessPolicy="open"))
            assert refused.status == 422
            assert f"Server {cluster.namespace}/web: accessPolicy 'open'" in refused.message
            await cluster.client.create(servers, server("web"))
            # The index hears of it a moment later, and then of its twin.
            twin = server("twin", podSelector={"matchLabels": {"app": "web"}})
            assert "the Server web has port 80" in (await refusal(cluster, twin)).message
            change = {"spec": {"proxyProtocol": "http"}}
            path = cluster.path("servers", "web", GROUP)
            with pytest.raises(ApiError, match="proxyProtocol 'http' is none of unknown"):
                await cluster.client.patch(path, change)
        finally:
            await cluster.client.delete(f"{HOOKS}/{cluster.namespace}")
