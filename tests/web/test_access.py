"""For everybody: no axe violation in light or dark, at phone width, and by keyboard alone."""

import pytest
from axe import AXE, violations
from playwright.sync_api import expect

pytestmark = pytest.mark.browser

WORKLOAD = "/namespaces/shop/deployments/web"
PATHS = (
    "/",
    "/topology",
    "/namespaces",
    "/namespaces/shop",
    "/deployments",
    "/pods",
    "/trafficsplits",
    "/edges",
    "/routes",
    "/tap",
    "/top",
    WORKLOAD,
    *(f"{WORKLOAD}?tab={tab}" for tab in ("history", "routes", "pods", "certificates", "tap")),
)
PHONE = {"width": 390, "height": 844}


def ready(page):
    expect(page.locator("h1")).to_be_visible()
    expect(page.locator('[data-state="loading"]')).to_have_count(0)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_page_shuts_anybody_out(scheme, site, open_page):
    assert AXE.exists()
    page = open_page(site, "/", color_scheme=scheme)
    found = []
    for path in PATHS:
        page.goto(path)
        ready(page)
        found += [f"{path}: {problem}" for problem in violations(page)]
    assert not found, "\n".join(found)


@pytest.mark.parametrize("state", ["empty", "failing"])
def test_nor_does_a_page_without_numbers(state, site_in, open_page):
    page = open_page(site_in(state), "/", may_complain=True)
    found = []
    for path in PATHS:
        page.goto(path)
        ready(page)
        found += [f"{path}: {problem}" for problem in violations(page)]
    assert not found, "\n".join(found)


def test_a_phone_scrolls_no_page_sideways(site, open_page):
    page = open_page(site, "/", viewport=PHONE, has_touch=True, is_mobile=True)
    for path in PATHS:
        page.goto(path)
        ready(page)
        width = page.evaluate("document.documentElement.scrollWidth")
        assert width <= PHONE["width"], path
    page.get_by_role("button", name="Menu").click()
    page.get_by_role("navigation", name="Main").get_by_role("link", name="Deployments").click()
    expect(page.get_by_role("heading", name="Deployments", level=1)).to_be_visible()
    expect(page.get_by_role("link", name="Edges")).to_be_hidden()


def test_the_theme_is_the_systems_until_it_is_chosen(site, open_page):
    page = open_page(site, "/", color_scheme="dark")
    root = page.locator("html")
    expect(root).to_have_attribute("data-theme", "dark")
    page.get_by_role("button", name="Colours: system; change").click()
    expect(root).to_have_attribute("data-theme", "light")
    page.reload()
    expect(root).to_have_attribute("data-theme", "light")


def test_search_by_keyboard_alone(site, open_page):
    page = open_page(site, "/")
    ready(page)
    page.keyboard.press("/")
    field = page.get_by_role("combobox", name="Search")
    expect(field).to_be_focused()
    page.keyboard.type("cart")
    option = page.get_by_role("option", name="cart Deployment in shop")
    expect(option).to_be_visible()
    assert not violations(page)
    page.keyboard.press("ArrowDown")
    expect(option).to_have_attribute("aria-selected", "false")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="cart", level=1)).to_be_visible()
    assert page.url.endswith("/namespaces/shop/deployments/cart")
    page.keyboard.press("Control+k")
    expect(field).to_be_focused()
    page.keyboard.press("Escape")
    expect(field).to_be_hidden()


def test_the_first_stop_of_the_keyboard_skips_to_the_page(site, open_page):
    page = open_page(site, "/deployments")
    ready(page)
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the page")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()


def test_tabs_follow_the_arrow_keys(site, open_page):
    page = open_page(site, WORKLOAD)
    page.get_by_role("tab", name="Traffic").focus()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("tab", name="History")).to_be_focused()
    assert "tab=history" in page.url
