"""Ops called past their public functions: what does not fit is refused in words, and nothing is read out of bounds."""

import pytest
import torch

import inpaintx  # noqa: F401 - registers the ops
from inpaintx.ops import conv3x3, hog, partial_conv2d, patchmatch, spd_map, ssim

OPS = torch.ops.inpaintx
X, MASK = torch.rand(2, 4, 16, 16), (torch.rand(2, 1, 16, 16) > 0.5).float()
PLANE = torch.rand(2, 1, 16, 16)
EMPTY, HUGE = torch.zeros(0), [2**31 - 1, 2**31, 2**61 + 1, 2**63 - 1]
WEIGHT, GRAD = torch.rand(8, 4, 3, 3), torch.rand(2, 8, 16, 16)


def partial(**change):
    ones = [1, 1]
    values = {"grad": GRAD, "x": X, "mask": MASK, "ratio": PLANE}
    values |= {"weight": WEIGHT, "stride": ones, "padding": ones, "dilation": ones, "wanted": [True] * 3}
    return OPS.partial_conv2d_backward(*(values | change).values())


def norm(**change):
    values = {"grad": X, "x": X, "gamma": X, "beta": X, "probability": PLANE, "mean": PLANE, "rstd": PLANE}
    return OPS.spd_norm_backward(*(values | {"wanted": [True] * 4} | change).values())


def similarity(**change):
    values = {"grad": torch.ones(2), "x": X, "y": X.flip(0), "weight": None, "total": torch.full((2,), 36.0)}
    values |= {"kernel_size": 11, "sigma": 1.5, "data_range": 1.0, "wanted": [True, True]}
    return OPS.ssim_backward(*(values | change).values())


def conv(**change):
    values = {"grad": GRAD, "x": X, "weight": WEIGHT, "padding": [1, 1], "wanted": [True] * 3}
    return OPS.conv3x3_backward(*(values | change).values())


def others(x):
    """What stands in for a tensor and does not fit: of no size, of another one, of another dtype, on another device."""
    return [
        x.new_empty(0),
        torch.stack([x, x]),
        x[..., :-1],
        x.new_empty((1,) * x.dim()),
        torch.cat([x, x]),
        x.to(torch.complex64),
        x.to("meta"),
    ]


BACKWARDS = {
    partial: ["grad", "x", "mask", "ratio", "weight"],
    norm: ["grad", "x", "gamma", "beta", "probability", "mean", "rstd"],
    similarity: ["grad", "x", "y", "total"],
    conv: ["grad", "x", "weight"],
}
TENSORS = {"weight": WEIGHT, "mask": MASK, "ratio": PLANE, "probability": PLANE, "mean": PLANE, "rstd": PLANE}


@pytest.mark.parametrize(("call", "name"), [(c, n) for c, names in BACKWARDS.items() for n in names])
@pytest.mark.parametrize("recorded", [False, True])
def test_backward_ops_check_what_they_are_given(call, name, recorded):
    assert all(t is None or torch.isfinite(t).all() for t in call())
    grad = {similarity: torch.ones(2), norm: X}.get(call, GRAD)
    fits = {**TENSORS, "grad": grad, "total": torch.ones(2)}.get(name, X)
    for other in others(fits):
        change = {"grad": grad.clone().requires_grad_()} if recorded else {}
        with pytest.raises((ValueError, RuntimeError), match=r"must|expected|device"):
            call(**{**change, name: other})


def test_what_was_saved_must_be_of_the_computed_dtype():
    for name in ("mean", "rstd"):
        with pytest.raises(ValueError, match=f"spd_norm_backward: {name} must have dtype Float, got Double"):
            norm(**{name: PLANE.double()})
    with pytest.raises(ValueError, match=r"ratio must have shape .* dtype Float.* got .*Double"):
        partial(ratio=PLANE.double())
    with pytest.raises(ValueError, match=r"ssim_backward: total must have shape \[2\], dtype Float"):
        similarity(total=torch.ones(2).double())


def test_what_was_saved_may_be_strided():
    wide = torch.rand(2, 1, 16, 32)
    part = wide[..., ::2]
    for a, b in zip(partial(ratio=part), partial(ratio=part.contiguous()), strict=True):
        assert torch.equal(a, b)
    for a, b in zip(norm(mean=part, rstd=part), norm(mean=part.contiguous(), rstd=part.contiguous()), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize(
    "change",
    [{"stride": [0, 1]}, {"padding": [-1, 0]}, {"dilation": [0, 0]}, {"stride": [1]}, {"padding": []}]
    + [{name: [huge, 1]} for name in ("stride", "padding", "dilation") for huge in HUGE],
)
def test_windows_of_backward_ops(change):
    with pytest.raises((ValueError, RuntimeError), match=r"must|integers|expected"):
        partial(**change)
    if "padding" in change:
        with pytest.raises((ValueError, RuntimeError), match=r"must|integers|expected"):
            conv(**change)


@pytest.mark.parametrize("huge", [*HUGE, *(-h for h in HUGE)])
def test_integers_that_cannot_be_meant(huge):
    odd = huge | 1
    calls = [
        lambda: spd_map(MASK, 1, odd),
        lambda: spd_map(MASK, 1, odd, kind="improved"),
        lambda: spd_map(MASK, huge),
        lambda: partial_conv2d(X, MASK, WEIGHT, stride=huge),
        lambda: partial_conv2d(X, MASK, WEIGHT, padding=huge),
        lambda: partial_conv2d(X, MASK, WEIGHT, dilation=huge),
        lambda: conv3x3(X, WEIGHT, padding=huge),
        lambda: ssim(X, X, kernel_size=odd),
        lambda: similarity(kernel_size=odd),
        lambda: hog(X, cell=huge),
        lambda: hog(X, block=huge),
        lambda: hog(X, bins=huge),
    ]
    for call in calls:
        with pytest.raises(ValueError, match=r"must|reaches"):
            call()
    if huge > 0:  # no patch fits: there is no candidate
        nnf, cost = patchmatch(X, X, torch.ones(2, 1, 16, 16), odd)
        assert (nnf == -1).all()
        assert torch.isinf(cost).all()


def test_a_window_of_a_weight_without_memory():
    weight = torch.rand(1, 4, 1, 1).expand(1, 4, 2**40, 1)
    with pytest.raises(ValueError, match="windows of 1 to"):
        partial_conv2d(X, MASK, weight, dilation=2**29)
