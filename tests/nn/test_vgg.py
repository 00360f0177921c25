import pytest
import torch

from inpaintx import InpaintxError
from inpaintx.nn.vgg import VGG, load_vgg

# Positions of convolutions in torchvision's vgg16().features and vgg19().features
OFFICIAL = {
    16: [0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28],
    19: [0, 2, 5, 7, 10, 12, 14, 16, 19, 21, 23, 25, 28, 30, 32, 34],
}


@pytest.mark.parametrize(("depth", "parameters"), [(16, 14_714_688), (19, 20_024_384)])
def test_names_and_parameters(depth, parameters):
    with torch.device("meta"):
        vgg = VGG(depth, ["pool5"])
    assert list(vgg.state_dict()) == [f"features.{i}.{kind}" for i in OFFICIAL[depth] for kind in ("weight", "bias")]
    assert sum(p.numel() for p in vgg.parameters()) == parameters


def test_taps_are_the_layers_they_are_called():
    vgg = VGG(19, ["conv1_2", "relu1_2", "pool1", "relu2_1"])
    x = torch.rand(2, 3, 32, 32)
    got = vgg(x)
    assert torch.equal(got["relu1_2"], got["conv1_2"].relu())
    assert (got["conv1_2"] < 0).any()
    assert torch.equal(got["pool1"], torch.nn.functional.max_pool2d(got["relu1_2"], 2))
    assert got["relu2_1"].shape == (2, 128, 16, 16)
    assert len(vgg.features) == 7  # nothing beyond relu2_1
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    plain = VGG(19, ["relu1_2"], normalize=False)
    plain.load_state_dict(vgg.state_dict(), strict=False)
    by_hand = plain((x - mean[:, None, None]) / std[:, None, None])
    torch.testing.assert_close(by_hand["relu1_2"], got["relu1_2"])
    assert not torch.allclose(plain(x)["relu1_2"], got["relu1_2"])


def test_float32_under_autocast_and_targets_without_gradient():
    vgg, _ = load_vgg(16, ["relu1_1"], "random")
    x = torch.rand(1, 3, 8, 8, requires_grad=True)
    with torch.autocast("cpu", torch.bfloat16):
        got = vgg(x.bfloat16())["relu1_1"]
    assert got.dtype == torch.float32
    assert got.requires_grad
    assert not vgg.target(x)["relu1_1"].requires_grad


def test_unknown_tap():
    with pytest.raises(InpaintxError, match=r"VGG16 has no layers \['relu3_4'\]; it has: conv1_1"):
        VGG(16, ["relu3_4"])


def test_missing_weights_say_what_to_fetch(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.delenv("INPAINTX_WEIGHTS", raising=False)
    with pytest.raises(InpaintxError, match=r"vgg16-397923af\.pth .*fetch it by 'inpaintx fetch vgg16'"):
        load_vgg(16, ["relu1_1"])
    assert load_vgg(16, ["relu1_1"], "random")[1] == "random"
