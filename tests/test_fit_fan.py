"""`inpaintx train-fan`: a small FAN on a set's own landmarks."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from inpaintx_plugins.pdgan.fit_fan import Fit, fit_fan, landmark_error, mean_shape
from safetensors import safe_open
from safetensors.torch import load_file

from inpaintx import InpaintxError
from inpaintx.cli import run
from inpaintx.data.dataset import open_dataset
from inpaintx.io.photo import write_photo
from inpaintx.nn.fan import FAN, landmarks_of, load_fan, save_fan


@pytest.fixture
def spots(tmp_path):
    """Faces of two bright spots, one red and one green, with their places as landmarks."""
    rng = np.random.default_rng(0)
    for split in ("train", "val"):
        (tmp_path / "spots" / split).mkdir(parents=True)
    rows = ["name,x0,y0,x1,y1"]
    y, x = np.mgrid[:64, :64]
    for split, count in (("train", 16), ("val", 4)):
        for i in range(count):
            points = rng.uniform(8, 55, (2, 2))
            image = np.full((64, 64, 3), 40, np.uint8)
            for channel, (px, py) in enumerate(points):
                image[..., channel] += (200 * np.exp(-((x - px) ** 2 + (y - py) ** 2) / 18)).astype(np.uint8)
            write_photo(tmp_path / "spots" / split / f"{i}.png", image)
            rows.append(f"{split}/{i}.png," + ",".join(f"{v:.2f}" for v in points.flatten()))
    (tmp_path / "spots" / "landmarks.csv").write_text("\n".join(rows) + "\n")
    return tmp_path / "spots"


TINY = Fit(size=64, width=16, steps=120, batch=4, jitter=0.05, jitter_angle=5)


def test_fit_and_load(spots, tmp_path, capsys):
    out = tmp_path / "fan.safetensors"
    options = ["--size", "64", "--width", "16", "--steps", "120", "--batch", "4"]
    options += ["--jitter", "0.05", "--jitter-angle", "5"]
    assert run(["train-fan", str(spots), "--out", str(out), *options]) == 0
    said = capsys.readouterr().out
    with safe_open(out, "pt") as file:
        meta = file.metadata()
    assert meta["points"] == "2"
    assert f"not seen: {100 * float(meta['error']):.2f} %" in said
    assert f"mean shape: {100 * float(meta['mean_error']):.2f} %" in said
    assert not (tmp_path / "fan.safetensors.progress").exists()
    fan, outcome = load_fan(path=str(out))
    assert outcome == "set:spots"
    assert (fan.size, fan.width, fan.stacks) == (64, 16, 1)
    assert not any(p.requires_grad for p in fan.parameters())
    held_out, faces = (
        open_dataset(spots, size=64, split=split, wants=frozenset({"landmarks"})) for split in ("val", "train")
    )
    error = landmark_error(lambda image: landmarks_of(fan(image)[-1], 64)[0], held_out)
    assert error == pytest.approx(float(meta["error"]), abs=1e-4)
    shape = torch.stack([faces[i]["landmarks"] for i in range(len(faces))]).mean(0)
    assert torch.allclose(mean_shape(faces), shape)
    assert float(meta["mean_error"]) == pytest.approx(landmark_error(lambda _: shape, held_out), abs=1e-4)
    assert error < 0.5 * float(meta["mean_error"])


def test_a_fan_that_knows_the_mean_face_only_is_not_written(spots, tmp_path):
    out = tmp_path / "fan.safetensors"
    with pytest.raises(InpaintxError, match=r"FAN errs by .* and the mean shape .* by .* no weights were written"):
        fit_fan(spots, out, replace(TINY, steps=1))
    assert not out.exists()
    fitted = fit_fan(spots, out, TINY)  # goes on
    assert out.exists()
    assert fitted.error < 0.75 * fitted.mean_error


def test_a_stopped_fit_goes_on_to_the_same_weights(spots, tmp_path):
    class StoppedError(Exception):
        pass

    fit = replace(TINY, steps=102)
    fit_fan(spots, tmp_path / "whole.safetensors", fit)
    seen = []

    def first(step, loss):
        if step == 102:
            raise StoppedError

    with pytest.raises(StoppedError):
        fit_fan(spots, tmp_path / "parts.safetensors", fit, report=first)
    with pytest.raises(InpaintxError, match="batch=4"):
        fit_fan(spots, tmp_path / "parts.safetensors", replace(fit, batch=2))
    fit_fan(spots, tmp_path / "parts.safetensors", fit, report=lambda step, loss: seen.append(step))
    assert seen == [102]
    whole, parts = (load_file(tmp_path / f"{name}.safetensors") for name in ("whole", "parts"))
    assert all(torch.equal(parts[key], value) for key, value in whole.items())


def test_set_without_landmarks(tmp_path):
    (tmp_path / "plain" / "train").mkdir(parents=True)
    for i in range(3):
        write_photo(tmp_path / "plain" / "train" / f"{i}.png", np.full((64, 64, 3), 9 * i, np.uint8))
    assert run(["train-fan", str(tmp_path / "plain"), "--out", str(tmp_path / "fan.safetensors"), "--size", "64"]) != 0
    assert not (tmp_path / "fan.safetensors").exists()


def test_file_that_is_no_fan(tmp_path):
    (tmp_path / "no.safetensors").write_bytes(b"nothing")
    with pytest.raises(InpaintxError, match="cannot be read"):
        load_fan(path=str(tmp_path / "no.safetensors"))
    save_fan(tmp_path / "fan.safetensors", FAN(1, 3, 16, 64), "toys", steps="5")
    fan, outcome = load_fan("skip", path=str(tmp_path / "fan.safetensors"))
    assert outcome == "set:toys"
    assert fan(torch.rand(1, 3, 64, 64))[0].shape == (1, 3, 16, 16)
