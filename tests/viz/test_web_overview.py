"""The first screen, the topology and the charts, over HTTP, with a clock of their own."""

import sys
import time
from pathlib import Path

import pytest
import pytest_asyncio

sys.path.insert(0, str(Path(__file__).parent))

from served_dashboard import NOW, Served, serving

from tulle.viz.web.journal import Change
from tulle.viz.web.watched import TrustRoots, expiries

DAY = 86400.0
MOST_SECONDS = 0.3  # of the server, for 500 workloads


@pytest_asyncio.fixture
async def served(tmp_path):
    async with serving(Served(tmp_path)) as found:
        found.sources.journal.roots = TrustRoots("tulle", "roots", 1, (NOW + 300 * DAY,))
        yield found


async def states(served):
    found = (await served.json("/api/overview"))["health"]
    return {part["id"]: part for part in found}


async def pains(served):
    found = (await served.json("/api/overview"))["pains"]
    return {(pain["what"], pain["name"]): pain for pain in found}


# --- is it well? ---


async def test_a_mesh_that_is_well_says_so_of_every_part(served):
    await served.samples(1)
    found = await states(served)
    assert {part["state"] for part in found.values()} == {"ok"}
    assert found["data-plane"]["detail"] == "10 pods are meshed"
    assert found["trust-anchor"]["detail"] == (
        "the anchor is valid for 300 days, the issuer for 200 days"
    )
    assert all(part["hint"] == "" for part in found.values())


async def test_a_component_without_pods_and_a_late_certificate_say_what_to_do(served):
    real = served.shop._control_pods
    served.shop._control_pods = lambda namespace: [
        pod for pod in real(namespace) if "tulle-identity" not in pod["name"]
    ]
    served.shop.issuer_days = 3
    found = await states(served)
    assert found["identity"]["state"] == "fail"
    assert found["identity"]["hint"] == "kubectl -n tulle describe deploy/tulle-identity"
    assert (found["trust-anchor"]["state"], found["destination"]["state"]) == ("warn", "ok")
    served.now += 19 * 3600  # an hour before the proxies' certificates end
    served.shop.clock = lambda: NOW
    found = await states(served)
    assert found["certificates"]["state"] == "warn"
    assert "10 of 10 were not renewed in time" in found["certificates"]["detail"]
    served.now += 3600
    assert (await states(served))["certificates"]["state"] == "fail"


async def test_without_numbers_health_is_told_and_says_why(served):
    served.shop.state = "failing"
    await served.collector.sample()
    found = await served.json("/api/overview")
    assert "does not answer" in found["note"]
    assert found["totals"]["rps"] is None
    parts = {part["id"]: part["state"] for part in found["health"]}
    assert (parts["prometheus"], parts["identity"], parts["history"]) == ("fail", "unknown", "warn")


async def test_a_cluster_without_a_meshed_pod_says_how_to_begin(served):
    served.shop.state = "empty"
    found = await states(served)
    assert found["data-plane"]["state"] == "warn"
    assert "linkerd.io/inject=enabled" in found["data-plane"]["hint"]


def test_the_ends_of_a_bundle_of_anchors_are_read(certificates):
    pem, ends = certificates
    assert expiries(pem) == tuple(sorted(ends))
    assert expiries("no certificate") == ()


@pytest.fixture
def certificates():
    from datetime import UTC, datetime, timedelta

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    texts, ends = [], []
    for number in (1, 2):
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, f"root-{number}")])
        end = datetime(2030 + number, 1, 1, tzinfo=UTC)
        built = (
            x509.CertificateBuilder(name, name, key.public_key(), number)
            .not_valid_before(end - timedelta(days=365))
            .not_valid_after(end)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .sign(key, hashes.SHA256())
        )
        texts.append(built.public_bytes(serialization.Encoding.PEM).decode())
        ends.append(end.timestamp())
    return "".join(texts), ends


# --- what hurts? ---


async def test_pains_are_failures_slowness_and_plain_traffic_worst_first(served):
    for _ in range(5):
        served.now += 600
        await served.samples(12)
    served.now += 600
    served.shop.workloads["deployment/shop/ui"] = (12.0, 1.0, 400.0, 2, 2)
    await served.samples(1)
    found = await pains(served)
    assert found["success", "cart"]["value"] == 0.9
    assert found["success", "cart"]["before"] == pytest.approx(0.9, rel=1e-3)
    slow = found["latency", "ui"]
    assert (slow["value"], slow["before"]) == (400.0, pytest.approx(40.0, rel=1e-3))
    assert "10.0 times as long" in slow["detail"]
    assert "web talks to it without mutual TLS" in found["mtls", "legacy"]["detail"]
    order = [pain["name"] for pain in (await served.json("/api/overview"))["pains"]]
    assert order.index("ui") < order.index("cart") < order.index("web")


async def test_totals_are_those_of_the_whole_mesh(served):
    await served.samples(1)
    totals = (await served.json("/index.json"))["totals"]
    assert (totals["pods"], totals["meshed"], totals["rps"]) == (11, 10, 71.7)
    assert totals["securedShare"] == 0.96


# --- what changed? ---


async def test_restarts_and_other_changes_are_listed_newest_first(served):
    await served.samples(1)
    journal = served.sources.journal
    journal.add(Change(NOW, "deployment", "shop", "web", "rollout", "web:1 became web:2"))
    journal.add(Change(NOW - 2 * DAY, "deployment", "shop", "old", "new", "too long ago"))
    changes = (await served.json("/api/overview"))["changes"]
    assert [(change["what"], change["name"]) for change in changes] == [
        ("rollout", "web"),
        ("restart", "cart"),
    ]
    assert "OOMKilled" in changes[1]["detail"]
    then = await served.json("/api/overview", at=NOW - 60)
    assert [change["what"] for change in then["changes"]] == ["restart"]
    assert then["health"] == []


# --- topology ---


async def test_the_topology_is_the_last_sample_and_asks_nobody(served):
    await served.samples(1)
    served.shop.asked.clear()
    found = await served.json("/api/topology", namespace="infra")
    assert served.shop.asked == []
    assert {node["id"] for node in found["nodes"]} == {
        "deployment/infra/ingress",
        "daemonset/infra/logs",
        "deployment/shop/ui",
    }
    assert found["edges"] == [
        {
            "src": "deployment/infra/ingress",
            "dst": "deployment/shop/ui",
            "rps": 12.0,
            "success": 1.0,
            "p99": 41.0,
            "tcp": 4,
            "secured": True,
            "reason": "",
        }
    ]


async def test_a_sample_that_is_old_is_asked_for_anew(served):
    await served.samples(1)
    served.now += 60
    served.shop.asked.clear()
    found = await served.json("/api/topology")
    assert [path for path, _ in served.shop.asked] == ["/api/graph"]
    meshed = {node["name"]: node["meshed"] for node in found["nodes"]}
    assert (meshed["legacy"], meshed["web"]) == (False, True)


async def test_the_past_beyond_prometheus_is_our_own(served):
    await served.samples(3)
    then = served.now
    served.now += 8 * 3600
    served.shop.past_is_known = False
    found = await served.json("/api/topology", at=then)
    assert found["source"] == "own"
    assert {edge["dst"] for edge in found["edges"] if edge["secured"] is False} == {
        "deployment/shop/legacy"
    }
    table = await served.json("/api/workloads", at=then, namespace="shop")
    assert table["source"] == "own"
    rows = {row["name"]: row for row in table["rows"]}
    assert rows["web"]["rps"] == 30.0
    assert rows["web"]["pods"] is None
    before = await served.json("/api/topology", at=then - 3600)
    assert (before["nodes"], before["edges"]) == ([], [])
    assert "nothing is known of that moment" in before["note"]


async def test_five_hundred_workloads_are_drawn_in_time(served):
    shop = served.shop
    shop.workloads = {
        f"deployment/ns{number % 20}/w{number}": (10.0, 0.99, 30.0, 2, 2) for number in range(500)
    }
    names = list(shop.workloads)
    shop.edges = {
        (names[number], names[(number * 7 + step) % 500]): (3.0, 0.99, 20.0, 2, True)
        for number in range(500)
        for step in (1, 2, 3)
    }
    await served.samples(1)
    fastest = 9.0
    for _ in range(5):
        begun = time.process_time()
        found = await served.json("/api/topology")
        fastest = min(fastest, time.process_time() - begun)
    assert (len(found["nodes"]), len(found["edges"])) == (500, 1500)
    assert fastest < MOST_SECONDS


# --- charts ---


async def test_a_chart_of_what_we_hold_is_our_own(served):
    await served.samples(30)
    query = {"kind": "deployment", "namespace": "shop", "name": "web"}
    found = await served.json("/api/history", **query, **{"from": NOW + 10})
    assert (found["source"], found["stepSeconds"]) == ("own", 10)
    assert found["series"]["rps"] == [30.0] * 30
    assert found["times"][0] == NOW + 10
    assert len(found["times"]) == len(found["series"]["p95"]) == 30
    edge = {"kind": "edge", "src": "deployment/shop/ui", "dst": "deployment/shop/web"}
    own = await served.json("/api/history", **edge, **{"from": NOW + 10})
    assert own["series"]["tcp"][-1] == 6.0
    mesh = await served.json("/api/history", kind="mesh", **{"from": NOW + 10})
    assert mesh["series"]["rps"][-1] == pytest.approx(71.7, rel=1e-3)


async def test_a_longer_range_is_thinned_and_prometheus_where_it_has_more(served):
    await served.samples(6)
    query = {"kind": "deployment", "namespace": "shop", "name": "web"}
    found = await served.json("/api/history", **query, **{"from": NOW - 6 * 3600, "points": 100})
    assert found["source"] == "prometheus"
    assert found["stepSeconds"] == 220
    assert len(found["times"]) <= 101
    assert set(served.shop.asked[-1][1]) == {"kind", "namespace", "name", "from", "to", "step"}


async def test_what_nobody_knows_is_none(served):
    served.shop.past_is_known = False
    query = {"kind": "deployment", "namespace": "shop", "name": "web"}
    found = await served.json("/api/history", **query)
    assert found["source"] == "none"
    assert set(found["series"]["rps"]) == {None}
