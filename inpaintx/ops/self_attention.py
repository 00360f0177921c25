"""Attention over all pixels of a feature map."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["SelfAttention", "self_attention", "self_attention_ref"]


def self_attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Attention without scaling: o_j = Σ_i softmax_i(k_i · q_j) v_i.

    Parameters
    ----------
    q, k
        ``[B,D,N]``, floating point: queries and keys of N pixels.
    v
        ``[B,C,N]`` in the dtype of ``q``.

    Returns
    -------
    Tensor
        ``[B,C,N]``. Memory grows with N, not with N²: the map of scores is never whole (but for float64 on CUDA, which
        PyTorch has no such kernel for).

    Raises
    ------
    ValueError
        A shape or dtype that does not fit.

    Notes
    -----
    There is no 1/√D, other than in a transformer.

    References
    ----------
    Zhang et al., "Self-Attention Generative Adversarial Networks", ICML 2019, eq. 1 and 2.

    Examples
    --------
    >>> self_attention(torch.rand(1, 2, 9), torch.rand(1, 2, 9), torch.rand(1, 16, 9)).shape
    torch.Size([1, 16, 9])
    """
    if q.dim() != 3 or k.shape != q.shape or v.dim() != 3 or v.shape[::2] != q.shape[::2]:
        raise ValueError(
            "self_attention: q and k must have shape [B,D,N] and v [B,C,N], "
            f"got {list(q.shape)}, {list(k.shape)} and {list(v.shape)}"
        )
    if not (q.is_floating_point() and q.dtype == k.dtype == v.dtype):
        raise ValueError(f"self_attention: q, k and v must share a floating dtype, got {q.dtype}, {k.dtype}, {v.dtype}")
    channels = v.shape[1]
    # what the kernels that never hold N x N want: multiples of 8 on CUDA, equal widths elsewhere; zeros change no score
    widths = [-(-t.shape[1] // 8) * 8 if q.is_cuda else max(q.shape[1], channels) for t in (q, k, v)]
    q, k, v = (F.pad(t, (0, 0, 0, width - t.shape[1])) for t, width in zip((q, k, v), widths, strict=True))
    q, k, v = (t.transpose(1, 2).unsqueeze(1).contiguous() for t in (q, k, v))
    return F.scaled_dot_product_attention(q, k, v, scale=1.0)[:, 0, :, :channels].transpose(1, 2)


def self_attention_ref(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Slow reference of :func:`self_attention`, with the whole map of scores."""
    scores = torch.einsum("bdi,bdj->bij", k, q)
    return torch.einsum("bij,bci->bcj", scores.softmax(1), v)


class SelfAttention(nn.Module):
    """Module of :func:`self_attention`: without options or weights, for queries, keys and values from outside."""

    def forward(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """``[B,D,N]`` twice and ``[B,C,N]`` to ``[B,C,N]``."""
        return self_attention(q, k, v)
