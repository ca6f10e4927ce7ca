"""Sums that Prometheus keeps at hand: which questions they answer, and that the answers agree."""

import asyncio
import re
import subprocess

import httpx
import pytest
import yaml

from tests.viz.histogram import buckets
from tulle.install.plan import Given
from tulle.install.viz import values_from
from tulle.install.viz_objects import Viz, VizPlace
from tulle.install.viz_prometheus import objects
from tulle.viz import queries, recorded
from tulle.viz.graph import received, sent
from tulle.viz.kinds import KINDS, Resource
from tulle.viz.prometheus import KEPT_SECONDS, Prometheus
from tulle.viz.stat import Question, answer

ALL = {rule.name for rule in (*recorded.REQUESTS, *recorded.BUCKETS)}
WEB = Resource(KINDS["deployment"], "shop", "web")
PODS = Resource(KINDS["pod"], "shop")
CART = Resource(KINDS["service"], "shop", "cart")
SERVER = Resource(KINDS["server"], "shop")

FITTING = {
    "a workload": queries.inbound(WEB),
    "pods": queries.inbound(PODS),
    "namespaces": queries.inbound(Resource(KINDS["namespace"], "")),
    "a service": queries.to_service(CART, "cluster.local", None),
    "a split": queries.to_split("shop", ["cart", "cart-2"], "cluster.local", WEB),
    "nodes of the graph": received("shop", False)[0],
    "edges of the graph": sent([{"namespace": "shop"}], False)[0],
}
OTHER = {
    "what a policy let in": queries.governed(SERVER),
    "by the client's pod": queries.outbound(PODS, CART),
    "to anywhere": queries.received_from(Resource(KINDS["deployment"], ""), PODS),
    "bare pods as ends": sent([{}], True)[-1],
}


@pytest.mark.parametrize("name", FITTING)
def test_what_the_rules_answer(name):
    traffic = FITTING[name]
    for text in (
        recorded.requests(ALL, traffic, "60s"),
        recorded.buckets(ALL, traffic, "1m"),
    ):
        assert text.startswith(f"sum(tulle:{traffic.direction}_response_")
    assert recorded.buckets(ALL, traffic, "5m") == queries.buckets(traffic, "5m")
    assert recorded.buckets((), traffic, "1m") == queries.buckets(traffic, "1m")
    assert recorded.requests((), traffic, "1m", "tls") == queries.requests(traffic, "1m", "tls")


@pytest.mark.parametrize("name", OTHER)
def test_what_they_do_not_know_is_asked_of_the_series(name):
    traffic = OTHER[name]
    assert recorded.buckets(ALL, traffic, "1m") == queries.buckets(traffic, "1m")
    assert recorded.requests(ALL, traffic, "1m") == queries.requests(traffic, "1m")


def rules_of_the_install():
    values = values_from(Given(), {})
    found = objects(Viz(VizPlace("tulle-viz", "test"), values))
    (config,) = (item["data"] for item in found if item["kind"] == "ConfigMap")
    assert yaml.safe_load(config["prometheus.yml"])["rule_files"] == ["rules.yml"]
    return config["rules.yml"]


def series():
    """Two pods of web, asked by two pods of ui; probes, the admin port and strangers beside them.

    A counter that grows by n in each scrape is a string of promtool's: `0+nx30`.
    """
    found = []

    def add(labels, success, failure, below):
        text = ",".join(f'{key}="{value}"' for key, value in labels.items())
        found.append((f'response_total{{{text},classification="success"}}', f"0+{success}x30"))
        found.append((f'response_total{{{text},classification="failure"}}', f"0+{failure}x30"))
        for bound, count in zip(("5", "10", "50", "+Inf"), below, strict=True):
            found.append((f'response_latency_ms_bucket{{{text},le="{bound}"}}', f"0+{count}x30"))

    for pod in ("web-1", "web-2"):
        own = {"namespace": "shop", "pod": pod, "deployment": "web", "direction": "inbound"}
        route = {"route_kind": "HTTPRoute", "route_name": "probe", "tls": "true"}
        probe = {"route_kind": "default", "route_name": "probe", "tls": "no_identity"}
        add({**own, **route, "target_port": "8080"}, 30, 3, (10, 20, 31, 33))
        add({**own, **probe, "target_port": "8080"}, 7, 0, (7, 7, 7, 7))
        add({**own, **route, "target_port": "4191"}, 9, 0, (9, 9, 9, 9))
    for pod, other in (("ui-1", "web-1"), ("ui-2", "web-2")):
        own = {"namespace": "shop", "pod": pod, "deployment": "ui", "direction": "outbound"}
        to = {"dst_namespace": "shop", "dst_deployment": "web", "dst_service": "web"}
        asked = {"authority": "web.shop.svc.cluster.local:80", "tls": "true"}
        add({**own, **to, **asked, "dst_pod": other}, 30, 3, (5, 15, 30, 33))
        add({**own, "authority": "example.org:443", "tls": "true"}, 4, 0, (4, 4, 4, 4))
    return [{"series": name, "values": values} for name, values in found]


WEB_SERVICE = Resource(KINDS["service"], "shop", "web")
AGREEING = {
    "a workload": queries.inbound(WEB),
    "pods": queries.inbound(PODS),
    "a service": queries.to_service(WEB_SERVICE, "cluster.local", None),
    "edges": sent([{}], False)[0],
}


async def test_the_rules_and_the_raw_series_agree(promtool, tmp_path):
    """Prometheus itself evaluates both; the difference of each pair is nothing, and none lacks."""
    (tmp_path / "rules.yml").write_text(rules_of_the_install())
    cases = []
    for traffic in AGREEING.values():
        for ask in (recorded.requests, recorded.buckets):
            kept, raw = ask(ALL, traffic, "1m"), ask((), traffic, "1m")
            assert kept != raw
            cases.append({"expr": f"count(({kept}) > 0) - count(({raw}) > 0)", "eval_time": "4m",
                          "exp_samples": [{"labels": "{}", "value": 0}]})  # fmt: skip
            cases.append({"expr": f"max(abs(({kept}) - ({raw}))) < bool 1e-9", "eval_time": "4m",
                          "exp_samples": [{"labels": "{}", "value": 1}]})  # fmt: skip
    total = f"sum({recorded.requests(ALL, queries.inbound(WEB), '1m')})"
    cases.append({"expr": f"round({total})", "eval_time": "4m",
                  "exp_samples": [{"labels": "{}", "value": 2 * 33 * 6}]})  # fmt: skip
    test = {"interval": "10s", "input_series": series(), "promql_expr_test": cases}
    content = {"rule_files": ["rules.yml"], "evaluation_interval": "10s", "tests": [test]}
    (tmp_path / "tests.yml").write_text(yaml.safe_dump(content))
    for words in (["check", "rules", "rules.yml"], ["test", "rules", "tests.yml"]):
        command = [promtool, *words]
        done = await asyncio.to_thread(
            subprocess.run, command, cwd=tmp_path, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def shop(objects, answers):
    objects.lists["/apis/apps/v1/namespaces/shop/deployments"] = [
        {"metadata": {"name": "web", "namespace": "shop"}}
    ]
    key = {"namespace": "shop", "deployment": "web"}
    answers.samples = {
        "response_total": [({**key, "classification": "success"}, 60.0)],
        "latency_ms_bucket": buckets(key, 5, 6, 7),
    }


QUESTION = Question(Resource(KINDS["deployment"], "shop"))


async def test_stat_asks_the_rules_where_there_are_some(shop, answers, inventory, prometheus):
    answers.recorded = sorted(ALL)
    (row,) = (await answer(QUESTION, inventory, prometheus, "cluster.local")).rows
    assert (row.numbers.requests_per_second, row.numbers.latency_ms["p99"]) == (1.0, 7.0)
    asked = [text for text in answers.asked if "response" in text]
    assert len(asked) == 2
    assert all(re.match(r"sum\(tulle:inbound_", text) for text in asked)


async def test_a_prometheus_without_them_or_the_past_is_asked_for_the_series(
    shop, answers, inventory, prometheus
):
    (row,) = (await answer(QUESTION, inventory, prometheus, "cluster.local")).rows
    answers.recorded = sorted(ALL)
    past = prometheus.at(1_700_000_000.0)
    (then,) = (await answer(QUESTION, inventory, past, "cluster.local")).rows
    assert row.numbers == then.numbers is not None
    assert not any("tulle:" in text for text in answers.asked)


async def test_rules_that_come_or_fail_are_noticed(answers):
    now = [0.0]
    http = httpx.AsyncClient(transport=httpx.MockTransport(answers))
    found = Prometheus(http, "http://prometheus:9090", lambda: now[0])
    assert await found.recorded() == frozenset()
    answers.recorded = ["tulle:a"]
    assert await found.recorded() == frozenset()
    now[0] += KEPT_SECONDS
    assert await found.at(None).recorded() == {"tulle:a"}
    answers.status = 404
    assert await found.recorded() == {"tulle:a"}
    now[0] += KEPT_SECONDS
    assert await found.recorded() == frozenset()
