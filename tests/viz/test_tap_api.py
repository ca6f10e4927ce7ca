"""The tap API over real HTTPS, asked as the API server asks, with real gRPC proxies behind it.

Only the cluster is stood in for: its pods are put into the store, and RBAC is a list of names.
"""

import asyncio
import datetime
import ipaddress
import ssl

import grpc
import grpc.aio
import httpx
import pytest
import pytest_asyncio
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tulle.k8s.client import Client, Unauthorized
from tulle.k8s.kubeconfig import Access
from tulle.k8s.store import Store
from tulle.proto import tap_pb2, tap_pb2_grpc
from tulle.serve import admin, asgi
from tulle.serve.peers import PeerProtocol, asks_for_certificates
from tulle.viz.tap import client as tap_client
from tulle.viz.tap.access import FrontProxy
from tulle.viz.tap.api import TapApi
from tulle.viz.tap.filters import Filters, request
from tulle.viz.tap.observe import Surroundings
from tulle.viz.tap.pods import Pods, prune
from tulle.viz.tap.target import Target

WEB = Target("shop", "deployment", "web")
USER = {"X-Remote-User": "ann", "X-Remote-Group": "devs", "X-Remote-Extra-Scopes": "all"}


def certificate(name, issuer=None):
    """A certificate and its key, both PEM; without an issuer it is its own authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    signer, signer_key = issuer or (None, key)
    address = x509.IPAddress(ipaddress.IPv4Address("127.0.0.1"))
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(signer.subject if signer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
        .sign(signer_key, hashes.SHA256())
    )
    return made, key


def pem(pair):
    made, key = pair
    form = serialization.Encoding.PEM
    private = key.private_bytes(
        form, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return made.public_bytes(form), private


class Rbac:
    """Says yes to the users it knows, and keeps what it was asked."""

    def __init__(self, *users):
        self.users, self.asked = users, []

    async def create(self, path, body, **_):
        assert path == "/apis/authorization.k8s.io/v1/subjectaccessreviews"
        self.asked.append(body["spec"])
        return {"status": {"allowed": body["spec"]["user"] in self.users}}


class Proxy(tap_pb2_grpc.TapServicer):
    """Answers Observe with one event for each question, and keeps the questions."""

    def __init__(self):
        self.asked, self.refusal = [], None
        self.holds, self.open, self.idle = False, 0, asyncio.Event()
        self.floods, self.sent = False, []  # events, by question

    async def Observe(self, request, context):
        metadata = dict(context.invocation_metadata())
        self.asked.append((request, metadata.get("l5d-require-id")))
        if self.refusal:
            await context.abort(grpc.StatusCode.UNAUTHENTICATED, self.refusal)
        event = tap_pb2.TapEvent(proxy_direction=tap_pb2.TapEvent.INBOUND)
        event.source.ip.ipv4 = int(ipaddress.IPv4Address("10.1.0.9"))
        event.destination.ip.ipv4 = int(ipaddress.IPv4Address("127.0.0.1"))
        event.source_meta.labels["tls"] = "true"
        event.http.request_init.id.stream = len(self.asked)
        if request.extract.http.HasField("headers") and not self.floods:
            for name in ("Authorization", "accept", "cookie"):
                event.http.request_init.headers.headers.add(name=name)
        self.open += 1
        self.idle.clear()
        question = len(self.sent)
        self.sent.append(0)
        try:
            yield event
            while self.floods:
                self.sent[question] += 1
                yield event
            if self.holds:
                await asyncio.Event().wait()
        finally:
            self.open -= 1
            if self.open == 0:
                self.idle.set()


def pod(name, address, annotations):
    owner = {"kind": "Deployment", "name": name, "controller": True}
    metadata = {
        "namespace": "shop",
        "name": f"{name}-1",
        "labels": {"linkerd.io/control-plane-ns": "tulle"},
        "annotations": annotations,
        "ownerReferences": [owner],
    }
    return prune(
        {
            "metadata": metadata,
            "spec": {"serviceAccountName": name},
            "status": {"podIP": address, "phase": "Running"},
        }
    )


class Served:
    def __init__(self, folder, proxy, rbac, authority, front, port):
        self.proxy, self.rbac, self.authority, self.port = proxy, rbac, authority, port
        self._folder, self._front = folder, front

    def http(self, pair="front", headers=USER):
        context = ssl.create_default_context(cafile=str(self._folder / "tls.crt"))
        pair = self._front if pair == "front" else pair
        if pair:
            for name, text in zip(("client.crt", "client.key"), pem(pair), strict=True):
                (self._folder / name).write_bytes(text)
            context.load_cert_chain(self._folder / "client.crt", self._folder / "client.key")
        base = f"https://127.0.0.1:{self.port}"
        return httpx.AsyncClient(verify=context, base_url=base, headers=headers)

    async def post(self, target=WEB, *, path=None, pair="front", headers=USER, body=None):
        content = request(target, Filters(), extract_headers=False).SerializeToString()
        async with self.http(pair, headers) as http:
            return await http.post(path or target.path, content=content if body is None else body)


@pytest_asyncio.fixture
async def served(tmp_path):
    authority = certificate("front-proxy-ca")
    front = certificate("front-proxy-client", authority)
    for name, text in zip(("tls.crt", "tls.key"), pem(certificate("tap")), strict=True):
        (tmp_path / name).write_bytes(text)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "tls.crt", tmp_path / "tls.key")
    authorities = pem(authority)[0].decode()
    asks_for_certificates(context, authorities)

    proxy, rbac = Proxy(), Rbac("ann")
    server = grpc.aio.server()
    tap_pb2_grpc.add_TapServicer_to_server(proxy, server)
    proxy_port = server.add_insecure_port("127.0.0.1:0")
    await server.start()

    store = Store()
    pods = Pods(store)
    enabled = {"viz.linkerd.io/tap-enabled": "true"}
    for item in (pod("web", "127.0.0.1", enabled), pod("ui", "10.1.0.9", {})):
        store.put("pods", item.key, item)
    names = ("X-Remote-User",), ("X-Remote-Group",), ("X-Remote-Extra-",)
    front_proxy = FrontProxy(authorities, frozenset({"front-proxy-client"}), *names)
    ignored = frozenset({"authorization", "cookie"})
    around = Surroundings("cluster.local", proxy_port, pods.at, ignored)
    listener, stop = admin.listen("127.0.0.1:0"), asyncio.Event()
    found = Served(tmp_path, proxy, rbac, authority, front, listener.getsockname()[1])
    async with asyncio.TaskGroup() as tasks:
        app = TapApi(rbac, front_proxy, pods, around)
        tasks.create_task(asgi.serve(app, listener, stop, tls=context, protocol=PeerProtocol))
        yield found
        stop.set()
    await server.stop(None)


async def test_events_come_as_they_happen_with_what_the_cluster_knows(served):
    frames = tap_client.wire.Frames()
    message = request(WEB, Filters(method="GET", max_rps=7.0), extract_headers=True)
    found = []
    async with (
        served.http() as http,
        http.stream("POST", WEB.path, content=message.SerializeToString()) as response,
    ):
        assert response.status_code == 200
        async for chunk in response.aiter_raw():
            found += [tap_pb2.TapEvent.FromString(part) for part in frames.feed(chunk)]
            if len(found) >= 2:
                break
    assert [event.http.request_init.id.stream for event in found] == [2, 3]
    assert [header.name for header in found[0].http.request_init.headers.headers] == ["accept"]
    source, destination = found[0].source_meta.labels, found[0].destination_meta.labels
    assert (source["tls"], source["deployment"], source["pod"]) == ("true", "ui", "ui-1")
    assert (destination["deployment"], destination["namespace"]) == ("web", "shop")
    asked, identity = served.proxy.asked[-1]
    assert identity == "web.shop.serviceaccount.identity.tulle.cluster.local"
    assert asked.limit == 7
    assert asked.extract.http.HasField("headers")
    assert asked.match.all.matches[0].http.HasField("method")
    (review,) = served.rbac.asked
    assert review["groups"] == ["devs"]
    assert review["extra"] == {"scopes": ["all"]}
    assert review["resourceAttributes"] == {
        "verb": "watch",
        "group": "tap.linkerd.io",
        "version": "v1alpha1",
        "resource": "deployments",
        "subresource": "tap",
        "namespace": "shop",
        "name": "web",
    }


async def test_a_client_that_hangs_up_ends_the_tap(served):
    served.proxy.holds = True
    message = request(WEB, Filters(), extract_headers=False)
    async with (
        served.http() as http,
        http.stream("POST", WEB.path, content=message.SerializeToString()) as response,
    ):
        await anext(response.aiter_raw())
        assert not served.proxy.idle.is_set()
    async with asyncio.timeout(10):
        await served.proxy.idle.wait()


async def test_rbac_decides(served):
    answer = await served.post(headers={"X-Remote-User": "bob"})
    assert answer.status_code == 403
    assert "bob may not tap deployment/web" in answer.json()["error"]
    assert answer.headers["linkerd-error"].startswith("bob may not tap")
    assert served.proxy.asked == []


async def test_headers_of_a_client_without_a_certificate_count_for_nothing(served):
    assert (await served.post(pair=None)).status_code == 401
    assert served.rbac.asked == []


async def test_another_certificate_of_the_same_authority_is_not_the_api_server(served):
    other = certificate("somebody", served.authority)
    answer = await served.post(pair=other)
    assert answer.status_code == 401
    assert "certificate is another" in answer.json()["message"]


async def test_a_certificate_of_another_authority_ends_the_handshake(served):
    stranger = certificate("front-proxy-client", certificate("other-ca"))
    with pytest.raises(httpx.TransportError):
        await served.post(pair=stranger)


async def test_the_body_must_mean_what_the_url_means(served):
    answer = await served.post(Target("shop", "deployment", "db"), path=WEB.path)
    assert answer.status_code == 400
    assert "the URL means deployment/web" in answer.json()["error"]
    assert (await served.post(body=b"\xff\xff")).status_code == 400
    assert served.rbac.asked == []


async def test_why_nothing_can_be_tapped_is_said(served):
    answer = await served.post(Target("shop", "deployment", "ui"))
    assert answer.status_code == 404
    assert "ui-1 started before tap was installed" in answer.json()["error"]
    missing = await served.post(Target("shop", "deployment", "db"))
    assert "deployment/db has no running pods" in missing.json()["error"]


async def test_a_proxy_that_refuses_is_named(served):
    served.proxy.refusal = "not you"
    answer = await served.post()
    assert answer.status_code == 503
    assert answer.json()["error"] == "the proxy of web-1 refuses: not you (unauthenticated)"


async def test_discovery_needs_no_user(served):
    async with served.http(pair=None) as http:
        found = (await http.get("/apis/tap.linkerd.io/v1alpha1")).json()
        assert {"deployments/tap", "namespaces/tap"} <= {r["name"] for r in found["resources"]}
        groups = (await http.get("/apis")).json()["groups"]
        assert groups[0]["preferredVersion"]["groupVersion"] == "tap.linkerd.io/v1alpha1"
        assert (await http.get("/nowhere")).status_code == 404


async def test_a_refusal_reaches_the_command_line_as_what_it_is(served, tmp_path):
    crt, key = pem(served._front)
    access = Access(
        f"https://127.0.0.1:{served.port}",
        ca_data=(tmp_path / "tls.crt").read_bytes(),
        client_certificate=crt,
        client_key=key,
    )
    message = request(WEB, Filters(), extract_headers=False)
    async with Client(access) as client:
        with pytest.raises(Unauthorized, match="named no user"):
            async for _ in tap_client.events(client, WEB.path, message):
                pass


async def settled(proxy):
    """How many events of each question were taken, once nobody takes any more."""
    quiet, last = 0, list(proxy.sent)
    while quiet < 5:
        await asyncio.sleep(0.2)
        quiet = quiet + 1 if proxy.sent == last else 0
        last = list(proxy.sent)
    return last


async def test_a_slow_reader_slows_nobody(served):
    """One client never reads while proxies flood; another sees events all the while."""
    served.proxy.floods = True
    message = request(WEB, Filters(max_rps=1e6), extract_headers=True).SerializeToString()
    frames, seen = tap_client.wire.Frames(), 0
    async with (
        asyncio.timeout(120),
        served.http() as slow,
        served.http() as http,
        slow.stream("POST", WEB.path, content=message) as unread,
    ):
        assert unread.status_code == 200
        blocked = await settled(served.proxy)
        async with http.stream("POST", WEB.path, content=message) as response:
            async for chunk in response.aiter_raw():
                seen += len(list(frames.feed(chunk)))
                if seen >= 10_000:
                    break
        assert served.proxy.sent[: len(blocked)] == blocked, "nobody read, so nothing was taken"
