"""Weights of frozen extractors: where they are looked for, and what happens when they are missing."""

import hashlib

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from inpaintx import InpaintxError
from inpaintx.nn.pretrained import WeightFile, frozen

NAME = "net-00000000.pth"


def build():
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("INPAINTX_WEIGHTS", str(tmp_path / "weights"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    (tmp_path / "weights").mkdir()
    (tmp_path / "torch/hub/checkpoints").mkdir(parents=True)
    return tmp_path


def write(path, **more):
    net = build()
    torch.save({**net.state_dict(), **more}, path)
    return net, WeightFile(NAME, hashlib.sha256(path.read_bytes()).hexdigest()[:8], "https://example.org/net")


@pytest.mark.parametrize("place", ["weights", "torch/hub/checkpoints"])
def test_official_weights_are_found_and_frozen(folder, place):
    net, file = write(folder / place / NAME, **{"classifier.weight": torch.zeros(2)})
    got, outcome = frozen(build, file)
    assert outcome == "official"
    assert torch.equal(got[0].weight, net[0].weight)
    assert not got.training
    assert not any(p.requires_grad for p in got.parameters())


def test_damaged_file_is_refused_by_name_and_taken_by_path(folder):
    _, file = write(folder / "weights" / NAME)
    other = WeightFile(NAME, "0" * 8, file.url)
    with pytest.raises(InpaintxError, match=f"damaged or another file.*{file.sha256}.*00000000"):
        frozen(build, other)
    _, outcome = frozen(build, other, path=str(folder / "weights" / NAME))
    assert outcome == f"file:{NAME}@{file.sha256}"


def test_missing_weights(folder):
    file = WeightFile(NAME, "12345678", "https://example.org/net")
    with pytest.raises(InpaintxError, match=r"net-00000000\.pth \(SHA-256 12345678.*https://example.org/net"):
        frozen(build, file)
    assert frozen(build, file, "skip") == (None, "skip")
    torch.manual_seed(5)
    before = torch.get_rng_state()
    a, outcome = frozen(build, file, "random")
    torch.rand(3)
    b, _ = frozen(build, file, "random")
    c, _ = frozen(build, file, "random", seed=1)
    assert outcome == "random"
    assert torch.equal(a[0].weight, b[0].weight)
    assert not torch.equal(a[0].weight, c[0].weight)
    assert a[0].weight.std() == pytest.approx((2 / 27) ** 0.5, rel=0.2)
    torch.set_rng_state(before)
    with pytest.raises(InpaintxError, match="no weight file"):
        frozen(build, file, "random", path=str(folder / "nowhere.pth"))


def test_files_that_do_not_fit(folder):
    file = WeightFile(NAME, "12345678", "")
    path = folder / "other.pth"
    path.write_bytes(b"no weights")
    with pytest.raises(InpaintxError, match="cannot be read"):
        frozen(build, file, path=str(path))
    torch.save({"0.weight": torch.zeros(5, 3, 3, 3)}, path)
    with pytest.raises(InpaintxError, match=r"0\.bias is missing.*0\.weight has another shape"):
        frozen(build, file, path=str(path))


def test_wrapped_and_safetensors_files(folder):
    net = build()
    old = {f"module.{k}": v for k, v in net.state_dict().items() if "batches" not in k}  # as before torch 0.4
    torch.save({"state_dict": old, "epoch": 3}, folder / "old.pth.tar")
    save_file(net.state_dict(), folder / "new.safetensors")
    for name in ("old.pth.tar", "new.safetensors"):
        got, _ = frozen(build, WeightFile(NAME, "12345678", ""), path=str(folder / name))
        assert torch.equal(got[0].weight, net[0].weight)
