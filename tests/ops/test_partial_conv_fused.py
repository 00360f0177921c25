"""The kernel of Triton against the reference, and who is chosen to compute partial_conv2d.

The kernel runs on a GPU (`pytest -m gpu`), or on the CPU by Triton's interpreter (`make triton-check`). The choice is
tested anywhere, by a stand-in for the kernel.
"""

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

import inpaintx
from inpaintx.ops import partial_conv2d, partial_conv2d_ref, partial_conv_fused, partial_conv_kernel

INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"
TOLERANCE = {torch.float32: 1e-5, torch.float16: 1e-2, torch.bfloat16: 5e-2}
HALF = (torch.float16, torch.bfloat16)
of_kernel = pytest.mark.skipif(False, reason="") if INTERPRETED else pytest.mark.gpu


def case(device="cpu", batch=2, into=3, out=4, size=(9, 14), kernel=(3, 3), planes=1, dtype=torch.float32, hole=0.6):
    torch.manual_seed(sum(size) + into)
    x = torch.randn(batch, into, *size).to(dtype).to(memory_format=torch.channels_last)
    mask = (torch.rand(batch, planes, *size) < hole).float()
    mask[0, :, : size[0] // 2] = 1
    weight = (torch.randn(out, into, *kernel) / (into * kernel[0] * kernel[1]) ** 0.5).to(dtype)
    return [t.to(device) for t in (x, mask, weight, torch.randn(out).to(dtype))]


def interpret_bfloat16(monkeypatch):
    """The interpreter's product of bfloat16 is that of the bit patterns (triton-lang/triton#11584)."""
    import triton.language as tl
    from triton.runtime.interpreter import InterpreterBuilder

    product = InterpreterBuilder.create_dot

    def create_dot(self, a, b, *others):
        a, b = (self.cast_impl(t, tl.float32) if t.dtype.scalar == tl.bfloat16 else t for t in (a, b))
        return product(self, a, b, *others)

    monkeypatch.setattr(InterpreterBuilder, "create_dot", create_dot)


def counted(monkeypatch, module):
    """How often the kernel is called, as a list that grows."""
    calls, convolve = [], module.convolve
    monkeypatch.setattr(module, "convolve", lambda *a: calls.append(a[-1]) or convolve(*a))
    return calls


@pytest.fixture
def fused(monkeypatch):
    """The kernel's device, and how often the kernel was called."""
    if not INTERPRETED and not torch.cuda.is_available():
        pytest.skip("no CUDA device; `make triton-check` interprets the kernel")
    pytest.importorskip("triton")
    from inpaintx.ops import partial_conv_triton

    if INTERPRETED:
        interpret_bfloat16(monkeypatch)
        partial_conv_fused.register("CPU")
    with partial_conv_kernel("fused"):
        device = "cpu" if INTERPRETED else "cuda"
        yield SimpleNamespace(device=device, calls=counted(monkeypatch, partial_conv_triton))


def agree(fused, x, mask, weight, bias, *window, **options):
    y, new = partial_conv2d(x, mask, weight, bias, *window, **options)
    assert len(fused.calls) == 1
    y_ref, new_ref = partial_conv2d_ref(x, mask, weight, bias, *window, **options)
    tolerance = TOLERANCE[x.dtype]
    torch.testing.assert_close(y, y_ref, atol=tolerance, rtol=tolerance)
    assert (new.dtype, y.dtype) == (mask.dtype, x.dtype)
    assert y.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(new, new_ref)


WINDOWS = {
    "3x3": {"kernel": (3, 3), "window": (1, 1)},
    "strided": {"kernel": (3, 5), "window": ((2, 1), (1, 2), (1, 2))},
    "valid": {"kernel": (2, 3), "window": (3, 0)},
    "7x7": {"kernel": (7, 7), "window": (2, 3)},
    "1x1": {"kernel": (1, 1), "window": ()},
    "9x7, wider than the image": {"kernel": (9, 7), "window": (1, (8, 7), (2, 1))},
}


@of_kernel
@pytest.mark.parametrize(
    ("name", "dtype"), [*((name, torch.float32) for name in WINDOWS), *(("strided", dtype) for dtype in HALF)], ids=str
)
def test_equals_reference(name, dtype, fused):
    kernel, window = WINDOWS[name].values()
    agree(fused, *case(fused.device, kernel=kernel, dtype=dtype), *window)


@of_kernel
@pytest.mark.parametrize(("channels", "out"), [(1, 1), (3, 20), (17, 70), (64, 20), (70, 70)])
def test_any_number_of_channels(channels, out, fused):
    agree(fused, *case(fused.device, batch=1, into=channels, out=out, dtype=torch.float16), 1, 1, scale="sum")


@of_kernel
@pytest.mark.parametrize(
    ("mask_channels", "scale"),
    [((19,), "sum"), ((16, 3), "window"), ((16, 3), "sum"), ((1, 2, 16), "sum"), ((5, 5, 5, 4), "window")],
    ids=str,
)
def test_a_mask_of_several_planes(mask_channels, scale, fused):
    given = case(fused.device, into=19, planes=len(mask_channels), dtype=torch.bfloat16)
    agree(fused, *given, 1, 1, scale=scale, mask_channels=mask_channels)


@of_kernel
@pytest.mark.parametrize("dtype", [torch.bool, torch.uint8, torch.int64, torch.float16, torch.float64], ids=str)
def test_masks(dtype, fused):
    x, mask, weight, bias = case(fused.device)
    agree(fused, x, mask.to(dtype), weight, bias, 2, 1)


@of_kernel
def test_one_mask_for_all_images_and_no_bias(fused):
    x, mask, weight, _ = case(fused.device)
    agree(fused, x, mask[1:].mT.contiguous().mT, weight, None, 2, 1)


@of_kernel
@pytest.mark.parametrize("hole", [0.0, 1.0])
def test_no_hole_and_nothing_else(hole, fused):
    x, mask, weight, bias = case(fused.device)
    agree(fused, x, torch.full_like(mask, hole), weight, bias, 1, 1)


@of_kernel
def test_hidden_values_do_not_matter(fused):
    x, mask, weight, bias = case(fused.device)
    want = partial_conv2d(x, mask, weight, bias, 1, 1)
    got = partial_conv2d(torch.where(mask > 0, torch.nan, x), mask, weight, bias, 1, 1)
    assert torch.equal(got[0], want[0])


@of_kernel
def test_a_result_of_many_tiles(fused):
    x, mask, weight, bias = case(fused.device, batch=1, size=(40, 33), dtype=torch.float16)
    mask[..., 8:36, :] = 1  # tiles without a known pixel
    agree(fused, x, mask, weight, bias, 1, 1)


@of_kernel
def test_the_ratio_is_that_of_the_passes(fused):
    op = torch.ops.inpaintx.partial_conv2d
    given = case(fused.device, kernel=(3, 5))
    ratio = op(*given, (2, 1), (1, 2), (1, 2))[2]
    with partial_conv_kernel("cudnn"):
        want = op(*given, (2, 1), (1, 2), (1, 2))[2]
    assert ratio.stride() == want.stride()
    torch.testing.assert_close(ratio, want, rtol=1e-7, atol=0)


@pytest.mark.gpu
def test_configurations(fused):
    """Every tile, at a layer's size."""
    if fused.device != "cuda":
        pytest.skip("takes minutes interpreted")
    from inpaintx.ops import partial_conv_triton

    x, mask, weight, bias = case("cuda", into=192, out=64, size=(65, 64), dtype=torch.bfloat16)
    want = partial_conv2d_ref(x, mask, weight, bias, 1, 1)[0]
    for config in partial_conv_triton.CONFIGS:
        got = partial_conv_triton.convolve(x, mask, weight, bias, (1, 1), (1, 1), (1, 1), False, (), (65, 64), config)[
            0
        ]
        torch.testing.assert_close(got, want, atol=5e-2, rtol=5e-2)


# --- the choice, by a stand-in for the kernel ---


@pytest.fixture
def standing_in(monkeypatch):
    """The reference in place of the kernel, on the CPU; the tiles that it was called with."""
    ratio_of = torch.ops.inpaintx.partial_conv2d

    def convolve(x, mask, weight, bias, stride, padding, dilation, scale_by_sum, mask_channels, out_size, config):
        scale = "sum" if scale_by_sum else "window"
        y, new = partial_conv2d_ref(
            x, mask, weight, bias, stride, padding, dilation, scale=scale, mask_channels=mask_channels
        )
        assert y.shape[2:] == out_size
        with partial_conv_kernel("cudnn"):
            ratio = ratio_of(x, mask, weight, bias, stride, padding, dilation, scale_by_sum, mask_channels)[2]
        return [y.contiguous(memory_format=torch.channels_last), new.clone(), ratio]

    stand_in = SimpleNamespace(CONFIGS=("small", "large"), convolve=convolve, milliseconds=lambda run: 0.0)
    monkeypatch.setitem(sys.modules, "inpaintx.ops.partial_conv_triton", stand_in)
    monkeypatch.setattr(inpaintx.ops, "partial_conv_triton", stand_in, raising=False)
    monkeypatch.setattr(partial_conv_fused, "_fastest", {})
    monkeypatch.setattr(partial_conv_fused, "find_spec", lambda name: name)
    partial_conv_fused.register("CPU")
    return SimpleNamespace(module=stand_in, calls=counted(monkeypatch, stand_in))


def test_passes_are_the_default(standing_in):
    partial_conv2d(*case())
    assert not standing_in.calls
    with partial_conv_kernel("fused"):
        partial_conv2d(*case())
    partial_conv2d(*case())
    assert standing_in.calls == ["small"]


def test_python_is_asked_only_while_another_kernel_is_chosen(standing_in):
    def asks():
        with torch.profiler.profile() as profile:
            partial_conv2d(*case())
        return "inpaintx::partial_conv2d_fused" in {event.key for event in profile.key_averages()}

    assert not asks()
    with partial_conv_kernel("fused"):
        assert asks()
        with partial_conv_kernel("cudnn"):
            assert not asks()
        assert asks()
    assert not asks()


@pytest.mark.parametrize("mask_channels", [(), (2, 1)], ids=str)
def test_gradients_are_those_of_the_passes(mask_channels, standing_in):
    x, mask, weight, bias = case(planes=max(1, len(mask_channels)))
    leaves = [t.requires_grad_() for t in (x, weight, bias)]

    def gradients():
        y = partial_conv2d(x, mask, weight, bias, 2, 1, scale="sum", mask_channels=mask_channels)[0]
        return torch.autograd.grad(y.square().sum(), leaves)

    want = gradients()
    with partial_conv_kernel("fused"):
        got = gradients()
    assert standing_in.calls
    for a, b in zip(got, want, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-5)


def test_under_compile_autocast_and_opcheck(standing_in):
    x, mask, weight, bias = case()
    with partial_conv_kernel("fused"):
        compiled = torch.compile(partial_conv2d, backend="aot_eager", fullgraph=True)
        want = partial_conv2d(x, mask, weight, bias, 1, 1)
        torch.testing.assert_close(compiled(x, mask, weight, bias, 1, 1), want, rtol=0, atol=0)
        assert len(standing_in.calls) == 2
        with torch.autocast("cpu", torch.bfloat16):
            assert partial_conv2d(x, mask, weight, bias)[0].dtype == torch.bfloat16
        assert len(standing_in.calls) == 3
        for leaf in (x, weight, bias):
            leaf.requires_grad_()
        torch.library.opcheck(torch.ops.inpaintx.partial_conv2d, (x, mask, weight, bias, (2, 2), (1, 1)))


def declined():
    x, mask, weight, bias = case()
    yield "planes in memory", (x.contiguous(), mask, weight, bias)
    yield "float64", (x.double(), mask, weight.double(), bias.double())
    yield "a mask for each channel", (x, mask.expand(-1, 3, -1, -1), weight, bias)
    yield "no images", (x[:0], mask[:1], weight, bias)
    yield "a large window", case(kernel=(8, 8), size=(9, 9))
    yield "many planes", (*case(into=5, planes=5), 1, 0, 1, 1, (1,) * 5)


@pytest.mark.parametrize("given", [pytest.param(given, id=name) for name, given in declined()])
def test_what_the_kernel_cannot_is_for_the_passes(given, standing_in):
    given, options = (given[:-1], {"mask_channels": given[-1]}) if len(given) > 4 else (given, {})
    want = partial_conv2d(*given, **options)
    with partial_conv_kernel("fused"):
        got = partial_conv2d(*given, **options)
    assert not standing_in.calls
    assert torch.equal(got[0], want[0])


def test_errors_come_before_the_choice(standing_in):
    x, mask, weight, bias = case()
    with partial_conv_kernel("fused"), pytest.raises(ValueError, match="partial_conv2d: mask must have shape"):
        partial_conv2d(x, mask[..., 1:], weight, bias)
    assert not standing_in.calls


@pytest.mark.parametrize("faster", ["small", "large", "the passes"])
def test_auto_takes_what_is_faster_and_measures_once(faster, standing_in, monkeypatch):
    measured, convolve = [], standing_in.module.convolve

    def in_another_thread(*arguments):
        assert partial_conv_fused._kernel == "auto"  # there it stays while this one measures
        return convolve(*arguments)

    def milliseconds(run):
        before = len(standing_in.calls)
        run()
        measured.append((standing_in.calls[before:] or ["the passes"])[0])
        return 1.0 if measured[-1] == faster else 2.0

    monkeypatch.setattr(standing_in.module, "milliseconds", milliseconds)
    monkeypatch.setattr(standing_in.module, "convolve", in_another_thread)
    monkeypatch.setattr(torch.backends.cudnn, "benchmark", True)
    with partial_conv_kernel("auto"):
        for _ in range(2):
            standing_in.calls.clear()
            partial_conv2d(*case())
        assert sorted(measured) == ["large", "small", "the passes"]
        assert standing_in.calls == ([faster] if faster != "the passes" else [])
        partial_conv2d(*case(), stride=2)
    assert len(measured) == 6


@pytest.mark.parametrize("deterministic", [False, True])
def test_nothing_is_measured_without_leave(deterministic, standing_in, monkeypatch):
    monkeypatch.setattr(standing_in.module, "milliseconds", lambda run: pytest.fail("measured"))
    monkeypatch.setattr(torch.backends.cudnn, "benchmark", deterministic)
    monkeypatch.setattr(torch, "are_deterministic_algorithms_enabled", lambda: deterministic)
    with partial_conv_kernel("auto"):
        partial_conv2d(*case())
    assert not standing_in.calls
    with partial_conv_kernel("fused"):
        partial_conv2d(*case())
    assert standing_in.calls == ["small"]


def test_another_word():
    with (
        pytest.raises(ValueError, match="must be 'cudnn', 'fused' or 'auto', got 'triton'"),
        partial_conv_kernel("triton"),
    ):
        pass


def test_without_triton(monkeypatch):
    monkeypatch.setattr(partial_conv_fused, "find_spec", lambda name: None)
    with pytest.warns(UserWarning, match="Triton is not installed"), partial_conv_kernel("fused"):
        partial_conv2d(*case())
    with partial_conv_kernel("auto"):
        partial_conv2d(*case())


def test_the_environment_chooses():
    code = "import sys, inpaintx.ops; print(inpaintx.ops.partial_conv_fused._kernel, 'triton' in sys.modules)"
    env = {**os.environ, "INPAINTX_PARTIAL_CONV": "auto"}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["auto" if find_spec("triton") else "cudnn", "False"]


@pytest.mark.parametrize(("value", "code"), [("", 0), ("Fused", 2)])
def test_a_wrong_environment_is_said_in_words(value, code, tmp_path):
    photo = Path(inpaintx.__file__).parent / "demo" / "eileen_collins.png"
    mask = photo.with_stem("eileen_collins_mask")
    command = [sys.executable, "-m", "inpaintx", "inpaint", photo, mask, "-m", "harmonic", "-o", tmp_path / "out.png"]
    env = {**os.environ, "INPAINTX_PARTIAL_CONV": value}
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stderr
    said = "INPAINTX_PARTIAL_CONV must be 'cudnn', 'fused' or 'auto', got 'Fused'"
    assert done.stderr.strip().endswith(said) is bool(code)
    assert "Traceback" not in done.stderr
