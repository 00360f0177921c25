"""Names that ops had before, for one release: they warn, name the new one, and do the same."""

import pytest
import torch

from inpaintx import ops

X = torch.rand(1, 3, 12, 14, generator=torch.Generator().manual_seed(0))
MASK = torch.zeros(1, 1, 12, 14)
MASK[..., 4:7, 5:9] = 1

KEYWORDS = {
    "ssim": ("window", lambda **size: ops.ssim(X, X.flip(3), **size)),
    "ssim_ref": ("window", lambda **size: ops.ssim_ref(X, X.flip(3), **size)),
    "SSIM": ("window", lambda **size: ops.SSIM(**size)(X, X.flip(3))),
    "efros_leung": ("window", lambda **size: ops.efros_leung(X, MASK, **size)),
    "efros_leung_ref": ("window", lambda **size: ops.efros_leung_ref(X, MASK, **size)),
    "EfrosLeung": ("window", lambda **size: ops.EfrosLeung(**size)(X, MASK)),
    "patchmatch": ("patch", lambda **size: ops.patchmatch(X, X.flip(3), MASK < 1, **size)[1]),
    "patchmatch_ref": ("patch", lambda **size: ops.patchmatch_ref(X, X.flip(3), MASK < 1, **size)[1]),
    "PatchMatch": ("patch", lambda **size: ops.PatchMatch(**size)(X, X.flip(3), MASK < 1)[1]),
    "contextual_attention": ("ksize", lambda **size: ops.contextual_attention(X, X, MASK, **size)),
    "contextual_attention_ref": ("ksize", lambda **size: ops.contextual_attention_ref(X, X, MASK, **size)),
    "boundary_weight": ("k", lambda **size: ops.boundary_weight(MASK, **size)),
    "context_weight": ("k", lambda **size: ops.context_weight(MASK, **size)),
}


@pytest.mark.parametrize("op", KEYWORDS)
def test_old_keywords(op):
    old, call = KEYWORDS[op]
    expected = call(kernel_size=5)
    with pytest.warns(DeprecationWarning, match=rf"\({old}=\) is deprecated .*; use kernel_size=") as warned:
        assert torch.equal(call(**{old: 5}), expected)
    assert warned[0].filename == __file__


@pytest.mark.parametrize(("old", "new"), [("Conv2d", "WinogradConv2d"), ("yeh_weight", "context_weight")])
def test_old_names(old, new):
    with pytest.warns(DeprecationWarning, match=rf"ops\.{old} is deprecated .*; use inpaintx\.ops\.{new}") as warned:
        assert getattr(ops, old) is getattr(ops, new)
    assert warned[0].filename == __file__
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = ops.nothing
