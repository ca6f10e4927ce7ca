"""Takes the pictures of docs/images from a running dashboard, in Chromium.

    python tools/screenshots.py http://localhost:50750 NAMESPACE DEPLOYMENT SERVICE [PICTURE…]

`tulle viz dashboard` prints the address. The Service is one whose traffic a route splits. Let the
mesh have traffic for some minutes before. Without names all pictures are taken.
"""

import base64
import shutil
import sys
from pathlib import Path

from playwright.sync_api import Browser, Page, expect, sync_playwright

ROOT = Path(__file__).resolve().parent.parent
IMAGES = ROOT / "docs" / "images"
MOST_BYTES = 150_000
DESKTOP, PHONE = {"width": 1280, "height": 800}, {"width": 390, "height": 780}
QUALITY = 0.85
# Chromium itself packs a picture: a third of the bytes of its PNG.
TO_WEBP = """async ([png, quality]) => {
    const picture = await createImageBitmap(await (await fetch(png)).blob());
    const canvas = new OffscreenCanvas(picture.width, picture.height);
    canvas.getContext("2d").drawImage(picture, 0, 0);
    const packed = await canvas.convertToBlob({ type: "image/webp", quality });
    const bytes = new Uint8Array(await packed.arrayBuffer());
    return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
}"""
LONGEST_MS = 30_000
SETTLED_MS = 1500  # for sparklines and the graph, which are drawn after the data has come


def settled(page: Page) -> None:
    page.locator("h1").wait_for()
    expect(page.locator('[data-state="loading"]')).to_have_count(0, timeout=LONGEST_MS)
    page.wait_for_timeout(SETTLED_MS)


def packed(browser: Browser, png: bytes) -> bytes:
    """As WebP, by a page that may fetch a `data:` address, which those of the dashboard may not."""
    page = browser.new_page()
    try:
        address = "data:image/png;base64," + base64.b64encode(png).decode()
        return base64.b64decode(page.evaluate(TO_WEBP, [address, QUALITY]))
    finally:
        page.close()


def take(browser: Browser, base: str, name: str, path: str, scheme: str, size: dict) -> None:
    with browser.new_context(base_url=base, viewport=size, color_scheme=scheme) as context:
        page = context.new_page()
        page.goto(path)
        settled(page)
        if path.startswith("/tap"):
            page.get_by_role("button", name="Start").click()
            page.locator("tr.request").nth(3).wait_for()
            page.get_by_role("button", name="Stop").click()
        if path.endswith("tab=split"):
            page.get_by_role("button", name="50/50").click()
        if path.startswith("/topology"):
            page.locator('.graph canvas[data-ready="true"]').wait_for()
            page.wait_for_timeout(SETTLED_MS)
        picture = page.screenshot()
    target = IMAGES / f"{name}.webp"
    size_bytes = target.write_bytes(packed(browser, picture))
    print(f"{target.relative_to(ROOT)}: {size_bytes / 1000:.0f} kB", file=sys.stderr)
    if size_bytes > MOST_BYTES:
        raise SystemExit(f"screenshots: {target} is larger than {MOST_BYTES / 1000:.0f} kB")


def main() -> None:
    if len(sys.argv) < 5:
        raise SystemExit(__doc__)
    base, namespace, deployment, service, *names = sys.argv[1:]
    own = f"/namespaces/{namespace}/deployments/{deployment}"
    tap = f"/tap?kind=deployment&namespace={namespace}&name={deployment}"
    wanted = (
        ("overview", "/", "light", DESKTOP),
        ("topology", "/topology", "dark", DESKTOP),
        ("workload", own, "light", DESKTOP),
        ("tap", tap, "dark", DESKTOP),
        ("split", f"/namespaces/{namespace}/services/{service}?tab=split", "light", DESKTOP),
        ("phone", f"/namespaces/{namespace}", "light", PHONE),
    )
    IMAGES.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        found = shutil.which("chromium") or shutil.which("google-chrome")
        # Root has no sandbox in Chromium; the pages are our own.
        with playwright.chromium.launch(executable_path=found, args=["--no-sandbox"]) as browser:
            for name, path, scheme, size in wanted:
                if not names or name in names:
                    take(browser, base, name, path, scheme, size)


if __name__ == "__main__":
    main()
