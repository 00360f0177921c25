import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from inpaintx.ops import SPDNorm, spd_norm, spd_norm_ref

TOLERANCE = {torch.float64: 1e-10, torch.float32: 1e-5, torch.float16: 1e-2, torch.bfloat16: 5e-2}
LAYOUTS = [torch.contiguous_format, torch.channels_last]


def case(batch=2, channels=6, size=(7, 9), dtype=torch.float32, device="cpu", layout=torch.contiguous_format):
    torch.manual_seed(channels + size[0])
    x, gamma, beta = (
        torch.randn(batch, channels, *size, device=device).to(dtype).contiguous(memory_format=layout) for _ in range(3)
    )
    p = torch.rand(batch, 1, *size, device=device).to(dtype if dtype == torch.float64 else torch.float32)
    # every other channel lies apart: no pixel's channels are nearly equal, where 1 / sigma would magnify rounding
    apart = 6 * (torch.arange(channels, device=device) % 2).to(dtype).view(1, -1, 1, 1)
    return [t.requires_grad_() for t in (x.detach().clamp(-2, 2) + apart, gamma, beta, p)]


def with_gradients(function, inputs):
    leaves = [t.detach().clone().requires_grad_() for t in inputs]
    y = function(*leaves)
    torch.manual_seed(1)
    grads = torch.autograd.grad(y, leaves, torch.randn(y.shape, device=y.device).to(y.dtype))
    return [y.detach(), *grads]


@pytest.mark.parametrize("dtype", list(TOLERANCE))
@pytest.mark.parametrize("layout", LAYOUTS)
def test_equals_reference(dtype, layout, device):
    inputs = case(dtype=dtype, device=device, layout=layout)
    ours = with_gradients(spd_norm, inputs)
    exact = with_gradients(spd_norm_ref, [t.double() for t in inputs])
    for a, e, like in zip(ours, exact, (inputs[0], *inputs), strict=True):
        assert a.dtype == like.dtype
        torch.testing.assert_close(a.double(), e, atol=TOLERANCE[dtype] * 2, rtol=TOLERANCE[dtype])


@settings(deadline=None, max_examples=60)
@given(
    batch=st.integers(1, 3),
    channels=st.integers(2, 40),
    size=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    layout=st.sampled_from(LAYOUTS),
    dtype=st.sampled_from([torch.float32, torch.float64]),
)
def test_any_shape(batch, channels, size, layout, dtype):
    inputs = case(batch, channels, size, dtype, layout=layout)
    exact = with_gradients(spd_norm_ref, [t.double() for t in inputs])
    for a, e in zip(with_gradients(spd_norm, inputs), exact, strict=True):
        tolerance = 1e-5 if dtype == torch.float32 else 1e-10
        torch.testing.assert_close(a.double(), e, atol=tolerance, rtol=tolerance)


def test_by_hand():
    x = torch.tensor([1.0, 3.0]).view(1, 2, 1, 1)
    one = torch.ones(1, 2, 1, 1)
    y = spd_norm(x, one, 5 * one, torch.full((1, 1, 1, 1), 0.5), eps=1e-12)
    expected = torch.tensor([-1.0, 1.0]) / 2**0.5 * 1.5 + 2.5  # the unbiased variance of 1 and 3 is 2
    torch.testing.assert_close(y.flatten(), expected)


def test_without_probability_the_prior_has_no_say():
    x, gamma, beta, p = case()
    y = spd_norm(x, gamma, beta, 0 * p)
    assert torch.equal(y, spd_norm(x, 7 - gamma, 5 * beta, 0 * p))
    torch.testing.assert_close(y.mean(1), torch.zeros(2, 7, 9), atol=1e-5, rtol=0)
    torch.testing.assert_close(y.var(1), torch.ones(2, 7, 9), atol=1e-3, rtol=0)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_gradcheck(layout, device):
    inputs = case(2, 3, (3, 2), torch.float64, device, layout)
    assert torch.autograd.gradcheck(spd_norm, inputs)


def test_large_mean_keeps_digits():
    x, gamma, beta, p = case(dtype=torch.float64)
    exact = spd_norm_ref(x + 1000, gamma, beta, p)
    y = spd_norm(*((x + 1000).float(), gamma.float(), beta.float(), p.float()))
    torch.testing.assert_close(y.double(), exact, atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_strides_and_batch_equals_singles(layout, device):
    x, gamma, beta, p = (t.detach() for t in case(size=(14, 18), device=device))
    x, gamma, beta, p = (t[..., ::2, ::2] for t in (x, gamma, beta, p))
    y = spd_norm(x.contiguous(memory_format=layout), gamma, beta, p)
    torch.testing.assert_close(y, spd_norm_ref(x, gamma, beta, p))
    both = torch.cat([gamma, beta], 1).contiguous(memory_format=layout)  # as one convolution would give them
    torch.testing.assert_close(spd_norm(x, *both.chunk(2, 1), p), y)
    for i in range(2):
        one = spd_norm(*(t[i : i + 1] for t in (x, gamma, beta, p)))
        torch.testing.assert_close(y[i : i + 1], one, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layout_stays(layout):
    y, *grads = with_gradients(spd_norm, case(layout=layout))
    assert all(t.is_contiguous(memory_format=layout) for t in (y, *grads[:3]))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_thread_count_changes_nothing(layout, threads):
    inputs = case(2, 20, (40, 50), layout=layout)
    results = []
    for count in (1, 2, 7):
        threads(count)
        results.append(with_gradients(spd_norm, inputs))
    for result in results[1:]:
        assert all(torch.equal(a, b) for a, b in zip(result, results[0], strict=True))


def test_only_wanted_gradients():
    x, gamma, beta, p = (t.detach() for t in case())
    for i in range(4):
        leaves = [x, gamma, beta, p]
        leaves[i] = leaves[i].clone().requires_grad_()
        ref = leaves[i].detach().clone().requires_grad_()
        spd_norm(*leaves).square().sum().backward()
        spd_norm_ref(*leaves[:i], ref, *leaves[i + 1 :]).square().sum().backward()
        torch.testing.assert_close(leaves[i].grad, ref.grad, atol=1e-4, rtol=1e-4)


def test_beta_is_kept_for_the_probability_alone():
    x, gamma, beta, p = case()
    for wanted in (True, False):
        kept = []
        with torch.autograd.graph.saved_tensors_hooks(lambda t, kept=kept: kept.append(t.data_ptr()) or t, lambda t: t):
            spd_norm(x, gamma, beta, p if wanted else p.detach())
        assert x.data_ptr() in kept
        assert (beta.data_ptr() in kept) == wanted


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("soft", [True, False])
def test_opcheck(layout, soft, device):
    x, gamma, beta, p = case(size=(4, 3), device=device, layout=layout)
    args = (x, gamma, beta, p if soft else p.detach(), 1e-5)
    torch.library.opcheck(torch.ops.inpaintx.spd_norm.default, args)
    y, mean, rstd = torch.ops.inpaintx.spd_norm(*(a.detach() if isinstance(a, torch.Tensor) else a for a in args))
    x, gamma, beta, p = (t.detach() for t in (x, gamma, beta, p))
    backward = (y, x, gamma, beta if soft else None, p, mean, rstd, [True, False, True, soft])
    checks = ("test_schema", "test_faketensor")
    torch.library.opcheck(torch.ops.inpaintx.spd_norm_backward.default, backward, test_utils=checks)


def test_autocast(device):
    x, gamma, beta, p = case(device=device)
    with torch.autocast(device, torch.bfloat16):
        y = spd_norm(x, gamma.bfloat16(), beta, p)
    assert y.dtype == torch.bfloat16
    assert torch.equal(y, spd_norm(x.bfloat16(), gamma.bfloat16(), beta.bfloat16(), p))
    y.float().sum().backward()
    assert x.grad.dtype == torch.float32


@pytest.mark.slow
@pytest.mark.parametrize("layout", LAYOUTS)
def test_compile_equals_eager(layout):
    inputs = case(layout=layout)
    compiled = torch.compile(lambda *t: spd_norm(*t).sin(), fullgraph=True)
    for a, e in zip(
        with_gradients(compiled, inputs), with_gradients(lambda *t: spd_norm(*t).sin(), inputs), strict=True
    ):
        torch.testing.assert_close(a, e, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"x": torch.rand(4, 8, 8)}, r"x must .*\[B,C,H,W\].* got .*\[4, 8, 8\]"),
        ({"x": torch.rand(1, 1, 8, 8)}, r"C >= 2, got .*\[1, 1, 8, 8\]"),
        ({"x": torch.zeros(1, 4, 8, 8, dtype=torch.int64)}, "x must be floating point"),
        ({"gamma": torch.rand(1, 4, 8, 7)}, r"gamma must have .*\[1, 4, 8, 8\].* got \[1, 4, 8, 7\]"),
        ({"beta": torch.rand(1, 4, 8, 8).double()}, "beta must have"),
        ({"probability": torch.rand(1, 4, 8, 8)}, r"probability must .*\[1, ?1, ?8, ?8\].* got .*\[1, 4, 8, 8\]"),
        ({"probability": torch.ones(1, 1, 8, 8, dtype=torch.int64)}, "probability must be floating point"),
        ({"eps": 0.0}, "eps must be positive, got 0"),
    ],
)
def test_bad_input_is_named(change, words):
    x = torch.rand(1, 4, 8, 8)
    good = {"x": x, "gamma": x, "beta": x, "probability": torch.rand(1, 1, 8, 8)}
    with pytest.raises(ValueError, match=words):
        spd_norm(**{**good, **change})


def test_strides_of_a_single_column_say_nothing():
    torch.manual_seed(0)
    x = torch.randn(2, 4, 5, 1).to(memory_format=torch.channels_last)
    gamma, beta = (torch.randn(2, 5, 4).permute(0, 2, 1).unsqueeze(3) for _ in range(2))
    p = torch.rand(2, 1, 5, 1)
    torch.testing.assert_close(spd_norm(x, gamma, beta, p), spd_norm_ref(x, gamma, beta, p))
    grad, (leaf, wanted) = torch.randn(2, 5, 4).permute(0, 2, 1), (x.clone().requires_grad_() for _ in range(2))
    for function, at in ((spd_norm, leaf), (spd_norm_ref, wanted)):
        (function(at, gamma, beta, p).squeeze(3) * grad).sum().backward()
    torch.testing.assert_close(leaf.grad, wanted.grad, atol=1e-5, rtol=1e-4)


def test_the_module_calls_the_function():
    x, gamma, beta = torch.rand(3, 1, 8, 5, 6)
    probability = torch.rand(1, 1, 5, 6)
    assert torch.equal(SPDNorm(1e-3)(x, gamma, beta, probability), spd_norm(x, gamma, beta, probability, 1e-3))
    assert repr(SPDNorm()) == "SPDNorm(eps=1e-05)"
