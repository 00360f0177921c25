"""``inpaintx train-aligner``: a network that lays squares over damaged faces."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from inpaintx.cli import run
from inpaintx.data.face_windows import POINTS
from inpaintx.errors import InpaintxError
from inpaintx.io.opencv import import_cv2
from inpaintx.io.photo import write_photo
from inpaintx.nn.aligner import load_aligner
from inpaintx.training import fit_aligner as fitting
from inpaintx.training.fit_aligner import AlignerFit, fit_aligner, read_scenes

TINY = AlignerFit(width=8, steps=120, batch=16, holes="box:low=0.1,high=0.2")


@pytest.fixture
def dots(tmp_path, monkeypatch):
    """Faces of bright eyes and mouths on dark heads."""
    cv2 = import_cv2()
    monkeypatch.setattr(fitting, "VALIDATED", 64)
    monkeypatch.setattr(fitting, "EVERY", 20)
    for split, count in (("train", 6), ("val", 2)):
        (tmp_path / "dots" / split).mkdir(parents=True)
        for i in range(count):
            face = np.full((128, 128, 3), 160 + 5 * i, np.uint8)
            cv2.ellipse(face, (64, 66), (42, 54), 0, 0, 360, (60, 50, 40), -1)
            for x, y in POINTS * 128 + 63.5:
                cv2.circle(face, (round(float(x)), round(float(y))), 7, (240, 240, 240), -1)
            write_photo(tmp_path / "dots" / split / f"{i}.png", face)
    return tmp_path / "dots"


def test_fit_and_load(dots, tmp_path, capsys):
    out = tmp_path / "aligner.safetensors"
    scenes = tmp_path / "scenes"
    scenes.mkdir()
    write_photo(scenes / "wall.png", np.random.default_rng(0).integers(0, 255, (60, 900, 3), dtype=np.uint8))
    write_photo(scenes / "grey.png", np.full((40, 40), 99, np.uint8))
    assert [s.shape for s in read_scenes(scenes)] == [(40, 40, 3), (43, 640, 3)]
    options = ["--width", "8", "--steps", "200", "--batch", "8", "--scenes", str(scenes)]
    assert run(["train-aligner", str(dots), "-o", str(out), *options]) == 0
    said = capsys.readouterr().out
    with safe_open(out, "pt") as file:
        meta = file.metadata()
    assert f"off by {100 * float(meta['error']):.2f} % of the square's side" in said
    assert float(meta["error"]) < 0.75 * float(meta["stayed"])
    assert float(meta["told"]) > 0.6
    assert meta["inpaintx.aligner"] == "dots"
    assert not out.with_name("aligner.safetensors.progress").exists()
    assert load_aligner(out).width == 8


def test_an_aligner_that_does_not_move_squares_is_not_written(dots, tmp_path):
    with pytest.raises(InpaintxError, match=r"squares err by .* no weights were written"):
        fit_aligner([dots], tmp_path / "a.safetensors", replace(TINY, steps=1))
    assert not (tmp_path / "a.safetensors").exists()


def test_a_stopped_fit_goes_on_to_the_same_weights(dots, tmp_path, monkeypatch):
    monkeypatch.setattr(fitting, "CLEARLY", 9.0)

    class StoppedError(Exception):
        pass

    def stop(step, loss, aligned):
        raise StoppedError

    fit = replace(TINY, steps=24)
    fit_aligner([dots], tmp_path / "whole.safetensors", fit)
    with pytest.raises(StoppedError):
        fit_aligner([dots], tmp_path / "parts.safetensors", fit, report=stop)
    with pytest.raises(InpaintxError, match="batch=16"):
        fit_aligner([dots], tmp_path / "parts.safetensors", replace(fit, batch=8))
    seen = []
    fit_aligner([dots], tmp_path / "parts.safetensors", fit, report=lambda step, loss, aligned: seen.append(step))
    assert seen == [24]
    whole, parts = (load_file(tmp_path / f"{name}.safetensors") for name in ("whole", "parts"))
    assert all(torch.equal(parts[key], value) for key, value in whole.items())


def test_a_file_that_exists_stays_unless_it_may_go(dots, tmp_path, monkeypatch):
    monkeypatch.setattr(fitting, "CLEARLY", 9.0)
    out, fit = tmp_path / "a.safetensors", replace(TINY, steps=2)
    out.write_bytes(b"mine")
    with pytest.raises(InpaintxError, match=r"exists; give another name, or overwrite it"):
        fit_aligner([dots], out, fit)
    assert out.read_bytes() == b"mine"
    fit_aligner([dots], out, fit, overwrite=True)
    assert load_aligner(out).width == 8
    with pytest.raises(InpaintxError, match=r"weights are written as \.safetensors"):
        fit_aligner([dots], tmp_path / "a.pt", fit)
    (tmp_path / "b.safetensors").mkdir()
    with pytest.raises(InpaintxError, match="is a folder"):
        fit_aligner([dots], tmp_path / "b.safetensors", fit, overwrite=True)
    with pytest.raises(InpaintxError, match="cannot write"):
        fit_aligner([dots], tmp_path / "no" / "a.safetensors", fit)


def test_folders_without_photos_are_named(tmp_path):
    with pytest.raises(InpaintxError, match=r"no \.jpg, \.jpeg or \.png file in"):
        read_scenes(tmp_path)
    with pytest.raises(InpaintxError, match="there is no folder"):
        read_scenes(tmp_path / "nowhere")


def test_progress_of_other_faces_or_another_training_is_refused(dots, tmp_path, monkeypatch):
    out, fit = tmp_path / "a.safetensors", replace(TINY, steps=2)
    monkeypatch.setattr(fitting, "CLEARLY", 0.0)
    scene = np.full((2, 2, 3), 7, np.uint8)
    with pytest.raises(InpaintxError, match="no weights were written"):
        fit_aligner([dots], out, fit, scenes=[scene])
    with pytest.raises(InpaintxError, match="is of a training with scenes="):
        fit_aligner([dots], out, fit, scenes=[scene + 1])
    write_photo(dots / "train" / "0.png", np.zeros((128, 128, 3), np.uint8), overwrite=True)
    with pytest.raises(InpaintxError, match="is of a training with faces="):
        fit_aligner([dots], out, fit, scenes=[scene])
    progress = tmp_path / "a.safetensors.progress"
    torch.save({"step": 1, "made_with": {"size": 64}}, progress)
    with pytest.raises(InpaintxError, match="another kind of training"):
        fit_aligner([dots], out, fit)
    progress.write_bytes(b"broken")
    with pytest.raises(InpaintxError, match=r"cannot be read as a training's progress \(\w+\); remove it"):
        fit_aligner([dots], out, fit)
