"""The gRPC server through its real port, with a real client."""

import asyncio
import contextlib

import grpc
import grpc.aio
import pytest

from tulle.proto import destination_pb2 as pb
from tulle.serve.grpc import GrpcServer, NotFound, ServerStream, Unary, service

SERVICE = "io.linkerd.proxy.destination.Destination"


async def two_updates(request, stream):
    await stream.write(pb.Update(no_endpoints=pb.NoEndpoints(exists=True)).SerializeToString())
    await stream.write(pb.Update(add=pb.WeightedAddrSet()).SerializeToString())


async def refuse(request):
    raise NotFound(f"nothing at {request.path}")


async def fail(request):
    raise RuntimeError("a secret detail")


@contextlib.asynccontextmanager
async def running(*methods):
    stop = asyncio.Event()
    server = GrpcServer("127.0.0.1:0", service(SERVICE, *methods))
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(server.serve(stop, grace_seconds=0.1))
        async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
            yield channel
        stop.set()


def unary(channel, name):
    return channel.unary_unary(
        f"/{SERVICE}/{name}", request_serializer=pb.GetDestination.SerializeToString
    )


async def test_a_stream_carries_the_encoded_messages():
    async with running(ServerStream("Get", pb.GetDestination, two_updates)) as channel:
        call = channel.unary_stream(
            f"/{SERVICE}/Get",
            request_serializer=pb.GetDestination.SerializeToString,
            response_deserializer=pb.Update.FromString,
        )
        kinds = [update.WhichOneof("update") async for update in call(pb.GetDestination())]
    assert kinds == ["no_endpoints", "add"]


async def test_a_refusal_has_its_code_and_text():
    async with running(Unary("Look", pb.GetDestination, refuse)) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await unary(channel, "Look")(pb.GetDestination(path="x:1"))
    assert caught.value.code() == grpc.StatusCode.NOT_FOUND
    assert caught.value.details() == "nothing at x:1"


async def test_a_failure_is_internal_and_tells_no_details():
    async with running(Unary("Look", pb.GetDestination, fail)) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await unary(channel, "Look")(pb.GetDestination())
    assert caught.value.code() == grpc.StatusCode.INTERNAL
    assert "secret" not in caught.value.details()


async def test_calls_are_counted_by_code():
    from prometheus_client import REGISTRY

    labels = {
        "grpc_service": SERVICE,
        "grpc_method": "Counted",
        "grpc_type": "unary",
        "grpc_code": "NotFound",
    }
    async with running(Unary("Counted", pb.GetDestination, refuse)) as channel:
        with contextlib.suppress(grpc.aio.AioRpcError):
            await unary(channel, "Counted")(pb.GetDestination())
    assert REGISTRY.get_sample_value("grpc_server_handled_total", labels) == 1
