"""`inpaintx train-fan`: a small FAN on a set's own landmarks."""

import numpy as np
import pytest
import torch
from inpaintx_plugins.pdgan.fit_fan import landmark_error
from safetensors import safe_open

from inpaintx import InpaintxError
from inpaintx.cli import run
from inpaintx.data.photo import write_photo
from inpaintx.data.sets import open_set
from inpaintx.nn.fan import FAN, load_fan, save_fan


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


def test_fit_and_load(spots, tmp_path, capsys):
    out = tmp_path / "fan.safetensors"
    options = ["--size", "64", "--width", "16", "--steps", "120", "--batch", "4"]
    assert run(["train-fan", str(spots), "--out", str(out), *options]) == 0
    assert "faces that it has not seen" in capsys.readouterr().out
    with safe_open(out, "pt") as file:
        meta = file.metadata()
    assert meta["points"] == "2"
    fan, outcome = load_fan(path=str(out))
    assert outcome == "set:spots"
    assert (fan.size, fan.width, fan.stacks) == (64, 16, 1)
    assert not any(p.requires_grad for p in fan.parameters())
    held_out = open_set(spots, size=64, split="val", wants=frozenset({"landmarks"}))
    assert landmark_error(fan, held_out) == pytest.approx(float(meta["error"]), abs=1e-4)
    torch.manual_seed(0)
    assert float(meta["error"]) < 0.5 * landmark_error(FAN(1, 2, 16, 64).eval(), held_out)


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
