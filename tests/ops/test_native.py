"""Devices without kernels run the reference, and the library says so once."""

import importlib
import types
import warnings

import pytest
import torch

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
        assert not _native.runs_natively("spd_map", on(device))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert not _native.runs_natively("spd_map", on(device))
        assert _native.runs_natively("spd_map", on("cpu"))


def test_cuda_is_native_where_it_was_built(monkeypatch):
    monkeypatch.setattr(_native, "_with_cuda", lambda: True)
    assert _native.runs_natively("partial_conv2d", on("cuda"))
    with pytest.warns(ops.ReferenceOpWarning):
        assert not _native.runs_natively("hog", on("cuda"))


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("hog", "hog"),
        ("partial_conv", "partial_conv2d"),
        ("patchmatch", "patchmatch"),
        ("poisson", "poisson_blend"),
        ("spd_map", "spd_map"),
        ("tv", "tv_inpaint"),
        ("efros_leung", "efros_leung"),
    ],
)
def test_the_public_function_takes_the_reference_there(module, name, monkeypatch):
    home = importlib.import_module(f"inpaintx.ops.{module}")
    torch.manual_seed(0)
    image, mask = torch.rand(1, 3, 18, 18), torch.zeros(1, 1, 18, 18)
    mask[..., 8:10, 8:11] = 1
    arguments = {
        "hog": (image,),
        "partial_conv": (image, mask, torch.rand(2, 3, 3, 3)),
        "patchmatch": (image, image, 1 - mask, 3),
        "poisson": (image, image, mask),
        "spd_map": (mask, 3),
        "tv": (image, mask),
        "efros_leung": (image, mask, 5),
    }[module]
    called, reference = [], getattr(home, f"{name}_ref")
    monkeypatch.setattr(home, "runs_natively", lambda op, x: False)
    monkeypatch.setattr(home, f"{name}_ref", lambda *a, **k: called.append(1) or reference(*a, **k))
    getattr(home, name)(*arguments)
    assert called
