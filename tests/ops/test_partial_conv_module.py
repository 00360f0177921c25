"""PartialConv2d keeps the contract of torch.nn.Conv2d."""

import inspect

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from inpaintx.ops import PartialConv2d, partial_conv2d, partial_conv2d_ref

X = torch.rand(2, 6, 11, 14, generator=torch.Generator().manual_seed(0))
MASK = (torch.rand(2, 1, 11, 14, generator=torch.Generator().manual_seed(1)) > 0.4).float()
NO_HOLE = torch.zeros(2, 1, 11, 14)


def test_same_arguments_attributes_and_weights_as_conv2d():
    ours, theirs = (list(inspect.signature(t.__init__).parameters) for t in (PartialConv2d, nn.Conv2d))
    assert ours[: len(theirs)] == theirs
    arguments = (6, 8, (3, 5), 2, (1, 2), 2, 2, True, "reflect", "cpu", torch.float64)
    torch.manual_seed(3)
    layer = PartialConv2d(*arguments)
    torch.manual_seed(3)
    conv = nn.Conv2d(*arguments)
    for name in (
        "in_channels",
        "out_channels",
        "kernel_size",
        "stride",
        "padding",
        "dilation",
        "groups",
        "padding_mode",
    ):
        assert getattr(layer, name) == getattr(conv, name), name
    assert torch.equal(layer.weight, conv.weight)
    assert torch.equal(layer.bias, conv.bias)
    layer.reset_parameters()
    assert not torch.equal(layer.weight, conv.weight)
    assert PartialConv2d(3, 4, 3, bias=False, device="meta").weight.device.type == "meta"
    assert repr(PartialConv2d(3, 4, 3, padding=1)) == (
        "PartialConv2d(3, 4, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1), scale='window')"
    )


@pytest.mark.parametrize(
    "options",
    [
        {"padding": "valid"},
        {"groups": 2, "padding": 1},
        {"groups": 6, "out_channels": 12, "padding": 1, "stride": 2},
        {"padding": 1, "padding_mode": "reflect"},
        {"padding": (2, 1), "padding_mode": "replicate", "stride": 2},
        {"padding": "same", "padding_mode": "circular"},
    ],
)
def test_without_hole_it_is_the_convolution(options):
    options = {"out_channels": 8, "kernel_size": 3} | options
    torch.manual_seed(0)
    layer = PartialConv2d(6, **options)
    conv = nn.Conv2d(6, **options)
    conv.load_state_dict(layer.state_dict())
    y, new_mask = layer(X, NO_HOLE)
    expected = conv(X)
    assert y.shape == expected.shape
    assert new_mask.shape == (2, 1, *expected.shape[2:])
    assert not new_mask.any()
    inner = (slice(None), slice(None), slice(2, -2), slice(2, -2))  # zeros around the image are hole
    whole = options.get("padding_mode", "zeros") != "zeros" or options.get("padding") == "valid"
    torch.testing.assert_close(*((y, expected) if whole else (y[inner], expected[inner])), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("kernel", [1, 2, 3, 4, (2, 5)])
@pytest.mark.parametrize("dilation", [1, 2])
def test_padding_same_keeps_the_size_as_pytorch_places_it(kernel, dilation):
    torch.manual_seed(0)
    layer = PartialConv2d(6, 4, kernel, padding="same", dilation=dilation, bias=False, scale="sum")
    y, new_mask = layer(X, MASK)
    assert y.shape[2:] == new_mask.shape[2:] == X.shape[2:]
    # from the definition: sum over known inputs, divided by how many there are
    known = (1 - MASK).expand_as(X)
    total = F.conv2d(X * known, layer.weight, padding="same", dilation=dilation)
    count = F.conv2d(known, torch.ones(1, 6, *layer.weight.shape[2:]), padding="same", dilation=dilation)
    torch.testing.assert_close(y, torch.where(count > 0, total / count.clamp(min=1), 0.0), atol=1e-5, rtol=1e-4)
    assert torch.equal(new_mask, (count == 0).float())


@pytest.mark.parametrize("scale", ["window", "sum"])
def test_groups_are_convolutions_side_by_side(scale):
    torch.manual_seed(0)
    weight, bias = torch.randn(8, 3, 3, 3, requires_grad=True), torch.randn(8)
    y, new_mask = partial_conv2d(X, MASK, weight, bias, 2, 1, 1, 2, scale=scale)
    halves = [
        partial_conv2d_ref(
            X[:, 3 * g : 3 * g + 3], MASK, weight[4 * g : 4 * g + 4], bias[4 * g : 4 * g + 4], 2, 1, scale=scale
        )
        for g in (0, 1)
    ]
    torch.testing.assert_close(y, torch.cat([half[0] for half in halves], 1), atol=1e-5, rtol=1e-5)
    assert torch.equal(new_mask, halves[0][1])
    y.sum().backward()
    assert weight.grad.abs().sum() > 0
    hidden = torch.where(MASK > 0.5, torch.nan, X)
    assert torch.equal(partial_conv2d(hidden, MASK, weight, bias, 2, 1, 1, 2, scale=scale)[0], y)


@pytest.mark.parametrize("dtype", [torch.bool, torch.uint8, torch.float32])
def test_other_padding_modes_continue_the_mask(dtype):
    layer = PartialConv2d(6, 4, 3, padding=1, padding_mode="replicate")
    mask = torch.zeros(2, 1, 11, 14, dtype=dtype)
    mask[..., 0] = 1
    _y, new_mask = layer(X, mask)
    assert new_mask.dtype == dtype
    assert not new_mask.any()
    mask[..., 1] = 1
    assert layer(X, mask)[1][..., 0].all()  # columns 0 and 1, and what lies left of them


def test_what_does_not_fit_is_said():
    weight = torch.rand(8, 3, 3, 3)
    with pytest.raises(ValueError, match="padding must be integers, 'valid', or 'same' with stride 1"):
        partial_conv2d(X, MASK, torch.rand(8, 6, 3, 3), stride=2, padding="same")
    with pytest.raises(ValueError, match="padding must be integers, 'valid', or 'same'"):
        partial_conv2d(X, MASK, torch.rand(8, 6, 3, 3), padding="full")
    with pytest.raises(ValueError, match="with channels that groups divides"):
        partial_conv2d(X, MASK, weight, groups=3)
    with pytest.raises(ValueError, match=r"with groups the mask must have shape \[2, 1, 11, 14\]"):
        partial_conv2d(X, MASK.expand(-1, 6, -1, -1), weight, groups=2)
