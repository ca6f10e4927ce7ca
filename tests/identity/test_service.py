"""Certify over real gRPC; only the API server's reviews are stood in for."""

import asyncio
import contextlib
from datetime import timedelta

import grpc
import grpc.aio
import pytest
from cryptography import x509

from tulle.identity.authority import Authority
from tulle.identity.issuer import Lifetimes
from tulle.identity.service import Domain, Identity
from tulle.k8s.client import Unreachable
from tulle.k8s.events import Recorder
from tulle.names import LINKERD_ISSUER_SCHEME
from tulle.proto import identity_pb2, identity_pb2_grpc
from tulle.serve.grpc import GrpcServer

NAME = "web.shop.serviceaccount.identity.tulle.cluster.local"
TOKENS = {
    "web": {"authenticated": True, "user": {"username": "system:serviceaccount:shop:web"}},
    "api": {"authenticated": True, "user": {"username": "system:serviceaccount:shop:api"}},
    "unknown": {},
    "broken": {"error": "it is broken"},
}


class Api:
    """Reviews tokens by their text and keeps the events that were written."""

    def __init__(self) -> None:
        self.events: list[dict] = []
        self.reachable = True

    async def create(self, path, body, **_):
        if path.endswith("/events"):
            self.events.append(body)
            return body
        if not self.reachable:
            raise Unreachable("cannot reach the Kubernetes API")
        return {"status": TOKENS[body["spec"]["token"]]}


class Running:
    def __init__(self, api, authority, clock, domain) -> None:
        self.api, self.authority = api, authority
        self.events = Recorder(api, "tulle-identity", now=clock)
        handler = Identity(api, authority, domain, self.events, clock).handler()
        self.server = GrpcServer("127.0.0.1:0", handler)

    async def certify(self, der, *, identity=NAME, token=b"web"):
        async with grpc.aio.insecure_channel(f"127.0.0.1:{self.server.port}") as channel:
            stub = identity_pb2_grpc.IdentityStub(channel)
            request = identity_pb2.CertifyRequest(
                identity=identity, token=token, certificate_signing_request=der
            )
            return await stub.Certify(request, timeout=10)

    async def refusal(self, *arguments, **options) -> tuple[grpc.StatusCode, str]:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await self.certify(*arguments, **options)
        return caught.value.code(), caught.value.details() or ""


@contextlib.asynccontextmanager
async def serving(mounted, clock, **domain):
    api = Api()
    authority = Authority(
        mounted.folder,
        mounted.anchors,
        LINKERD_ISSUER_SCHEME,
        Lifetimes(),
        Recorder(api, "tulle-identity", now=clock),
        "tulle",
        clock,
    )
    running = Running(api, authority, clock, Domain("tulle", "cluster.local", **domain))
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        recording = tasks.create_task(running.events.run(lambda _: None))
        tasks.create_task(running.server.serve(stop, grace_seconds=0))
        yield running
        stop.set()
        recording.cancel()


async def test_a_proxy_gets_its_leaf(mounted, clock, make_request) -> None:
    der, key = make_request()
    async with serving(mounted, clock) as running:
        answer = await running.certify(der)
    leaf = x509.load_der_x509_certificate(answer.leaf_certificate)
    assert leaf.public_key() == key.public_key()
    assert list(answer.intermediate_certificates) == [mounted.issuer.der]
    assert answer.valid_until.ToDatetime(clock().tzinfo) == leaf.not_valid_after_utc
    (event,) = running.api.events
    assert event["reason"] == "IssuedLeafCertificate"
    assert event["involvedObject"]["kind"] == "ServiceAccount"
    assert NAME in event["message"]


async def test_the_uri_by_a_setting(mounted, clock, make_request) -> None:
    async with serving(mounted, clock, spiffe=True) as running:
        answer = await running.certify(make_request()[0])
    leaf = x509.load_der_x509_certificate(answer.leaf_certificate)
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    uri = x509.UniformResourceIdentifier("spiffe://cluster.local/ns/shop/sa/web")
    assert list(names) == [x509.DNSName(NAME), uri]


async def test_refusals_and_their_codes(mounted, clock, make_request) -> None:
    der, _ = make_request()
    api = NAME.replace("web", "api")
    other, _ = make_request(x509.DNSName(api))
    code = grpc.StatusCode
    async with serving(mounted, clock) as running:
        for missing in ({"identity": ""}, {"token": b""}):
            assert (await running.refusal(der, **missing))[0] is code.INVALID_ARGUMENT
        assert (await running.refusal(b""))[0] is code.INVALID_ARGUMENT
        assert (await running.refusal(b"junk"))[0] is code.INVALID_ARGUMENT
        assert (await running.refusal(der, token=b"broken")) == (
            code.INVALID_ARGUMENT,
            "it is broken",
        )
        assert (await running.refusal(der, token=b"unknown"))[0] is code.FAILED_PRECONDITION
        assert (await running.refusal(other))[0] is code.FAILED_PRECONDITION
        stolen = await running.refusal(other, identity=api, token=b"web")
        assert stolen[0] is code.FAILED_PRECONDITION
        assert "the token is of web.shop" in stolen[1]
        foreign = await running.refusal(der, identity=NAME.replace("tulle.", "other."))
        assert foreign[0] is code.FAILED_PRECONDITION
        running.api.reachable = False
        assert (await running.refusal(der))[0] is code.UNAVAILABLE
    assert not running.api.events


async def test_without_an_issuer_proxies_are_told_to_come_back(
    mounted, clock, make_request
) -> None:
    (mounted.folder / "key.pem").unlink()
    async with serving(mounted, clock) as running:
        code, text = await running.refusal(make_request()[0])
        assert code is grpc.StatusCode.UNAVAILABLE
        assert "cannot read the issuer's key" in text
        mounted.write(mounted.issuer)
        running.authority.reload()
        assert (await running.certify(make_request()[0])).leaf_certificate


async def test_an_expired_issuer_signs_nothing(mounted, clock, make_request) -> None:
    async with serving(mounted, clock) as running:
        clock.time += timedelta(days=364)
        code, text = await running.refusal(make_request()[0])
        assert code is grpc.StatusCode.UNAVAILABLE
        assert "the issuer expired at" in text
