"""Devices without kernels run the reference, and the library says so once."""

import importlib
import os
import types
import warnings

import numpy as np
import pytest
import torch

import inpaintx
from inpaintx import ops
from inpaintx.ops import _native


def on(device):
    return types.SimpleNamespace(device=torch.device(device))


@pytest.fixture(autouse=True)
def forget(monkeypatch):
    monkeypatch.setattr(_native, "_warned", set())


@pytest.mark.parametrize("device", ["mps", "xpu"])
def test_other_devices_are_warned_of_once(device):
    with pytest.warns(ops.ReferenceOpWarning, match=f"spd_map has no kernel for '{device}'"):
        assert not _native.has_kernel("spd_map", on(device))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert not _native.has_kernel("spd_map", on(device))
        assert _native.has_kernel("spd_map", on("cpu"))


@pytest.mark.skipif(os.environ.get("INPAINTX_SANITIZE") != "1", reason="not the sanitizer run")
def test_the_sanitizer_run_has_the_sanitized_build():
    assert inpaintx.build_info()["sanitize"]


def test_what_is_no_tensor_is_named():
    with pytest.raises(TypeError, match=r"spd_map takes a torch.Tensor, got ndarray"):
        ops.spd_map(np.zeros((1, 1, 4, 4)), 2)


def test_meta_tensors_do_not_mix_with_real_ones():
    image, mask = torch.rand(1, 3, 8, 8), torch.zeros(1, 1, 8, 8, device="meta")
    for call in (
        lambda: ops.poisson_blend(image, image, mask),
        lambda: ops.partial_conv2d(image, mask, torch.rand(2, 3, 3, 3)),
        lambda: ops.conv3x3(image, torch.rand(2, 3, 3, 3, device="meta")),
        lambda: ops.tv_inpaint(image, mask),
        lambda: ops.ssim(torch.rand(1, 3, 16, 16), torch.rand(1, 3, 16, 16, device="meta")),
        lambda: ops.spd_norm(image, image, image, mask),
    ):
        with pytest.raises(ValueError, match="device"):
            call()


@pytest.mark.parametrize("name", ["efros_leung", "tv_inpaint"])
def test_searches_refuse_what_is_no_number(name):
    image, mask = torch.rand(1, 3, 16, 16), torch.zeros(1, 1, 16, 16)
    mask[..., 6:9, 6:9] = 1
    image[0, 0, 7, 7] = torch.nan  # hidden: no matter
    assert torch.isfinite(getattr(ops, name)(image, mask)).all()
    image[0, 0, 5, 5] = torch.inf
    with pytest.raises(ValueError, match="NaN or infinite values at known pixels"):
        getattr(ops, name)(image, mask)


def test_cuda_is_native_where_it_was_built(monkeypatch):
    monkeypatch.setattr(_native, "_with_cuda", lambda: True)
    assert _native.has_kernel("partial_conv2d", on("cuda"))
    with pytest.warns(ops.ReferenceOpWarning):
        assert not _native.has_kernel("conv3x3", on("cuda"))


@pytest.mark.parametrize("name", ["efros_leung", "tv_inpaint"])
@pytest.mark.parametrize("key", ["CUDA", "MPS", "XPU"])
def test_what_has_no_kernel_but_the_cpus_is_carried_there(name, key):
    """No GPU is needed to see that the dispatcher has a kernel, and that no reference is run instead."""
    assert torch._C._dispatch_has_computed_kernel_for_dispatch_key(f"inpaintx::{name}", key)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert _native.has_kernel(name, on(key.lower()))


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("detail_transfer", "detail_transfer"),
        ("hog", "hog"),
        ("partial_conv", "partial_conv2d"),
        ("patchmatch", "patchmatch"),
        ("poisson", "poisson_blend"),
        ("spd_map", "spd_map"),
        ("tv", "tv_inpaint"),
        ("efros_leung", "efros_leung"),
        ("ssim", "ssim"),
        ("spd_norm", "spd_norm"),
    ],
)
def test_the_public_function_takes_the_reference_there(module, name, monkeypatch):
    home = importlib.import_module(f"inpaintx.ops.{module}")
    torch.manual_seed(0)
    image, mask = torch.rand(1, 3, 18, 18), torch.zeros(1, 1, 18, 18)
    mask[..., 8:10, 8:11] = 1
    arguments = {
        "detail_transfer": (image, image, image, 1 - mask, mask, 3),
        "hog": (image,),
        "partial_conv": (image, mask, torch.rand(2, 3, 3, 3)),
        "patchmatch": (image, image, 1 - mask, 3),
        "poisson": (image, image, mask),
        "spd_map": (mask, 3),
        "tv": (image, mask),
        "efros_leung": (image, mask, 5),
        "ssim": (image, image),
        "spd_norm": (image, image, image, mask),
    }[module]
    called, reference = [], getattr(home, f"{name}_ref")
    monkeypatch.setattr(home, "has_kernel", lambda op, x: False)
    monkeypatch.setattr(home, f"{name}_ref", lambda *a, **k: called.append(1) or reference(*a, **k))
    getattr(home, name)(*arguments)
    assert called
