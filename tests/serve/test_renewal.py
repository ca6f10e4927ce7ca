"""Components renew what they serve, with the rights that an install gives them and no more."""

import asyncio
import base64
import datetime
import itertools
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tulle import names
from tulle.injector.__main__ import certificate_served as injector_served
from tulle.install import rbac, viz_tap
from tulle.install.anchors import verify_serving
from tulle.k8s.client import Client, Forbidden
from tulle.serve.renewal import RENEW_BEFORE, WEBHOOKS, Renewal, Served
from tulle.serve.self_signed import LIFETIME, make_self_signed
from tulle.viz.tap.__main__ import certificate_served as tap_served
from tulle.viz.tap_injector import certificate_served as tap_injector_served

pytestmark = pytest.mark.apiserver

Json = dict[str, Any]
NOW = datetime.datetime.now(datetime.UTC)
RULES = {
    "tap": [*viz_tap.TAP_RULES, *viz_tap.own_secret(names.TAP_TLS_SECRET)],
    "tap-injector": [*viz_tap.INJECTOR_RULES, *viz_tap.own_secret(names.TAP_INJECTOR_TLS_SECRET)],
    "injector": [*rbac.INJECTOR_RULES, *rbac.INJECTOR_RENEWAL_RULES, *rbac.INJECTOR_LOCAL_RULES],
}
SERVED = {"tap": tap_served, "tap-injector": tap_injector_served, "injector": injector_served}
_numbers = itertools.count(1)


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def trusting(served: Served, bundle: str) -> Json:
    """The object whose caBundle says whom the API server trusts."""
    name = served.trust_path.rpartition("/")[2]
    service = {"name": served.host.partition(".")[0], "namespace": served.namespace}
    if served.trust_path.startswith(WEBHOOKS):
        hook = {
            "name": "a.linkerd.io",
            "admissionReviewVersions": ["v1"],
            "clientConfig": {"service": service, "caBundle": encoded(bundle)},
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "nowhere"}},
            "sideEffects": "None",
        }
        return {"metadata": {"name": name}, "webhooks": [hook, {**hook, "name": "b.linkerd.io"}]}
    spec = {
        "group": names.TAP_GROUP,
        "version": names.TAP_VERSION,
        "groupPriorityMinimum": 1000,
        "versionPriority": 100,
        "service": service,
        "caBundle": encoded(bundle),
    }
    return {"metadata": {"name": name}, "spec": spec}


@dataclass
class Place:
    """A component's Secret and trust on the API server, and a client with its rights alone."""

    api: Client
    own: Client
    kubeconfig: Path
    served: Served
    old: str

    async def secret(self) -> Json:
        return await self.api.get(self.served.secret_path)

    async def certificate(self) -> str:
        return base64.b64decode((await self.secret())["data"]["tls.crt"]).decode()

    async def bundles(self) -> set[str]:
        item = await self.api.get(self.served.trust_path)
        holders = [hook["clientConfig"] for hook in item.get("webhooks", ())] or [item["spec"]]
        return {base64.b64decode(holder["caBundle"]).decode() for holder in holders}


async def placed(
    component: str, days_left: int, api: Client, kubeconfig: Path, namespace: str
) -> Place:
    await api.create("/api/v1/namespaces", {"metadata": {"name": namespace}})
    served = SERVED[component](namespace)
    made = make_self_signed(served.host, NOW - LIFETIME + datetime.timedelta(days=days_left))
    secret = {
        "metadata": {"name": served.secret},
        "type": "kubernetes.io/tls",
        "data": {"tls.crt": encoded(made.certificate), "tls.key": encoded(made.key)},
    }
    await api.create(served.secret_path.rpartition("/")[0], secret)
    trust = trusting(served, made.certificate)
    await api.create(served.trust_path.rpartition("/")[0], trust)
    own = await Client.from_environment(str(kubeconfig))
    return Place(api, own, kubeconfig, served, made.certificate)


@pytest_asyncio.fixture(params=sorted(SERVED))
async def place(request, api: Client, kubeconfig_of) -> AsyncIterator[Place]:
    """A certificate that has a month left."""
    name = f"renewal-{next(_numbers)}"
    kubeconfig = await kubeconfig_of(name, RULES[request.param])
    found = await placed(request.param, 30, api, kubeconfig, name)
    async with found.own:
        yield found
    await api.delete(found.served.trust_path)


async def test_what_ends_soon_is_renewed_and_both_are_trusted(place: Place) -> None:
    assert await Renewal(place.own, place.served).renew_if_due()
    new = await place.certificate()
    assert new != place.old
    (bundle,) = await place.bundles()
    for certificate in (place.old, new):  # the old one is served until the kubelet has the new one
        verify_serving(certificate, bundle, place.served.host, NOW)
    before = await place.secret()
    assert not await Renewal(place.own, place.served).renew_if_due()
    assert await place.secret() == before


async def test_what_expired_is_no_longer_trusted_after_the_next_renewal(place: Place) -> None:
    later = NOW + datetime.timedelta(days=60)
    assert await Renewal(place.own, place.served, lambda: later).renew_if_due()
    (bundle,) = await place.bundles()
    assert bundle == await place.certificate()


async def test_replicas_agree_on_one_certificate(place: Place) -> None:
    renewals = [Renewal(place.own, place.served).renew_if_due() for _ in range(3)]
    assert (await asyncio.gather(*renewals)).count(True) == 1
    (bundle,) = await place.bundles()
    verify_serving(await place.certificate(), bundle, place.served.host, NOW)


async def test_its_rights_end_at_its_own_objects(place: Place) -> None:
    other = replace(place.served, secret="somebody-elses")
    with pytest.raises(Forbidden):
        await place.own.get(other.secret_path)
    with pytest.raises(Forbidden):
        await place.own.list(place.served.secret_path.rpartition("/")[0])
    webhooks = f"{WEBHOOKS}/somebody-elses"
    with pytest.raises(Forbidden):
        await place.own.patch(webhooks, {"webhooks": []})


async def test_what_lasts_is_left_alone(api: Client, kubeconfig_of) -> None:
    name = f"renewal-{next(_numbers)}"
    kubeconfig = await kubeconfig_of(name, RULES["injector"])
    found = await placed("injector", RENEW_BEFORE.days + 2, api, kubeconfig, name)
    async with found.own:
        assert not await Renewal(found.own, found.served).renew_if_due()
    assert await found.certificate() == found.old
    await api.delete(found.served.trust_path)


async def shown(port: int, bundle: str, host: str) -> str:
    """The certificate that a server shows to one who trusts a bundle."""
    context = ssl.create_default_context(cadata=bundle)
    _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname=host)
    found = ssl.DER_cert_to_PEM_cert(writer.get_extra_info("ssl_object").getpeercert(True))
    writer.close()
    return found


async def until(ask: Callable[[], Awaitable[str]], holds: Callable[[str], bool]) -> None:
    for _ in range(600):
        if holds(await ask()):
            return
        await asyncio.sleep(0.1)
    raise AssertionError("not within a minute")


async def test_the_running_component_renews_and_serves_it(
    api: Client, kubeconfig_of, run_component, tmp_path: Path
) -> None:
    name = f"renewal-{next(_numbers)}"
    kubeconfig = await kubeconfig_of(name, RULES["tap-injector"])
    found = await placed("tap-injector", 30, api, kubeconfig, name)

    async def mounted() -> None:
        """What the kubelet does, sooner or later."""
        for key, text in (await found.secret())["data"].items():
            (tmp_path / key).write_bytes(base64.b64decode(text))

    await mounted()
    component = run_component(
        "tulle.viz.tap_injector",
        *("--kubeconfig", kubeconfig, "--tls", tmp_path, "--tap-identity", "tap"),
        *("--renew-certificate-in", name, "--addr", "127.0.0.1:0", "--admin-addr", "127.0.0.1:0"),
    )
    async with found.own:
        await until(found.certificate, lambda seen: seen != found.old)
        new = await found.certificate()
        (bundle,) = await found.bundles()
        port, host = component.ports["https"], found.served.host
        assert (await shown(port, bundle, host)).split() == found.old.split()
        await mounted()
        await until(lambda: shown(port, bundle, host), lambda seen: seen.split() == new.split())
    await api.delete(found.served.trust_path)
