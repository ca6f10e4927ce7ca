"""What the first visit costs, and what the pages may load."""

import re

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.browser

MOST_BYTES = 300 * 1024


def test_the_first_load_is_light_and_the_layout_comes_later(site, open_page):
    page = open_page(site, "/")
    expect(page.locator("h1")).to_be_visible()
    loaded = page.evaluate(
        "['navigation', 'resource'].flatMap((type) => performance.getEntriesByType(type))"
        ".map(({ name, encodedBodySize: size }) => [name, size])"
    )
    files = [size for name, size in loaded if "/api/" not in name]
    assert len(files) >= 3
    assert 0 < sum(files) <= MOST_BYTES
    print(f"first load: {sum(files) / 1024:.0f} KiB in {len(files)} files")
    assert not [name for name, _ in loaded if "elk" in name]
    with page.expect_request(re.compile(r"/assets/elk-worker")):
        page.get_by_role("link", name="Topology").click()


def test_files_have_names_of_their_content_and_stay(site, open_page):
    page = open_page(site, "/")
    source = page.locator("script[src]").get_attribute("src")
    assert re.fullmatch(r"/assets/index-[\w-]+\.js", source)
    answer = page.request.get(source)
    assert "immutable" in answer.headers["cache-control"]
    assert page.request.get("/topology").headers["cache-control"] == "no-cache"


def test_a_page_that_is_none_says_so(site, open_page):
    page = open_page(site, "/")
    page.evaluate(
        "history.pushState(null, '', '/nowhere'); dispatchEvent(new PopStateEvent('popstate'))"
    )
    expect(page.get_by_text("There is no page at this address.")).to_be_visible()
