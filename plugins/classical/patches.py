"""Expectation and maximisation by patches over a pyramid, nearest patches by PatchMatch."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from inpaintx.io.opencv import import_cv2
from inpaintx.ops import patchmatch, tv_inpaint

from .windows import known_windows, plentiful

__all__ = ["fill_by_patches"]


def fill_by_patches(
    image: Tensor, hole: Tensor, patch: int, iterations: int, max_rounds: int, trust: float, seed: int
) -> Tensor:
    """Fill one image.

    Parameters
    ----------
    image, hole
        ``[C,H,W]`` float32, 0 in the hole, and ``[H,W]`` bool, True = hole.
    patch, iterations, max_rounds, trust
        As in :class:`PatchMatchConfig`; the patch shrinks where few known patches of its size exist, as among
        scattered pixels, where it ends as the most similar known colour.
    seed
        Of the random numbers.

    Returns
    -------
    Tensor
        ``[C,H,W]``; every filled pixel is a copy of a known one.
    """
    if bool(hole.all()):
        return torch.full_like(image, 0.5)
    if not bool(hole.any()):
        return image.clone()
    patch = plentiful(hole, patch)
    levels = _pyramid(image, hole, patch) if patch > 1 else [(image, hole)]  # a colour alone says nothing on any scale
    field = cost = result = torch.empty(0)
    start = _nearest_known(hole) if patch == 1 else None  # pixel by pixel: from close by, and similar in colour
    for level in range(len(levels) - 1, -1, -1):
        source, gap = levels[level]
        touched, weight = _touched(gap, patch), trust ** -_depth(gap)
        if level == len(levels) - 1:
            result = tv_inpaint(source[None], gap[None, None], 0.0, 0)[0]  # no step of it: smooth interpolation
        else:
            start, cost = _finer(field, cost, gap, patch)
            smooth = F.interpolate(result[None], gap.shape, mode="bilinear", align_corners=False)[0]
            result = torch.where(gap, smooth, source)
            result = _vote(result, source, gap, start, cost, weight, patch)
        rounds = min(max_rounds, 1 + 2 * level)
        for n in range(rounds):
            draw = seed + 1000 * level + n
            field, cost = patchmatch(
                source, result, ~gap[None], patch, iterations, draw, init=start, where=touched[None]
            )
            start = field
            if level == 0 and n == rounds - 1:
                y, x = field[gap].long().unbind(1)
                result = source.clone()
                result[:, gap] = source[:, y, x]  # the last word is a copy: no average blurs it
            else:
                result = _vote(result, source, gap, field, cost, weight, patch)
    return result


def _nearest_known(hole: Tensor) -> Tensor:
    """Field ``[H,W,2]`` of each pixel's nearest known one."""
    cv2 = import_cv2()
    gap = hole.numpy().astype(np.uint8)
    label = cv2.distanceTransformWithLabels(gap, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)[1]
    known = np.argwhere(gap == 0).astype(np.int32)
    of_label = np.zeros((label.max() + 1, 2), np.int32)
    of_label[label[known[:, 0], known[:, 1]]] = known
    return torch.from_numpy(of_label[label])


def _touched(hole: Tensor, patch: int) -> Tensor:
    """Pixels whose patch touches the hole."""
    return F.max_pool2d(hole[None, None].float(), patch, 1, padding=patch // 2)[0, 0] > 0


def _pyramid(image: Tensor, hole: Tensor, patch: int) -> list[tuple[Tensor, Tensor]]:
    """Halve while both sides stay at least two patches long and known patches and a hole remain.

    A coarse pixel is the mean of those of its four that are known, and a hole where at least half of them are.
    """
    levels = [(image, hole)]
    while True:
        image, hole = levels[-1]
        known = (~hole).float()[None, None]
        share = F.avg_pool2d(known, 2, ceil_mode=True)
        coarse_hole = share[0, 0] <= 0.5
        if min(coarse_hole.shape) < 2 * patch or not coarse_hole.any():
            return levels
        if known_windows(coarse_hole, patch) < patch * patch:
            return levels
        coarse = F.avg_pool2d(image[None] * known, 2, ceil_mode=True) / share.clamp(min=1e-6)
        levels.append((torch.where(coarse_hole, 0.0, coarse[0]), coarse_hole))


def _depth(hole: Tensor) -> Tensor:
    """Chessboard distance of each hole pixel to the nearest known one; 0 for known ones."""
    inside, depth = hole[None, None].float(), torch.zeros(hole.shape)
    while bool(inside.any()):
        depth += inside[0, 0]
        inside = 1 - F.max_pool2d(1 - inside, 3, 1, padding=1)  # beyond the photo's edge nothing is known
    return depth


def _finer(field: Tensor, cost: Tensor, hole: Tensor, patch: int) -> tuple[Tensor, Tensor]:
    """Carry a field to the next finer level; matches that are no candidates there cost infinity."""
    height, width = hole.shape
    y, x = torch.arange(height), torch.arange(width)
    fine = field[y // 2][:, x // 2].long() * 2
    fine[..., 0] += (y % 2)[:, None]
    fine[..., 1] += x % 2
    cost = cost[y // 2][:, x // 2].clone()
    usable = torch.zeros(height, width, dtype=torch.bool)
    r = patch // 2
    usable[r : height - r, r : width - r] = F.max_pool2d(hole[None, None].float(), patch, 1)[0, 0] == 0
    inside = (fine >= 0).all(-1) & (fine[..., 0] < height) & (fine[..., 1] < width)
    inside &= usable[fine[..., 0].clamp(0, height - 1), fine[..., 1].clamp(0, width - 1)]
    cost[~inside] = torch.inf
    fine[~inside] = -1
    return fine.int(), cost


def _vote(
    result: Tensor, source: Tensor, hole: Tensor, field: Tensor, cost: Tensor, trust: Tensor, patch: int
) -> Tensor:
    """Each hole pixel becomes the mean of what the matches of all patches over it say, by trust exp(-cost/2 sigma^2).

    sigma^2 is the 75th percentile of the costs. A pixel without a vote keeps its value.
    """
    width, r = hole.shape[1], patch // 2
    finite = cost[torch.isfinite(cost)]
    if not len(finite):
        return result
    variance = torch.quantile(finite, 0.75).clamp(min=1e-12)
    weight = F.pad(trust * torch.exp(-cost / (2 * variance)), (r, r, r, r)).flatten()
    match = field[..., 0].long() * width + field[..., 1].long()
    match = F.pad(torch.where(torch.isfinite(cost), match, r * width + r), (r, r, r, r), value=r * width + r).flatten()
    y, x = hole.nonzero().unbind(1)
    at = (y + r) * (width + 2 * r) + x + r
    colors = source.flatten(1).T.contiguous()
    total, sum_of_weights = torch.zeros(len(at), len(source)), torch.zeros(len(at), 1)
    for dy in range(-r, r + 1):
        for dx in range(-r, r + 1):
            over = at - (dy * (width + 2 * r) + dx)  # the patch that has this pixel at (dy, dx) from its centre
            w = weight[over, None]
            total += w * colors[match[over] + (dy * width + dx)]
            sum_of_weights += w
    voted = result.clone()
    enough = sum_of_weights[:, 0] > 0
    voted[:, y[enough], x[enough]] = (total[enough] / sum_of_weights[enough]).T
    return voted
