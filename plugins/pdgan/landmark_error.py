"""A metric of ``inpaintx evaluate --metrics landmarks,landmarks_in_hole``: where a face's parts are in fill and truth.

It loads no torch before it is called, as all plugins are loaded for ``inpaintx --help``.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from inpaintx.plugin.weight_lookup import HOW_TO_GET, find_file

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from inpaintx.nn.fan import FAN

__all__ = ["LandmarkError"]

FILE = "fan128.safetensors"


class LandmarkError:
    """Mean distance between a face's landmarks in fill and truth, as a share of the landmarks' box; less is better.

    Both are found by the FAN of inpaintx-weights: what changes nothing has no error, though FAN itself errs by 1.56 %
    of the box on faces that it has not seen.

    Parameters
    ----------
    in_hole
        Only landmarks that lie in the hole, by the truth; NaN where there is none.
    """

    on_request = True

    def __init__(self, *, in_hole: bool) -> None:
        self.in_hole = in_hole

    @staticmethod
    def missing() -> str:
        """Why it cannot be measured; empty where it can."""
        return "" if find_file(FILE) else f"{FILE} was not found: {HOW_TO_GET}"

    @staticmethod
    def weight_file() -> Path | None:
        """Where FAN's weights are."""
        return find_file(FILE)

    def __call__(self, result: Tensor, truth: Tensor, mask: Tensor) -> Tensor:
        """Compare ``[B,3,H,W]`` of faces as FAN was trained on: ``[B]``, NaN where the box has no area."""
        import torch

        from inpaintx.plugin.sampling import compute_once

        found, expected = (compute_once(landmarks, image) for image in (result, truth))
        box = (expected.amax(1) - expected.amin(1)).prod(1).sqrt()
        error = (found - expected).norm(dim=2) / torch.where(box > 0, box, torch.nan)[:, None]
        if not self.in_hole:
            return error.mean(1)
        at = expected.round().long()
        x, y = at[..., 0].clamp(0, mask.shape[3] - 1), at[..., 1].clamp(0, mask.shape[2] - 1)
        inside = mask[torch.arange(len(mask), device=mask.device)[:, None], 0, y, x] > 0.5
        return torch.where(inside, error, torch.nan).nanmean(1)


def landmarks(image: Tensor) -> Tensor:
    """Landmarks ``[B,N,2]``, x and y in pixels of the image ``[B,3,H,W]``."""
    import torch
    import torch.nn.functional as F

    from inpaintx.nn.fan import landmarks_of

    with torch.no_grad():
        fan = _fan(image.device)
        square = F.interpolate(image.float(), (fan.size, fan.size), mode="bilinear", antialias=True)
        at = landmarks_of(fan(square)[-1], fan.size)
        return (at + 0.5) * (at.new_tensor([image.shape[3], image.shape[2]]) / fan.size) - 0.5


@cache
def _fan(device: torch.device) -> FAN:
    from inpaintx.errors import InpaintxError
    from inpaintx.nn.fan import load_fan

    file = find_file(FILE)
    fan = load_fan(path=str(file))[0] if file else None
    if fan is None:
        raise InpaintxError(LandmarkError.missing())
    return fan.to(device)
