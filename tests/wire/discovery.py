"""A namespace, written to as its controllers would, and discovery as a process of its own."""

import asyncio
import contextlib
import os
import re
import signal
import sys
from dataclasses import dataclass

import grpc.aio

from tulle.k8s.client import Client
from tulle.proto import destination_pb2, inbound_pb2, outbound_pb2

PATIENCE_SECONDS = 15.0
DESTINATION = "/io.linkerd.proxy.destination.Destination/"
INBOUND = "/io.linkerd.proxy.inbound.InboundServerPolicies/"
OUTBOUND = "/io.linkerd.proxy.outbound.OutboundPolicies/"


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
    validator: int | None  # the webhook's port

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
        *("--admin-addr", "127.0.0.1:0", "--validator-addr", "127.0.0.1:0", *flags),
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
            validator = re.search(r"validator=(\d+)", line)
            port = int(validator[1]) if validator else None
            yield Discovery(first, second, process.pid, admin, port)
    finally:
        process.send_signal(signal.SIGTERM)
        _, rest = await process.communicate()
        sys.stderr.write(rest.decode())
    assert process.returncode == 0
