"""The pictures of the browser's page in the documentation, taken with the bundled weights.

    python experiments/page_pictures.py [--out docs/images]

Needs the extra serve, playwright, and an installed Chromium.
"""

from __future__ import annotations

import argparse
import io
import shutil
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image
from playwright.sync_api import Page, expect, sync_playwright

from uois_sam import UOISSAM
from uois_sam.io.encoding import encode_jpeg
from uois_sam.io.files import write_atomically
from uois_sam.serve.config import ServerConfig
from uois_sam.serve.run import listen, make_server, url_of

EXAMPLES = Path(__file__).parents[1] / "examples"
PATIENCE_MS = 600_000
WIDTH, HEIGHT, STATUS = 1180, 720, 30
"""Of the window, and of its last line, which has the time of a machine that is of no interest."""
PHOTOS: dict[Literal["light", "dark"], tuple[str, ...]] = {
    "light": ("coffee", "scene_bin", "scene_bowl", "scene_crowded"),
    "dark": ("coffee",),
}
"""Look of the page to the photos on it; the last one is shown large."""


@contextmanager
def serving(model: UOISSAM) -> Iterator[str]:
    """Serve a model on a free port until the block ends."""
    config = ServerConfig(port=0, deadline_s=PATIENCE_MS / 1000)
    with listen(config) as taken:
        server = make_server(model, config)
        thread = threading.Thread(target=server.run, args=([taken],), daemon=True)
        thread.start()
        while not server.started:
            time.sleep(0.1)
        yield url_of(taken)
        server.should_exit = True
        thread.join(30)


def point(page: Page, x: float, y: float) -> tuple[float, float]:
    """Return where a share of the photo lies on the screen."""
    box = page.locator("#photo").bounding_box()
    assert box is not None
    return box["x"] + x * box["width"], box["y"] + y * box["height"]


def settled(page: Page, photo: str) -> None:
    """Wait for the objects of a photo."""
    expect(page.locator("#status")).to_contain_text(f"{photo}.jpg: ")
    expect(page.locator("#status")).to_contain_text("objects in")


def take(page: Page, look: Literal["light", "dark"]) -> bytes:
    """Put the photos on the page, point at something, and return a PNG."""
    photos = PHOTOS[look]
    for photo in photos:
        page.set_input_files("#files", [EXAMPLES / f"{photo}.jpg"])
        settled(page, photo)
    if look == "dark":
        with page.expect_response("**/v1/prompt", timeout=PATIENCE_MS):
            page.mouse.click(*point(page, 0.69, 0.20))
        expect(page.locator("#keep")).to_be_enabled()
        page.keyboard.down("Shift")
        with page.expect_response("**/v1/prompt", timeout=PATIENCE_MS):
            page.mouse.click(*point(page, 0.50, 0.30))
        page.keyboard.up("Shift")
        page.mouse.move(*point(page, 0.52, 0.33))
    else:
        page.mouse.move(*point(page, 0.46, 0.42))
    page.wait_for_timeout(1000)
    return page.screenshot(clip={"x": 0, "y": 0, "width": WIDTH, "height": HEIGHT - STATUS})


def main() -> int:
    """Run the script; exit status 2 without a browser."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("docs/images"), help="folder of the pictures")
    arguments = parser.parse_args()
    browser_path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if browser_path is None:
        print("page_pictures: expected an installed Chromium, found none", file=sys.stderr)
        return 2
    arguments.out.mkdir(parents=True, exist_ok=True)
    expect.set_options(timeout=PATIENCE_MS)
    with serving(UOISSAM.from_pretrained("compact", device="cpu")) as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_path, args=["--no-sandbox"], timeout=PATIENCE_MS)
        for look in PHOTOS:
            page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT}, color_scheme=look)
            page.set_default_timeout(PATIENCE_MS)
            page.goto(address)
            page.wait_for_selector("body[data-ready]")
            pixels = np.asarray(Image.open(io.BytesIO(take(page, look))).convert("RGB"))
            write_atomically(arguments.out / f"page_{look}.jpg", encode_jpeg(pixels, quality=80))
            page.close()
        browser.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
