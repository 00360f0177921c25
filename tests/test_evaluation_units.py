"""Parts that contradict each other, and measured batches that are damaged, give no figures."""

import json
import os
import shutil

import numpy as np
import pytest
from face_sets import write
from small_evaluation import SMALL

from inpaintx.cli import run
from inpaintx.errors import InpaintxError
from inpaintx.evaluation.job import evaluate, merge
from inpaintx.io.lock import locked

pytestmark = pytest.mark.usefixtures("toys", "five_faces")
OPTIONS = {**SMALL, "masks": ["centre"]}


def parts(count=2, **options):
    for i in range(1, count + 1):
        evaluate("faces", ["dice"], f"part{i}", **{**OPTIONS, **options}, part=(i, count))
    return [f"part{i}" for i in range(1, count + 1)]


def unit_of(folder, label="dice"):
    return sorted(folder.rglob(f"{label}-*/*.npz"))[0]


def changed(path, **arrays):
    """Writes a unit anew; None takes an array away."""
    unit = dict(np.load(path)) | {key.replace("__", "/"): value for key, value in arrays.items()}
    np.savez(path, **{key: value for key, value in unit.items() if value is not None})


def put(key, value):
    return lambda path: changed(path, **{key.replace("/", "__"): value})


def scaled(key, factor):
    return lambda path: changed(path, **{key.replace("/", "__"): np.load(path)[key] * factor})


FLAWS = [
    (put("value/composite/hole/psnr", None), "value/composite/hole/psnr is missing"),
    (put("seconds", None), "seconds is missing"),
    (put("value/composite/hole/lpips", np.zeros(2)), "does not belong there"),
    (put("features/full", np.zeros((2, 3), np.float32)), "features/full does not belong there"),
    (put("value/composite/hole/psnr", np.full(2, np.nan)), "value/composite/hole/psnr is NaN"),
    (put("value/raw/full/mse", np.array([1.0, np.inf])), "is infinite"),
    (put("value/composite/hole/psnr", np.zeros(1)), r"must be float64 \[2\], got float64 \[1\]"),
    (put("value/composite/hole/psnr", np.array(7.0)), r"must be float64 \[2\], got float64 \[\]"),
    (put("value/composite/hole/psnr", np.zeros(2, np.float32)), "got float32"),
    (put("value/composite/hole/ssim", np.full(2, 3.0)), "leaves its range"),
    (put("value/composite/hole/mae", np.full(2, -1.0)), "leaves its range"),
    (scaled("value/composite/hole/mae", 50), "MAE exceeds RMSE"),
    (scaled("value/composite/hole/psnr", 0.9), "PSNR and MSE contradict"),
    (put("seconds", np.array(np.nan)), "seconds is no time"),
    (put("peak", np.array(-1.0)), "peak is no number"),
    (put("environment", np.array("[]")), "environment does not say"),
    (put("environment", np.array("[" * 9999)), "is damaged"),
    (put("truth", np.zeros((8, 8, 3), np.uint8)), "truth must be uint8"),
    (put("hole", np.zeros((32, 32), np.uint8)), "hole must be bool"),
    (lambda path: path.write_bytes(path.read_bytes()[:300]), "is damaged"),
    (lambda path: path.write_bytes(b""), "is damaged"),
]


def instead(make):
    def put_there(path):
        path.unlink()
        make(path)

    return put_there


FLAWS += [
    (instead(os.mkdir), "measured batch .* is a folder; expected a file"),
    (instead(lambda path: os.symlink("/dev/zero", path)), "measured batch .* is a device; expected a regular file"),
]
if hasattr(os, "mkfifo"):
    FLAWS.append((instead(os.mkfifo), r"measured batch .* is a pipe \(FIFO\); expected a regular file"))


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    return tmp_path_factory.mktemp("parts")


@pytest.fixture
def two_parts(kept, tmp_path):
    """Both parts, measured once and copied for each test."""
    if not any(kept.iterdir()):
        for name in parts():
            shutil.copytree(tmp_path / name, kept / name)
    for path in kept.iterdir():
        shutil.copytree(path, tmp_path / path.name, dirs_exist_ok=True)
    return ["part1", "part2"]


@pytest.mark.parametrize(("flaw", "words"), FLAWS)
def test_a_part_with_a_flaw_is_refused(flaw, words, two_parts, tmp_path):
    flaw(unit_of(tmp_path / "part1"))
    for order in (two_parts, two_parts[::-1]):
        with pytest.raises(InpaintxError, match=words) as error:
            merge(order, "merged")
        assert "\n" not in str(error.value)
        assert "delete" not in str(error.value)
    assert not (tmp_path / "merged").exists()


def test_a_resumed_result_is_held_against_the_same_rules(tmp_path):
    def stop(done, total, what):
        if done == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        evaluate("faces", ["dice"], "out", **OPTIONS, progress=stop)
    flaw, words = FLAWS[4]
    flaw(unit_of(tmp_path / "out.unfinished", "mean_colour"))
    with pytest.raises(InpaintxError, match=words):
        evaluate("faces", ["dice"], "out", **OPTIONS)
    unit_of(tmp_path / "out.unfinished", "mean_colour").rename(tmp_path / "away.npz")
    assert evaluate("faces", ["dice"], "out", **OPTIONS).mean("dice", "centre", "psnr") > 0


def test_a_part_is_given_once(two_parts, tmp_path):
    (tmp_path / "copy").mkdir()
    for source in (tmp_path / "part1").rglob("*"):
        target = tmp_path / "copy" / source.relative_to(tmp_path / "part1")
        if source.is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(source.read_bytes())
    scaled("value/composite/hole/ssim", 0.9)(unit_of(tmp_path / "copy"))
    for given in (["part1", "copy", "part2"], ["copy", "part2", "part1"], ["part1", "part1", "part2"]):
        with pytest.raises(InpaintxError, match="part 1/2 is given twice"):
            merge(given, "merged")


def test_one_batch_in_two_parts(two_parts, tmp_path):
    source = unit_of(tmp_path / "part1")
    target = tmp_path / "part2" / source.relative_to(tmp_path / "part1")
    target.write_bytes(source.read_bytes())
    for order in (two_parts, two_parts[::-1]):
        with pytest.raises(InpaintxError, match="are the same batch"):
            merge(order, "merged")


@pytest.mark.parametrize(
    "change",
    [
        lambda head: head.update(part="1"),
        lambda head: head.update(part=3),
        lambda head: head.update(parts=None),
        lambda head: head.update(baseline="nobody"),
        lambda head: head.pop("records"),
        lambda head: head.update(protocol=[]),
    ],
)
def test_a_head_that_was_edited(change, two_parts, tmp_path):
    path = tmp_path / "part1" / "part.json"
    head = json.loads(path.read_text())
    change(head)
    path.write_text(json.dumps(head))
    with pytest.raises(InpaintxError, match=r"part\.json is damaged or of another version") as error:
        merge(two_parts, "merged")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("text", ["", "[]", "[" * 99_999, "\xff"])
def test_a_head_that_is_none(text, two_parts, tmp_path):
    (tmp_path / "part1" / "part.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(InpaintxError, match=r"part\.json"):
        merge(two_parts, "merged")


def test_the_same_evaluation_twice_at_a_time(tmp_path):
    (tmp_path / "out.unfinished").mkdir()
    with locked(tmp_path / "out.unfinished"), pytest.raises(InpaintxError, match="is in use by another process"):
        evaluate("faces", ["dice"], "out", **OPTIONS)


def test_the_console_says_what_the_notes_say(tmp_path, capfd):
    for number, share in enumerate((30, 31, 29)):  # nearly all white: inverted, most likely
        white = np.full((32, 32), 255, np.uint8)
        white[:, share:] = 0
        write(tmp_path / "holes" / f"{number}.png", white)
    command = ["evaluate", "faces", "-m", "dice", "--size", "32", "--split", "all", "--no-gallery"]
    assert run([*command, "--masks", "holes:ratio=0.1-1", "-o", "out"]) == 0
    assert "are they inverted?" in capfd.readouterr().out


@pytest.mark.parametrize(("level", "words"), [(0, "all black, which with white = hole is no hole"), (255, "all white")])
def test_masks_of_one_color_are_said(level, words, tmp_path, capfd):
    for number in range(3):
        write(tmp_path / "holes" / f"{number}.png", np.full((32, 32), level, np.uint8))
    command = ["evaluate", "faces", "-m", "dice", "--size", "32", "--split", "all", "--masks", "holes", "-o", "out"]
    assert run(command) == 2
    assert words in capfd.readouterr().err
