"""What stat makes of a cluster's objects and of Prometheus' answers."""

import pytest

from tests.viz.histogram import buckets
from tulle.viz.kinds import KINDS, Resource
from tulle.viz.prometheus import PrometheusError
from tulle.viz.stat import BadRequest, Question, answer, as_json

DEPLOYMENTS = "/apis/apps/v1/namespaces/shop/deployments"
ALL = Question(Resource(KINDS["deployment"], "shop"))


def named(*names, **labels):
    return [{"metadata": {"name": n, "namespace": "shop", "labels": labels}} for n in names]


def counted(name, classification, value, **labels):
    key = {"namespace": "shop", "deployment": name, **labels}
    return {**key, "classification": classification}, value


@pytest.fixture
def shop(objects, add, new_pod):
    """web: two pods of which one is meshed; cart: not meshed."""
    objects.lists[DEPLOYMENTS] = named("web", "cart")
    owner = ("ReplicaSet", "web-abc")
    add(new_pod("web-abc-1", owner=owner, **{"pod-template-hash": "abc"}))
    add(new_pod("web-abc-2", owner=owner, meshed=False, **{"pod-template-hash": "abc"}))
    add(new_pod("cart-def-1", owner=("ReplicaSet", "cart-def"), meshed=False,
                **{"pod-template-hash": "def"}))  # fmt: skip


@pytest.fixture
def ask(inventory, prometheus):
    async def run(question):
        return await answer(question, inventory, prometheus, "cluster.local")

    return run


async def test_rows_join_pods_and_numbers(shop, answers, ask):
    answers.samples = {
        r"sum\(increase\(response_total": [
            counted("web", "success", 45.0),
            counted("web", "failure", 15.0),
        ],
        "latency_ms_bucket": buckets({"namespace": "shop", "deployment": "web"}, 7.2, 20, 30),
        "tcp_open_connections": [({"namespace": "shop", "deployment": "web"}, 3)],
        "tcp_read_bytes_total": [({"namespace": "shop", "deployment": "web"}, 600)],
    }
    cart, web = (await ask(ALL)).rows
    assert (cart.entry.name, cart.entry.pods, cart.entry.meshed_pods) == ("cart", 1, 0)
    assert cart.numbers is None
    assert (web.entry.pods, web.entry.meshed_pods) == (2, 1)
    assert web.numbers is not None
    assert web.numbers.success_rate == 0.75
    assert web.numbers.requests_per_second == 1.0
    assert web.numbers.latency_ms == {"p50": 7.2, "p95": 20.0, "p99": 30.0}
    assert (web.numbers.open_connections, web.numbers.read_bytes_per_second) == (3, 10.0)


async def test_where_nothing_is_counted_it_says_how_many_proxies_are_known(shop, answers, ask):
    answers.samples = {r"^sum\(up": [({}, 4)]}
    found = await ask(ALL)
    assert [row.numbers for row in found.rows] == [None, None]
    assert found.scraped_proxies == 4


async def test_a_sum_of_no_requests_is_no_rate(shop, answers, ask):
    answers.samples = {r"response_total": [counted("web", "success", 0.0)]}
    assert all(row.numbers is None for row in (await ask(ALL)).rows)


async def test_to_shows_only_who_takes_part(shop, answers, ask):
    answers.samples = {r"response_total": [counted("web", "success", 6.0)]}
    to = Resource(KINDS["service"], "shop", "cart")
    found = await ask(Question(ALL.target, to=to))
    assert [row.entry.name for row in found.rows] == ["web"]


async def test_a_selector_chooses_objects(shop, objects, ask):
    objects.lists[DEPLOYMENTS] = named("web", tier="front") + named("cart")
    found = await ask(Question(ALL.target, selector="tier=front"))
    assert [row.entry.name for row in found.rows] == ["web"]


async def test_pods_that_are_done_are_not_shown(add, new_pod, ask):
    add(new_pod("done", phase="Succeeded"))
    add(new_pod("broken", phase="Failed"))
    found = await ask(Question(Resource(KINDS["pod"], "shop")))
    assert [(row.entry.name, row.entry.failed_pods) for row in found.rows] == [("broken", 1)]


async def test_a_jobs_pods_are_its_own_and_its_cronjobs(objects, add, new_pod, ask):
    add(new_pod("mail-29012345-x", owner=("Job", "mail-29012345")))
    objects.lists["/apis/batch/v1/namespaces/shop/jobs"] = named("mail-29012345")
    objects.lists["/apis/batch/v1/namespaces/shop/cronjobs"] = named("mail")
    for kind in ("job", "cronjob"):
        found = await ask(Question(Resource(KINDS[kind], "shop")))
        assert [row.entry.meshed_pods for row in found.rows] == [1]


async def test_a_split_has_a_row_for_each_leaf(objects, answers, ask):
    split = {
        "metadata": {"name": "canary", "namespace": "shop"},
        "spec": {
            "service": "cart",
            "backends": [{"service": "cart-1", "weight": 9}, {"service": "cart-2", "weight": 1}],
        },
    }
    objects.lists["/apis/split.smi-spec.io/v1alpha4/namespaces/shop/trafficsplits"] = [split]
    key = {"dst_namespace": "shop", "dst_service": "cart-2", "classification": "failure"}
    answers.samples = {"response_total": [(key, 30.0)]}
    question = Question(Resource(KINDS["trafficsplit"], "shop"))
    rows = as_json(question, await ask(question))["rows"]
    assert [(row["apex"], row["leaf"], row["weight"]) for row in rows] == [
        ("cart", "cart-1", "9"),
        ("cart", "cart-2", "1"),
    ]
    assert rows[0]["numbers"] is None
    assert rows[1]["numbers"]["success"] == 0.0
    assert rows[1]["numbers"]["rps"] == 0.5


async def test_a_kind_that_the_cluster_lacks_has_no_rows(ask):
    assert (await ask(Question(Resource(KINDS["trafficsplit"], "shop")))).rows == ()


async def test_a_window_shorter_than_a_scrape_is_refused(answers, ask):
    answers.config = "global:\n  scrape_timeout: 1s\n  scrape_interval: 30s\n"
    with pytest.raises(BadRequest, match="the window 20s is shorter than the 30s"):
        await ask(Question(ALL.target, "20s"))


async def test_what_prometheus_refuses_is_said(answers, ask):
    answers.status = 422
    with pytest.raises(PrometheusError, match="refuses: too busy"):
        await ask(ALL)
