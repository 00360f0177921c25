import numpy as np
import pytest
import torch

from inpaintx.ops import boundary_weight, context_weight


def holes(size=(17, 23), ratio=0.4):
    torch.manual_seed(size[0])
    return (torch.rand(2, 1, *size) < ratio).float()


@pytest.mark.parametrize("k", [1, 3, 7, 25])
@pytest.mark.parametrize("size", [(17, 23), (4, 9)])
def test_equal_scipy_filters(k, size):
    ndimage = pytest.importorskip("scipy.ndimage")
    mask = holes(size)
    array = mask[:, 0].numpy().astype(np.float64)
    zeros, mirrored = (ndimage.uniform_filter(array, (0, k, k), mode=mode) for mode in ("constant", "reflect"))
    np.testing.assert_allclose(boundary_weight(mask, k, 2.0)[:, 0].numpy(), 1 + 2 * zeros, atol=1e-6)
    np.testing.assert_allclose(context_weight(mask, k)[:, 0].numpy(), (1 - array) * mirrored, atol=1e-6)


def test_empty_and_full_hole():
    none, full = torch.zeros(1, 1, 20, 20), torch.ones(1, 1, 20, 20)
    assert torch.equal(boundary_weight(none), full)
    assert not context_weight(none).any()
    torch.testing.assert_close(boundary_weight(full)[..., 10, 10], torch.tensor([[3.0]]))
    assert not context_weight(full).any()


def test_known_pixels_weigh_at_most_what_one_pixel_leaves():
    mask = torch.ones(1, 1, 15, 15)
    mask[..., 7, 7] = 0
    assert boundary_weight(mask)[0, 0, 7, 7].item() == pytest.approx(1 + 2 * 48 / 49)


@pytest.mark.parametrize("function", [boundary_weight, context_weight])
def test_masks_of_any_dtype_and_no_gradient(function):
    mask = holes()
    assert torch.equal(function(mask.bool()), function(mask))
    assert torch.equal(function((mask * 255).byte()), function(mask))
    assert torch.equal(function(0.9 * mask), function(mask))
    assert not function(mask.requires_grad_()).requires_grad


@pytest.mark.parametrize("function", [boundary_weight, context_weight])
@pytest.mark.parametrize(
    ("mask", "k", "words"),
    [
        (torch.zeros(4, 4), 3, r"mask must be real \[B,1,H,W\] .* got .*\[4, 4\]"),
        (torch.zeros(1, 3, 4, 4), 3, "mask must be real"),
        (torch.zeros(1, 1, 4, 4), 4, "kernel_size must be odd and positive, got 4"),
    ],
)
def test_bad_input_is_named(function, mask, k, words):
    with pytest.raises(ValueError, match=words):
        function(mask, k)
