import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from inpaintx.ops import HOG, HOGImage, hog, hog_image, hog_ref


def picture(batch=2, channels=3, size=(67, 90), dtype=torch.float32):
    torch.manual_seed(size[0])
    return torch.rand(batch, channels, *size).to(dtype)


@pytest.mark.parametrize(("bins", "cell", "block"), [(9, 8, 2), (4, 7, 3), (6, 5, 1), (12, 16, 2)])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("transform_sqrt", [False, True])
def test_equals_scikit_image(transform_sqrt, channels, bins, cell, block):
    feature = pytest.importorskip("skimage.feature")
    x = picture(1, channels, dtype=torch.float64)
    theirs = feature.hog(
        x[0].permute(1, 2, 0).numpy(),
        bins,
        (cell, cell),
        (block, block),
        "L2-Hys",
        transform_sqrt=transform_sqrt,
        feature_vector=False,
        channel_axis=2,
    )
    ours = hog(x, cell, block, bins, transform_sqrt=transform_sqrt, return_blocks=True)[0]
    torch.testing.assert_close(ours, torch.from_numpy(theirs).double(), atol=1e-5, rtol=0)


@settings(deadline=None, max_examples=50)
@given(
    size=st.tuples(st.integers(12, 50), st.integers(12, 50)),
    channels=st.integers(1, 4),
    cell=st.integers(1, 8),
    block=st.integers(1, 3),
    bins=st.integers(1, 12),
)
def test_equals_reference(size, channels, cell, block, bins):
    if min(size) < cell * block:
        return
    x = picture(2, channels, size, torch.float64)
    for blocks, sqrt in ((False, False), (True, False), (False, True)):
        ours, theirs = (f(x, cell, block, bins, transform_sqrt=sqrt, return_blocks=blocks) for f in (hog, hog_ref))
        torch.testing.assert_close(ours, theirs, atol=1e-9, rtol=1e-7)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_lower_precision_computes_in_float32(dtype):
    x = picture().to(dtype)
    assert hog(x).dtype == dtype
    torch.testing.assert_close(hog(x), hog(x.float()).to(dtype))


def test_diagonal_edges_fall_on_one_side():
    ramp = torch.arange(16.0)
    x = (ramp[:, None] + ramp[None, :])[None, None] / 32  # the gradient is exactly 45 degrees
    x = x.repeat(1, 1, 3, 9)  # wide enough for vector code
    for dtype in (torch.float32, torch.float64):
        for bins in (4, 8, 12):
            torch.testing.assert_close(hog(x.to(dtype), bins=bins), hog_ref(x.double(), bins=bins).to(dtype))
        assert hog(x.to(dtype), bins=4)[0, 1, 1].argmax() == 1


def test_strided_input_and_batch_equals_singles():
    x = picture(size=(134, 180))[..., ::2, ::2]
    out = hog(x)
    assert torch.equal(out, hog(x.contiguous()))
    assert torch.equal(out, hog(x.contiguous(memory_format=torch.channels_last)))
    for i in range(2):
        assert torch.equal(out[i : i + 1], hog(x[i : i + 1]))


def test_thread_count_changes_nothing(threads):
    results = []
    for count in (1, 2, 7):
        threads(count)
        results.append(hog(picture()))
    assert all(torch.equal(r, results[0]) for r in results)


def test_flat_picture_has_no_edges():
    x = torch.full((1, 3, 32, 32), 0.5)
    assert not hog(x).any()
    assert not hog_image(x).any()


def test_global_normalization_makes_dark_edges_as_strong_as_light_ones():
    """A step from 0 to 0.04 beside one from 0.64 to 1, in one block: as square roots, both are steps of 0.2."""
    x = torch.zeros(1, 1, 16, 16)
    x[..., 4:, :8], x[..., :4, 8:], x[..., 4:, 8:] = 0.04, 0.64, 1.0
    for layer, ratio in ((HOG(clip=1.0), 9.0), (HOG(clip=1.0, transform_sqrt=True), 1.0)):
        dark, light = layer(x)[0, 0, :, 4]  # the bin of gradients that point straight down
        torch.testing.assert_close(light / dark, torch.tensor(ratio), rtol=1e-4, atol=0)
    assert not torch.equal(HOGImage()(x), HOGImage(transform_sqrt=True)(x))


def test_image_of_a_vertical_edge_is_a_vertical_line():
    x = torch.zeros(1, 1, 24, 24)
    x[..., 12:] = 1
    drawn = hog_image(x, bins=8)
    assert drawn.shape == x.shape
    assert 0 <= drawn.min() <= drawn.max() <= 1
    cell = drawn[0, 0, 8:16, 8:16]
    assert cell.sum(0).max() > 3 * cell.sum(1).max()


def test_image_is_padded_and_local():
    x = picture(size=(37, 50))
    drawn = hog_image(x)
    assert drawn.shape == (2, 1, 37, 50)
    assert not drawn[..., 32:, :].any()
    assert not drawn[..., 48:].any()
    y = x.clone()
    y[..., :2, :2] = 0
    assert torch.equal(hog_image(y)[..., 24:32, 24:], drawn[..., 24:32, 24:])


def test_opcheck_and_no_gradient():
    x = picture(size=(20, 24)).requires_grad_()
    torch.library.opcheck(torch.ops.inpaintx.hog.default, (x, 8, 2, 9, 0.2))
    assert not hog(x).requires_grad


@pytest.mark.slow
def test_compile_equals_eager():
    x = picture()
    for layer in (HOG(), HOGImage()):
        torch.testing.assert_close(torch.compile(layer, fullgraph=True)(x), layer(x))


@pytest.mark.parametrize(
    ("x", "options", "words"),
    [
        (torch.rand(3, 32, 32), {}, r"x must have shape \[B,C,H,W\], got \[3, 32, 32\]"),
        (torch.zeros(1, 1, 32, 32, dtype=torch.uint8), {}, "x must be floating point, got Byte"),
        (torch.rand(1, 1, 15, 32), {}, "x must hold a block of 2 cells of 8 pixels"),
        (torch.rand(1, 1, 32, 32), {"bins": 65}, "bins 1 to 64"),
        (torch.rand(1, 1, 32, 32), {"cell": 0}, "cell and block must be positive"),
    ],
)
def test_bad_input_is_named(x, options, words):
    with pytest.raises(ValueError, match=words):
        hog(x, **options)
