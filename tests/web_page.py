"""A page of the browser tests, and what a person does on it."""

from pathlib import Path

from web_server import ROOT

SHOTS = ROOT / "build" / "web"
WAIT = 60_000  # milliseconds
PERCENT = "(document.querySelector('#hole').innerText.match(/Hole: ([0-9.]+)%/) || [null, null])[1]"


class Page:
    """A page, and what is done on it."""

    def __init__(self, browser, url, **options):
        self.context = browser.new_context(**{"viewport": {"width": 1280, "height": 1000}, **options})
        self.page = self.context.new_page()
        self.page.set_default_timeout(WAIT)
        self.faults, self.outside = [], []
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))
        self.page.on("request", lambda request: self._seen(request.url, url))
        self.page.goto(url)

    def _seen(self, address, own):
        if not address.startswith((own, "data:", "blob:")):
            self.outside.append(address)

    def open(self, path):
        self.page.set_input_files("#photo input[type=file]", str(path))
        self.page.wait_for_selector("#editor canvas")
        self.says("No hole yet")

    def says(self, words):
        self.page.wait_for_function(
            "([at, words]) => document.querySelector(at)?.innerText.includes(words)", arg=["#hole", words]
        )
        return self.page.inner_text("#hole")

    def stroke(self, *points):
        canvas = self.page.locator("#editor canvas")
        canvas.scroll_into_view_if_needed()
        before = self.page.evaluate(PERCENT)
        box = canvas.bounding_box()
        places = [(box["x"] + box["width"] * x, box["y"] + box["height"] * y) for x, y in points]
        self.page.mouse.move(*places[0])
        self.page.mouse.down()
        for place in places[1:]:
            self.page.mouse.move(*place, steps=5)
        self.page.mouse.up()
        self.page.wait_for_function(f"before => ![null, before].includes({PERCENT})", arg=before)

    def choose(self, method):
        self.page.click("#method input")
        self.page.get_by_role("option", name=method, exact=True).click()

    def fill(self, start=None):
        before = self.page.locator("#said").inner_text() if self.page.locator("#said").is_visible() else ""
        (start or (lambda: self.page.click("#fill")))()
        self.page.wait_for_function(
            "before => { const said = document.querySelector('#said')?.innerText || ''; "
            "return said.includes('Filled') && said !== before; }",
            arg=before,
        )
        return self.page.inner_text("#said")

    def download(self, name, folder):
        with self.page.expect_download() as waiting:
            self.page.click(f"#files a[download$='{name}']")
        path = Path(folder) / name
        waiting.value.save_as(path)
        return path

    def shot(self, name):
        self.page.screenshot(path=SHOTS / f"{name}.png", full_page=True)

    def close(self):
        assert not self.faults
        assert not self.outside  # nothing is fetched from elsewhere
        self.context.close()
