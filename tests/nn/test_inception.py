"""InceptionV3 of the Fréchet inception distance: its shape, its names, and its ways at borders."""

import pytest
import torch

from inpaintx import InpaintxError
from inpaintx.nn.inception import A, E, InceptionFID, load_inception


@pytest.fixture(scope="module")
def net():
    torch.manual_seed(0)
    return InceptionFID().eval()


def test_size_is_the_papers(net):
    # torchvision's Inception V3: 27,161,264 with the auxiliary classifier of 3,326,696 and 2,049,000 in the last layer
    assert sum(p.numel() for p in net.parameters()) == 27_161_264 - 3_326_696 - 2_049_000
    names = set(net.state_dict())
    assert {"Conv2d_1a_3x3.conv.weight", "Mixed_5b.branch5x5_2.bn.running_var"} <= names
    assert {"Mixed_6e.branch7x7dbl_5.conv.weight", "Mixed_7c.branch3x3dbl_3b.bn.weight"} <= names
    assert net.Mixed_6b.branch7x7_2.conv.weight.shape == (128, 128, 1, 7)


def test_features(net):
    image = torch.rand(1, 3, 40, 48)
    with torch.no_grad():
        features = net(image)
        resized = torch.nn.functional.interpolate(image, (299, 299), mode="bilinear")
        torch.testing.assert_close(features, net(resized))
    assert features.shape == (1, 2048)
    assert features.isfinite().all()


def test_pooling_is_the_original_networks():
    x = torch.rand(1, 4, 5, 5)
    seen = []
    for block, expected in ((A(4, 8), x[..., :2, :2].mean((2, 3))), (E(4, maximum=True), x[..., :2, :2].amax((2, 3)))):
        block.branch_pool.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
        block.eval()(x)
        torch.testing.assert_close(seen[-1][..., 0, 0], expected)  # of the four pixels inside, not of nine


def test_missing_weights(tmp_path, monkeypatch):
    monkeypatch.setenv("INPAINTX_WEIGHTS", str(tmp_path))
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    with pytest.raises(InpaintxError, match=r"pt_inception-2015-12-05-6726825d\.pth"):
        load_inception()
    assert load_inception("skip") == (None, "skip")
