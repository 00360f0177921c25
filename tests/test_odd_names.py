"""Names that are not UTF-8, steer a terminal or hold line breaks, from the folder of a set to each result."""

import csv
import json
import os

import numpy as np
import pytest
from face_sets import plain, write
from toy_methods import box

from inpaintx.cli import run
from inpaintx.data.dataset import open_dataset
from inpaintx.errors import InpaintxError
from inpaintx.io.names import printable

NAMES = [os.fsdecode(b"\xff\xe9.png"), "b\x1b[31m.png", "c\nd.png", "\u202egnp.png", "\u6f22.png"]
PRINTED = sorted([r"\xff\xe9.png", r"b\x1b[31m.png", r"c\x0ad.png", r"\u202egnp.png", "\u6f22.png"])


@pytest.fixture
def odd(tmp_path, monkeypatch):
    """Five pictures of odd names in a folder of an odd name, and the process beside it."""
    monkeypatch.chdir(tmp_path)
    return plain(tmp_path / os.fsdecode(b"set\xff\x1b[2J"), NAMES, 32)


@pytest.mark.parametrize(
    ("name", "spelt"),
    [
        ("a b \u00e9 \u6f22 \U0001f600 \u202f.png", "a b \u00e9 \u6f22 \U0001f600 \u202f.png"),
        (os.fsdecode(b"\xff"), r"\xff"),
        (b"\xfe", r"\xfe"),
        ("\x1b]0;x\x07\r\n\t\x9b\x7f", r"\x1b]0;x\x07\x0d\x0a\x09\x9b\x7f"),
        ("\u2028\u2066\ud800", r"\u2028\u2066\ud800"),
    ],
)
def test_one_printable_form(name, spelt):
    assert printable(name) == printable(printable(name)) == spelt
    spelt.encode()
    assert str(InpaintxError(f"photo {os.fsdecode(name)}")) == f"photo {spelt}"


def test_lines_are_kept_where_that_is_asked_for():
    assert printable("a\nb\x1b", keep="\n") == "a\nb\\x1b"


def check_text(folder):
    """Every text below a folder is UTF-8 without an escape sequence, and every JSON of it valid Unicode."""
    for path in folder.rglob("*"):
        if path.suffix in (".json", ".jsonl", ".csv", ".md"):
            text = path.read_text(encoding="utf-8")
            assert "\x1b" not in text
            for line in text.splitlines() if path.suffix == ".jsonl" else [text] if path.suffix == ".json" else []:
                json.dumps(json.loads(line), ensure_ascii=False).encode()


def test_evaluate(odd, tmp_path, capfd):
    masks = tmp_path / os.fsdecode(b"masks\xff")
    for i in range(3):
        write(masks / os.fsdecode(b"m\xfe%d.png" % i), np.where(box(32, 32, top=4 + i), 255, 0).astype(np.uint8))
    out = tmp_path / os.fsdecode(b"out\xff")
    arguments = ["--split", "all", "--size", "32", "-m", "telea", "--masks", "centre", "--masks", str(masks)]
    assert run(["evaluate", str(odd), "-o", str(out), *arguments]) == 0
    with (out / "images.csv").open(encoding="utf-8", newline="") as file:
        assert {row["image"] for row in csv.DictReader(file)} == set(PRINTED)
    check_text(out)
    said = "".join(capfd.readouterr())
    assert r"out\xff/results.json" in said
    assert "\x1b[2J" not in said


@pytest.mark.usefixtures("toy")
def test_train_and_resume(tmp_path, capfd):
    odd = plain(tmp_path / os.fsdecode(b"set\xff\x1b[2J"), [f"{s}/{n}" for s in ("train", "val") for n in NAMES], 16)
    common = ["--device", "cpu", "--set", "val_images=2", "--set", "workers=0", "--preset", "tiny"]
    refused = tmp_path / os.fsdecode(b"run\xff")
    assert run(["train", "toy", str(odd), "-o", str(refused), *common]) == 2
    assert r"run\xff is not named in UTF-8, and TensorBoard" in capfd.readouterr().err
    assert not refused.exists()
    out = tmp_path / "run\x1b[2J"
    assert run(["train", "toy", str(odd), "-o", str(out), *common, "--steps", "2"]) == 0
    assert run(["train", "toy", str(odd), "-o", str(out), *common, "--resume", "--steps", "4"]) == 0
    assert json.loads((out / "config.json").read_text())["data"]["name"] == r"set\xff\x1b[2J"
    check_text(out)
    weights = tmp_path / os.fsdecode(b"w\xff.safetensors")
    assert run(["export", str(out), "-o", str(weights)]) == 0
    assert weights.is_file()
    assert "\x1b[2J" not in "".join(capfd.readouterr())


def test_prepare(odd, tmp_path, capfd):
    assert run(["prepare", str(odd), "-o", "out", "--size", "16"]) == 0
    assert "5 faces" in capfd.readouterr().out
    check_text(tmp_path / "out")
    faces = open_dataset(tmp_path / "out", size=16, split=None)
    assert sorted(name.split("/")[1] for name in faces.names) == sorted(n.replace(".png", ".jpg") for n in PRINTED)
    assert run(["prepare", str(odd), "-o", "out", "--size", "16"]) == 0


def test_a_set_says_which_two_files_are_spelt_alike(tmp_path):
    plain(tmp_path / "set", [os.fsdecode(b"\xff.png"), r"\xff.png"])
    with pytest.raises(InpaintxError, match="are both spelt"):
        open_dataset(tmp_path / "set", size=8, split=None)
