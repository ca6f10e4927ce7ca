"""Every view has a URL, and every view can be shown as it was."""

import re
import time

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.browser


def asked(site, path):
    return [query for called, query in site.shop.asked if called == path]


def test_a_moment_of_the_past_stays_from_page_to_page(site, open_page):
    moment = int(time.time()) - 600
    page = open_page(site, f"/deployments?at={moment}&range=3h")
    now = page.get_by_role("button", name="Now")
    expect(now).to_have_attribute("aria-pressed", "false")
    expect(page.get_by_role("link", name="cart")).to_be_visible()
    page.get_by_role("link", name="Edges").click()
    expect(page.get_by_role("heading", name="Edges", level=1)).to_be_visible()
    assert f"at={moment}" in page.url
    assert "range=3h" in page.url
    now.click()
    expect(now).to_have_attribute("aria-pressed", "true")
    assert "at=" not in page.url
    page.go_back()
    expect(now).to_have_attribute("aria-pressed", "false")


def test_a_moment_is_chosen_by_hand(site, open_page):
    page = open_page(site, "/deployments")
    page.get_by_role("button", name="At …").click()
    page.get_by_label("Show the mesh as it was at").fill("2020-01-02T03:04:05")
    # It lies before all that is known: the field itself refuses it.
    page.get_by_role("button", name="Show", exact=True).click()
    assert "at=" not in page.url
    recent = page.evaluate("new Date(Date.now() - 300e3 - new Date().getTimezoneOffset() * 60e3)"
                           ".toISOString().slice(0, 19)")  # fmt: skip
    page.get_by_label("Show the mesh as it was at").fill(recent)
    page.get_by_role("button", name="Show", exact=True).click()
    expect(page).to_have_url(re.compile(r"at=\d+"))


def test_a_click_on_a_chart_goes_to_that_moment(site, open_page):
    page = open_page(site, "/namespaces/shop/deployments/web?tab=history&range=15m")
    chart = page.locator(".chart .u-over").first
    expect(chart).to_be_visible()
    chart.click()
    expect(page).to_have_url(re.compile(r"at=\d+"))
    moment = int(re.search(r"at=(\d+)", page.url)[1])
    assert 200 < time.time() - moment < 900


def test_a_change_on_the_first_screen_leads_to_its_moment(site, open_page):
    page = open_page(site, "/")
    change = page.get_by_role("region", name="What changed").locator("li").filter(has_text="web:1")
    expect(change).to_contain_text("web:1 became web:2")
    change.get_by_role("button").click()
    expect(page).to_have_url(re.compile(r"at=\d+"))


def test_sort_and_filter_stand_in_the_url(site, open_page):
    page = open_page(site, "/pods?q=web&sort=name")
    names = page.locator("tbody a.name")
    expect(names).to_have_text(["web-0", "web-1", "web-2"])
    page.get_by_role("button", name="Name", exact=True).click()
    expect(names).to_have_text(["web-2", "web-1", "web-0"])
    assert "sort=-name" in page.url
    page.get_by_label("Filter Pods").fill("cart")
    expect(names).to_have_text(["cart-0"])
    page.reload()
    expect(names).to_have_text(["cart-0"])


def test_numbers_follow_the_mesh(site, open_page):
    page = open_page(site, "/deployments?q=cart")
    row = page.locator("tbody tr").first
    expect(row).to_contain_text("90.00%")
    site.shop.workloads["deployment/shop/cart"] = (8.0, 0.5, 180.0, 1, 1)
    expect(row).to_contain_text("50.00%")
