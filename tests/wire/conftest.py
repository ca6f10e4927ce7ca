"""One API server for the whole folder, a namespace per test, and discovery as its own process."""

import asyncio
import contextlib
import itertools
import os
import re
import signal
import sys
from dataclasses import dataclass

import grpc.aio
import pytest
import pytest_asyncio

from tulle.k8s.client import Client
from tulle.local.apiserver import ApiServer
from tulle.proto import destination_pb2, inbound_pb2, outbound_pb2

PATIENCE_SECONDS = 15.0
DESTINATION = "/io.linkerd.proxy.destination.Destination/"
INBOUND = "/io.linkerd.proxy.inbound.InboundServerPolicies/"
OUTBOUND = "/io.linkerd.proxy.outbound.OutboundPolicies/"


@pytest.fixture(scope="session")
def api_server(tmp_path_factory):
    if missing := ApiServer.missing():
        pytest.skip(f"no {' and no '.join(missing)}: set TULLE_BIN")
    # No ServiceAccount controller runs, so pods must be let in without one.
    flags = ("--disable-admission-plugins=ServiceAccount",)
    with ApiServer(tmp_path_factory.mktemp("apiserver"), extra_flags=flags) as server:
        yield server


_numbers = itertools.count(1)


@dataclass
class Cluster:
    """One namespace, written to as its controllers would."""

    client: Client
    namespace: str

    def path(self, plural, name="", group="api/v1"):
        return f"/{group}/namespaces/{self.namespace}/{plural}" + (f"/{name}" if name else "")

    async def service(self, name, ports, **spec):
        body = {
            "metadata": {"name": name, "annotations": spec.pop("annotations", {})},
            "spec": {"selector": {"app": name}, "ports": ports, **spec},
        }
        made = await self.client.create(self.path("services"), body)
        return made["spec"].get("clusterIP")

    async def pod(self, name, address, *, meshed=True, labels=None, annotations=None, ports=()):
        labels = {"app": "web", **(labels or {})}
        if meshed:
            labels |= {
                "linkerd.io/control-plane-ns": "tulle",
                "linkerd.io/proxy-deployment": "web",
            }
        container = {"name": "app", "image": "none", "ports": list(ports)}
        body = {
            "metadata": {"name": name, "labels": labels, "annotations": annotations or {}},
            "spec": {"containers": [container], "nodeName": "one", "serviceAccountName": "web"},
        }
        await self.client.create(self.path("pods"), body)
        status = {"phase": "Running", "podIP": address, "podIPs": [{"ip": address}]}
        path = self.path("pods", name) + "/status"
        await self.client.patch(path, {"status": status}, kind="merge")

    @staticmethod
    def endpoint(pod, address, **conditions):
        return {
            "addresses": [address],
            "conditions": {"ready": True, **conditions},
            "targetRef": {"kind": "Pod", "name": pod},
            "nodeName": "one",
        }

    async def slice(self, service, ports, endpoints):
        body = {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {
                "name": f"{service}-1",
                "labels": {"kubernetes.io/service-name": service},
            },
            "addressType": "IPv4",
            "ports": ports,
            "endpoints": endpoints,
        }
        path = self.path("endpointslices", f"{service}-1", "apis/discovery.k8s.io/v1")
        await self.client.patch(path, body, kind="apply", fieldManager="test", force=True)


@pytest_asyncio.fixture
async def cluster(api_server):
    async with await Client.from_environment(str(api_server.kubeconfig)) as client:
        name = f"wire-{next(_numbers)}"
        await client.create("/api/v1/namespaces", {"metadata": {"name": name}})
        yield Cluster(client, name)


class Subscription:
    """One stream being read. `until` waits for what a story needs."""

    def __init__(self, call):
        self.call = call

    async def next(self):
        async with asyncio.timeout(PATIENCE_SECONDS):
            message = await self.call.read()
        assert message is not grpc.aio.EOF, "the stream ended"
        return message

    async def until(self, is_it):
        while not is_it(message := await self.next()):
            pass
        return message


@dataclass
class Discovery:
    """The running process, through its two ports."""

    destination: grpc.aio.Channel
    policy: grpc.aio.Channel
    pid: int
    admin: int

    def _stream(self, channel, method, request, answer):
        call = channel.unary_stream(
            method,
            request_serializer=type(request).SerializeToString,
            response_deserializer=answer.FromString,
        )
        return Subscription(call(request))

    def get(self, path, token=""):
        request = destination_pb2.GetDestination(path=path, context_token=token)
        answer = destination_pb2.Update
        return self._stream(self.destination, f"{DESTINATION}Get", request, answer)

    def profile(self, path, token=""):
        request = destination_pb2.GetDestination(path=path, context_token=token)
        answer = destination_pb2.DestinationProfile
        return self._stream(self.destination, f"{DESTINATION}GetProfile", request, answer)

    def watch_port(self, workload, port):
        request = inbound_pb2.PortSpec(workload=workload, port=port)
        return self._stream(self.policy, f"{INBOUND}WatchPort", request, inbound_pb2.Server)

    def watch_policy(self, authority, workload="client:pod"):
        request = outbound_pb2.TrafficSpec(source_workload=workload, authority=authority)
        answer = outbound_pb2.OutboundPolicy
        return self._stream(self.policy, f"{OUTBOUND}Watch", request, answer)


async def _port(lines, field):
    """The port that a line of the log names."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        async for line in lines:
            if found := re.search(rf"{field}=(\d+)", line.decode()):
                return int(found[1]), line.decode()
    raise AssertionError("discovery ended before it served")


@contextlib.asynccontextmanager
async def running(kubeconfig, *flags):
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "tulle.discovery", "--kubeconfig", str(kubeconfig)),
        *("--addr", "127.0.0.1:0", "--policy-addr", "127.0.0.1:0"),
        *("--admin-addr", "127.0.0.1:0", *flags),
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "GRPC_VERBOSITY": "ERROR"},
    )
    try:
        admin, _ = await _port(process.stderr, "admin")
        destination, line = await _port(process.stderr, "destination")
        policy = int(re.search(r"policy=(\d+)", line)[1])
        async with (
            grpc.aio.insecure_channel(f"127.0.0.1:{destination}") as first,
            grpc.aio.insecure_channel(f"127.0.0.1:{policy}") as second,
        ):
            yield Discovery(first, second, process.pid, admin)
    finally:
        process.send_signal(signal.SIGTERM)
        _, rest = await process.communicate()
        sys.stderr.write(rest.decode())
    assert process.returncode == 0


@pytest_asyncio.fixture
async def discovery(api_server):
    async with running(api_server.kubeconfig) as found:
        yield found
