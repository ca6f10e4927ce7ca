"""`stat-outbound`, over the HTTP interface and as the command prints it."""

import json

import pytest

from tests.viz.histogram import buckets

PARENT = {"deployment": "web", "parent_namespace": "shop", "parent_name": "cart"}
SPLIT = {**PARENT, "parent_port": "80", "route_kind": "HTTPRoute", "route_name": "split"}
CALLS = {**PARENT, "parent_port": "90", "route_kind": "default", "route_name": "default"}
OLD = {"backend_namespace": "shop", "backend_name": "cart-v1", "backend_port": "80"}
NEW = {"backend_namespace": "shop", "backend_name": "cart-v2", "backend_port": "80"}


@pytest.fixture
def counted(answers):
    """Half of what goes to cart-v2 fails; a fifth of all is tried again."""
    answers.samples = {
        r"increase\(outbound_http_route_request_statuses": [
            ({**SPLIT, "http_status": "200", "error": ""}, 54),
            ({**SPLIT, "http_status": "503", "error": ""}, 3),
            ({**SPLIT, "http_status": "", "error": "REQUEST_TIMEOUT"}, 3),
        ],
        r"increase\(outbound_http_route_backend_response_statuses": [
            ({**SPLIT, **OLD, "http_status": "200", "error": ""}, 48),
            ({**SPLIT, **NEW, "http_status": "200", "error": ""}, 6),
            ({**SPLIT, **NEW, "http_status": "500", "error": ""}, 6),
        ],
        r"increase\(outbound_http_route_retry_requests": [(SPLIT, 15)],
        "outbound_http_route_request_duration": buckets(SPLIT, 4.6, 10, 40, unit=1000.0),
        "outbound_http_route_backend_response_duration": buckets(
            {**SPLIT, **NEW}, 200, 500, 900, unit=1000.0
        ),
        r"increase\(outbound_grpc_route_request_statuses": [
            ({**CALLS, "grpc_status": "OK", "error": ""}, 30),
            ({**CALLS, "grpc_status": "UNAVAILABLE", "error": ""}, 30),
        ],
    }


async def test_backends_hang_from_their_route(counted, viz):
    code, out, err = await viz("stat-outbound", "deploy/web", "-n", "shop")
    assert (code, err) == (0, "")
    assert out == (
        "NAME  SERVICE  ROUTE      TYPE       BACKEND     SUCCESS   RPS  LATENCY_P50  LATENCY_P95"
        "  LATENCY_P99  TIMEOUTS  RETRIES\n"
        "web   cart:80  split      HTTPRoute               90.00%  1.00          5ms         10ms"
        "         40ms     5.00%   20.00%\n"
        "               ├────      ────────►  cart-v1:80  100.00%  0.80            -            -"
        "            -     0.00%\n"
        "               └────      ────────►  cart-v2:80   50.00%  0.20        200ms        500ms"
        "        900ms     0.00%\n"
        "web   cart:90  [default]                          50.00%  1.00            -            -"
        "            -     0.00%    0.00%\n"
    )


async def test_json_tells_routes_from_backends(counted, viz):
    _, out, _ = await viz("stat-outbound", "deploy/web", "-n", "shop", "-o", "json")
    assert out.count("\n") == 1
    route, backend, *_ = json.loads(out)
    assert route == {
        "name": "web",
        "service": "cart",
        "port": "80",
        "route": "split",
        "routeType": "HTTPRoute",
        "successRate": 0.9,
        "rps": 1.0,
        "latencyMsP50": 4.6,
        "latencyMsP95": 10.0,
        "latencyMsP99": 40.0,
        "timeoutRate": 0.05,
        "retryRate": 0.2,
    }
    assert (backend["backend"], backend["backendPort"]) == ("cart-v1", "80")
    assert "retryRate" not in backend


async def test_nothing_is_said_in_words(viz):
    code, out, err = await viz("stat-outbound", "deploy/web", "-n", "shop")
    assert (code, out) == (0, "")
    assert "no request sent by deploy/web was counted" in err
