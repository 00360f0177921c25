"""The page in headless Chromium (``make test-web``): what a person does, by mouse, by touch and by keyboard.

Screenshots are written to ``build/web``.
"""

import base64
import os
import re
import shutil

import numpy as np
import pytest
from web_page import SHOTS, Page
from web_server import DEMO, serving

from inpaintx.io.opencv import import_cv2
from inpaintx.io.photo import read_photo, write_photo

pytestmark = pytest.mark.browser
sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed (make test-web)")
CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
PORTRAIT = DEMO / "eileen_collins.png"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with serving(log=tmp_path_factory.mktemp("web") / "log") as (url, _):
        yield url


@pytest.fixture(scope="module")
def browser():
    if not CHROMIUM:
        pytest.skip("Chromium was not found")
    SHOTS.mkdir(parents=True, exist_ok=True)
    with sync_api.sync_playwright() as playwright:
        camera = ["--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream"]
        found = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", *camera])  # CI runs as root
        yield found
        found.close()


@pytest.fixture
def page(browser, server):
    page = Page(browser, server)
    yield page
    page.close()


def known_are_equal(photo, result, mask):
    before, after, hole = read_photo(photo).pixels, read_photo(result).pixels, read_photo(mask).pixels > 127
    np.testing.assert_array_equal(after[~hole], before[~hole])
    assert (after[hole] != before[hole]).any()
    return hole


def test_paint_fill_and_download(page, tmp_path):
    page.open(PORTRAIT)
    page.stroke((0.40, 0.14), (0.47, 0.20), (0.44, 0.27))
    page.stroke((0.1, 0.6), (0.35, 0.75), (0.6, 0.72))
    assert re.search(r"Hole: [2-5]\.\d+% of 512 x 512 pixels", page.page.inner_text("#hole"))
    for method in ("telea", "auto"):
        page.choose(method)
        assert f"by {method}" in page.fill()
        whole = page.download("eileen_collins-filled.png", tmp_path)
        hole = known_are_equal(PORTRAIT, whole, page.download("mask.png", tmp_path))
        assert 0.02 < hole.mean() < 0.05
    page.page.wait_for_selector("#slider img")
    page.page.wait_for_timeout(500)
    page.shot("filled")
    handle = page.page.locator("#slider img").first.bounding_box()
    middle = handle["y"] + handle["height"] / 2
    page.page.mouse.move(handle["x"] + handle["width"] / 2, middle)
    page.page.mouse.down()
    page.page.mouse.move(handle["x"] + handle["width"] * 0.2, middle, steps=5)
    page.page.mouse.up()
    page.shot("slider")
    for name in ("Pixels", "Difference", "What the network saw"):
        page.page.get_by_role("tab", name=name).click()
        page.page.wait_for_selector("[role=tabpanel]:visible img")
        page.page.wait_for_timeout(300)
        page.shot(f"tab {name}")
    page.page.get_by_role("tab", name="Difference").click()
    page.page.locator("#difference img").click(position={"x": 40, "y": 40})
    page.page.get_by_role("tab", name="Pixels").click()
    page.page.wait_for_selector("#pixels img[src*='zoom-']")


def test_the_tools_change_the_hole(page):
    def percent():
        return float(re.search(r"Hole: ([\d.]+)%", page.page.inner_text("#hole"))[1])

    page.open(PORTRAIT)
    page.stroke((0.3, 0.3), (0.6, 0.3))
    once = percent()
    page.page.click("[data-do=undo]")
    page.says("No hole yet")
    page.page.click("[data-do=redo]")
    page.says(f"{once:.2f}%")
    page.page.get_by_role("button", name="Grow by").click()
    page.page.wait_for_function("once => !document.querySelector('#hole').innerText.includes(once)", arg=f"{once:.2f}%")
    grown = percent()
    assert grown > once
    page.page.get_by_role("button", name="Invert").click()
    assert "press Invert" in page.says(f"{100 - grown:.2f}%")
    page.page.get_by_role("button", name="Invert").click()
    page.says(f"{grown:.2f}%")
    page.page.click("[data-do=eraser]")
    page.stroke((0.2, 0.3), (0.45, 0.3))
    page.page.wait_for_function("had => !document.querySelector('#hole').innerText.includes(had)", arg=f"{grown:.2f}%")
    assert percent() < grown
    page.page.click("#clear")
    page.says("No hole yet")


def test_scratches_are_found_shown_and_filled(page, tmp_path):
    cv2 = import_cv2()
    pixels = read_photo(PORTRAIT).pixels.copy()
    cv2.line(pixels, (90, 30), (260, 420), (250, 250, 250), 3, cv2.LINE_AA)
    cv2.line(pixels, (330, 60), (180, 190), (250, 250, 250), 2, cv2.LINE_AA)
    write_photo(tmp_path / "scratched.png", pixels)
    page.open(tmp_path / "scratched.png")
    page.page.get_by_role("button", name="Find damage").click()
    page.page.click("#find")
    words = page.says("is proposed as the hole")
    assert "Hole: 0." in words or "Hole: 1." in words
    page.shot("found")
    page.fill()
    known_are_equal(
        tmp_path / "scratched.png",
        page.download("scratched-filled.png", tmp_path),
        page.download("mask.png", tmp_path),
    )


def test_a_photo_of_twelve_megapixels(page, tmp_path):
    cv2 = import_cv2()
    large = cv2.resize(read_photo(PORTRAIT).pixels, (4000, 3000), interpolation=cv2.INTER_CUBIC)
    write_photo(tmp_path / "large.jpg", large)
    page.open(tmp_path / "large.jpg")
    page.stroke((0.3, 0.3), (0.35, 0.32))
    assert "of 4000 x 3000 pixels" in page.page.inner_text("#hole")
    page.choose("telea")
    page.fill()
    whole = page.download("large-filled.png", tmp_path)
    hole = known_are_equal(tmp_path / "large.jpg", whole, page.download("mask.png", tmp_path))
    assert hole.shape == (3000, 4000)
    page.page.get_by_label("Save as PNG").uncheck()
    assert "JPEG encodes every pixel anew" in page.fill()
    assert read_photo(page.download("large-filled.jpg", tmp_path)).pixels.shape == (3000, 4000, 3)


@pytest.mark.parametrize(("kind", "side", "depth"), [("png", (300, 300), np.uint16), ("jpg", (8000, 6250), np.uint8)])
def test_sixteen_bits_and_fifty_megapixels(page, tmp_path, kind, side, depth):
    cv2 = import_cv2()
    pixels = cv2.resize(read_photo(PORTRAIT).pixels, side, interpolation=cv2.INTER_NEAREST).astype(depth)
    if depth == np.uint16:
        pixels = pixels * 257
        pixels[::2] -= pixels[::2] // 200  # levels that 8 bits do not have
    photo = tmp_path / f"photo.{kind}"
    write_photo(photo, pixels)
    page.open(photo)
    page.stroke((0.3, 0.3), (0.35, 0.32))
    page.choose("telea")
    page.fill()
    whole = page.download("photo-filled.png", tmp_path)
    known_are_equal(photo, whole, page.download("mask.png", tmp_path))
    assert read_photo(whole).pixels.dtype == depth


def test_a_picture_by_the_camera(browser, server, tmp_path):
    page = Page(browser, server, permissions=["camera"])
    page.page.get_by_role("button", name="Take a picture with the camera").click()
    page.page.locator("#camera").get_by_text("Click to Access Webcam").click()
    page.page.wait_for_function("document.querySelector('#camera video')?.videoWidth > 0")  # pictures come
    page.page.wait_for_timeout(1000)
    page.page.locator("#camera button[aria-label='capture photo']").click()
    page.says("No hole yet")
    page.stroke((0.3, 0.3), (0.5, 0.4))
    page.choose("telea")
    assert "by telea" in page.fill()
    page.shot("camera")
    page.close()


def test_who_waits_is_told_the_place(browser, server):
    first, second = (Page(browser, server) for _ in range(2))
    for page in (first, second):
        page.open(PORTRAIT)
        page.stroke((0.1, 0.2), (0.9, 0.2), (0.9, 0.8), (0.1, 0.8))
    first.choose("yeh")  # searches for minutes
    first.page.click("#fill")
    first.page.wait_for_function("document.querySelector('#progress').innerText.includes('yeh:')")
    second.choose("telea")
    second.page.click("#fill")
    second.page.wait_for_function("/queue: *1/.test(document.querySelector('#progress').innerText)")
    second.shot("queue")
    first.page.click("#cancel")
    second.page.wait_for_function("document.querySelector('#said')?.innerText.includes('by telea')")
    for page in (first, second):
        page.close()


def test_a_broken_file_is_one_sentence(page, tmp_path):
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(100))
    page.page.set_input_files("#photo input[type=file]", str(tmp_path / "broken.png"))
    toast = page.page.locator(".toast-body, [data-testid=toast-body]").first
    toast.wait_for()
    assert "photo broken.png cannot be read" in toast.inner_text()
    assert "Traceback" not in page.page.content()
    page.shot("broken")
    page.open(PORTRAIT)


def test_a_pasted_picture_keeps_its_bytes(page, tmp_path):
    page.page.wait_for_selector("#photo button")
    page.page.wait_for_timeout(2000)
    page.page.evaluate(
        """data => {
            const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
            const clipboard = new DataTransfer();
            clipboard.items.add(new File([bytes], "pasted.png", { type: "image/png" }));
            document.dispatchEvent(new ClipboardEvent("paste", { clipboardData: clipboard, bubbles: true }));
        }""",
        base64.b64encode(PORTRAIT.read_bytes()).decode(),
    )
    page.says("No hole yet")
    with page.page.expect_download() as waiting:
        page.page.click("#photo a[download]")
    waiting.value.save_as(tmp_path / "pasted.png")
    assert (tmp_path / "pasted.png").read_bytes() == PORTRAIT.read_bytes()


def test_two_browsers_at_once(browser, server, tmp_path):
    pages = [Page(browser, server) for _ in range(2)]
    for page, method in zip(pages, ("telea", "harmonic"), strict=True):
        page.open(PORTRAIT)
        page.choose(method)
    pages[0].stroke((0.2, 0.2), (0.3, 0.3))
    pages[1].stroke((0.6, 0.6), (0.7, 0.7))
    for page in pages:
        page.page.click("#fill")
    holes = []
    for number, (page, method) in enumerate(zip(pages, ("telea", "harmonic"), strict=True)):
        (tmp_path / str(number)).mkdir()
        page.page.wait_for_function(
            "words => document.querySelector('#said')?.innerText.includes(words)", arg=f"by {method}"
        )
        files = [page.download(name, tmp_path / str(number)) for name in ("eileen_collins-filled.png", "mask.png")]
        holes.append(known_are_equal(PORTRAIT, *files))
    assert not (holes[0] & holes[1]).any()
    for page in pages:
        page.close()


def test_cancel(page):
    page.open(PORTRAIT)
    page.stroke((0.1, 0.2), (0.9, 0.2), (0.9, 0.8), (0.1, 0.8))
    page.choose("yeh")  # searches for minutes
    page.page.click("#fill")
    page.page.wait_for_function("document.querySelector('#progress').innerText.includes('yeh:')")
    page.page.click("#cancel")
    page.page.get_by_text("canceled: the photo stays as it was").first.wait_for()
    page.choose("telea")
    assert "by telea" in page.fill()


def test_samples_faces_and_comparison(page):
    page.open(PORTRAIT)
    page.stroke((0.40, 0.14), (0.47, 0.20))
    page.page.get_by_role("button", name="Faces").click()
    page.page.click("#look")
    page.page.wait_for_selector("#faces img")
    squares = page.page.get_by_label("Squares")
    found = squares.input_value()
    assert re.fullmatch(r"\d+,\d+,\d+", found)
    page.page.locator("#faces img").click(position={"x": 150, "y": 60})
    page.page.wait_for_function("had => document.querySelector('textarea').value !== had", arg=found)
    page.shot("faces")
    page.page.locator("input[aria-label*='Samples']").first.fill("2")
    page.page.keyboard.press("Tab")
    page.fill()
    page.page.wait_for_selector("#gallery img")
    assert page.page.locator("#files a[download]").count() == 3
    page.page.get_by_role("button", name="Compare methods").click()
    page.page.click("#compare")
    page.page.wait_for_selector("#sheet img")
    page.page.wait_for_timeout(500)
    page.shot("compared")


def test_a_narrow_phone(browser, server, tmp_path):
    page = Page(
        browser, server, viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True, device_scale_factor=2
    )
    page.open(PORTRAIT)
    canvas = page.page.locator("#editor canvas")
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    page.page.touchscreen.tap(box["x"] + box["width"] * 0.43, box["y"] + box["height"] * 0.2)
    page.says("Hole:")
    page.fill()
    assert page.page.evaluate("document.documentElement.scrollWidth") <= 390
    page.shot("phone")
    page.close()


def test_keyboard_only(page):
    page.page.wait_for_timeout(2000)  # until the button does something
    with page.page.expect_file_chooser() as chooser:
        page.page.locator("#photo button").first.focus()
        page.page.keyboard.press("Enter")
    chooser.value.set_files(str(PORTRAIT))
    page.says("No hole yet")
    for _ in range(60):
        page.page.keyboard.press("Tab")
        if page.page.evaluate("document.activeElement.tagName") == "CANVAS":
            break
    assert page.page.evaluate("document.activeElement.tagName") == "CANVAS"
    for key in ("ArrowLeft", "Space", "Shift+ArrowUp", "Space"):
        page.page.keyboard.press(key)
    page.says("Hole:")

    def press_fill():
        for _ in range(60):
            page.page.keyboard.press("Tab")
            if page.page.evaluate("document.activeElement.id") == "fill":
                break
        page.page.keyboard.press("Enter")

    assert "Filled" in page.fill(press_fill)


def test_axe_finds_nothing_serious(page):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    page.open(PORTRAIT)
    page.stroke((0.3, 0.3), (0.6, 0.3))
    for name in ("Find damage", "A mask from a file", "More options", "Faces", "Compare methods"):
        page.page.get_by_role("button", name=name).click()
    page.fill()
    page.page.wait_for_timeout(1000)
    page.shot("all open")
    found = axe.run(page.page).response["violations"]
    serious = [v for v in found if v["impact"] in ("serious", "critical")]
    assert not serious, [(v["id"], [node["target"] for node in v["nodes"]]) for v in serious]
