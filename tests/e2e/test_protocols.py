"""Protocols beyond plain HTTP, between meshed pods."""

import json

import pytest
from cluster import Cluster, samples, script_pod

SERVER_FIRST = """
import socketserver
class Greeter(socketserver.BaseRequestHandler):
    def handle(self):
        self.request.sendall(b"220 hello, I speak first\\r\\n")
        self.request.sendall(self.request.recv(100).upper())
socketserver.ThreadingTCPServer.allow_reuse_address = True
socketserver.ThreadingTCPServer(("", 7000), Greeter).serve_forever()
"""

SERVER_FIRST_CLIENT = """
import json, socket, time
times = []
for _ in range(4):
    start = time.monotonic()
    with socket.create_connection(("greeter", 7000), timeout=8) as s:
        greeting = s.recv(100)
        first = time.monotonic() - start
        s.sendall(b"quit\\r\\n")
        answer = s.recv(100)
    assert greeting.startswith(b"220"), greeting
    assert answer == b"QUIT\\r\\n", answer
    times.append(first)
print(json.dumps(times), flush=True)
time.sleep(3600)
"""

GRPC_SERVER = """
import asyncio, grpc
async def chat(requests, context):
    async for message in requests:
        yield message.upper()
async def count(request, context):
    for n in range(int(request)):
        yield str(n).encode()
async def unary(request, context):
    if request == b"fail":
        await context.abort(grpc.StatusCode.FAILED_PRECONDITION, "as asked")
    return b"hello " + request
class Handler(grpc.GenericRpcHandler):
    def service(self, call):
        return {
            "/t.T/Chat": grpc.stream_stream_rpc_method_handler(chat),
            "/t.T/Count": grpc.unary_stream_rpc_method_handler(count),
            "/t.T/Unary": grpc.unary_unary_rpc_method_handler(unary),
        }.get(call.method)
async def main():
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((Handler(),))
    server.add_insecure_port("0.0.0.0:7100")
    await server.start()
    await server.wait_for_termination()
asyncio.run(main())
"""

GRPC_CLIENT = """
import asyncio, grpc, json, time
async def main():
    seen = {}
    async with grpc.aio.insecure_channel("grpcserver:7100") as channel:
        unary = channel.unary_unary("/t.T/Unary")
        seen["unary"] = (await unary(b"you", wait_for_ready=True, timeout=20)).decode()
        try:
            await unary(b"fail")
        except grpc.aio.AioRpcError as error:
            seen["status"] = [error.code().name, error.details()]
        seen["count"] = [m.decode() async for m in channel.unary_stream("/t.T/Count")(b"500")]
        call = channel.stream_stream("/t.T/Chat")()
        echoed = []
        for n in range(50):
            await call.write(f"message {n}".encode())
            echoed.append((await call.read()).decode())
        await call.done_writing()
        assert await call.read() == grpc.aio.EOF
        seen["chat"] = echoed
        try:
            await channel.unary_unary("/t.T/Missing")(b"")
        except grpc.aio.AioRpcError as error:
            seen["missing"] = error.code().name
    print(json.dumps(seen), flush=True)
    time.sleep(3600)
asyncio.run(main())
"""


@pytest.fixture(scope="module")
def protocols(mesh: Cluster) -> str:
    return mesh.namespace("protocols")


def output(cluster: Cluster, name: str, namespace: str) -> str:
    """The one line that a client script prints when it has finished."""
    lines: list[str] = []

    def printed() -> bool:
        logged = cluster.kubectl(
            "-n", namespace, "logs", f"deploy/{name}", "-c", "script", check=False
        )
        lines[:] = [line for line in logged.splitlines() if line.startswith(("[", "{"))]
        return bool(lines)

    cluster.until(printed, f"{name} has printed its result", seconds=60)
    return lines[-1]


def test_a_server_that_speaks_first_is_not_delayed(mesh: Cluster, protocols: str) -> None:
    mesh.apply(script_pod("greeter", protocols, SERVER_FIRST, port=7000))
    mesh.rollout("deployment/greeter", protocols)
    mesh.apply(script_pod("greeted", protocols, SERVER_FIRST_CLIENT))
    mesh.rollout("deployment/greeted", protocols)
    times = json.loads(output(mesh, "greeted", protocols))
    assert max(times) < 1.0, times
    opened = samples(mesh.metrics("deploy/greeted", protocols), "tcp_open_total")
    secured = [o for o, _ in opened if o.get("dst_deployment") == "greeter" and o["peer"] == "dst"]
    assert secured, opened
    assert all(labels["tls"] == "true" for labels in secured)


def test_grpc_streams_and_statuses_pass(mesh: Cluster, protocols: str) -> None:
    mesh.apply(script_pod("grpcserver", protocols, GRPC_SERVER, port=7100))
    mesh.rollout("deployment/grpcserver", protocols)
    mesh.apply(script_pod("grpcclient", protocols, GRPC_CLIENT))
    mesh.rollout("deployment/grpcclient", protocols)
    seen = json.loads(output(mesh, "grpcclient", protocols))
    assert seen["unary"] == "hello you"
    assert seen["status"] == ["FAILED_PRECONDITION", "as asked"]
    assert seen["count"] == [str(n) for n in range(500)]
    assert seen["chat"] == [f"MESSAGE {n}" for n in range(50)]
    assert seen["missing"] == "UNIMPLEMENTED"
    answered = samples(mesh.metrics("deploy/grpcclient", protocols), "response_total")
    codes = {o.get("grpc_status") for o, _ in answered if o.get("dst_deployment") == "grpcserver"}
    assert {"0", "9", "12"} <= codes, answered
