"""LPIPS: its formula, its weights' names, and no random one."""

import hashlib

import pytest
import torch

import inpaintx.nn.lpips
import inpaintx.nn.vgg
from inpaintx import InpaintxError
from inpaintx.nn.lpips import LAYERS, LPIPS, LPIPSHeads, load_lpips
from inpaintx.nn.pretrained import WeightFile
from inpaintx.nn.vgg import VGG


@pytest.fixture(scope="module")
def net():
    torch.manual_seed(0)
    net = LPIPS(VGG(16, LAYERS), LPIPSHeads()).eval().requires_grad_(False)
    for p in net.heads.parameters():
        p.abs_()
    return net


def test_distance(net):
    a, b = torch.rand(2, 2, 3, 32, 40)
    b[1] = a[1]
    distance = net(a, b)
    assert distance.shape == (2,)
    assert distance[0] > 0
    assert distance[1] == 0
    torch.testing.assert_close(distance, net(b, a))
    expected = 0.0
    fa, fb = net.vgg(a), net.vgg(b)
    for i, layer in enumerate(LAYERS):
        unit_a, unit_b = (torch.nn.functional.normalize(f[layer][0], dim=0, eps=1e-10) for f in (fa, fb))
        weight = net.heads.state_dict()[f"lin{i}.model.1.weight"].view(-1, 1, 1)
        expected += float((weight * (unit_a - unit_b) ** 2).sum(0).mean())
    assert float(distance[0]) == pytest.approx(expected, rel=1e-4)


def test_official_files_or_none(net, tmp_path, monkeypatch):
    monkeypatch.setenv("INPAINTX_WEIGHTS", str(tmp_path))
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    assert load_lpips("skip") is None
    assert load_lpips("random") is None
    with pytest.raises(InpaintxError, match="vgg16-397923af"):
        load_lpips()

    def save(name, state):
        torch.save(state, tmp_path / name)
        return WeightFile(name, hashlib.sha256((tmp_path / name).read_bytes()).hexdigest()[:8], "")

    official = {f"lin{i}.model.1.weight": torch.rand(1, c, 1, 1) for i, c in enumerate(LAYERS.values())}
    monkeypatch.setattr(inpaintx.nn.lpips, "LPIPS_VGG", save("judgement.pth", official))
    monkeypatch.setitem(inpaintx.nn.vgg.FILES, 16, save("vgg.pth", net.vgg.state_dict()))
    loaded = load_lpips()
    torch.testing.assert_close(loaded.heads.weight(2), official["lin2.model.1.weight"].view(-1))
    image = torch.rand(1, 3, 32, 32)
    assert loaded(image, image) == 0
