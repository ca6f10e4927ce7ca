"""What the control plane tells proxies, asked by its own gRPC services."""

import asyncio
import ipaddress
from typing import Any

import grpc
from google.protobuf.json_format import MessageToDict

from tulle.cli.target import Failure
from tulle.proto import (
    destination_pb2,
    destination_pb2_grpc,
    inbound_pb2,
    inbound_pb2_grpc,
    outbound_pb2,
    outbound_pb2_grpc,
)

Json = dict[str, Any]

LISTEN_SECONDS = 5.0
QUIET_SECONDS = 0.5  # after the first answer, a silence this long means that it was all


def _failure(error: grpc.aio.AioRpcError, asked: str) -> Failure:
    code = error.code().name.lower().replace("_", " ")
    return Failure(f"the control plane did not answer for {asked}: {error.details()} ({code})")


async def endpoints(address: str, authority: str, token: str) -> list[Json]:
    """The endpoints of an authority, as rows. An empty list if there are none."""
    found: dict[tuple[str, int], Json] = {}
    async with grpc.aio.insecure_channel(address) as channel:
        stub = destination_pb2_grpc.DestinationStub(channel)
        request = destination_pb2.GetDestination(
            scheme="http:", path=authority, context_token=token
        )
        stream = stub.Get(request, timeout=LISTEN_SECONDS)
        try:
            patience = LISTEN_SECONDS
            while True:
                update = await asyncio.wait_for(stream.read(), patience)
                if not isinstance(update, destination_pb2.Update):  # the end of the stream
                    break
                _apply(update, found)
                patience = QUIET_SECONDS
        except TimeoutError:
            stream.cancel()
        except grpc.aio.AioRpcError as error:
            if error.code() is not grpc.StatusCode.DEADLINE_EXCEEDED:
                raise _failure(error, authority) from error
    return [found[key] for key in sorted(found)]


def _apply(update: Any, found: dict[tuple[str, int], Json]) -> None:
    kind = update.WhichOneof("update")
    if kind == "add":
        for weighted in update.add.addrs:
            key = _socket_address(weighted.addr)
            found[key] = _row(key, dict(update.add.metric_labels), weighted)
    elif kind == "remove":
        for item in update.remove.addrs:
            found.pop(_socket_address(item), None)
    elif kind == "no_endpoints":
        found.clear()


def _row(key: tuple[str, int], of_set: dict[str, str], weighted: Any) -> Json:
    labels = {**of_set, **dict(weighted.metric_labels)}
    row: Json = {
        "namespace": labels.get("namespace", ""),
        "ip": key[0],
        "port": key[1],
        "pod": labels.get("pod", ""),
        "service": labels.get("service", ""),
        "weight": weighted.weight,
        "labels": labels,
    }
    if weighted.HasField("http2"):
        row["http2"] = MessageToDict(weighted.http2)
    return row


def _socket_address(address: Any) -> tuple[str, int]:
    if address.ip.WhichOneof("ip") == "ipv6":
        number = (address.ip.ipv6.first << 64) | address.ip.ipv6.last
        return str(ipaddress.IPv6Address(number)), address.port
    return str(ipaddress.IPv4Address(address.ip.ipv4)), address.port


async def profile(address: str, asked: str, token: str) -> Json:
    """The first profile that the control plane sends for an address."""
    async with grpc.aio.insecure_channel(address) as channel:
        stub = destination_pb2_grpc.DestinationStub(channel)
        request = destination_pb2.GetDestination(path=asked, context_token=token)
        try:
            async for message in stub.GetProfile(request, timeout=LISTEN_SECONDS):
                return MessageToDict(message)
        except grpc.aio.AioRpcError as error:
            raise _failure(error, asked) from error
    raise Failure(f"the control plane ended the stream for {asked} without a profile")


async def inbound_policy(address: str, namespace: str, pod: str, port: int) -> Json:
    async with grpc.aio.insecure_channel(address) as channel:
        stub = inbound_pb2_grpc.InboundServerPoliciesStub(channel)
        request = inbound_pb2.PortSpec(workload=f"{namespace}:{pod}", port=port)
        try:
            return MessageToDict(await stub.GetPort(request, timeout=LISTEN_SECONDS))
        except grpc.aio.AioRpcError as error:
            raise _failure(error, f"{namespace}/{pod} port {port}") from error


async def outbound_policy(
    address: str, namespace: str, service: str, port: int, token: str
) -> Json:
    authority = f"{service}.{namespace}.svc:{port}"
    async with grpc.aio.insecure_channel(address) as channel:
        stub = outbound_pb2_grpc.OutboundPoliciesStub(channel)
        request = outbound_pb2.TrafficSpec(source_workload=token, authority=authority)
        try:
            return MessageToDict(await stub.Get(request, timeout=LISTEN_SECONDS))
        except grpc.aio.AioRpcError as error:
            raise _failure(error, authority) from error
