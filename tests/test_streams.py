"""Standard streams: a result alone on stdout, whoever prints; stdin as a photo; every name on every terminal."""

import io
import json
import os
import subprocess
import sys

import numpy as np
import pytest
from toy_methods import HOLE, PHOTO

from inpaintx.cli import run
from inpaintx.io.photo import decode, read_photo, write_photo

NOISY = """
import atexit, ctypes, os
print("hello from python")
os.write(1, b"hello from the descriptor\\n")
libc = ctypes.CDLL(None)
libc.printf(b"hello from C, still in its buffer\\n")
import inpaintx
from inpaintx import Method, hookimpl
atexit.register(print, "goodbye")

class Loud(Method):
    name, paper = "loud", "https://example.org"
    def inpaint(self, net, image, mask, *, generator=None):
        print("filling")
        libc.puts(b"C fills")
        os.system("echo a child fills")
        return image * 0

@hookimpl
def inpaintx_register_methods(register):
    register(Loud)
"""


@pytest.fixture
def cli(folder):
    """The command line as a process, with a plugin that writes to stdout by every way that there is."""
    info = folder / "site" / "noisy-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: noisy\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[inpaintx]\nnoisy = noisy\n")
    (folder / "site" / "noisy.py").write_text(NOISY)
    env = {**os.environ, "PYTHONPATH": str(folder / "site"), "INPAINTX_LOAD_PLUGINS": "noisy"}

    def start(*arguments, stdin=None, **more):
        return subprocess.run(
            [sys.executable, "-m", "inpaintx", *arguments], input=stdin, capture_output=True, env={**env, **more}
        )

    return start


def test_a_picture_alone_on_stdout(cli):
    done = cli("inpaint", "p.png", "m.png", "-m", "loud", "-o", "-")
    assert done.returncode == 0
    np.testing.assert_array_equal(decode(done.stdout, "result").pixels[~HOLE], PHOTO[~HOLE])
    assert len(done.stdout) == done.stdout.index(b"IEND") + 8
    for words in (
        b"hello from python",
        b"from the descriptor",
        b"from C",
        b"filling",
        b"C fills",
        b"a child",
        b"goodbye",
    ):
        assert words in done.stderr


@pytest.mark.parametrize("command", ["inpaint p.png m.png -m loud -o o.png", "methods"])
def test_json_alone_on_stdout(cli, command):
    done = cli(*command.split(), "--json")
    assert done.returncode == 0
    json.loads(done.stdout)
    assert b"hello" in done.stderr


def test_a_photo_and_a_mask_from_stdin(cli, folder):
    done = cli("inpaint", "-", "m.png", "-m", "loud", "-o", "-", stdin=(folder / "p.png").read_bytes())
    np.testing.assert_array_equal(decode(done.stdout, "result").pixels[~HOLE], PHOTO[~HOLE])
    assert b"stdin: 80 x 60 RGB" in done.stderr
    done = cli("inpaint", "p.png", "-", "-m", "loud", "-o", "o.png", stdin=(folder / "m.png").read_bytes())
    assert done.returncode == 0, done.stderr


@pytest.mark.usefixtures("toys")
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["-", "-", "-o", "o.png"], "stdin holds one picture"),
        (["-", "m.png", "-o", "o.png"], "photo from stdin cannot be read"),
        (["-", "m.png", "-o", "."], "has no name; give a file"),
        (["-", ".", "-o", "o.png"], "give the mask itself"),
    ],
)
def test_what_stdin_cannot_give(folder, capfd, monkeypatch, arguments, words):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"no picture")))
    assert run(["inpaint", *arguments]) == 2
    err = capfd.readouterr().err
    assert words in err
    assert err.count("\n") == 1


@pytest.mark.usefixtures("toys")
def test_stdin_of_a_terminal_is_not_waited_for(folder, capfd, monkeypatch):
    class Terminal(io.TextIOWrapper):
        def isatty(self):
            return True

    monkeypatch.setattr(sys, "stdin", Terminal(io.BytesIO()))
    assert run(["inpaint", "-", "m.png", "-o", "o.png"]) == 2
    assert "none is piped there" in capfd.readouterr().err


@pytest.mark.skipif(not os.path.exists("/dev/fd"), reason="this system has no /dev/fd")
@pytest.mark.usefixtures("toys")
def test_a_mask_by_process_substitution(folder):
    reading, writing = os.pipe()
    os.write(writing, (folder / "m.png").read_bytes())
    os.close(writing)
    assert run(["inpaint", "p.png", f"/dev/fd/{reading}", "-o", "o.png"]) == 0
    os.close(reading)


def test_no_name_ends_a_run(cli, folder):
    names = [b"\xff\xe9.png", "\u6f22.png".encode(), b"a\x1b[31m\x9bb\n.png", "\u202egnp.png".encode(), b"z.png"]
    (folder / "d").mkdir()
    for name in names:
        write_photo(folder / "d" / os.fsdecode(name), PHOTO)
    done = cli("inpaint", "d", "m.png", "-m", "loud", "-o", "out", PYTHONIOENCODING="ascii:strict")
    assert done.returncode == 0, done.stderr
    assert sorted(os.listdir(os.fsencode(folder / "out"))) == sorted(names)
    said = done.stdout + done.stderr
    assert b"5 done, 0 failed" in said
    for words in (rb"d/\xff\xe9.png", rb"d/a\x1b[31m\x9bb\x0a.png", rb"d/\u202egnp.png"):
        assert words in said
    assert b"\x1b" not in said
    done = cli("inpaint", "d", "m.png", "-m", "loud", "-o", "out", "--json", PYTHONIOENCODING="utf-8:strict")
    assert done.returncode == 1  # they exist
    assert r"d/\xff\xe9.png" in [f["photo"] for f in json.loads(done.stdout)["failures"]]
    assert b"\x1b" not in done.stderr


@pytest.mark.usefixtures("toys")
def test_a_file_that_is_refused_is_named_in_print(folder, capfd):
    name = "\x1b]0;owned\x07.png"
    (folder / name).write_text("no picture")
    assert run(["inpaint", name, "m.png", "-o", "o.png"]) == 2
    err = capfd.readouterr().err
    assert r"\x1b]0;owned\x07.png" in err
    assert "\x1b" not in err


def test_closed_streams(folder):
    command = f"exec {sys.executable} -m inpaintx inpaint p.png m.png -m telea -o o.png --json <&- >&- 2>&-"
    assert subprocess.run(["sh", "-c", command]).returncode == 2  # the report has no place
    assert subprocess.run(["sh", "-c", command.replace("--json", "")]).returncode == 0
    assert read_photo("o.png").pixels.shape == PHOTO.shape
