"""docs/curves.py: what a run logged, runs that follow each other, and a run against a recorded one."""

import importlib.util
from pathlib import Path

import pytest
from toy_training import Toy

import inpaintx
from inpaintx import InpaintxError

spec = importlib.util.spec_from_file_location("curves", Path(__file__).parents[1] / "docs" / "curves.py")
curves = importlib.util.module_from_spec(spec)
spec.loader.exec_module(curves)


def trained(faces, out, steps):
    options = {"workers": 0, "val_images": 2, "validate_every": 2, "log_every": 1}
    inpaintx.train(Toy(), faces, out, steps=steps, device="cpu", options=options)
    return str(out)


def test_curves_of_runs_that_follow_each_other(toy_faces, tmp_path):
    first, second = trained(toy_faces, tmp_path / "first", 4), trained(toy_faces, tmp_path / "second", 2)
    alone = curves.read([first])
    assert [step for step, _ in alone["loss/l1"]] == [1, 2, 3, 4]
    both = curves.read([first, second])
    assert [step for step, _ in both["loss/l1"]] == [1, 2, 3, 4, 5, 6]
    assert [step for step, _ in both["validation/hole/psnr"]] == [2, 4, 6]
    cut = curves.read([f"{first}:2", second])
    assert [step for step, _ in cut["loss/l1"]] == [1, 2, 3, 4]
    assert [step for step, _ in cut["validation/hole/psnr"]] == [2, 4]
    # the same seed: the second run's steps are the first's
    lines = curves.compare(alone, curves.read([second]))
    line = next(line for line in lines if "loss/l1" in line)
    assert line.split("|")[2].strip() == "2"
    assert line.split("|")[5].strip() == "1.000"


def test_a_folder_without_curves_is_named(tmp_path):
    (tmp_path / "tensorboard").mkdir()
    with pytest.raises(InpaintxError, match="has no curves"):
        curves.read([str(tmp_path)])


def test_long_curves_are_thinned_and_keep_their_beginning_and_end():
    curve = [[float(step), 2.0 * step] for step in range(1, 1001)]
    thin = curves.thinned(curve)
    assert thin[:20] == curve[:20]
    assert len(thin) <= 20 + curves.POINTS
    assert thin[-1][0] == 1000
    assert curves.thinned(curve[:30]) == curve[:30]
