"""Tap and top: started and stopped by hand, with the command that shows the same."""

import json

import pytest
from playwright.sync_api import expect

from tulle.k8s.client import Unreachable

pytestmark = pytest.mark.browser

TAP = "/tap?kind=deployment&namespace=shop&name=web"


def test_tap_shows_each_request_and_all_of_it(site, open_page):
    page = open_page(site, TAP)
    expect(page.get_by_test_id("command")).to_have_text("tulle viz tap deployment/web -n shop")
    page.get_by_label("Method").fill("GET")
    expect(page.get_by_test_id("command")).to_contain_text("--method GET")
    assert "method=GET" in page.url
    page.get_by_label("with headers").check()
    page.get_by_role("button", name="Start").click()
    first = page.get_by_role("button", name="Details of GET /items/3", exact=True)
    expect(first).to_be_visible()
    page.get_by_role("button", name="Stop").click()
    first.click()
    details = page.locator(".request-details")
    expect(details).to_contain_text("user-agent")
    expect(details).to_contain_text("shopper")
    (wanted,) = site.taps.wanted
    assert (wanted.target.path.split("/")[-4:], wanted.filters.method, wanted.has_headers) == (
        ["shop", "deployments", "web", "tap"],
        "GET",
        True,
    )


def test_what_was_tapped_is_saved_as_har(site, open_page):
    page = open_page(site, TAP)
    page.get_by_role("button", name="Start").click()
    expect(page.get_by_text("/items/5", exact=False).first).to_be_visible()
    page.get_by_role("button", name="Stop").click()
    with page.expect_download() as download:
        page.get_by_role("button", name="HAR").click()
    archive = json.loads(download.value.path().read_text())["log"]
    urls = [entry["request"]["url"] for entry in archive["entries"]]
    assert archive["version"] == "1.2"
    assert "http://web/items/5" in urls


def test_a_refused_tap_says_why_and_how_to_be_allowed(site, open_page):
    site.taps.refusal = Unreachable("the tap API does not answer")
    page = open_page(site, TAP)
    page.get_by_role("button", name="Start").click()
    expect(page.get_by_role("alert")).to_contain_text("The tap API does not answer.")
    expect(page.get_by_role("alert")).to_contain_text("tulle viz list")
    expect(page.get_by_role("button", name="Start")).to_be_visible()


def test_a_question_that_cannot_be_asked_says_why(site, open_page):
    page = open_page(site, "/tap?kind=deployment&namespace=shop&maxRps=x", may_complain=True)
    page.get_by_role("button", name="Start").click()
    expect(page.get_by_role("alert")).to_be_visible()


def test_top_counts_sorts_and_filters(site, open_page):
    page = open_page(site, "/top?kind=deployment&namespace=shop")
    page.get_by_role("button", name="Start").click()
    rows = page.locator("tbody tr")
    expect(rows.first).to_contain_text("/items")
    page.get_by_role("button", name="Success").click()
    page.get_by_role("button", name="Success").click()
    expect(rows.first).to_contain_text("/orders")
    expect(rows.first).to_contain_text("90.00%")


def test_a_workloads_own_page_taps_it(site, open_page):
    page = open_page(site, "/namespaces/shop/deployments/web?tab=tap")
    page.get_by_role("button", name="Start").click()
    expect(page.get_by_text("/items/2", exact=False).first).to_be_visible()
    page.get_by_role("button", name="Stop").click()
    assert page.get_by_label("Namespace").count() == 0
