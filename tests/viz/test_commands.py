"""`tulle viz stat` and `edges` as a process, against a metrics-api on a real port."""

import json

import pytest

from tests.viz.histogram import buckets

DEPLOYMENTS = "/apis/apps/v1/namespaces/shop/deployments"


@pytest.fixture
def shop(objects, add, new_pod, answers):
    """web has one meshed pod and traffic; cart is not meshed."""
    names = ("web", "cart")
    objects.lists[DEPLOYMENTS] = [{"metadata": {"name": n, "namespace": "shop"}} for n in names]
    for name in names:
        owner, mark = ("ReplicaSet", f"{name}-abc"), {"pod-template-hash": "abc"}
        add(new_pod(f"{name}-abc-1", owner=owner, meshed=name == "web", **mark))
    key = {"namespace": "shop", "deployment": "web"}
    answers.samples = {
        "response_total": [
            ({**key, "classification": "success"}, 257.0),
            ({**key, "classification": "failure"}, 1.0),
        ],
        "latency_ms_bucket": buckets(key, 4.6, 18, 40),
        "tcp_open_connections{": [(key, 6)],
        "tcp_read_bytes_total": [(key, 90)],
    }


async def test_a_table_of_what_is_meshed(shop, viz):
    code, out, err = await viz("stat", "deployments", "-n", "shop")
    assert code == 0
    assert out == (
        "NAME   MESHED   SUCCESS      RPS   LATENCY_P50   LATENCY_P95   LATENCY_P99   TCP_CONN\n"
        "web       1/1    99.61%   4.3rps           5ms          18ms          40ms          6\n"
    )
    assert err.count("\n") == 1
    assert "a failure is an answer of 5xx" in err


async def test_wide_adds_bytes_and_unmeshed_adds_rows(shop, viz):
    _, out, _ = await viz("stat", "deploy", "-n", "shop", "-o", "wide", "--unmeshed")
    header, cart, web = (line.split() for line in out.splitlines())
    assert header[-2:] == ["READ_BYTES/SEC", "WRITE_BYTES/SEC"]
    assert cart == ["cart", "0/1", *["-"] * 8]
    assert web[-2:] == ["1.5B/s", "0.0B/s"]


async def test_json_says_how_failures_are_told(shop, viz):
    code, out, _ = await viz("stat", "deploy", "-n", "shop", "-o", "json")
    (row,) = json.loads(out)
    assert code == 0
    assert row.pop("failure_classification").startswith("a failure is")
    assert row == {
        "namespace": "shop",
        "kind": "deployment",
        "name": "web",
        "meshed": "1/1",
        "success": 257 / 258,
        "rps": 4.3,
        "latency_ms_p50": 5,
        "latency_ms_p95": 18,
        "latency_ms_p99": 40,
        "tcp_open_connections": 6,
        "tcp_read_bytes_rate": 1.5,
        "tcp_write_bytes_rate": 0.0,
    }


async def test_several_kinds_name_theirs(shop, objects, viz):
    objects.lists["/api/v1/namespaces/shop/services"] = [
        {"metadata": {"name": "web", "namespace": "shop"}}
    ]
    _, out, _ = await viz("stat", "deploy/web", "svc/web", "-n", "shop")
    names = [line.split()[0] for line in out.splitlines() if line]
    assert names == ["NAME", "deploy/web", "NAME", "svc/web"]


@pytest.mark.parametrize("output", ["table", "json"])
async def test_nothing_is_no_failure_and_says_why(objects, viz, output):
    objects.lists[DEPLOYMENTS] = []
    code, out, err = await viz("stat", "deploy", "-n", "shop", "-o", output)
    assert (code, out) == (0, "[]\n" if output == "json" else "")
    assert err == "deployment: nothing was found in the namespace shop\n"


async def test_only_unmeshed_ones_say_what_to_do(shop, objects, answers, viz):
    objects.lists[DEPLOYMENTS] = objects.lists[DEPLOYMENTS][1:]
    code, out, err = await viz("stat", "deploy", "-n", "shop")
    assert (code, out) == (0, "")
    assert "none of them meshed" in err
    assert "linkerd.io/inject=enabled" in err


async def test_no_traffic_and_no_scrape_are_told_apart(shop, answers, viz):
    answers.samples = {r"^sum\(up": [({}, 0)]}
    _, _, unscraped = await viz("stat", "deploy", "-n", "shop")
    answers.samples = {r"^sum\(up": [({}, 1)]}
    _, _, quiet = await viz("stat", "deploy", "-n", "shop")
    assert "Prometheus has not reached any proxy" in unscraped
    assert quiet == "no requests were counted in the last 1m\n"


async def test_a_prometheus_that_is_down_is_a_failure(shop, answers, viz):
    answers.status = 500
    code, out, err = await viz("stat", "deploy", "-n", "shop")
    assert (code, out) == (1, "")
    assert "Prometheus at http://prometheus:9090" in err


async def test_edges_are_a_table_with_marks(answers, viz):
    edge = {
        "namespace": "shop", "dst_namespace": "bank", "deployment": "web", "pod": "web-1",
        "dst_deployment": "vault",
        "server_id": "vault.bank.serviceaccount.identity.tulle.cluster.local",
    }  # fmt: skip
    answers.samples = {"tcp_open_connections": [(edge, 1)]}
    code, out, _ = await viz("edges", "deploy", "-n", "shop")
    assert code == 0
    assert out == (
        "SRC   DST     SRC_NS   DST_NS   SECURED\n"
        "web   vault   shop     bank     √\n"
    )  # fmt: skip
    _, wide, _ = await viz("edges", "deploy", "-n", "shop", "-o", "wide")
    assert "vault.bank" in wide


async def test_no_edges_are_no_failure(viz):
    code, out, err = await viz("edges", "deploy", "-n", "shop")
    assert (code, out) == (0, "")
    assert "no open connection" in err


REFUSED = [
    (["stat", "deploy", "--to", "po/a", "--from", "po/b"], "exclude one another"),
    (["stat", "deploy", "-A", "-n", "shop"], "-n cannot be given"),
    (["stat", "deploy/web", "-A"], "no name can be given"),
    (["stat", "ns", "-n", "shop"], "-n says nothing of a namespace"),
    (["stat", "deploy", "--from", "svc/web"], "a service sends nothing"),
    (["stat", "svc", "--to", "deploy/web"], "a service sends nothing"),
    (["stat", "deploy", "--to", "all"], "--to takes one resource"),
    (["stat", "links"], "link has no metrics"),
    (["stat", "servers", "--to", "deploy/web"], "a server sends nothing"),
    (["stat", "ap", "--from", "deploy/web"], "authorizationpolicy takes no --from"),
    (["stat", "deploy", "--from", "srv/web"], "a server sends nothing"),
    (["stat", "deploy", "--to", "srv/web", "-n", "shop"], "a server is no destination"),
    (["stat", "deploy", "-t", "5s"], "the shortest is 15s"),
    (["stat", "deploy", "-t", "soon"], "--time-window soon: a duration is"),
    (["edges", "deploy/web"], "leave out the name"),
    (["edges", "svc"], "no edges of its own"),
]


@pytest.mark.parametrize(("words", "text"), REFUSED, ids=lambda value: " ".join(value))
async def test_what_contradicts_itself_is_refused(viz, words, text):
    code, out, err = await viz(*words)
    assert (code, out) == (1, "")
    assert text in err
