"""`stat-inbound` and `viz authz`, over the HTTP interface and as the commands print them."""

import json

import pytest

from tests.viz.histogram import buckets

SERVER = {"srv_kind": "server", "srv_name": "http", "target_port": "8080"}
DEFAULT = {"srv_kind": "default", "srv_name": "all-unauthenticated", "target_port": "9000"}
ROUTE = {"route_kind": "HTTPRoute", "route_name": "read"}
NO_ROUTE = {"route_kind": "default", "route_name": "default"}
POLICY = {"authz_kind": "authorizationpolicy", "authz_name": "friends"}
NOBODY = {"authz_kind": "default", "authz_name": "all-unauthenticated"}


@pytest.fixture
def counted(answers):
    """web got 54 requests of its friends by a route, of which 6 failed, and 30 by no route."""
    read = {"deployment": "web", **SERVER, **ROUTE}
    other = {"deployment": "web", **DEFAULT, **NO_ROUTE}
    answers.samples = {
        "deny_total": [({**read}, 12)],
        r"sum\(increase\(response_total": [
            ({**read, **POLICY, "classification": "success"}, 54),
            ({**read, **POLICY, "classification": "failure"}, 6),
            ({**other, **NOBODY, "classification": "success"}, 30),
        ],
        "latency_ms_bucket": buckets({**read, **POLICY}, 2.4, 10, 40),
    }


async def test_the_table(counted, viz):
    code, out, err = await viz("stat-inbound", "deploy", "-n", "shop")
    assert (code, err) == (0, "")
    assert out == (
        "NAME  SERVER          ROUTE      TYPE       SUCCESS   RPS  LATENCY_P50  LATENCY_P95"
        "  LATENCY_P99\n"
        "web   [default]:9000  [default]             100.00%  0.50            -            -"
        "            -\n"
        "web   http:8080       read       HTTPRoute   90.00%  1.00          2ms         10ms"
        "         40ms\n"
    )


async def test_json_is_one_line(counted, viz):
    _, out, _ = await viz("stat-inbound", "deploy/web", "-n", "shop", "-o", "json")
    assert out.count("\n") == 1
    assert json.loads(out)[1] == {
        "name": "web",
        "server": "http",
        "port": "8080",
        "route": "read",
        "routeType": "HTTPRoute",
        "successesRate": 0.9,
        "rps": 1.0,
        "latencyMsP50": 2.4,
        "latencyMsP95": 10.0,
        "latencyMsP99": 40.0,
    }


async def test_what_is_asked_of_prometheus(counted, answers, viz):
    await viz("stat-inbound", "ns/shop", "-t", "5m")
    query = next(query for query in answers.asked if query.startswith("sum(increase("))
    assert query == (
        'sum(increase(response_total{direction="inbound",namespace="shop"}[5m])) by '
        "(namespace, srv_kind, srv_name, target_port, route_kind, route_name, classification)"
    )


async def test_nothing_is_said_in_words(viz):
    code, out, err = await viz("stat-inbound", "deploy", "-n", "shop")
    assert (code, out) == (0, "")
    assert "no request received by deploy was counted in the last 1m" in err
    code, out, _ = await viz("stat-inbound", "deploy", "-n", "shop", "-o", "json")
    assert (code, out) == (0, "[]\n")


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["svc/web"], "service has no proxy of its own"),
        (["deploy", "-t", "soon"], "--time-window soon: a duration is"),
        (["deploy/a", "deploy/b"], "name one workload"),
    ],
)
async def test_what_has_no_answer_is_refused(viz, words, text):
    code, out, err = await viz("stat-inbound", *words)
    assert (code, out) == (1, "")
    assert text in err


async def test_authz_tells_what_each_authorization_let_in(counted, viz):
    code, out, _ = await viz("authz", "deploy/web", "-n", "shop")
    assert code == 0
    assert out == (
        "ROUTE    SERVER                       AUTHORIZATION                UNAUTHORIZED  SUCCESS"
        "     RPS  LATENCY_P50  LATENCY_P95  LATENCY_P99\n"
        "default  default:all-unauthenticated  default/all-unauthenticated        0.0rps  100.00%"
        "  0.5rps            -            -            -\n"
        "read     http                                                            0.2rps        -"
        "       -            -            -            -\n"
        "read     http                         authorizationpolicy/friends        0.0rps   90.00%"
        "  1.0rps          2ms         10ms         40ms\n"
    )


async def test_authz_as_json_leaves_out_what_is_not_known(counted, viz):
    _, out, _ = await viz("authz", "deploy/web", "-n", "shop", "-o", "json")
    assert not out.endswith("\n")
    assert json.loads(out)[1] == {
        "route": "read",
        "server": "http",
        "authorization": "",
        "unauthorized": 0.2,
    }
