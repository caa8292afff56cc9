"""The page does in a real browser what it says; skipped where no Chromium is installed."""

from __future__ import annotations

import io
import json
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from live_server import live, photo, tiny_model
from uois_sam import UOISSAM

pytest.importorskip("playwright", reason="no package that drives a browser")
from playwright.sync_api import Download, Page, expect, sync_playwright

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = [pytest.mark.slow, pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")]
PATIENCE_MS = 60_000


@pytest.fixture(scope="module")
def model() -> UOISSAM:
    return tiny_model()


@pytest.fixture(scope="module")
def address(model: UOISSAM) -> Iterator[str]:
    with live(model) as running:
        yield running.url


@pytest.fixture(scope="module")
def page(address: str) -> Iterator[Page]:
    arguments = ["--no-sandbox", "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        page = browser.new_page(viewport={"width": 1100, "height": 700}, accept_downloads=True)
        page.set_default_timeout(PATIENCE_MS)
        expect.set_options(timeout=PATIENCE_MS)
        errors: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
        page.on("request", lambda request: errors.append(request.url) if not _own(request.url, address) else None)
        page.goto(address)
        page.wait_for_selector("body[data-ready]")
        yield page
        browser.close()
    assert not errors, "errors of the page, or addresses elsewhere"


def _own(url: str, address: str) -> bool:
    return url.startswith((address, "blob:", "data:"))


def put(page: Page, *names: str) -> None:
    """Choose photos of different content, as with a file dialogue."""
    files = [{"name": name, "mimeType": "image/png", "buffer": photo(seed=seed)} for seed, name in enumerate(names)]
    page.set_input_files("#files", files)  # type: ignore[arg-type]


def count(page: Page) -> int:
    return page.locator("#objects li").count()


def settled(page: Page, name: str) -> None:
    expect(page.locator("#status")).to_contain_text(f"{name}: ")
    expect(page.locator("#status")).to_contain_text("objects in")


@pytest.fixture
def shown(page: Page, address: str) -> Page:
    """The page with one photo and its objects."""
    page.goto(address)
    page.wait_for_selector("body[data-ready]")
    put(page, "bench.png")
    settled(page, "bench.png")
    return page


def at(page: Page, x: float, y: float) -> tuple[float, float]:
    """Where a share of the photo lies on the screen."""
    box = page.locator("#photo").bounding_box()
    assert box is not None
    return box["x"] + x * box["width"], box["y"] + y * box["height"]


def drag(page: Page, *corners: tuple[float, float]) -> None:
    page.mouse.move(*at(page, *corners[0]))
    page.mouse.down()
    for corner in corners[1:]:
        page.mouse.move(*at(page, *corner), steps=4)
    page.mouse.up()


def downloaded(page: Page, button: str) -> bytes:
    with page.expect_download() as waiting:
        page.click(button)
    download: Download = waiting.value
    return Path(download.path()).read_bytes()


def test_masks_are_listed_and_drawn_and_hovering_says_what_they_are(shown: Page, model: UOISSAM) -> None:
    expected = model.predict(photo())
    assert count(shown) == len(expected)
    best = expected[0]
    expect(shown.locator("#objects li").first).to_contain_text(f"1 · {best.score:.2f}")
    rows, columns = np.nonzero(expected.label_map() == 1)
    middle = len(rows) // 2
    shown.mouse.move(*at(shown, (columns[middle] + 0.5) / 64, (rows[middle] + 0.5) / 48))
    expect(shown.locator("#tip")).to_have_text(f"1 · score {best.score:.2f} · {int(best.mask.sum()):,} px")


def test_clicks_and_boxes_make_objects(shown: Page) -> None:
    before = count(shown)
    shown.mouse.click(*at(shown, 0.3, 0.4))
    expect(shown.locator("#keep")).to_be_enabled()
    assert count(shown) == before + 1
    shown.keyboard.down("Shift")
    shown.mouse.click(*at(shown, 0.8, 0.8))
    shown.keyboard.up("Shift")
    settled(shown, "bench.png")
    shown.keyboard.press("Enter")
    expect(shown.locator("#status")).to_contain_text("kept")
    kept = count(shown)
    assert kept <= before + 1  # it stands in place of what it is the same as
    drag(shown, (0.2, 0.2), (0.7, 0.8))
    expect(shown.locator("#keep")).to_be_enabled()
    assert count(shown) == kept + 1
    shown.keyboard.press("Escape")
    expect(shown.locator("#objects li")).to_have_count(kept)
    shown.keyboard.down("Shift")
    shown.mouse.click(*at(shown, 0.5, 0.5))
    shown.keyboard.up("Shift")
    expect(shown.locator("#status")).to_contain_text("Click on the object as well")


def test_enter_before_an_answer_keeps_what_it_brings(shown: Page) -> None:
    """A click whose answer takes a while, and Enter at once: the object is kept once, with that click."""
    before = count(shown)
    shown.route("**/v1/prompt", lambda route: (shown.wait_for_timeout(500), route.continue_()))
    shown.mouse.click(*at(shown, 0.3, 0.4))
    shown.keyboard.press("Enter")
    expect(shown.locator("#status")).to_contain_text("kept")
    kept = count(shown)
    assert kept <= before + 1
    shown.wait_for_timeout(300)
    assert count(shown) == kept, "no answer comes after it"
    expect(shown.locator("#keep")).to_be_disabled()


def test_the_keyboard_alone_points_and_removes(shown: Page) -> None:
    shown.focus("#photo")
    shown.keyboard.press("ArrowRight")
    shown.keyboard.press("Shift+ArrowDown")
    shown.keyboard.press("Space")
    expect(shown.locator("#keep")).to_be_enabled()
    shown.keyboard.press("Enter")
    expect(shown.locator("#status")).to_contain_text("kept")
    before = count(shown)
    shown.locator("#objects button").first.focus()
    shown.keyboard.press("Delete")
    expect(shown.locator("#objects li")).to_have_count(before - 1)


def test_sliders_and_a_region_limit_what_is_found(shown: Page, model: UOISSAM) -> None:
    scores = model.predict(photo()).scores
    middle = round(float(np.median(scores)), 2)
    shown.fill("#min_score", str(middle))
    expected = len(model.predict(photo(), min_score=middle))
    assert expected < len(scores)
    expect(shown.locator("#objects li")).to_have_count(expected)
    shown.click("#reset")
    expect(shown.locator("#objects li")).to_have_count(len(scores))
    shown.keyboard.press("r")
    expect(shown.locator("#region")).to_have_attribute("aria-pressed", "true")
    with shown.expect_request(lambda request: "region" in (request.post_data or "")) as waiting:
        drag(shown, (0.02, 0.02), (0.5, 0.02), (0.5, 0.98), (0.02, 0.98))
    region = json.loads(waiting.value.post_data or "")["region"]
    assert np.allclose(np.min(region, axis=0), 0.02, atol=0.03) and np.allclose(
        np.max(region, axis=0), [0.5, 0.98], atol=0.03
    )
    expect(shown.locator("#objects li")).to_have_count(len(model.predict(photo(), region=region)))


def test_downloads(shown: Page, model: UOISSAM) -> None:
    expected = model.predict(photo())
    label_map = np.array(Image.open(io.BytesIO(downloaded(shown, "#label-map"))))
    assert np.array_equal(label_map, expected.label_map())
    coco = json.loads(downloaded(shown, "#coco"))
    assert [row["segmentation"] for row in coco["annotations"]] == [row["segmentation"] for row in expected.to_coco()]
    assert coco["images"] == [{"id": 1, "file_name": "bench.png", "width": 64, "height": 48}]
    with zipfile.ZipFile(io.BytesIO(downloaded(shown, "#crops"))) as archive:
        assert archive.testzip() is None
        assert len(archive.namelist()) == len(expected)
        first = np.array(Image.open(archive.open("bench_1.png")))
    left, top, right, bottom = (int(value) for value in expected.boxes[0])
    assert np.array_equal(first[:, :, 3] > 0, expected.masks[0][top:bottom, left:right])
    whole = np.array(Image.open(io.BytesIO(photo())))[top:bottom, left:right]
    assert np.array_equal(first[first[:, :, 3] > 0][:, :3], whole[first[:, :, 3] > 0])


def test_several_photos_are_a_strip(page: Page, address: str, model: UOISSAM) -> None:
    page.goto(address)
    page.wait_for_selector("body[data-ready]")
    put(page, "1.png", "2.png", "10.png")
    expect(page.locator("#strip button")).to_have_count(3)
    settled(page, "1.png")
    page.keyboard.press("]")
    settled(page, "2.png")
    assert count(page) == len(model.predict(photo(seed=1)))
    page.locator("#strip button").nth(2).click()
    settled(page, "10.png")
    assert page.locator("#strip button").nth(2).get_attribute("aria-current") == "true"


def test_a_dropped_photo_is_found_and_others_are_told(page: Page, address: str) -> None:
    page.goto(address)
    page.wait_for_selector("body[data-ready]")
    drop = """([bytes, name, type]) => {
        const transfer = new DataTransfer();
        transfer.items.add(new File([new Uint8Array(bytes)], name, { type }));
        document.dispatchEvent(new DragEvent("drop", { dataTransfer: transfer, bubbles: true, cancelable: true }));
    }"""
    page.evaluate(drop, [[1, 2, 3], "notes.txt", "text/plain"])
    expect(page.locator("#status")).to_contain_text("Expected photos, found none")
    page.evaluate(drop, [[1, 2, 3], "broken.png", "image/png"])
    expect(page.locator("#status")).to_contain_text("broken.png: this browser cannot show it")
    page.evaluate(drop, [list(photo()), "dropped.png", "image/png"])
    settled(page, "dropped.png")


def test_a_file_that_cannot_be_shown_stays_named_beside_those_that_can(page: Page, address: str) -> None:
    page.goto(address)
    page.wait_for_selector("body[data-ready]")
    broken = {"name": "broken.png", "mimeType": "image/png", "buffer": photo()[:60]}
    page.set_input_files("#files", [broken, {"name": "good.png", "mimeType": "image/png", "buffer": photo()}])  # type: ignore[list-item]
    settled(page, "good.png")
    expect(page.locator("#notes")).to_contain_text("broken.png: this browser cannot show it")
    put(page, "next.png")
    settled(page, "next.png")
    expect(page.locator("#notes")).not_to_contain_text("broken.png")


def test_what_the_server_refuses_is_told_with_the_name_of_the_photo(page: Page, address: str) -> None:
    browser = page.context.browser
    assert browser is not None
    other = browser.new_page()  # the browser's console tells such answers as errors
    other.set_default_timeout(PATIENCE_MS)
    answer = json.dumps({"error": "expected a body of at most 2 MiB, found a larger one"})
    other.route("**/v1/encode", lambda route: route.fulfill(status=413, body=answer, content_type="application/json"))
    other.goto(address)
    other.wait_for_selector("body[data-ready]")
    put(other, "large.png")
    expect(other.locator("#status")).to_have_text("large.png: expected a body of at most 2 MiB, found a larger one")
    other.close()


def test_the_webcam_takes_a_photo(page: Page, address: str) -> None:
    page.goto(address)
    page.wait_for_selector("body[data-ready]")
    page.keyboard.press("c")
    page.click("#shoot")
    settled(page, "webcam_1.png")
    expect(page.locator("#video")).to_be_hidden()


def test_dark_and_light(page: Page) -> None:
    colours = []
    for scheme in ("dark", "light"):
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        colours.append(page.evaluate("getComputedStyle(document.body).backgroundColor"))
    assert colours[0] != colours[1]
