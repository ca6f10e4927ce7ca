"""`tulle diagnostics endpoints | profile | policy`, against a control plane of the test's own.

Its services are real gRPC on a real port; --api-addr leads the commands there.
"""

import asyncio
import json
import os
import sys
from pathlib import Path

import grpc
import grpc.aio
import pytest_asyncio
from google.protobuf.json_format import ParseDict

from tulle.proto import (
    destination_pb2,
    destination_pb2_grpc,
    inbound_pb2,
    inbound_pb2_grpc,
    outbound_pb2,
    outbound_pb2_grpc,
)

SOURCE = Path(__file__).resolve().parents[2] / "src"
AUTHORITY = "web.shop.svc.cluster.local:80"


def address(last):
    return {"ip": {"ipv4": 0x0A010000 + last}, "port": 8080}


def endpoint(last):
    return {"addr": address(last), "weight": 10000, "metricLabels": {"pod": f"web-{last}"}}


def message(kind, content):
    return ParseDict(content, kind())


class Policies(
    inbound_pb2_grpc.InboundServerPoliciesServicer,
    outbound_pb2_grpc.OutboundPoliciesServicer,
):
    def __init__(self):
        self.asked = []

    async def Get(self, request, context):
        self.asked.append(request)
        resource = {"kind": "Service", "name": "web"}
        return message(outbound_pb2.OutboundPolicy, {"metadata": {"resource": resource}})

    async def GetPort(self, request, context):
        self.asked.append(request)
        if request.port == 1:
            await context.abort(grpc.StatusCode.NOT_FOUND, "there is no such pod")
        return message(inbound_pb2.Server, {"labels": {"name": "http"}})


class Destination(destination_pb2_grpc.DestinationServicer):
    def __init__(self, asked):
        self.asked = asked

    async def GetProfile(self, request, context):
        self.asked.append(request)
        yield message(
            destination_pb2.DestinationProfile,
            {"fullyQualifiedName": "web.shop.svc.cluster.local", "opaqueProtocol": True},
        )

    async def Get(self, request, context):
        self.asked.append(request)
        if request.path == AUTHORITY:
            labels = {"namespace": "shop", "service": "web"}
            added = {"addrs": [endpoint(3), endpoint(2)], "metricLabels": labels}
            yield message(destination_pb2.Update, {"add": added})
            yield message(destination_pb2.Update, {"remove": {"addrs": [address(3)]}})
        else:
            yield message(destination_pb2.Update, {"noEndpoints": {"exists": False}})
        await asyncio.Event().wait()


@pytest_asyncio.fixture
async def control(tmp_path):
    """The services, and a runner of `tulle diagnostics …` that asks them."""
    served, server = Policies(), grpc.aio.server()
    destination_pb2_grpc.add_DestinationServicer_to_server(Destination(served.asked), server)
    inbound_pb2_grpc.add_InboundServerPoliciesServicer_to_server(served, server)
    outbound_pb2_grpc.add_OutboundPoliciesServicer_to_server(served, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()

    async def run(*words):
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tulle.cli.main", "diagnostics", *words),
            f"--api-addr=127.0.0.1:{port}",
            env={**os.environ, "PYTHONPATH": str(SOURCE), "KUBECONFIG": str(tmp_path / "none")},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await process.communicate()
        return process.returncode, out.decode(), err.decode()

    yield served, run
    await server.stop(None)


async def test_endpoints_are_those_that_are_left(control):
    served, run = control
    code, out, err = await run("endpoints", AUTHORITY, "--token", "ns:shop")
    assert (code, err) == (0, "")
    assert out == (
        "NAMESPACE   IP         PORT   POD     SERVICE\nshop        10.1.0.2   8080   web-2   web\n"
    )
    (request,) = served.asked
    assert (request.scheme, request.context_token) == ("http:", "ns:shop")


async def test_endpoints_as_json(control):
    _, run = control
    _, out, _ = await run("ep", AUTHORITY, "-o", "json")
    assert json.loads(out) == [
        {
            "namespace": "shop",
            "ip": "10.1.0.2",
            "port": 8080,
            "pod": "web-2",
            "service": "web",
            "weight": 10000,
            "labels": {"namespace": "shop", "service": "web", "pod": "web-2"},
        }
    ]


async def test_no_endpoints_are_said(control):
    _, run = control
    code, out, err = await run("endpoints", "none.shop.svc.cluster.local:80")
    assert (code, out) == (0, "")
    assert err == "no endpoints of none.shop.svc.cluster.local:80 were found\n"


async def test_the_profile(control):
    served, run = control
    code, out, _ = await run("profile", "10.1.0.2:80")
    assert code == 0
    assert json.loads(out) == {
        "fullyQualifiedName": "web.shop.svc.cluster.local",
        "opaqueProtocol": True,
    }
    assert served.asked[0].path == "10.1.0.2:80"


async def test_the_policy_of_a_pod_and_of_a_service(control):
    served, run = control
    code, out, _ = await run("policy", "po/web-2", "8080", "-n", "shop")
    assert code == 0
    assert out == "labels:\n  name: http\n"
    assert (served.asked[0].workload, served.asked[0].port) == ("shop:web-2", 8080)
    _, out, _ = await run("policy", "svc/web", "80", "-n", "shop", "-o", "json")
    assert json.loads(out)["metadata"]["resource"] == {"kind": "Service", "name": "web"}
    assert served.asked[1].authority == "web.shop.svc:80"
    assert served.asked[1].source_workload == "default:diagnostics"


async def test_a_refusal_names_what_was_asked(control):
    _, run = control
    code, out, err = await run("policy", "po/web-2", "1", "-n", "shop")
    assert (code, out) == (1, "")
    assert "did not answer for shop/web-2 port 1: there is no such pod (not found)" in err
