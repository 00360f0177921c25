"""The page's server without a browser: the API, who is let in, what cannot be read, and what goes with a session."""

import asyncio
import json
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np
import pytest
from web_server import DEMO, ROOT, serving

from inpaintx.cli import run
from inpaintx.errors import InpaintxError
from inpaintx.io.photo import Photo, read_photo, write_photo
from inpaintx.web.limits import Limits
from inpaintx.web.server import Address
from inpaintx.web.work import Fill, fill
from inpaintx.web.worker import CanceledError, Worker

PHOTO, MASK = DEMO / "grace_hopper.jpg", DEMO / "grace_hopper_mask.png"


@pytest.mark.parametrize(
    ("address", "words"),
    [
        (Address(host="0.0.0.0"), "--host 0.0.0.0 lets other machines in: give --auth user:password, or --no-auth"),
        (Address(auth="user"), "--auth takes user:password"),
        (Address(auth=":x"), "--auth takes user:password"),
        (Address(auth="a:b", no_auth=True), "exclude each other"),
    ],
)
def test_nobody_is_let_in_unawares(address, words):
    with pytest.raises(InpaintxError, match=words.replace("(", r"\(")):
        address.check()


@pytest.mark.parametrize(
    "address",
    [Address(), Address(host="localhost"), Address(host="0.0.0.0", auth="a:b:c"), Address(host="::", no_auth=True)],
)
def test_who_may_come_in(address):
    address.check()


def test_the_command_refuses_in_a_sentence(capfd):
    assert run(["web", "--host", "0.0.0.0"]) == 2
    assert capfd.readouterr().err.startswith("inpaintx: --host 0.0.0.0 lets other machines in")


def answer(limits, path, length, body=b""):
    """The status that a request gets."""
    sent = []

    async def receive():
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message):
        sent.append(message)

    headers = [] if length is None else [(b"content-length", str(length).encode())]
    asyncio.run(limits({"type": "http", "method": "POST", "path": path, "headers": headers}, receive, send))
    return sent[0]["status"], sent[-1]["body"]


def test_limits(tmp_path):
    seen = []

    async def app(scope, receive, send):
        seen.append((await receive())["type"])
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    limits = Limits(app, most=2**20, at_once=1, waiting=1, folder=tmp_path, disk=100)
    assert answer(limits, "/gradio_api/upload", 10)[0] == 200
    status, body = answer(limits, "/gradio_api/upload", 3 * 2**20)
    assert status == 413
    assert json.loads(body) == {"detail": "the upload is larger than 2 MB"}
    assert answer(limits, "/gradio_api/queue/join", 3 * 2**20)[0] == 413
    assert answer(limits, "/gradio_api/upload", "x")[0] == 413
    assert answer(limits, "/gradio_api/upload", None, b"0" * 3 * 2**20)[0] == 200
    assert seen == ["http.request", "http.disconnect"]  # longer than it said
    limits.now = 2
    assert answer(limits, "/gradio_api/upload", 10)[0] == 503
    limits.now = 0
    (tmp_path / "much").write_bytes(bytes(200))
    assert answer(limits, "/gradio_api/upload", 10)[0] == 507


def slow(progress):
    import time

    progress(0.25)
    time.sleep(60)


def leave(progress):
    import os

    os._exit(1)


def wrong(progress):
    raise RuntimeError("secret /path")


def test_the_worker_is_canceled_and_goes_on(tmp_path):
    import threading

    worker, canceled, shares = Worker(), threading.Event(), []

    def progress(share):
        shares.append(share)
        canceled.set()

    try:
        with pytest.raises(CanceledError):
            worker.run(slow, progress=progress, canceled=canceled)
        assert shares == [0.25]
        with pytest.raises(InpaintxError, match="the fill ended early"):
            worker.run(leave)
        with pytest.raises(InpaintxError, match=r"^the fill failed \(RuntimeError\)$"):
            worker.run(wrong)
        write_photo(tmp_path / "photo.png", np.full((20, 30, 3), 90, np.uint8))
        write_photo(tmp_path / "mask.png", np.zeros((20, 30), np.uint8))
        asked = Fill(str(tmp_path), "photo.png", "mask.png", "out/whole.png", "telea")
        with pytest.raises(InpaintxError) as error:
            worker.run(fill, asked)
        assert "empty" in str(error.value)
        assert str(tmp_path) not in str(error.value)
    finally:
        worker.close()


def test_a_hole_that_is_painted_on_the_preview(tmp_path):
    from inpaintx.web.session import Sessions

    rng = np.random.default_rng(0)
    (tmp_path / "up").mkdir()
    write_photo(tmp_path / "up" / "large photo.png", rng.integers(0, 255, (3000, 2000, 3), np.uint8))
    sessions = Sessions(tmp_path)
    session = sessions.of("a")
    session.open_photo(tmp_path / "up" / "large photo.png")
    exact = np.zeros((3000, 2000), bool)
    exact[100:103, 50:1900] = True  # thinner than a pixel of the preview
    session.set_hole(exact)
    shown = session.shown_hole()
    assert shown.shape == (1024, 683)
    assert shown[34, 100:600].all()
    np.testing.assert_array_equal(session.paint(shown), exact)  # what was not touched stays as it was
    shown = shown.copy()
    shown[500:510, 300:310] = True
    shown[:, 400:] = False
    hole = session.paint(shown)
    assert hole[1480, 900]
    np.testing.assert_array_equal(hole[:200, :1100], exact[:200, :1100])
    assert not hole[:, 1200:].any()
    with pytest.raises(InpaintxError, match="is not of this photo"):
        session.paint(shown[1:])
    folder = session.folder
    assert folder.stat().st_mode & 0o777 == 0o700
    sessions.end("a")
    assert not folder.exists()
    assert not (tmp_path / "up").exists()
    assert len(sessions) == 0


def test_two_pages_with_one_upload(tmp_path):
    from inpaintx.web.session import Sessions

    (tmp_path / "up").mkdir()
    write_photo(tmp_path / "up" / "p.png", np.full((20, 30, 3), 90, np.uint8))
    sessions = Sessions(tmp_path)
    for key in "ab":
        sessions.of(key).open_photo(tmp_path / "up" / "p.png")
    sessions.end("a")
    assert (tmp_path / "up" / "p.png").exists()
    with pytest.raises(InpaintxError, match="there is no photo yet"):
        sessions.of("c").photo()
    sessions.of("b").used -= 2 * 3600
    sessions.of("c")
    assert not (tmp_path / "up").exists()


def test_words():
    pytest.importorskip("gradio")
    from inpaintx.web.words import about_hole, about_missing, plain
    from inpaintx.web.work import MethodInfo

    hole = np.zeros((10, 10), bool)
    assert "No hole yet" in about_hole((10, 10), hole)
    hole[:3] = True
    assert about_hole((10, 10), hole).startswith("**Hole: 30.00%** of 10 x 10 pixels.")
    hole[:7] = True
    assert "if you painted what is to stay, press *Invert*" in about_hole((10, 10), hole)
    assert plain("<img src=x> *a*") == r"\<img src=x\> \*a\*"
    assert about_missing([MethodInfo("a", "x"), MethodInfo("b_c", "x", missing="no weights")]) == "*b\\_c*: no weights"


def test_pictures():
    from inpaintx.web import pictures

    photo = Photo(np.full((40, 2100, 4), 200, np.uint16))
    assert pictures.reduced((40, 2100)) == (20, 1024)
    assert pictures.over_grey(photo).shape == (40, 2100, 3)
    other = Photo(photo.pixels.copy())
    other.pixels[5:9, 7:30] = 60000
    seen = pictures.difference(photo, other)
    assert seen.shape == (20, 1024, 3)
    assert seen.max() > 100
    assert pictures.zoomed(photo, other, (0, 2099)).shape == (160, 2 * 160 * 4 + 8, 3)


# -- over HTTP


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    log = tmp_path_factory.mktemp("web") / "log"
    with serving("--api-only", log=log) as (url, _):
        yield url, log


@pytest.fixture
def client(server, tmp_path):
    gradio_client = pytest.importorskip("gradio_client")
    return gradio_client.Client(server[0], verbose=False, download_files=tmp_path / "down")


def upload(path):
    from gradio_client import handle_file

    return handle_file(str(path))


def test_the_api_fills_as_the_command_does(client, tmp_path):
    [whole], report = client.predict(upload(PHOTO), upload(MASK), "telea", api_name="/inpaint")
    assert run(["inpaint", str(PHOTO), str(MASK), "-o", str(tmp_path / "cli.png"), "-m", "telea"]) == 0
    np.testing.assert_array_equal(read_photo(whole).pixels, read_photo(tmp_path / "cli.png").pixels)
    hole = read_photo(MASK).pixels > 127
    np.testing.assert_array_equal(read_photo(whole).pixels[~hole], read_photo(PHOTO).pixels[~hole])
    assert Path(whole).name == "grace_hopper-filled.png"
    assert report["method"] == "telea"
    assert report["hole_pixels"] == np.count_nonzero(hole)
    assert "/" not in json.dumps(report).replace("fill-1/", "").replace("fill-", "")


def test_the_api_finds_and_lists(client, tmp_path):
    pixels = read_photo(PHOTO).pixels
    pixels[300:420, 250:253] = 255
    write_photo(tmp_path / "scratched.png", pixels)
    found = client.predict(upload(tmp_path / "scratched.png"), "scratches", api_name="/find")
    assert (read_photo(found).pixels[310:410, 251] == 255).all()
    listed = client.predict(api_name="/methods")
    assert listed[0]["name"] == "auto"
    assert {"telea", "pconv"} <= {method["name"] for method in listed}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"no picture at all", "photo bad.png cannot be read"),
        (b"\x89PNG\r\n\x1a\n" + bytes(50), "photo bad.png cannot be read"),
    ],
)
def test_errors_are_one_sentence(client, server, tmp_path, content, words):
    (tmp_path / "bad.png").write_bytes(content)
    with pytest.raises(Exception, match=words) as error:
        client.predict(upload(tmp_path / "bad.png"), upload(MASK), "telea", api_name="/inpaint")
    assert "Traceback" not in str(error.value)
    assert "Traceback" not in server[1].read_text()


def test_a_wrong_choice_is_one_sentence(client):
    with pytest.raises(Exception, match="seed must be 0 or more"):
        client.predict(upload(PHOTO), upload(MASK), "telea", 1, -4, api_name="/inpaint")
    with pytest.raises(Exception, match="must be scratches, white, black or color="):
        client.predict(upload(PHOTO), "blue", api_name="/find")


def status(url, data=None, headers=None):
    request = urllib.request.Request(url, data, headers or {})
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            return response.status, response.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


@pytest.mark.parametrize(
    "path",
    ["/etc/passwd", str(ROOT / "pyproject.toml"), "../../etc/passwd", "/proc/self/environ", "inpaintx/errors.py"],
)
def test_no_file_of_the_server_is_served(server, path):
    for route in ("gradio_api/file=", "file=", "gradio_api/file/", "static/", "assets/", "gradio_api/stream/"):
        code, body = status(f"{server[0]}/{route}{path}")
        assert code in (403, 404, 405), (route, path)
        assert b"root:" not in body
        assert b"[project]" not in body


@pytest.mark.parametrize("path", ["/etc/passwd", str(DEMO / "grace_hopper.jpg"), "http://127.0.0.1:1/x.png"])
def test_no_path_of_the_server_can_be_named_as_an_upload(server, path):
    """As what the client says of an upload: the server's own file, though it is a photo, is not read."""
    file = {"path": path, "meta": {"_type": "gradio.FileData"}}
    body = json.dumps({"data": [file, "scratches"]}).encode()
    code, event = status(f"{server[0]}/gradio_api/call/find", body, {"content-type": "application/json"})
    if code == 200:
        key = json.loads(event)["event_id"]
        code, event = status(f"{server[0]}/gradio_api/call/find/{key}")
        assert b"event: error" in event
        assert b"event: complete" not in event
        assert b"Traceback" not in event
    assert b"root:" not in event


def test_a_large_upload_is_refused(server):
    code, body = status(f"{server[0]}/gradio_api/upload", b"", {"content-length": str(2**30)})
    assert code == 413
    assert b"larger than" in body


def test_a_password(tmp_path):
    gradio_client = pytest.importorskip("gradio_client")
    with serving("--auth", "me:secret", "--api-only", log=tmp_path / "log") as (url, _):
        assert status(f"{url}/gradio_api/info")[0] == 401
        assert status(f"{url}/config")[0] == 401
        listed = gradio_client.Client(url, auth=("me", "secret"), verbose=False).predict(api_name="/methods")
        assert listed[0]["name"] == "auto"
