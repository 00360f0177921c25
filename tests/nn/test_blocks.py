import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils.parametrizations import spectral_norm

from inpaintx.nn import blocks
from inpaintx.ops import PartialConv2d


@torch.no_grad()
def test_init_draws_what_spectral_norm_normalizes_too():
    torch.manual_seed(0)
    sn = spectral_norm(nn.Conv2d(16, 64, 3))
    net = nn.Sequential(nn.Conv2d(16, 64, 3), sn, PartialConv2d(16, 64, 3), nn.BatchNorm2d(4000), nn.InstanceNorm2d(4))
    blocks.init_weights(net)
    for weight in (net[0].weight, sn.parametrizations.weight.original, net[2].weight):
        assert float(weight.detach().std()) == pytest.approx(0.02, rel=0.05)
    assert all(float(net[i].bias.abs().max()) == 0 for i in range(4))
    assert float(net[3].weight.mean()) == pytest.approx(1, abs=0.01)
    assert float(net[3].weight.std()) == pytest.approx(0.02, rel=0.1)


def test_pconv_block_carries_the_mask():
    block = blocks.PConvBlock(PartialConv2d(3, 4, 3, 2, 1, bias=False), "batch", nn.ReLU()).eval()
    mask = torch.zeros(1, 1, 8, 8)
    mask[..., :4, :] = 1
    x = torch.rand(1, 3, 8, 8)
    y, new = block(x, mask)
    conv, expected = block.conv(x, mask)
    assert torch.equal(new, expected)
    torch.testing.assert_close(y, conv.relu(), rtol=1e-4, atol=1e-5)  # statistics 0 and 1


def test_dilated_residual():
    block = blocks.DilatedResidual(4, dilation=3)
    x = torch.rand(2, 4, 9, 9)
    conv1, conv2 = block.layers[0], block.layers[3]
    inner = F.instance_norm(F.conv2d(F.pad(x, (3,) * 4, "reflect"), conv1.weight, conv1.bias, dilation=3)).relu()
    inner = F.instance_norm(F.conv2d(F.pad(inner, (1,) * 4, "reflect"), conv2.weight, conv2.bias))
    torch.testing.assert_close(block(x), x + inner)
    spectral = blocks.DilatedResidual(4, spectral=True)
    assert sum(p.numel() for p in spectral.parameters()) == 2 * 4 * 4 * 9  # and no bias


def test_gated_conv():
    block = blocks.GatedConv(3, 5, 5, 2, 2)
    x = torch.rand(1, 3, 16, 16)
    both = F.conv2d(x, block.conv.weight, block.conv.bias, 2, 4, 2)
    torch.testing.assert_close(block(x), F.elu(both[:, :5]) * both[:, 5:].sigmoid())
    assert block(x).shape == (1, 5, 8, 8)


def test_self_attention_by_loops():
    torch.manual_seed(1)
    block = blocks.SelfAttention(8)
    x = torch.randn(1, 8, 2, 3)
    assert torch.equal(block(x), x)
    nn.init.constant_(block.gamma, 0.7)
    q, k, v = (conv(x)[0].flatten(1) for conv in (block.query, block.key, block.value))
    expected = x.clone()
    for j in range(6):
        share = torch.softmax(torch.stack([k[:, i] @ q[:, j] for i in range(6)]), 0)
        expected[0, :, j // 3, j % 3] += 0.7 * sum(share[i] * v[:, i] for i in range(6))
    torch.testing.assert_close(block(x), expected, rtol=1e-5, atol=1e-5)


@torch.no_grad()
def test_pixel_shuffle_begins_without_checkerboard():
    torch.manual_seed(0)
    flat = torch.full((1, 6, 8, 8), 0.7)
    inside = (slice(None), slice(None), slice(4, -4), slice(4, -4))

    def ripple(up):
        return float(up(flat)[inside].std((2, 3)).max())

    up = blocks.PixelShuffleUp(6)
    assert up(flat).shape == (1, 6, 16, 16)
    assert ripple(up) < 1e-6
    assert ripple(nn.ConvTranspose2d(6, 6, 4, 2, 1)) > 1e-2
    blocks.init_weights(up)
    assert ripple(up) > 1e-4
    up.reset(0.02)
    assert ripple(up) < 1e-6
    assert float(up.expand.weight.std()) == pytest.approx(0.02, rel=0.1)


def test_unet_parts():
    x = torch.randn(2, 4, 8, 8)
    down, up = blocks.Down(4, 6), blocks.Up(6, 4, then=[nn.Dropout(0.5)])
    assert down(x).shape == (2, 6, 4, 4)
    assert up(down(x)).shape == (2, 4, 8, 8)
    assert down[1].bias is None
    first = blocks.Down(4, 6, "none", activate=False)
    torch.testing.assert_close(first(x), F.conv2d(x, first[1].weight, first[1].bias, 2, 1))
    assert blocks.norm_layer("instance", 4).weight is None
    assert blocks.norm_layer("instance_affine", 4).weight is not None
