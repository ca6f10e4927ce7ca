"""metrics-api over its gRPC interface, on a real port, beside the HTTP one."""

import asyncio

import grpc
import httpx
import pytest
import pytest_asyncio

from tests.viz.histogram import buckets
from tulle.proto import viz_pb2 as pb
from tulle.proto.viz_pb2_grpc import ApiStub
from tulle.serve.grpc import GrpcServer
from tulle.viz.api import Api
from tulle.viz.grpc_api import handler

DEPLOYMENTS = "/apis/apps/v1/namespaces/shop/deployments"
WEB = {"namespace": "shop", "deployment": "web"}
SHOP = pb.Resource(kind="deployment", namespace="shop")


@pytest_asyncio.fixture
async def stub(inventory, prometheus):
    server, stop = (
        GrpcServer("127.0.0.1:0", handler(Api(inventory, prometheus, "cluster.local"))),
        asyncio.Event(),
    )
    async with (
        asyncio.TaskGroup() as tasks,
        grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel,
    ):
        tasks.create_task(server.serve(stop))
        yield ApiStub(channel)
        stop.set()


@pytest.fixture
def load(objects, answers, add, new_pod):
    """web, asked once a second, a quarter of it in vain."""
    objects.lists[DEPLOYMENTS] = [{"metadata": {"name": "web", "namespace": "shop"}}]
    objects.lists["/api/v1/namespaces/shop/services"] = [
        {"metadata": {"name": "web", "namespace": "shop"}, "spec": {"selector": {"app": "web"}}}
    ]
    add(new_pod("web-1", owner=("Deployment", "web")))
    answers.samples = {
        r"sum\(increase\(response_total": [
            ({**WEB, "classification": "success"}, 45.0),
            ({**WEB, "classification": "failure"}, 15.0),
        ],
        "latency_ms_bucket": buckets(WEB, 7.0, 20.0, 30.0),
        "tcp_open_connections": [(WEB, 3)],
    }


async def test_both_interfaces_give_the_same_numbers(load, stub, api_port):
    found = await stub.StatSummary(pb.StatSummaryRequest(resource=SHOP, time_window="1m"))
    query = {"kind": "deployment", "namespace": "shop", "window": "1m"}
    async with httpx.AsyncClient() as http:
        response = await http.get(f"http://127.0.0.1:{api_port}/api/stat", params=query)
    (row,) = response.json()["rows"]
    (message,) = found.rows
    assert (message.name, message.meshed_pods, message.running_pods) == ("web", 1, 1)
    for name, value in row["numbers"].items():
        shown = getattr(message.numbers, name) if value is not None else None
        assert shown == value, name
        assert value is not None or not message.numbers.HasField(name)
    assert message.numbers.success == 0.75
    assert not found.HasField("scraped_proxies")


async def test_traffic_is_narrowed_to_one_side(load, stub, answers):
    cart = pb.Resource(kind="service", namespace="shop", name="cart")
    await stub.StatSummary(pb.StatSummaryRequest(resource=SHOP, to_resource=cart))
    assert any('dst_service="cart"' in query for query in answers.asked)
    source = pb.Resource(kind="deployment", namespace="bank", name="till")
    await stub.StatSummary(pb.StatSummaryRequest(resource=SHOP, from_resource=source))
    assert any('deployment="till"' in query for query in answers.asked)


async def test_no_traffic_is_told_apart_from_nothing_scraped(objects, stub, answers):
    objects.lists[DEPLOYMENTS] = [{"metadata": {"name": "web", "namespace": "shop"}}]
    answers.samples = {r"^sum\(up": [({}, 0)]}
    found = await stub.StatSummary(pb.StatSummaryRequest(resource=SHOP))
    assert found.HasField("scraped_proxies")
    assert found.scraped_proxies == 0
    assert not found.rows[0].HasField("numbers")


async def test_edges_pods_and_services(load, stub, answers):
    edge = {**WEB, "dst_namespace": "shop", "dst_deployment": "cart", "pod": "web-1"}
    answers.samples = {"tcp_open_connections": [({**edge, "server_id": "cart.shop"}, 2)]}
    (found,) = (await stub.Edges(pb.EdgesRequest(kind="deployment", namespace="shop"))).edges
    assert (found.src, found.dst, found.server_id) == ("web", "cart", "cart.shop")
    (pod,) = (await stub.ListPods(pb.ListPodsRequest(namespace="shop"))).pods
    assert (pod.name, pod.is_meshed, list(pod.owners)) == ("web-1", True, ["deployment/web"])
    (service,) = (await stub.ListServices(pb.ListServicesRequest(namespace="shop"))).services
    assert (service.namespace, service.name) == ("shop", "web")


async def test_routes_and_authorizations(load, stub, objects, answers):
    name = "web.shop.svc.cluster.local"
    objects.lists["/apis/linkerd.io/v1alpha2/serviceprofiles"] = [
        {"metadata": {"name": name}, "spec": {"routes": [{"name": "GET /"}]}}
    ]
    key = {"rt_route": "GET /", "dst": f"{name}:80", "classification": "success"}
    answers.samples = {"route_response_total": [(key, 30.0)]}
    target = pb.Resource(kind="service", namespace="shop", name="web")
    (table,) = (await stub.TopRoutes(pb.TopRoutesRequest(resource=target))).tables
    assert table.resource == "service/web"
    assert (table.rows[0].route, table.rows[0].effective_rps) == ("GET /", 0.5)
    assert not table.rows[1].HasField("effective_rps")
    answers.samples = {"deny_total": [({"srv_kind": "server", "srv_name": "web"}, 6.0)]}
    (row,) = (await stub.Authz(pb.AuthzRequest(resource=SHOP))).rows
    assert (row.server, row.authorization, row.unauthorized) == ("web", "", 0.1)
    assert not row.HasField("rps")


async def test_self_check_says_who_does_not_answer(stub, objects, answers):
    answers.status = 503
    found = {row.subsystem: row for row in (await stub.SelfCheck(pb.SelfCheckRequest())).results}
    assert found["kubernetes"].status == "OK"
    assert found["prometheus"].status == "ERROR"
    assert "Prometheus at http://prometheus:9090" in found["prometheus"].message


@pytest.mark.parametrize(
    ("request_", "status", "code", "text"),
    [
        (pb.StatSummaryRequest(), 200, "INVALID_ARGUMENT", "no metrics of the kind"),
        (
            pb.StatSummaryRequest(resource=SHOP, time_window="soon"),
            200,
            "INVALID_ARGUMENT",
            "a duration is a number",
        ),
        (pb.StatSummaryRequest(resource=SHOP), 503, "UNAVAILABLE", "Prometheus at http"),
    ],
    ids=["no kind", "no window", "no Prometheus"],
)
async def test_refusals_have_a_code_and_a_sentence(stub, answers, request_, status, code, text):
    answers.status = status
    with pytest.raises(grpc.aio.AioRpcError, match=text) as refused:
        await stub.StatSummary(request_)
    assert refused.value.code().name == code
