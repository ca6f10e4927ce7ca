"""Weights are moved in the browser: seen before, applied by one's own right, and taken back."""

import re

import pytest
from axe import violations
from kube_of_profiles import TOKEN
from kube_of_splits import Kube
from playwright.sync_api import expect
from site_of_shop import Site

pytestmark = pytest.mark.browser

PATH = "/namespaces/shop/services/web?tab=split"
GATEWAY = {"route_group": "gateway.networking.k8s.io", "route_kind": "HTTPRoute"}


def answered(backend, success, rps, p99):
    return {
        **GATEWAY,
        "route_namespace": "shop",
        "route_name": "rollout",
        "backend_namespace": "shop",
        "backend_name": backend,
        "backend_port": "80",
        "success": success,
        "rps": rps,
        "latency_ms_p50": p99 / 4,
        "latency_ms_p95": p99 / 2,
        "latency_ms_p99": p99,
    }


@pytest.fixture
def kube():
    return Kube()


@pytest.fixture
def site(kube):
    with Site(kube=kube) as found:
        found.shop.backends = [
            answered("web-v1", 1.0, 27.0, 20.0),
            answered("web-v2", 0.5, 3.0, 480.0),
        ]
        yield found


def moved(page, preset, token=TOKEN):
    page.get_by_role("button", name=preset, exact=True).click()
    page.get_by_label("Your bearer token").fill(token)
    page.get_by_role("button", name="Preview").click()


def test_both_sides_stand_beside_each_other_with_their_numbers(site, open_page):
    page = open_page(site, PATH)
    old, new = page.get_by_label("web-v1", exact=True), page.get_by_label("web-v2", exact=True)
    for side, share, success, rate in (
        (old, "90.0%", "100.00%", "27.0"),
        (new, "10.0%", "50.00%", "3.0"),
    ):
        expect(side).to_contain_text(share)
        expect(side).to_contain_text(success)
        expect(side).to_contain_text(rate)
    expect(new).to_contain_text("480 ms")
    left, right = old.bounding_box(), new.bounding_box()
    assert left["y"] == right["y"]
    assert left["x"] + left["width"] <= right["x"]
    assert violations(page) == []


def test_weights_are_seen_then_applied_then_taken_back(site, kube, open_page):
    page = open_page(site, PATH)
    moved(page, "50/50")
    preview = page.get_by_label("Preview", exact=True)
    expect(preview).to_contain_text("HTTPRoute shop/rollout would become 50/50")
    expect(preview).to_contain_text("web-v2: weight 10 → 50, 10.0% → 50.0%")
    assert kube.weights == [90, 10]
    page.get_by_role("button", name="Apply").click()
    expect(page.get_by_role("status").filter(has_text="Moved")).to_contain_text(
        "from 90/10 to 50/50"
    )
    assert kube.weights == [50, 50]
    page.get_by_role("button", name="Undo: back to 90/10").click()
    expect(page.get_by_role("status").filter(has_text="Moved")).to_contain_text(
        "from 50/50 to 90/10"
    )
    assert kube.weights == [90, 10]
    stored = page.evaluate(
        "JSON.stringify([{...localStorage}, {...sessionStorage}, document.cookie])"
    )
    assert TOKEN not in stored


def test_who_may_not_is_told_the_right_that_is_missing(site, kube, open_page):
    page = open_page(site, PATH, may_complain=True)
    moved(page, "0/100", token="of-somebody-else")
    said = page.get_by_role("status").filter(has_text="cannot patch")
    expect(said).to_contain_text('cannot patch resource "httproutes"')
    expect(said).to_contain_text('in the namespace "shop"')
    expect(page.get_by_role("button", name="Apply")).to_have_count(0)
    assert kube.weights == [90, 10]


def test_what_somebody_else_changes_meanwhile_is_neither_overwritten_nor_undone(
    site, kube, open_page
):
    page = open_page(site, PATH, may_complain=True)
    moved(page, "0/100")
    expect(page.get_by_role("button", name="Apply")).to_be_visible()
    kube.changed(70, 30)
    page.get_by_role("button", name="Apply").click()
    expect(page.get_by_role("status").filter(has_text="else")).to_contain_text(
        "Somebody else changed the HTTPRoute rollout meanwhile"
    )
    assert kube.weights == [70, 30]
    page.get_by_role("button", name="As it is").click()
    expect(page.get_by_label("web-v1", exact=True)).to_contain_text("70.0%")
    moved(page, "10/90")
    page.get_by_role("button", name="Apply").click()
    expect(page.get_by_role("button", name=re.compile("Undo"))).to_be_visible()
    kube.changed(60, 40)
    page.reload()
    expect(page.get_by_label("web-v1", exact=True)).to_contain_text("60.0%")
    expect(page.get_by_role("button", name=re.compile("Undo"))).to_have_count(0)


def test_a_service_without_a_split_says_how_to_have_one(site, kube, open_page):
    kube.route["spec"]["rules"][0]["backendRefs"].pop()
    page = open_page(site, PATH)
    expect(page.get_by_text("All that is sent to web goes to web itself.")).to_be_visible()
