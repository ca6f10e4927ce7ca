"""Each page in each of its states: full, empty, loading, failing."""

import re

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.browser

# Path, a text that is seen when there is data, and one when there is none.
PAGES = {
    "/": ("cart", "Nothing hurts."),
    "/topology": ("workloads in", "There is no workload to show."),
    "/namespaces": ("shop", None),
    "/namespaces/shop": ("cart", "There are no Deployments in shop."),
    "/deployments": ("cart", "There are no Deployments in this cluster."),
    "/statefulsets": ("db", "There are no StatefulSets in this cluster."),
    "/daemonsets": ("logs", "There are no DaemonSets in this cluster."),
    "/cronjobs": ("report", "There are no CronJobs in this cluster."),
    "/pods": ("web-0", "There are no Pods in this cluster."),
    "/services": ("cart", "There are no Services in this cluster."),
    "/trafficsplits": ("cart-v2", "There are no TrafficSplits in this cluster."),
    "/namespaces/shop/deployments": ("cart", "There are no Deployments in shop."),
    "/edges": ("mutual TLS", "No connection is seen."),
    "/routes": ("POST /orders", "No route has numbers."),
}
WORKLOAD = "/namespaces/shop/deployments/web"
# Every kind has a page, whether or not there is one of it.
NEVER_FULL = ("/jobs", "/replicasets", "/replicationcontrollers")


@pytest.mark.parametrize("path", PAGES)
def test_a_page_that_is_full(path, site, open_page):
    page = open_page(site, path)
    shown, _ = PAGES[path]
    expect(page.locator("main").get_by_text(shown).first).to_be_visible()
    expect(page.locator('[data-state="failed"], [data-state="loading"]')).to_have_count(0)
    expect(page).to_have_title(re.compile(" · Tulle$"))


@pytest.mark.parametrize("path", [*[path for path in PAGES if PAGES[path][1]], *NEVER_FULL])
def test_a_page_that_is_empty_says_why(path, site_in, open_page):
    page = open_page(site_in("empty"), path)
    _, said = PAGES.get(path, (None, "There are no "))
    notice = page.locator('[data-state="empty"]').filter(has_text=said).first
    expect(notice).to_be_visible()
    # A title that names what is missing, and a sentence that helps.
    assert len(notice.locator("p").last.inner_text()) > 30


@pytest.mark.parametrize("path", [*PAGES, WORKLOAD])
def test_a_page_that_fails_names_cause_and_remedy(path, site_in, open_page):
    page = open_page(site_in("failing"), path, may_complain=True)
    cause = page.get_by_text("metrics-api does not answer: connection refused").first
    expect(cause).to_be_visible()
    expect(page.get_by_text(re.compile("tulle viz check|kubectl")).first).to_be_visible()


@pytest.mark.parametrize("path", [*PAGES, WORKLOAD])
def test_a_page_that_waits_says_for_what(path, site_in, open_page):
    site = site_in("slow")
    page = open_page(site, path)
    waiting = page.locator('[data-state="loading"]').first
    expect(waiting).to_contain_text("Asking for")
    site.answer()
    expect(page.locator('[data-state="loading"]')).to_have_count(0)


def test_a_page_keeps_what_it_knew_when_the_server_fails(site, open_page):
    page = open_page(site, "/deployments", may_complain=True)
    expect(page.get_by_role("link", name="cart")).to_be_visible()
    site.shop.state = "failing"
    stale = page.get_by_role("alert")
    expect(stale).to_contain_text("These are the numbers of")
    expect(page.get_by_role("link", name="cart")).to_be_visible()
    site.shop.state = "full"
    page.get_by_role("button", name="Try again").click()
    expect(stale).to_have_count(0)


def test_a_workload_shows_all_that_is_known_of_it(site, open_page):
    page = open_page(site, WORKLOAD)
    expect(
        page.get_by_role("region", name="Inbound").get_by_role("link", name="ui")
    ).to_be_visible()
    outbound = page.get_by_role("region", name="Outbound")
    expect(outbound.get_by_role("link", name="cart")).to_be_visible()
    edges = page.get_by_role("region", name="Edges")
    expect(edges.get_by_text("Not Provided By Service Discovery")).to_be_visible()
    for tab, shown in (
        ("Routes", "GET /items"),
        ("Pods", "web-2"),
        ("Certificates", "0.1.0"),
        ("History", "From "),
    ):
        page.get_by_role("tab", name=tab).click()
        expect(page.get_by_role("tabpanel").get_by_text(shown).first).to_be_visible()
    page.get_by_role("tab", name="Certificates").click()
    expect(
        page.get_by_role("tabpanel").get_by_text(re.compile(r"in (19|20) h")).first
    ).to_be_visible()


def test_what_is_not_there_is_said(site, open_page):
    page = open_page(site, "/namespaces/shop/deployments/nobody", may_complain=True)
    expect(page.get_by_role("alert")).to_contain_text("There is no deployment nobody")
