import copy

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import inpaintx
from inpaintx.ops import PartialConv2d, partial_conv2d, partial_conv2d_ref

TOLERANCE = {torch.float64: 1e-10, torch.float32: 1e-5, torch.float16: 1e-2, torch.bfloat16: 5e-2}


def case(batch=2, into=3, out=4, size=(17, 23), kernel=(3, 3), channels=1, dtype=torch.float32, device="cpu", hole=0.6):
    torch.manual_seed(sum(size) + into)
    x = torch.randn(batch, into, *size, device=device).to(dtype)
    mask = (torch.rand(batch, channels, *size, device=device) < hole).float()
    mask[0, :, : size[0] // 2] = 1
    weight = (torch.randn(out, into, *kernel, device=device) / (into * kernel[0] * kernel[1]) ** 0.5).to(dtype)
    return x, mask, weight, torch.randn(out, device=device).to(dtype)


def agree(a, b, dtype):
    torch.testing.assert_close(a, b, atol=TOLERANCE[dtype], rtol=TOLERANCE[dtype])


@pytest.mark.parametrize("scale", ["window", "sum"])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("dtype", list(TOLERANCE))
def test_equals_reference(dtype, layout, channels, scale, device):
    x, mask, weight, bias = case(kernel=(3, 5), channels=channels, dtype=dtype, device=device)
    args = (x.to(memory_format=layout), mask, weight, bias, (2, 1), (1, 2), (1, 2))
    (y, new), (y_ref, new_ref) = partial_conv2d(*args, scale=scale), partial_conv2d_ref(*args, scale=scale)
    assert y.dtype == dtype
    assert new.dtype == mask.dtype
    agree(y, y_ref, dtype)
    assert torch.equal(new, new_ref)
    assert 0 < new.mean() < 1


@settings(deadline=None, max_examples=60)
@given(
    size=st.tuples(st.integers(1, 19), st.integers(1, 19)),
    kernel=st.tuples(st.integers(1, 5), st.integers(1, 5)),
    stride=st.tuples(st.integers(1, 6), st.integers(1, 6)),
    padding=st.tuples(st.integers(0, 4), st.integers(0, 4)),
    dilation=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    hole=st.sampled_from([0.0, 0.5, 0.95, 1.0]),
    channels=st.sampled_from([1, 3]),
    last=st.booleans(),
    threads=st.sampled_from([1, 2, 7]),
)
def test_any_window(size, kernel, stride, padding, dilation, hole, channels, last, threads):
    reach = [d * (k - 1) + 1 for d, k in zip(dilation, kernel, strict=True)]
    if any(s + 2 * p < r for s, p, r in zip(size, padding, reach, strict=True)):
        return
    x, mask, weight, bias = case(1, 3, 2, size, kernel, channels, torch.float64, hole=hole)
    x = x.to(memory_format=torch.channels_last) if last else x
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(threads)
        y, new = partial_conv2d(x, mask, weight, bias, stride, padding, dilation)
    finally:
        torch.set_num_threads(before)
    y_ref, new_ref = partial_conv2d_ref(x, mask, weight, bias, stride, padding, dilation)
    agree(y, y_ref, torch.float64)
    assert torch.equal(new, new_ref)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("channels", [1, 5])
@pytest.mark.parametrize("stride", [1, 2])
def test_large_images_go_by_tiles(stride, channels, layout, threads):
    x, mask, weight, bias = case(2, 5, 6, (131, 150), (3, 5), channels, torch.float64, hole=0.3)
    mask[:, :, 20:110, 20:140] = 1  # whole tiles without a known pixel
    x = torch.where(mask > 0, torch.nan, x).contiguous(memory_format=layout)
    results = []
    for count in (1, 2, 7):
        threads(count)
        results.append(partial_conv2d(x, mask, weight, bias, stride, (1, 2), (2, 1)))
    y_ref, new_ref = partial_conv2d_ref(x, mask, weight, bias, stride, (1, 2), (2, 1))
    by_tiles = not inpaintx.build_info().get("emulated")  # else PyTorch's convolution of the whole, in any order
    for y, new in results:
        agree(y, y_ref, torch.float64)
        if by_tiles:
            assert torch.equal(y, results[0][0])
        assert torch.equal(new, new_ref)


def test_formula_by_hand():
    x = torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]])
    mask = torch.tensor([[[[0.0, 1.0], [0.0, 1.0]]]])
    weight = torch.full((1, 1, 2, 2), 0.5)
    y, new = partial_conv2d(x, mask, weight, torch.tensor([10.0]))
    assert y.item() == (1 + 3) * 0.5 * 4 / 2 + 10
    assert partial_conv2d(x, mask, weight, torch.tensor([10.0]), scale="sum")[0].item() == (1 + 3) * 0.5 / 2 + 10
    assert new.item() == 0
    y, new = partial_conv2d(x, torch.ones_like(mask), weight, torch.tensor([10.0]))
    assert y.item() == 0
    assert new.item() == 1


def test_all_known_equals_convolution_inside(device):
    x, mask, weight, bias = case(device=device)
    y, new = partial_conv2d(x, torch.zeros_like(mask), weight, bias, padding=1)
    agree(y[..., 1:-1, 1:-1], F.conv2d(x, weight, bias, padding=1)[..., 1:-1, 1:-1], torch.float32)
    assert not new.any()


def test_full_hole_is_zero_without_bias(device):
    x, mask, weight, bias = case(device=device)
    y, new = partial_conv2d(x, torch.ones_like(mask), weight, bias, padding=1)
    assert not y.any()
    assert new.all()


def test_hidden_values_do_not_matter(device):
    x, mask, weight, bias = case(device=device)
    nan = torch.where(mask > 0, torch.nan, x)
    assert torch.equal(partial_conv2d(x, mask, weight, bias)[0], partial_conv2d(nan, mask, weight, bias)[0])


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_gradcheck(channels, layout, device):
    x, mask, weight, bias = case(2, 3, 2, (5, 6), (3, 2), channels, torch.float64, device, hole=0.4)
    x = x.to(memory_format=layout)
    inputs = [t.requires_grad_() for t in (x, weight, bias)]
    assert torch.autograd.gradcheck(
        lambda a, w, b: partial_conv2d(a, mask, w, b, (1, 2), (1, 0), (2, 1))[0], inputs, fast_mode=False
    )


@pytest.mark.parametrize("dtype", list(TOLERANCE))
def test_gradients_equal_reference(dtype, device):
    x, mask, weight, bias = case(dtype=dtype, device=device)
    grads = []
    for function in (partial_conv2d, partial_conv2d_ref):
        leaves = [t.clone().requires_grad_() for t in (x, weight, bias)]
        y, _ = function(leaves[0], mask, leaves[1], leaves[2], padding=1)
        grads.append(torch.autograd.grad(y.float().square().mean(), leaves))
    for ours, theirs in zip(*grads, strict=True):
        assert ours.dtype == dtype
        agree(ours, theirs, dtype)


def test_infinite_gradients_of_empty_windows_do_not_spread():
    x, mask, weight, _ = case(1, 3, 2, (8, 8), (1, 1))
    weight = weight.abs().requires_grad_()
    y, new = partial_conv2d(x.abs(), mask, weight)
    y.log().sum().backward()  # the gradient is infinite where y is 0
    assert new.any()
    assert torch.isfinite(weight.grad).all()


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_bias_gradient_of_a_large_plane(layout):
    x = torch.zeros(1, 1, 1024, 1024).contiguous(memory_format=layout)
    bias = torch.zeros(2, requires_grad=True)
    y, _ = partial_conv2d(x, torch.zeros_like(x), torch.zeros(2, 1, 1, 1), bias)
    y.backward(torch.full_like(y, 0.1))
    torch.testing.assert_close(bias.grad, torch.full((2,), 0.1 * 1024**2), rtol=5e-5, atol=0)


def test_only_wanted_gradients():
    x, mask, weight, _ = case()
    weight.requires_grad_()
    partial_conv2d(x, mask, weight)[0].sum().backward()
    assert x.grad is None
    assert weight.grad is not None


def test_batch_equals_singles(device):
    x, mask, weight, bias = case(batch=4, device=device)
    y, new = partial_conv2d(x, mask, weight, bias)
    for i in range(4):
        one, new_one = partial_conv2d(x[i : i + 1], mask[i : i + 1], weight, bias)
        torch.testing.assert_close(y[i : i + 1], one, atol=1e-6, rtol=1e-5)
        assert torch.equal(new[i : i + 1], new_one)


@pytest.mark.parametrize("channels", [1, 3])
def test_one_mask_serves_the_batch(device, channels):
    x, mask, weight, bias = case(batch=3, channels=channels, device=device)
    y, new = partial_conv2d(x, mask[:1], weight, bias)
    y_all, new_all = partial_conv2d(x, mask[:1].expand(3, -1, -1, -1), weight, bias)
    assert torch.equal(y, y_all)
    assert torch.equal(new, new_all)


@pytest.mark.parametrize("dtype", [torch.bool, torch.uint8, torch.int64, torch.float16, torch.float64])
def test_mask_dtypes(dtype):
    x, mask, weight, bias = case()
    y, new = partial_conv2d(x, mask.to(dtype), weight, bias)
    assert torch.equal(y, partial_conv2d(x, mask, weight, bias)[0])
    assert new.dtype == dtype


def test_strided_and_expanded_inputs(device):
    x, mask, weight, bias = case(size=(34, 46), device=device)
    for a, m in ((x[..., ::2, ::2], mask[..., ::2, ::2]), (x.transpose(2, 3), mask.transpose(2, 3))):
        agree(partial_conv2d(a, m, weight, bias)[0], partial_conv2d_ref(a, m, weight, bias)[0], torch.float32)
    a = x[:, :1].expand(-1, 3, -1, -1)
    agree(partial_conv2d(a, mask, weight)[0], partial_conv2d_ref(a, mask, weight)[0], torch.float32)


@pytest.mark.parametrize("weight_last", [False, True])
def test_strided_points_of_few_channels_last(weight_last):
    """The library's own gradient of such weights writes past its room (oneDNN issue 6035)."""
    torch.manual_seed(0)
    x, mask, weight = torch.randn(2, 10, 66, 120), (torch.rand(2, 1, 66, 120) < 0.4).float(), torch.randn(11, 10, 1, 1)
    last = torch.channels_last
    leaves = [x.to(memory_format=last), weight.to(memory_format=last) if weight_last else weight]
    leaves = [t.requires_grad_() for t in leaves]
    for _ in range(20):
        y = partial_conv2d(leaves[0], mask, leaves[1], stride=2)[0]
        got = torch.autograd.grad(y, leaves, torch.ones_like(y))
    leaves = [t.double().requires_grad_() for t in (x, weight)]
    y = partial_conv2d_ref(leaves[0], mask, leaves[1], stride=2)[0]
    torch.testing.assert_close(
        got, torch.autograd.grad(y, leaves, torch.ones_like(y)), check_dtype=False, atol=1e-3, rtol=1e-4
    )
    assert got[0].is_contiguous(memory_format=last)


def test_channels_last_stays():
    x, mask, weight, bias = case(into=8, out=8)
    y, _ = partial_conv2d(x.to(memory_format=torch.channels_last), mask, weight, bias)
    assert y.is_contiguous(memory_format=torch.channels_last)


def test_thread_count_changes_nothing(threads):
    x, mask, weight, bias = case(batch=2, into=8, out=8, size=(65, 70))
    results = []
    for count in (1, 2, 7):
        threads(count)
        leaf = bias.clone().requires_grad_()
        y, _ = partial_conv2d(x, mask, weight, leaf)
        y.sum().backward()
        results.append((y.detach(), leaf.grad))
    for y, grad in results[1:]:
        agree(y, results[0][0], torch.float32)
        assert torch.equal(grad, results[0][1])


@pytest.mark.parametrize(("images", "masks"), [(1, 1), (2, 1), (2, 2)])
def test_threads_share_the_rows_of_an_image_with_many_masks(images, masks, threads):
    x, mask, weight, bias = case(batch=2, into=40, out=40, size=(64, 70), channels=40, hole=0.3)
    args = (x[:images], mask[:masks], weight, bias, 1, 1)
    y_ref, new_ref = partial_conv2d_ref(*args)
    for count in (1, 2, 7):
        threads(count)
        y, new = partial_conv2d(*args)
        agree(y, y_ref, torch.float32)
        assert torch.equal(new, new_ref)


@pytest.mark.parametrize("bias", [True, False])
def test_opcheck(bias, device):
    x, mask, weight, b = case(size=(7, 9), device=device)
    args = (
        x.requires_grad_(),
        mask,
        weight.requires_grad_(),
        b.requires_grad_() if bias else None,
        (1, 1),
        (1, 1),
        (1, 1),
        False,
    )
    torch.library.opcheck(torch.ops.inpaintx.partial_conv2d.default, args)
    y, _, ratio = torch.ops.inpaintx.partial_conv2d(*args)
    backward = (
        torch.ones_like(y),
        x.detach(),
        mask,
        ratio,
        weight.detach(),
        (1, 1),
        (1, 1),
        (1, 1),
        [True, True, bias],
    )
    torch.library.opcheck(torch.ops.inpaintx.partial_conv2d_backward.default, backward, test_utils="test_schema")


@pytest.mark.slow
def test_compile_equals_eager():
    layer = PartialConv2d(3, 4, 3, padding=1)
    x, mask, _, _ = case()

    def loss(a, m):
        y, new = layer(a, m)
        return y.sin().sum() + new.sum()

    compiled = torch.compile(loss, fullgraph=True)
    a, b = x.clone().requires_grad_(), x.clone().requires_grad_()
    eager, fast = loss(a, mask), compiled(b, mask)
    eager.backward()
    fast.backward()
    torch.testing.assert_close(fast, eager)
    torch.testing.assert_close(b.grad, a.grad)


@pytest.mark.slow
@pytest.mark.parametrize("side", [24, 160])
@pytest.mark.parametrize("which", ["x", "weight", "transposed"])
def test_compile_keeps_layouts(which, side, monkeypatch):
    monkeypatch.setenv("TORCHINDUCTOR_FORCE_DISABLE_CACHES", "1")
    torch._dynamo.reset()
    layer = PartialConv2d(6, 8, 3, padding=1)
    x, mask, _, _ = case(2, 6, 8, (side, side))
    if which == "weight":
        layer = layer.to(memory_format=torch.channels_last)
    x = {"x": x.to(memory_format=torch.channels_last), "weight": x, "transposed": x.transpose(2, 3)}[which]
    results = []
    for function in (layer, torch.compile(layer, fullgraph=True)):
        leaf = x.clone(memory_format=torch.preserve_format).requires_grad_()
        layer.zero_grad()
        y, _ = function(leaf, mask)
        y.sin().sum().backward()
        results.append((y.detach(), leaf.grad, layer.weight.grad.clone()))
    for eager, compiled in zip(*results, strict=True):
        torch.testing.assert_close(compiled, eager, atol=1e-4, rtol=1e-4)


def test_autocast(device):
    x, mask, weight, bias = case(device=device)
    with torch.autocast(device, torch.bfloat16):
        y, new = partial_conv2d(x, mask, weight.requires_grad_(), bias)
    assert y.dtype == torch.bfloat16
    assert new.dtype == mask.dtype
    y.float().sum().backward()
    assert weight.grad.dtype == torch.float32
    agree(y, partial_conv2d_ref(x, mask, weight, bias)[0].to(torch.bfloat16), torch.bfloat16)


def test_nvidia_state_dict():
    nvidia = nn.Conv2d(3, 4, 3)  # NVIDIA's PartialConv2d is a Conv2d: weight and bias
    layer = PartialConv2d(3, 4, 3)
    layer.load_state_dict(nvidia.state_dict())
    assert torch.equal(layer.weight, nvidia.weight)


def test_pd_gan_state_dict():
    theirs = nn.ModuleDict({"input_conv": nn.Conv2d(3, 4, 3), "mask_conv": nn.Conv2d(3, 4, 3, bias=False)})
    nn.init.ones_(theirs["mask_conv"].weight)
    layer = nn.Sequential(PartialConv2d(3, 4, 3, scale="sum"))
    state = {f"0.{key}": value for key, value in theirs.state_dict().items()}
    kept = copy.deepcopy(state)
    layer.load_state_dict(state)
    assert state.keys() == kept.keys()
    x, mask, _, _ = case()
    known = (1 - mask).expand_as(x)
    # PD-GAN's forward, from its published formula: divide by the known inputs over all channels
    seen = theirs["mask_conv"](known)
    bias = theirs["input_conv"].bias[None, :, None, None]
    y = torch.where(seen == 0, 0.0, (theirs["input_conv"](x * known) - bias) / seen.clamp(min=1) + bias)
    agree(layer[0](x, mask)[0], y, torch.float32)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"x": torch.rand(3, 8, 8)}, r"x must have shape \[B,Cin,H,W\], got \[3, 8, 8\]"),
        ({"x": torch.zeros(1, 3, 8, 8, dtype=torch.int64)}, "x must be floating point, got Long"),
        ({"mask": torch.zeros(1, 2, 8, 8)}, r"mask must have shape .* got \[1, 2, 8, 8\]"),
        ({"mask": torch.zeros(1, 1, 4, 8)}, r"mask must have shape .* got \[1, 1, 4, 8\]"),
        ({"weight": torch.rand(4, 2, 3, 3)}, r"weight must have shape .* Cin = 3 .* got \[4, 2, 3, 3\]"),
        ({"weight": torch.rand(4, 3, 3, 3).double()}, "weight must have the dtype of x, Float, got Double"),
        ({"weight": torch.rand(4, 3, 9, 9)}, "kernel reaches over 9 pixels"),
        ({"bias": torch.rand(3)}, r"bias must have shape \[4\]"),
        ({"stride": 0}, "stride and dilation must be positive"),
        ({"padding": -1}, "padding not negative"),
        ({"stride": (2, 2, 7)}, r"stride must be an integer or a pair of them, got \(2, 2, 7\)"),
        ({"padding": "full"}, "padding must be integers, 'valid', or 'same' with stride 1, got 'full'"),
        ({"padding": 2**62}, r"must be below 2\^30"),
        ({"mask_channels": (1, 2)}, "of how many channels of x each of the mask's 1 planes is, 3 in all, got"),
        ({"mask_channels": (2,)}, r"3 in all, got \[2\]"),
        ({"mask": torch.zeros(1, 2, 8, 8), "mask_channels": (4, -1)}, r"3 in all, got \[4, -1\]"),
        ({"weight": torch.rand(3, 1, 3, 3), "groups": 3, "mask_channels": (3,)}, "and no mask_channels, got"),
        ({"scale": "mean"}, "scale must be 'window' or 'sum', got 'mean'"),
    ],
)
def test_bad_input_is_named(change, words):
    good = {"x": torch.rand(1, 3, 8, 8), "mask": torch.zeros(1, 1, 8, 8), "weight": torch.rand(4, 3, 3, 3)}
    with pytest.raises(ValueError, match=words):
        partial_conv2d(**{**good, **change})
