"""Takes the pictures of docs/images from a running dashboard, in Chromium.

    python tools/screenshots.py http://localhost:50750 NAMESPACE DEPLOYMENT

`tulle viz dashboard` prints the address. Let the mesh have traffic for some minutes before.
"""

import shutil
import sys
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

ROOT = Path(__file__).resolve().parent.parent
IMAGES = ROOT / "docs" / "images"
MOST_BYTES = 150_000
DESKTOP, PHONE = {"width": 1280, "height": 800}, {"width": 390, "height": 780}
SETTLED_MS = 1500  # for sparklines and the graph, which are drawn after the data has come


def settled(page: Page) -> None:
    page.locator("h1").wait_for()
    page.wait_for_function("!document.querySelector('[data-state=\"loading\"]')")
    page.wait_for_timeout(SETTLED_MS)


def take(browser: Browser, base: str, name: str, path: str, scheme: str, size: dict) -> None:
    with browser.new_context(base_url=base, viewport=size, color_scheme=scheme) as context:
        page = context.new_page()
        page.goto(path)
        settled(page)
        if path.startswith("/tap"):
            page.get_by_role("button", name="Start").click()
            page.locator("tr.request").nth(3).wait_for()
            page.get_by_role("button", name="Stop").click()
        if path.startswith("/topology"):
            page.locator('.graph canvas[data-ready="true"]').wait_for()
            page.wait_for_timeout(SETTLED_MS)
        target = IMAGES / f"{name}.png"
        page.screenshot(path=target)
        size_bytes = target.stat().st_size
        print(f"{target.relative_to(ROOT)}: {size_bytes / 1000:.0f} kB", file=sys.stderr)
        if size_bytes > MOST_BYTES:
            raise SystemExit(f"screenshots: {target} is larger than {MOST_BYTES / 1000:.0f} kB")


def main() -> None:
    if len(sys.argv) != 4:
        raise SystemExit(__doc__)
    base, namespace, deployment = sys.argv[1:]
    own = f"/namespaces/{namespace}/deployments/{deployment}"
    tap = f"/tap?kind=deployment&namespace={namespace}&name={deployment}"
    wanted = (
        ("overview", "/", "light", DESKTOP),
        ("topology", "/topology", "dark", DESKTOP),
        ("workload", own, "light", DESKTOP),
        ("tap", tap, "dark", DESKTOP),
        ("phone", f"/namespaces/{namespace}", "light", PHONE),
    )
    IMAGES.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        found = shutil.which("chromium") or shutil.which("google-chrome")
        # Root has no sandbox in Chromium; the pages are our own.
        with playwright.chromium.launch(executable_path=found, args=["--no-sandbox"]) as browser:
            for name, path, scheme, size in wanted:
                take(browser, base, name, path, scheme, size)


if __name__ == "__main__":
    main()
