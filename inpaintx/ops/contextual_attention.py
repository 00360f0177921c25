"""Attention from holes to known patches."""

from typing import Literal, NamedTuple, overload

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from inpaintx.errors import renamed
from inpaintx.ops.diagonal_sum import diagonal_sum

__all__ = ["ContextualAttention", "contextual_attention", "contextual_attention_ref"]

WORKING = 64 << 20  # bytes of scores held at once on the CPU


@overload
def contextual_attention(
    f: Tensor,
    b: Tensor,
    mask: Tensor,
    kernel_size: int = ...,
    rate: int = ...,
    fuse_k: int = ...,
    scale: float = ...,
    *,
    compat: bool = ...,
    return_offsets: Literal[False] = ...,
) -> Tensor: ...
@overload
def contextual_attention(
    f: Tensor,
    b: Tensor,
    mask: Tensor,
    kernel_size: int = ...,
    rate: int = ...,
    fuse_k: int = ...,
    scale: float = ...,
    *,
    compat: bool = ...,
    return_offsets: Literal[True],
) -> tuple[Tensor, Tensor]: ...
@renamed(ksize="kernel_size")
def contextual_attention(
    f: Tensor,
    b: Tensor,
    mask: Tensor,
    kernel_size: int = 3,
    rate: int = 2,
    fuse_k: int = 3,
    scale: float = 10.0,
    *,
    compat: bool = False,
    return_offsets: bool = False,
) -> Tensor | tuple[Tensor, Tensor]:
    """Rebuild ``f`` from patches of ``b`` that show no hole, weighted by how alike they are.

    Both are taken at every ``rate``-th pixel; the score of a place of ``f`` and a patch of ``b`` is the correlation
    of their ``kernel_size`` x ``kernel_size`` surroundings, that of ``b`` divided by its norm (at least 1e-4). Scores
    are summed along the diagonal of ``fuse_k`` neighbours, first along rows, then along columns, so that neighbours
    copy from neighbours. The result overlaps the 2·rate wide patches of ``b``, weighted by softmax(scale · score).

    Parameters
    ----------
    f, b
        ``[B,C,H,W]`` and ``[B,C,Hb,Wb]``, floating point; any sizes. Differentiable in both.
    mask
        ``[B,1,Hb,Wb]`` (batch 1 serves all), 1 = hole of ``b`` (above 0.5), any real dtype or bool. No gradient.
    kernel_size, rate, fuse_k, scale
        See above; ``kernel_size`` and ``fuse_k`` are odd, ``fuse_k=1`` fuses nothing.
    compat
        As the published networks compute it: the mask is sampled like ``b`` (thin strokes vanish), excluded patches
        keep a score of 0 in the softmax, and the overlap is divided by 4 also at the rim, where fewer patches meet.
        By default a cell with any hole pixel is hole, the softmax is over valid patches only, and the overlap is
        divided by the patches that meet.
    return_offsets
        Return also where each place looks most.

    Returns
    -------
    Tensor
        ``[B,C,H,W]`` in the dtype of ``f``; 0 in images whose ``b`` has no valid patch.
    offsets : Tensor
        Only with ``return_offsets``: ``[B,ceil(H/rate),ceil(W/rate),2]`` int64, row and column in the grid of
        ``b``'s patches (times ``rate``: pixels of ``b``); -1 where there is no valid patch.

    Raises
    ------
    ValueError
        A shape, dtype or option that does not fit.

    Notes
    -----
    Scores are computed in float32 (float64 for float64), autocast or not. Each image is worked on in tiles of
    columns; where there is more than one tile, the backward pass computes the scores anew. Beside what grows with the
    number of pixels alone, the CPU holds 64 MB of scores, in the backward pass twice that; more only where five
    columns of places (of ``fuse_k=3``) take more. CUDA holds a 64th of the device's memory, or a quarter of what is
    free where that is less: another tile may change the last bits of a result.

    References
    ----------
    Yu et al., "Generative Image Inpainting with Contextual Attention", CVPR 2018, section 4.

    Examples
    --------
    >>> texture = torch.rand(1, 4, 1, 8).repeat(1, 1, 16, 4)
    >>> mask = torch.zeros(1, 1, 16, 32)
    >>> mask[..., 10:14, 10:14] = 1
    >>> contextual_attention(texture, texture, mask).shape
    torch.Size([1, 4, 16, 32])
    """
    _check(f, b, mask, kernel_size, rate, fuse_k)
    with torch.autocast(f.device.type, enabled=False):
        hole = _grid_hole(mask > 0.5, rate, compat).expand(f.shape[0], -1, -1, -1)
        usable = F.max_pool2d(hole, kernel_size, 1, kernel_size // 2).flatten(1) == 0
        grid = _Grid(*(-(-n // rate) for n in (*f.shape[2:], *b.shape[2:])))
        options = _Options(kernel_size, rate, fuse_k, scale, compat)
        found = [
            _rebuild(f[i : i + 1], b[i : i + 1], usable[i], grid, options, offsets=return_offsets)
            for i in range(f.shape[0])
        ]
        out = torch.cat([image for image, _ in found])
    if not return_offsets:
        return out
    best = torch.stack([at for _, at in found])
    places_of = torch.stack([best.div(grid.wb, rounding_mode="floor"), best % grid.wb], -1)
    return out, torch.where(best[..., None] < 0, -1, places_of).unflatten(1, (grid.h, grid.w))


class _Grid(NamedTuple):
    """Sizes of ``f`` and ``b`` in steps of ``rate``."""

    h: int
    w: int
    hb: int
    wb: int


class _Options(NamedTuple):
    """Of :func:`contextual_attention`."""

    kernel_size: int
    rate: int
    fuse_k: int
    scale: float
    compat: bool


def _rebuild(
    f: Tensor,
    b: Tensor,
    usable: Tensor,
    grid: _Grid,
    options: _Options,
    *,
    offsets: bool,
) -> tuple[Tensor, Tensor]:
    """One image, ``[1,C,H,W]``, and, with ``offsets``, its best patches ``[N]``; ``usable`` is ``[M]``."""
    kernel_size, rate = options.kernel_size, options.rate
    wide = torch.float64 if f.dtype == torch.float64 else torch.float32
    places = F.unfold(f[..., ::rate, ::rate].to(wide), kernel_size, padding=kernel_size // 2)[0]
    patches = F.unfold(b[..., ::rate, ::rate].to(wide), kernel_size, padding=kernel_size // 2)[0]
    patches = patches / patches.norm(dim=0, keepdim=True).clamp(min=1e-4)
    copies = F.unfold(F.pad(b.to(wide), _rim(b, rate)), 2 * rate, stride=rate)[0].masked_fill(~usable, 0.0)
    outs, bests = _tiles(places, patches, copies, usable, grid, options, offsets=offsets)
    out = torch.cat(outs, 2).flatten(1)[None]
    del copies, outs
    return _overlap(out, f, rate, options.compat).to(f.dtype), torch.cat(bests, 1).flatten()


def _tiles(
    places: Tensor,
    patches: Tensor,
    copies: Tensor,
    usable: Tensor,
    grid: _Grid,
    options: _Options,
    *,
    offsets: bool,
) -> tuple[list[Tensor], list[Tensor]]:
    """What :func:`_attend_tile` gives for each tile of columns."""
    if torch.compiler.is_exporting():  # one: how many there are would fix the sizes of the graph
        out, best = _attend_tile(places, patches, copies, usable, grid, 0, grid.w, options, offsets)
        return [out], [best]
    columns = _columns(grid, options.fuse_k, places)
    tiled = columns < grid.w and torch.is_grad_enabled()
    outs, bests = [], []
    for left in range(0, grid.w, columns):
        arguments = (places, patches, copies, usable, grid, left, min(left + columns, grid.w), options, offsets)
        out, best = checkpoint(_attend_tile, *arguments, use_reentrant=False) if tiled else _attend_tile(*arguments)
        outs.append(out)
        bests.append(best)
    return outs, bests


def _columns(grid: _Grid, fuse_k: int, places: Tensor) -> int:
    """How many columns of places make a tile: two buffers of their scores, and of their neighbours', at once."""
    column = 2 * grid.h * grid.hb * grid.wb * places.element_size()
    beside = 4 * (fuse_k // 2)
    most = WORKING
    if places.is_cuda and (grid.w + beside) * column > most and not torch.compiler.is_compiling():
        most = max(most, _cuda_bytes(places.device))
    return max(1, min(grid.w, most // column - beside))


def _cuda_bytes(device: torch.device) -> int:
    """What the scores may take on a GPU: a fixed share of its memory, so that results repeat, where that is free."""
    share = torch.cuda.get_device_properties(device).total_memory // 64
    if torch.cuda.is_current_stream_capturing():
        return share
    kept = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return min(share, (torch.cuda.mem_get_info(device)[0] + kept) // 4)


def _attend_tile(
    places: Tensor,
    patches: Tensor,
    copies: Tensor,
    usable: Tensor,
    grid: _Grid,
    left: int,
    right: int,
    options: _Options,
    offsets: bool,
) -> tuple[Tensor, Tensor]:
    """Columns left to right of the places: ``[P,h,columns]`` and, with ``offsets``, the best patch ``[h,columns]``.

    ``[K,N]`` places, ``[K,M]`` patches, ``[P,M]`` copies (0 where not usable), ``[M]`` usable.
    """
    size = right - left, grid.h
    scores = _fused(places, patches, grid, left, right, options.fuse_k).mul_(options.scale)
    lowest = torch.finfo(scores.dtype).min
    best = usable.new_empty(size)
    if offsets:
        best = torch.where(usable.any(), scores.detach().masked_fill(~usable, lowest).argmax(1), -1).unflatten(0, size)
    weights = scores.masked_fill_(~usable, 0.0 if options.compat else lowest).softmax(1)
    del scores
    out = (copies @ weights.T).unflatten(1, size).transpose(1, 2)
    return out, best.T


def _fused(places: Tensor, patches: Tensor, grid: _Grid, left: int, right: int, fuse_k: int) -> Tensor:
    """Scores ``[columns·h, M]`` of some columns of places, numbered down the columns.

    In the matrix of all scores, fusing sums along the diagonal: once with pixels numbered along the rows, once down
    the columns. Like there, the neighbour of a row's last pixel is the next row's first. A tile needs its
    neighbours: ``along`` columns for the first sum, and as many for the second, which hold ``along`` pixels or more.
    """
    along = down = fuse_k // 2
    column = torch.arange(left - down - along, right + down + along, device=places.device)[:, None]
    number = torch.arange(grid.h, device=places.device) * grid.w + column  # [columns,h], beyond the row: its neighbours
    inside = (number >= 0) & (number < grid.h * grid.w)
    near = places[:, number.clamp(0, grid.h * grid.w - 1).flatten()] * inside.flatten()
    scores = near.T @ patches
    if along == 0:
        return scores
    width = right - left + 2 * down
    rows = diagonal_sum(scores, along * grid.h, width * grid.h, grid.h, along)
    del scores
    real = column[along : along + width]
    rows.unflatten(0, (width, grid.h)).masked_fill_(((real < 0) | (real >= grid.w)).unsqueeze(-1), 0.0)
    by_column = rows.unflatten(-1, (grid.hb, grid.wb)).transpose(-1, -2).flatten(-2)
    del rows
    fused = diagonal_sum(by_column, down * grid.h, (right - left) * grid.h, 1, down)
    del by_column
    return fused.unflatten(-1, (grid.wb, grid.hb)).transpose(-1, -2).flatten(-2)


def _grid_hole(hole: Tensor, rate: int, compat: bool) -> Tensor:
    """``[B,1,hb,wb]`` float: which patches' centres are hole."""
    if compat:
        return hole[..., ::rate, ::rate].float()
    return F.max_pool2d(hole.float(), rate, ceil_mode=True)


def _rim(x: Tensor, rate: int) -> tuple[int, int, int, int]:
    """Zeros around ``x`` so that patches of 2·rate, a step of ``rate`` apart, are as many as grid places."""
    total = [(-(-n // rate) + 1) * rate - n for n in (x.shape[3], x.shape[2])]
    return total[0] // 2, total[0] - total[0] // 2, total[1] // 2, total[1] - total[1] // 2


def _overlap(patches: Tensor, f: Tensor, rate: int, compat: bool) -> Tensor:
    """``[B, C·(2·rate)², N]`` laid over each other at the size of ``f``."""
    left, right, top, bottom = _rim(f, rate)
    size = f.shape[2] + top + bottom, f.shape[3] + left + right

    def lay(p: Tensor) -> Tensor:
        return F.fold(p, size, 2 * rate, stride=rate)[..., top : top + f.shape[2], left : left + f.shape[3]]

    return lay(patches) / (4.0 if compat else lay(torch.ones_like(patches[:1, : 4 * rate * rate])))


def _check(f: Tensor, b: Tensor, mask: Tensor, kernel_size: int, rate: int, fuse_k: int) -> None:
    op = "contextual_attention"
    if f.dim() != 4 or f.numel() == 0 or not f.is_floating_point():
        raise ValueError(f"{op}: f must be floating point [B,C,H,W] and not empty, got {f.dtype} {list(f.shape)}")
    if b.dim() != 4 or b.numel() == 0 or b.shape[:2] != f.shape[:2] or b.dtype != f.dtype or b.device != f.device:
        raise ValueError(
            f"{op}: b must have batch, channels, dtype and device of f, {list(f.shape)} {f.dtype} {f.device}, "
            f"got {list(b.shape)} {b.dtype} {b.device}"
        )
    fits = mask.dim() == 4 and mask.shape[0] in (1, b.shape[0]) and mask.shape[1] == 1
    if not fits or mask.shape[2:] != b.shape[2:] or mask.is_complex():
        expected = [b.shape[0], 1, *b.shape[2:]]
        raise ValueError(f"{op}: mask must be real {expected} (1 = hole), got {mask.dtype} {list(mask.shape)}")
    if kernel_size < 1 or kernel_size % 2 == 0 or fuse_k < 1 or fuse_k % 2 == 0 or rate < 1:
        raise ValueError(
            f"{op}: kernel_size and fuse_k must be odd and positive and rate positive, got "
            f"{kernel_size}, {fuse_k} and {rate}"
        )


@renamed(ksize="kernel_size")
def contextual_attention_ref(
    f: Tensor,
    b: Tensor,
    mask: Tensor,
    kernel_size: int = 3,
    rate: int = 2,
    fuse_k: int = 3,
    scale: float = 10.0,
    *,
    compat: bool = False,
) -> Tensor:
    """Slow reference of :func:`contextual_attention`: convolutions with each image's patches, all scores at once."""
    outs = []
    for fi, bi, mi in zip(f, b, (mask > 0.5).expand(b.shape[0], -1, -1, -1), strict=True):
        small_f, small_b = fi[:, ::rate, ::rate], bi[:, ::rate, ::rate]
        (h, w), (hb, wb) = small_f.shape[1:], small_b.shape[1:]
        patches = F.unfold(small_b[None], kernel_size, padding=kernel_size // 2)[0].T.unflatten(
            1, (-1, kernel_size, kernel_size)
        )
        norm = patches.flatten(1).norm(dim=1)[:, None, None, None].clamp(min=1e-4)
        scores = F.conv2d(small_f[None], patches / norm, padding=kernel_size // 2).view(hb * wb, h * w).T
        eye = torch.eye(fuse_k).to(scores)[None, None]
        for _ in range(2):  # along rows, then along columns: the second turn transposes both pictures back
            scores = F.conv2d(scores[None, None], eye, padding=fuse_k // 2)[0, 0]
            scores = scores.view(h, w, hb, wb).permute(1, 0, 3, 2).reshape(h * w, hb * wb)
            (h, w), (hb, wb) = (w, h), (wb, hb)
        hole = _grid_hole(mi[None], rate, compat)
        usable = F.max_pool2d(hole, kernel_size, 1, kernel_size // 2).flatten() == 0
        scores = torch.where(usable, scores * scale, 0.0 if compat else -torch.inf)
        weights = torch.where(usable, scores.softmax(1), 0.0) if bool(usable.any()) else torch.zeros_like(scores)
        copies = F.unfold(F.pad(bi[None], _rim(b, rate)), 2 * rate, stride=rate)[0]
        copies = copies.T.unflatten(1, (-1, 2 * rate, 2 * rate))
        left, right, top, bottom = _rim(f, rate)
        plane = weights.T.reshape(1, hb * wb, h, w)
        out = F.conv_transpose2d(plane, copies, stride=rate)
        count = F.conv_transpose2d(torch.ones_like(plane[:, :1]), torch.ones_like(copies[:1, :1]), stride=rate)
        out = out / (4 if compat else count)
        outs.append(out[0, :, top : out.shape[2] - bottom, left : out.shape[3] - right])
    return torch.stack(outs)


class ContextualAttention(nn.Module):
    """Layer of :func:`contextual_attention` with fixed options."""

    def __init__(
        self, kernel_size: int = 3, rate: int = 2, fuse_k: int = 3, scale: float = 10.0, *, compat: bool = False
    ) -> None:
        super().__init__()
        self.kernel_size, self.rate, self.fuse_k = kernel_size, rate, fuse_k
        self.scale, self.compat = scale, compat

    def forward(self, f: Tensor, b: Tensor, mask: Tensor) -> Tensor:
        """``[B,C,H,W]``, ``[B,C,Hb,Wb]`` and the mask of ``b`` (1 = hole) to ``[B,C,H,W]``."""
        options = self.kernel_size, self.rate, self.fuse_k, self.scale
        return contextual_attention(f, b, mask, *options, compat=self.compat)

    def extra_repr(self) -> str:
        """Options, for printing."""
        return (
            f"kernel_size={self.kernel_size}, rate={self.rate}, fuse_k={self.fuse_k}, scale={self.scale:g}, "
            f"compat={self.compat}"
        )
