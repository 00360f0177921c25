"""Measured batches that are damaged give no figures."""

import os
import shutil

import numpy as np
import pytest
from face_sets import write
from small_evaluation import SMALL

from inpaintx.cli import run
from inpaintx.errors import InpaintxError
from inpaintx.evaluation.job import evaluate
from inpaintx.io.lock import locked

pytestmark = pytest.mark.usefixtures("toys", "five_faces")
OPTIONS = {**SMALL, "masks": ["centre"]}


def stopped(at):
    """Leaves behind an evaluation that was stopped when ``at`` batches were done."""

    def stop(done, total, what):
        if done == at:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        evaluate("faces", ["dice"], "out", **OPTIONS, progress=stop)


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
    return tmp_path_factory.mktemp("kept")


@pytest.fixture
def measured(kept, tmp_path):
    """All batches of an evaluation, measured once and copied for each test."""
    if not any(kept.iterdir()):
        stopped(6)
        shutil.copytree(tmp_path / "out.unfinished", kept, dirs_exist_ok=True)
    shutil.copytree(kept, tmp_path / "out.unfinished", dirs_exist_ok=True)
    return tmp_path / "out.unfinished"


@pytest.mark.parametrize(("flaw", "words"), FLAWS)
def test_a_batch_with_a_flaw_is_refused(flaw, words, measured, tmp_path):
    flaw(unit_of(measured))
    with pytest.raises(InpaintxError, match=words) as error:
        evaluate("faces", ["dice"], "out", **OPTIONS)
    assert "\n" not in str(error.value)
    assert "delete" not in str(error.value)
    assert not (tmp_path / "out").exists()


def test_a_resumed_result_is_held_against_the_same_rules(tmp_path):
    stopped(4)
    flaw, words = FLAWS[4]
    flaw(unit_of(tmp_path / "out.unfinished", "mean_colour"))
    with pytest.raises(InpaintxError, match=words):
        evaluate("faces", ["dice"], "out", **OPTIONS)
    unit_of(tmp_path / "out.unfinished", "mean_colour").rename(tmp_path / "away.npz")
    assert evaluate("faces", ["dice"], "out", **OPTIONS).mean("dice", "centre", "psnr") > 0


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
