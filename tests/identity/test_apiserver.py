"""The component as it runs in a pod, with no more rights than it needs, on a real API server."""

import asyncio

import grpc
import grpc.aio
import httpx
import pytest
from cryptography import x509

from tulle.proto import identity_pb2, identity_pb2_grpc

pytestmark = pytest.mark.apiserver

AUDIENCE = "identity.l5d.io"


def name_of(account: str) -> str:
    return f"{account}.default.serviceaccount.identity.tulle.cluster.local"


async def certify(port: int, identity: str, token: str, der: bytes):
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        stub = identity_pb2_grpc.IdentityStub(channel)
        message = identity_pb2.CertifyRequest(
            identity=identity, token=token.encode(), certificate_signing_request=der
        )
        return await stub.Certify(message, timeout=10)


async def refusal(*arguments) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await certify(*arguments)
    return caught.value.code(), caught.value.details() or ""


async def events(api, reason: str) -> list[dict]:
    """The events of a reason, waiting for the first by a watch."""
    path = "/api/v1/namespaces/default/events"
    async with asyncio.timeout(20):
        async for change in api.stream(path, watch=True, fieldSelector=f"reason={reason}"):
            return [change["object"]]
    return []


async def test_a_service_account_s_token_is_certified(
    component, account, make_request, api
) -> None:
    running, _, issuer = component
    port = running.ports["grpc"]
    der, key = make_request(x509.DNSName(name_of("web")))
    token = await account("default", "web", AUDIENCE)
    answer = await certify(port, name_of("web"), token, der)
    leaf = x509.load_der_x509_certificate(answer.leaf_certificate)
    assert leaf.public_key() == key.public_key()
    leaf.verify_directly_issued_by(issuer.certificate)
    (event,) = await events(api, "IssuedLeafCertificate")
    assert event["involvedObject"]["name"] == "web"


async def test_tokens_of_others_and_for_others(component, account, make_request) -> None:
    running, _, _ = component
    port = running.ports["grpc"]
    web = await account("default", "shop", AUDIENCE)
    api_token = await account("default", "thief", AUDIENCE)
    der, _ = make_request(x509.DNSName(name_of("shop")))
    code, text = await refusal(port, name_of("shop"), api_token, der)
    assert (code, "the token is of thief.default" in text) == (
        grpc.StatusCode.FAILED_PRECONDITION,
        True,
    )
    code, _ = await refusal(port, name_of("shop"), "no.token.atall", der)
    assert code in (grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.FAILED_PRECONDITION)
    foreign = await account("default", "shop", "vault.test")
    code, _ = await refusal(port, name_of("shop"), foreign, der)
    assert code in (grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.FAILED_PRECONDITION)
    head, dot, signature = web.rpartition(".")
    forged = head + dot + signature[::-1]
    code, _ = await refusal(port, name_of("shop"), forged, der)
    assert code in (grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.FAILED_PRECONDITION)
    assert (await certify(port, name_of("shop"), web, der)).leaf_certificate


async def test_a_plain_service_account_token_is_the_fallback(
    component, account, make_request
) -> None:
    running, _, _ = component
    der, _ = make_request(x509.DNSName(name_of("old")))
    token = await account("default", "old")
    answer = await certify(running.ports["grpc"], name_of("old"), token, der)
    assert answer.leaf_certificate


async def test_its_admin_port(component) -> None:
    running, _, _ = component
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{running.ports['admin']}") as http:
        assert (await http.get("/ready")).status_code == 200
        metrics = (await http.get("/metrics")).text
    line = next(line for line in metrics.splitlines() if line.startswith("issuer_cert_ttl"))
    assert 0 < float(line.split()[1]) < 366 * 86400
