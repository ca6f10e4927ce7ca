"""Chromium, and pages in it that may ask nobody but the dashboard and must not complain."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from playwright.sync_api import expect, sync_playwright

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "viz"))
sys.path.insert(0, str(Path(__file__).parent))

from site_of_shop import Site  # noqa: E402

BROWSERS = ("chromium", "google-chrome", "chromium-browser")
PATIENCE_MS = 60_000  # of a machine that has much else to do
expect.set_options(timeout=PATIENCE_MS)


@pytest.fixture(scope="session")
def bundle():
    """The page, built from web/ unless it is already."""
    subprocess.run([sys.executable, ROOT / "tools" / "web.py"], check=True)


@pytest.fixture(scope="session")
def browser(bundle):
    found = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if found is None:
        pytest.fail("there is no Chromium; install it: apt-get install chromium")
    with sync_playwright() as playwright:
        # Root has no sandbox in Chromium; the pages are our own.
        launched = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield launched
        launched.close()


@pytest.fixture
def open_page(browser):
    """A page of a site: `open_page(site, "/deployments", color_scheme="dark")`."""
    contexts, complaints = [], []

    def open_at(site, path, *, may_complain=False, **options):
        options = {"viewport": {"width": 1280, "height": 900}, **options}
        context = browser.new_context(base_url=site.base, **options)
        contexts.append(context)
        context.set_default_timeout(PATIENCE_MS)
        page = context.new_page()
        page.on("pageerror", lambda error: complaints.append(f"{path}: {error}"))
        page.on("request", lambda request: foreign(site, request, complaints))
        if not may_complain:
            page.on("console", lambda said: complaint(said, path, complaints))
        page.goto(path)
        return page

    yield open_at
    for context in contexts:
        context.close()
    assert not complaints


def foreign(site, request, complaints):
    if not request.url.startswith((site.base, "blob:")):
        complaints.append(f"asked another host: {request.url}")


def complaint(said, path, complaints):
    """Also what breaks the content security policy is said there."""
    if said.type in ("error", "warning"):
        complaints.append(f"{path}: {said.text}")


@pytest.fixture
def site():
    with Site() as found:
        yield found


@pytest.fixture
def site_in():
    """A site in one of the shop's states."""
    running = []

    def make(state, **options):
        found = Site(state, **options)
        running.append(found.__enter__())
        return found

    yield make
    for found in running:
        found.__exit__()
