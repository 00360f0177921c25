import os
import subprocess
import sys

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import inpaintx
from inpaintx.ops import WinogradConv2d, conv3x3, conv3x3_ref

CAPABILITY = os.environ.get("ATEN_CPU_CAPABILITY")
LAYOUTS = [torch.contiguous_format, torch.channels_last]
TOLERANCE = {torch.float64: 1e-10, torch.float32: 5e-5, torch.float16: 1e-2, torch.bfloat16: 5e-2}


def case(batch=2, channels=(33, 40), size=(14, 19), dtype=torch.float32, layout=torch.contiguous_format):
    """Sources, weights and bias, such that results are about as large as sources."""
    torch.manual_seed(channels[0] + size[0])
    x = torch.randn(batch, channels[0], *size).contiguous(memory_format=layout)
    weight = torch.randn(channels[1], channels[0], 3, 3) / (9 * channels[0]) ** 0.5
    return [t.to(dtype).requires_grad_() for t in (x, weight, torch.randn(channels[1]))]


def with_gradients(function, inputs, padding=1):
    leaves = [t.detach().clone().requires_grad_() for t in inputs]
    y = function(*leaves, padding)
    torch.manual_seed(1)
    grad = torch.randn(y.shape).to(y)
    if y.is_contiguous() != (y.shape[1] % 2 == 0):  # in the layout of y or not, by turns
        grad = grad.contiguous(memory_format=torch.channels_last)
    return [y.detach(), *torch.autograd.grad(y, leaves, grad)]


def agree(ours, exact, tolerance):
    for a, e in zip(ours, exact, strict=True):
        scale = max(1.0, e.double().std().item() if e.numel() > 1 else 0.0)
        torch.testing.assert_close(a.double(), e.double(), atol=tolerance * scale, rtol=tolerance)


@pytest.mark.parametrize("dtype", list(TOLERANCE))
@pytest.mark.parametrize("layout", LAYOUTS)
def test_equals_reference(dtype, layout):
    inputs = case(dtype=dtype, layout=layout)
    ours = with_gradients(conv3x3, inputs)
    assert [t.dtype for t in ours] == [dtype] * 4
    agree(ours, with_gradients(conv3x3_ref, [t.double() for t in inputs]), TOLERANCE[dtype])


# from single tiles with many channels to rows of several segments, with channels that fill no vector
@settings(deadline=None, max_examples=60 if CAPABILITY else 150)
@given(
    batch=st.integers(1, 9),
    channels=st.tuples(st.integers(1, 70), st.integers(1, 70)),
    size=st.tuples(st.integers(3, 44), st.integers(3, 80)),
    padding=st.tuples(st.integers(0, 3), st.integers(0, 3)),
    layout=st.sampled_from(LAYOUTS),
    threads=st.sampled_from([1, 2, 7]),
)
def test_any_shape(batch, channels, size, padding, layout, threads):
    inputs = case(batch, channels, size, layout=layout)
    exact = with_gradients(conv3x3_ref, [t.double() for t in inputs], padding)
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(threads)
        agree(with_gradients(conv3x3, inputs, padding), exact, 5e-5)
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("channels", [(300, 40), (40, 300), (520, 530)])
@pytest.mark.parametrize("size", [(8, 8), (4, 6), (20, 24)])
@pytest.mark.parametrize("batch", [1, 5])
def test_many_channels(batch, channels, size):
    inputs = case(batch, channels, size)
    agree(with_gradients(conv3x3, inputs), with_gradients(conv3x3_ref, [t.double() for t in inputs]), 5e-5)


NONE = inpaintx.build_info()["own_convolution"] == "none"


@pytest.mark.skipif(NONE, reason="no AVX2")
def test_it_is_not_pytorchs():
    """Where Winograd's transforms are used, rounding differs in most results; with few channels, in none."""
    inputs = case(1, (32, 32), (64, 64))
    assert (conv3x3(*inputs) != conv3x3_ref(*inputs)).float().mean() > 0.5
    inputs = case(1, (3, 64), (64, 64))
    assert torch.equal(conv3x3(*inputs), conv3x3_ref(*inputs))


def test_strides_and_batch_equals_singles():
    x, weight, bias = (t.detach() for t in case(3, size=(28, 36)))
    x = x[..., ::2, ::2]
    y = conv3x3(x, weight.transpose(2, 3), bias)
    agree([y], [conv3x3_ref(x.double(), weight.transpose(2, 3).double(), bias.double())], 5e-5)
    for i in range(3):
        agree([conv3x3(x[i : i + 1], weight.transpose(2, 3), bias)], [y[i : i + 1]], 5e-5)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layout_stays(layout):
    for channels in ((33, 40), (3, 5)):
        y, grad_x, *_ = with_gradients(conv3x3, case(channels=channels, layout=layout))
        assert all(t.is_contiguous(memory_format=layout) for t in (y, grad_x))


@pytest.mark.skipif(NONE, reason="all of it is PyTorch's, which promises no such thing")
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("size", [(8, 8), (50, 70)])
def test_thread_count_changes_nothing(layout, size, threads):
    inputs = case(3, (70, 90), size, layout=layout)
    results = []
    for count in (1, 2, 7):
        threads(count)
        results.append(with_gradients(conv3x3, inputs)[:3])  # the bias' gradient is PyTorch's sum
    for result in results[1:]:
        assert all(torch.equal(a, b) for a, b in zip(result, results[0], strict=True))


def test_only_wanted_gradients():
    for wanted in range(3):
        leaves, exact = ([t.detach() for t in case()] for _ in range(2))
        leaves[wanted].requires_grad_()
        exact[wanted].requires_grad_()
        conv3x3(*leaves).square().sum().backward()
        conv3x3_ref(*exact).square().sum().backward()
        agree([leaves[wanted].grad], [exact[wanted].grad], 5e-5)


def test_gradcheck():
    inputs = case(1, (2, 3), (4, 5), torch.float64)
    assert torch.autograd.gradcheck(conv3x3, inputs)
    assert torch.autograd.gradgradcheck(conv3x3, inputs)


def test_a_penalty_on_the_gradient():
    """As critics have it: the gradient of x is part of the loss."""
    results = []
    for function, dtype in ((conv3x3, torch.float32), (conv3x3_ref, torch.float64)):
        x, weight, bias = (t.detach().to(dtype).requires_grad_() for t in case())
        (grad,) = torch.autograd.grad(function(x, weight, bias).square().sum(), x, create_graph=True)
        results.append(torch.autograd.grad(grad.square().sum(), (x, weight)))
    agree(*results, 1e-4)


@pytest.mark.parametrize("channels", [(33, 40), (3, 4)])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_opcheck(channels, layout):
    x, weight, bias = case(channels=channels, layout=layout)
    torch.library.opcheck(torch.ops.inpaintx.conv3x3.default, (x, weight, bias, [1, 1]))
    grad = conv3x3(x, weight).detach()
    backward = (grad, x.detach(), weight.detach(), [1, 1], [True, True, True])
    checks = ("test_schema", "test_faketensor")
    torch.library.opcheck(torch.ops.inpaintx.conv3x3_backward.default, backward, test_utils=checks)


def test_autocast():
    x, weight, bias = case()
    with torch.autocast("cpu", torch.bfloat16):
        y = conv3x3(x, weight, bias)
    assert y.dtype == torch.bfloat16
    assert torch.equal(y, conv3x3(x.bfloat16(), weight.bfloat16(), bias.bfloat16()))
    y.float().sum().backward()
    assert x.grad.dtype == torch.float32


@pytest.mark.slow
@pytest.mark.parametrize("layout", LAYOUTS)
def test_compile_equals_eager(layout):
    inputs = case(layout=layout)
    compiled = torch.compile(lambda *t: conv3x3(*t).sin(), fullgraph=True)
    agree(with_gradients(compiled, inputs), with_gradients(lambda *t: conv3x3(*t).sin(), inputs), 5e-5)


def test_meta():
    x, weight, bias = (t.detach().to("meta") for t in case())
    assert conv3x3(x, weight, bias, 0).shape == (2, 40, 12, 17)


def test_transforms_of_functions():
    x, weight, bias = (t.detach() for t in case())

    def loss(function):
        return lambda w, x: function(x, w, bias).square().sum()

    for transform in (torch.func.grad, lambda f: torch.func.vmap(torch.func.grad(f), (None, 0))):
        images = x if transform is torch.func.grad else x[:, None]
        results = [transform(loss(function))(weight, images) for function in (conv3x3, conv3x3_ref)]
        agree(results[:1], results[1:], 5e-5)


def test_tangents():
    """Forward-mode derivatives are PyTorch's."""
    inputs = tuple(t.detach() for t in case())
    tangents = tuple(torch.randn_like(t) for t in inputs)
    agree(torch.func.jvp(conv3x3, inputs, tangents), torch.func.jvp(conv3x3_ref, inputs, tangents), 5e-5)


@pytest.mark.parametrize(
    "options",
    [
        {"padding": 1},
        {"bias": False},
        {"padding": (2, 0)},
        {"padding": 1, "padding_mode": "reflect"},
        {"padding": "same"},
        {"padding": 2, "dilation": 2},
        {"stride": (1, 2)},
        {"groups": 2},
        {"kernel_size": 5},
    ],
    ids=str,
)
def test_the_layer_takes_the_place_of_a_convolution(options):
    layers = []
    for kind in (nn.Conv2d, WinogradConv2d):
        torch.manual_seed(0)
        layers.append(kind(**{"in_channels": 32, "out_channels": 48, "kernel_size": 3, **options}))
    plain, ours = layers
    assert all(torch.equal(a, b) for a, b in zip(plain.parameters(), ours.parameters(), strict=True))
    ours.load_state_dict(plain.state_dict())
    x = torch.randn(2, 32, 16, 16)
    agree([ours(x), ours(x[0])], [plain(x), plain(x[0])], 5e-5)
    assert nn.utils.parametrizations.spectral_norm(ours)(x).shape == plain(x).shape


def test_the_layer_takes_what_convolutions_take():
    for make in (lambda t: t.to(torch.complex64), lambda t: t.to_mkldnn()):
        plain, ours = nn.Conv2d(32, 32, 3, padding=1), WinogradConv2d(32, 32, 3, padding=1)
        ours.load_state_dict(plain.state_dict())
        x = make(torch.randn(1, 32, 8, 8))
        if x.is_complex():
            plain, ours = plain.to(x.dtype), ours.to(x.dtype)
        a, b = plain(x).detach(), ours(x).detach()
        torch.testing.assert_close(*(t.to_dense() if t.is_mkldnn else t for t in (a, b)))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"x": torch.rand(32, 8, 8)}, r"x must have shape \[B,Cin,H,W\], got \[32, 8, 8\]"),
        ({"x": torch.zeros(1, 32, 8, 8, dtype=torch.int64)}, "x must be floating point"),
        ({"x": torch.rand(1, 32, 2, 8), "padding": 0}, r"3 x 3 pixels or more, got \[1, 32, 2, 8\]"),
        ({"weight": torch.rand(32, 31, 3, 3)}, r"weight must .* Cin = 32 .* got \[32, 31, 3, 3\]"),
        ({"weight": torch.rand(32, 32, 5, 3)}, r"weight must .*3,3\].* got \[32, 32, 5, 3\]"),
        ({"weight": torch.rand(32, 32, 3, 3).double()}, "weight must have dtype and device of x"),
        ({"bias": torch.rand(31)}, r"bias must have shape \[32\], got \[31\]"),
        ({"padding": -1}, "padding must be two integers that are not negative"),
        ({"padding": 2**30}, r"below 2\^30, got \[1073741824"),
        ({"padding": (1,)}, r"padding must be an integer or a pair of them, got \(1,\)"),
        ({"padding": 0.5}, r"padding must be an integer or a pair of them, got 0.5"),
    ],
)
def test_bad_input_is_named(change, words):
    good = {"x": torch.rand(1, 32, 8, 8), "weight": torch.rand(32, 32, 3, 3), "bias": torch.rand(32)}
    with pytest.raises(ValueError, match=words):
        conv3x3(**{**good, **change})


def test_a_gradient_that_does_not_fit_is_named():
    x, weight, _ = (t.detach() for t in case())
    for grad in (torch.zeros(3, 40, 14, 19), torch.zeros(2, 33, 14, 19), torch.zeros(2, 40, 14, 19).double()):
        with pytest.raises(
            ValueError, match=r"grad_output must have shape \[2, 40, 14, 19\], dtype and device of x, got"
        ):
            torch.ops.inpaintx.conv3x3_backward(grad, x, weight, [1, 1], [True, True, True])


@pytest.mark.slow
@pytest.mark.skipif(CAPABILITY is not None, reason="is the run by another instruction set")
@pytest.mark.parametrize("capability", ["avx2", "default"])
def test_other_instruction_sets(capability):
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", __file__, "-m", "not slow"]
    run = subprocess.run(
        command, env={**os.environ, "ATEN_CPU_CAPABILITY": capability}, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stdout[-3000:]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_op_itself_serves_each_device(layout, device):
    """What torch.compile and torch.export record, in place of the public function."""
    inputs = [t.detach().to(device) for t in case(layout=layout)]
    ours, exact = (
        with_gradients(f, [t.to(kind) for t in inputs], padding)
        for f, kind, padding in ((torch.ops.inpaintx.conv3x3, torch.float32, (1, 1)), (conv3x3_ref, torch.float64, 1))
    )
    agree(ours, exact, TOLERANCE[torch.float32])


@pytest.mark.parametrize("key", ["CPU", "CUDA", "AutocastCPU", "AutocastCUDA"])
def test_what_the_dispatcher_has(key):
    assert torch._C._dispatch_has_kernel_for_dispatch_key("inpaintx::conv3x3", key)
    assert key.startswith("Auto") or torch._C._dispatch_has_kernel_for_dispatch_key("inpaintx::conv3x3_backward", key)
