import pytest
import torch

from inpaintx.nn import fan


def test_official_names_and_size():
    """Names and count of the network in the repository of face-alignment."""
    with torch.device("meta"):
        net = fan.FAN()
    state = net.state_dict()
    assert sum(p.numel() for p in net.parameters()) == 23_820_176
    for key, shape in (
        ("conv1.weight", (64, 3, 7, 7)),
        ("conv2.downsample.2.weight", (128, 64, 1, 1)),
        ("m0.b1_4.conv1.weight", (128, 256, 3, 3)),
        ("m3.b2_plus_1.bn3.running_var", (64,)),
        ("top_m_2.conv3.weight", (64, 64, 3, 3)),
        ("conv_last1.bias", (256,)),
        ("bn_end0.weight", (256,)),
        ("l3.weight", (68, 256, 1, 1)),
        ("bl2.weight", (256, 256, 1, 1)),
        ("al2.weight", (256, 68, 1, 1)),
    ):
        assert state[key].shape == shape
    assert "al3.weight" not in state
    assert len(state) == 1129


def test_heatmaps_and_back():
    points = torch.tensor([[[10.0, 50.0], [63.0, 0.0], [float("nan"), 3.0]]])
    maps = fan.target_heatmaps(points, 64, 32)
    assert maps.shape == (1, 3, 32, 32)
    assert maps[0, 0, 25, 5] == pytest.approx(torch.exp(torch.tensor(-2 * 0.25**2 / 2)).item(), rel=1e-5)
    back = fan.landmarks_of(maps[:, :2], 64)
    assert (back[0, 0] - points[0, 0]).abs().max() < 1e-3  # between the maps' pixels
    assert (back[0, 1] - points[0, 1]).abs().max() <= 1  # at their edge
    assert maps[0, 2].isnan().all()


def test_heatmap_loss_sums_over_a_map_and_skips_unknown():
    target = fan.target_heatmaps(torch.tensor([[[3.0, 3.0], [float("nan")] * 2]]), 8, 8)
    maps = target.nan_to_num().clone()
    maps[0, 0, 0, 0] += 2
    maps[0, 1] += 5
    maps.requires_grad_()
    loss = fan.heatmap_loss(maps, target)
    assert loss.item() == pytest.approx(4)
    loss.backward()
    assert (maps.grad[0, 1] == 0).all()
    zeros = torch.zeros_like(maps)
    spot = target[0, 0]
    expected = float((spot**2 * (1 + 10 * spot)).sum())
    assert float(fan.heatmap_loss(zeros, target, emphasis=10.0)) == pytest.approx(expected, rel=1e-5)


def test_maps_of_each_stack():
    net = fan.FAN(stacks=2, points=5, width=16).eval()
    maps = net(torch.rand(2, 3, 128, 128))
    assert [tuple(m.shape) for m in maps] == [(2, 5, 32, 32)] * 2
