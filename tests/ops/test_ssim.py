import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import inpaintx
from inpaintx.ops import SSIM, ssim, ssim_ref

EMPTY = torch.zeros(2, 1, 31, 40)


def case(batch=2, channels=3, size=(31, 40), dtype=torch.float32, device="cpu"):
    torch.manual_seed(size[0] + channels)
    x = torch.rand(batch, channels, *size, device=device)
    y = (0.6 * x + 0.4 * torch.rand_like(x)).to(dtype)
    weight = torch.rand(batch, 1, *size, device=device) * (torch.rand(batch, 1, *size, device=device) > 0.4)
    weight[:, :, : size[0] // 2, : size[1] // 2] = 0  # windows without any weight
    return x.to(dtype), y, 3 * weight.to(dtype)


def by_loops(x, y, weight, window=11, sigma=1.5, data_range=1.0):
    """The definition, a window at a time: for one image ``[C,H,W]``."""
    at = torch.arange(window, dtype=x.dtype) - window // 2
    g = torch.exp(-(at[:, None] ** 2 + at**2) / (2 * sigma**2))
    g = g / g.sum()
    c1, c2 = (0.01 * data_range) ** 2, (0.03 * data_range) ** 2
    total, weights = 0.0, 0.0
    for top in range(x.shape[1] - window + 1):
        for left in range(x.shape[2] - window + 1):
            w = weight[0, top : top + window, left : left + window]
            if (g * w).sum() < 1e-3:
                continue
            p = g * w / (g * w).sum()
            a, b = (t[:, top : top + window, left : left + window] for t in (x, y))
            ma, mb = (p * a).sum((1, 2), True), (p * b).sum((1, 2), True)
            va, vb, cov = ((p * u * v).sum((1, 2)) for u, v in ((a - ma, a - ma), (b - mb, b - mb), (a - ma, b - mb)))
            ma, mb = ma.flatten(), mb.flatten()
            value = (2 * ma * mb + c1) * (2 * cov + c2) / ((ma**2 + mb**2 + c1) * (va + vb + c2))
            center = w[window // 2, window // 2]
            total, weights = total + center * value.mean(), weights + center
    return total / weights


@pytest.mark.parametrize("function", [ssim, ssim_ref])
def test_equals_the_definition(function):
    x, y, weight = case(size=(19, 22), dtype=torch.float64)
    for w in (weight, torch.ones_like(weight)):
        expected = torch.stack([by_loops(*t) for t in zip(x, y, w, strict=True)])
        torch.testing.assert_close(function(x, y, w), expected)
    torch.testing.assert_close(function(x, y), expected)
    expected = torch.stack([by_loops(*t, window=5, sigma=0.8, data_range=2.0) for t in zip(x, y, w, strict=True)])
    torch.testing.assert_close(function(x, y, None, "window", 5, 0.8, 2.0), expected)


def test_equals_scikit_image():
    metrics = pytest.importorskip("skimage.metrics")
    x, y, _ = case(dtype=torch.float64)
    for a, b, ours in zip(x, y, ssim(x, y), strict=True):
        options = {"data_range": 1.0, "channel_axis": 0, "gaussian_weights": True, "use_sample_covariance": False}
        theirs = metrics.structural_similarity(a.numpy(), b.numpy(), **options)
        assert ours.item() == pytest.approx(theirs, abs=1e-9)


@settings(deadline=None, max_examples=60)
@given(
    size=st.tuples(st.integers(1, 90), st.integers(1, 40)),
    channels=st.integers(1, 4),
    window=st.sampled_from([1, 3, 7, 11, 13]),
    weighted=st.booleans(),
    wanted=st.sampled_from([(True, True), (True, False), (False, True)]),
)
def test_values_and_gradients_equal_reference(size, channels, window, weighted, wanted):
    if min(size) < window:
        return
    x, y, weight = case(2, channels, size, torch.float64)
    results = []
    for function in (ssim, ssim_ref):
        leaves = [t.clone().requires_grad_(w) for t, w in zip((x, y), wanted, strict=True)]
        value = function(*leaves, weight if weighted else None, "window", window, 1.5, 1.0)
        torch.autograd.backward(value, torch.tensor([1.0, -2.0], dtype=torch.float64))
        results.append([value, *(leaf.grad for leaf in leaves)])
    for ours, theirs in zip(*results, strict=True):
        if theirs is None:
            assert ours is None
        else:
            torch.testing.assert_close(ours, theirs, atol=1e-10, rtol=1e-7)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
@pytest.mark.parametrize("weighted", [False, True])
def test_lower_precision_computes_in_float32(dtype, weighted, device):
    x, y, weight = case(dtype=dtype, device=device)
    leaves = [x.requires_grad_(), y.requires_grad_()]
    value = ssim(x, y, weight if weighted else None)
    assert value.dtype == torch.float32
    exact = [t.detach().double().requires_grad_() for t in leaves]
    expected = ssim_ref(*exact, weight.double() if weighted else None)
    torch.testing.assert_close(value.double(), expected, atol=1e-5, rtol=0)
    value.sum().backward()
    expected.sum().backward()
    for ours, theirs in zip(leaves, exact, strict=True):
        assert ours.grad.dtype == dtype
        torch.testing.assert_close(ours.grad.double(), theirs.grad, atol=1e-5, rtol=1e-2)


@pytest.mark.parametrize("mode", ["window", "global"])
@pytest.mark.parametrize("weighted", [False, True])
def test_gradcheck(mode, weighted, device):
    x, y, weight = case(2, 2, (7, 8), torch.float64, device)
    inputs = [x.requires_grad_(), y.requires_grad_()]
    few = bool(inpaintx.build_info().get("emulated"))  # hundreds of forward passes take minutes there
    assert torch.autograd.gradcheck(
        lambda a, b: ssim(a, b, weight if weighted else None, mode, 5), inputs, fast_mode=few
    )


def test_global_by_hand():
    x, y = torch.tensor([[[[0.0, 1.0]]]]), torch.tensor([[[[0.0, 0.5]]]])
    mean = (2 * 0.5 * 0.25 + 1e-4) / (0.25 + 0.0625 + 1e-4)
    spread = (2 * 0.125 + 9e-4) / (0.25 + 0.0625 + 9e-4)
    assert ssim(x, y, mode="global").item() == pytest.approx(mean * spread, rel=1e-5)
    assert ssim(x, y, torch.tensor([[[[0.0, 2.0]]]]), "global").item() == pytest.approx(
        (2 * 0.5 + 1e-4) / (1.25 + 1e-4), rel=1e-5
    )


@pytest.mark.parametrize("mode", ["window", "global"])
def test_what_has_no_weight_does_not_matter(mode):
    x, y, weight = case()
    hidden = [torch.where(weight > 0, t, bad).requires_grad_() for t, bad in ((x, torch.nan), (y, torch.inf))]
    value = ssim(*hidden, weight, mode)
    assert torch.equal(value, ssim(x, y, weight, mode))
    value.sum().backward()
    for leaf in hidden:
        assert torch.isfinite(leaf.grad).all()
        assert not leaf.grad[(weight == 0).expand_as(x)].any()
        assert leaf.grad.any()


@pytest.mark.parametrize("mode", ["window", "global"])
def test_no_weight_at_all_is_one_without_gradient(mode):
    x, y, weight = case()
    weight[1] = 0
    value = ssim(x.requires_grad_(), y, weight, mode)
    assert value[1] == 1
    assert value[0] < 1
    value.sum().backward()
    assert not x.grad[1].any()
    assert x.grad[0].any()


@pytest.mark.parametrize("mode", ["window", "global"])
def test_equal_weights_are_no_weights(mode):
    x, y, _ = case()
    torch.testing.assert_close(ssim(x, y, torch.full((1, 1, 31, 40), 0.5), mode), ssim(x, y, mode=mode))


def test_equal_images_are_one_and_flat_gradient():
    x, _, _ = case()
    y = x.clone().requires_grad_()
    value = ssim(x, y)
    torch.testing.assert_close(value, torch.ones(2))
    value.sum().backward()
    assert y.grad.abs().max() < 1e-5


def test_data_range_scales():
    x, y, weight = case()
    torch.testing.assert_close(ssim(255 * x, 255 * y, weight, data_range=255.0), ssim(x, y, weight))


@pytest.mark.parametrize("weighted", [False, True])
def test_strides_and_batch_equals_singles(weighted, device):
    x, y, weight = case(size=(62, 80), device=device)
    x, y, weight = (t[..., ::2, ::2] for t in (x, y, weight))
    w = weight if weighted else None
    value = ssim(x, y, w)
    last = ssim(x.contiguous(memory_format=torch.channels_last), y.contiguous(), w)
    torch.testing.assert_close(value, last)
    for i in range(2):
        one = ssim(x[i : i + 1], y[i : i + 1], weight[i : i + 1] if weighted else None)
        torch.testing.assert_close(value[i : i + 1], one, atol=1e-6, rtol=0)
    if weighted:
        torch.testing.assert_close(ssim(x, y, weight[:1]), ssim(x, y, weight[:1].expand(2, -1, -1, -1)))


def test_thread_count_changes_nothing(threads):
    x, y, weight = case(1, 2, (150, 60))
    results = []
    for count in (1, 2, 7):
        threads(count)
        leaves = [x.clone().requires_grad_(), y.clone().requires_grad_()]
        value = ssim(*leaves, weight)
        value.sum().backward()
        results.append((value.detach(), *(leaf.grad for leaf in leaves)))
    for result in results[1:]:
        assert all(torch.equal(a, b) for a, b in zip(result, results[0], strict=True))


@pytest.mark.parametrize("weighted", [False, True])
def test_opcheck(weighted, device):
    x, y, weight = case(2, 2, (13, 12), device=device)
    args = (x.requires_grad_(), y.requires_grad_(), weight if weighted else None, 11, 1.5, 1.0)
    torch.library.opcheck(torch.ops.inpaintx.ssim.default, args)
    x, y = x.detach(), y.detach()
    value, total = torch.ops.inpaintx.ssim(x, y, *args[2:])
    checks = ("test_schema", "test_faketensor")
    for wanted in ([True, True], [False, True]):
        backward = (torch.ones_like(value), x, y, args[2], total, *args[3:], wanted)
        torch.library.opcheck(torch.ops.inpaintx.ssim_backward.default, backward, test_utils=checks)


def test_autocast(device):
    x, y, weight = case(device=device)
    with torch.autocast(device, torch.bfloat16):
        value = ssim(x.bfloat16(), y.bfloat16(), weight)
    assert torch.equal(value, ssim(x.bfloat16(), y.bfloat16(), weight))


@pytest.mark.slow
def test_compile_equals_eager():
    layer = SSIM()
    x, y, weight = case()
    compiled = torch.compile(lambda a, b: (1 - layer(a, b, weight)).sum(), fullgraph=True)
    a, b = x.clone().requires_grad_(), x.clone().requires_grad_()
    compiled(a, y).backward()
    (1 - layer(b, y, weight)).sum().backward()
    torch.testing.assert_close(a.grad, b.grad)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"x": torch.rand(3, 31, 40)}, r"x must .*\[B,C,H,W\].*got .*\[3, 31, 40\]"),
        ({"x": torch.zeros(2, 3, 31, 40, dtype=torch.uint8)}, "x must be floating point"),
        ({"x": torch.zeros(0, 3, 31, 40), "y": torch.zeros(0, 3, 31, 40)}, "not .*empty"),
        ({"y": torch.rand(2, 1, 31, 40)}, r"y must have .*\[2, 3, 31, 40\].* got .*\[2, 1, 31, 40\]"),
        ({"y": torch.rand(2, 3, 31, 40).double()}, "y must have"),
        ({"weight": torch.rand(2, 3, 31, 40)}, r"weight must .*\[2, ?1, ?31, ?40\].*got .*\[2, 3, 31, 40\]"),
        ({"weight": torch.rand(3, 1, 31, 40)}, "weight must"),
        ({"mode": "local"}, "mode must be 'window' or 'global', got 'local'"),
        ({"kernel_size": 4}, "kernel_size must be odd and positive, got 4"),
        ({"kernel_size": 33}, "as large as the window, 33 pixels"),
        ({"sigma": 0.0}, "sigma and data_range must be positive"),
        ({"data_range": -1.0}, "sigma and data_range must be positive"),
    ],
)
def test_bad_input_is_named(change, words):
    good = {"x": torch.rand(2, 3, 31, 40), "y": torch.rand(2, 3, 31, 40), "weight": EMPTY}
    with pytest.raises(ValueError, match=words):
        ssim(**{**good, **change})


def test_a_huge_weight_where_nothing_counts_does_no_harm():
    x, y = torch.rand(2, 1, 1, 24, 24)
    weight = torch.zeros(1, 1, 24, 24)
    weight[..., 12:] = 1e20
    torch.testing.assert_close(ssim(x, y, weight), ssim_ref(x, y, weight))


@pytest.mark.parametrize("mode", ["window", "global"])
def test_a_range_must_be_positive(mode):
    with pytest.raises(ValueError, match="data_range"):
        ssim(torch.rand(1, 1, 16, 16), torch.rand(1, 1, 16, 16), mode=mode, data_range=0)


SCALES = [1e-38, 1e-30, 1e-20, 1e-12, 1e-3, 1.0, 255.0, 1e4, 1e9, 1e12, 1e20, 1e38]


@pytest.mark.parametrize("function", [ssim, ssim_ref])
@pytest.mark.parametrize("mode", ["window", "global"])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("scale", SCALES)
def test_equal_images_are_one_at_any_scale(function, mode, weighted, scale):
    x, _, weight = case()
    w = weight if weighted else None
    for image in (scale * x, scale * (x + 100).clamp(max=3), -scale * x, torch.full_like(x, scale)):
        leaf = image.clone().requires_grad_()
        for data_range in (1.0, scale):
            value = function(leaf, image, w, mode, 11, 1.5, data_range)
            assert value.detach().tolist() == pytest.approx([1, 1], abs=1e-6)
            assert torch.isfinite(torch.autograd.grad(value.sum(), leaf)[0]).all()


@pytest.mark.parametrize("function", [ssim, ssim_ref])
@pytest.mark.parametrize("mode", ["window", "global"])
def test_never_above_one_and_the_range_is_the_unit(function, mode):
    x, y, weight = case()
    wanted = function(x, y, weight, mode)
    for scale in SCALES[1:]:
        torch.testing.assert_close(function(scale * x, scale * y, weight, mode, 11, 1.5, scale), wanted)
        near = scale * x * (1 + 1e-6 * y)
        for image in (near, scale * x + 1e-3, scale * y, scale * x.flip(1)):
            value = function(scale * x, image, weight, mode)
            assert ((value <= 1 + 1e-6) & (value >= -1 - 1e-6)).all()


def test_windows_up_to_a_limit():
    x, y = torch.rand(2, 1, 1, 515, 512)
    torch.testing.assert_close(
        ssim(x, y, kernel_size=511, sigma=90), ssim_ref(x, y, kernel_size=511, sigma=90), rtol=1e-4, atol=1e-5
    )
    with pytest.raises(ValueError, match="kernel_size must be at most 511, got 513"):
        ssim(x, y, kernel_size=513)
