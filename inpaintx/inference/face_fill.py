"""What fills a face while it is looked for."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F

from inpaintx.inference.faces import Fill
from inpaintx.inference.run import run_method
from inpaintx.plugin.method import Method
from inpaintx.plugin.registry import registry
from inpaintx.plugin.weight_lookup import find
from inpaintx.plugin.weights import Loaded, load

__all__ = ["BEST", "face_fill", "find_best"]

Array = npt.NDArray[Any]
BEST = "pconv_prior"  # for faces: by its figures on those that no training has seen, docs/RESULTS.md


def find_best() -> Path | None:
    """Where the weights of the best network for faces are; None: a hidden face is not filled to be looked for again."""
    best = registry().methods.get(BEST)
    return None if best is None or "default" not in best.weights else find(best, "default")


def face_fill(method: Method, loaded: Loaded, device: torch.device) -> Fill | None:
    """Make what fills a face while it is looked for: the best network where its weights are found.

    Parameters
    ----------
    method, loaded
        The method at work; its own network is taken where it is the best one.
    """
    if find_best() is None:
        return None
    best = registry().methods[BEST]
    if method.name != BEST or loaded.source == "random":
        loaded = load(best, best.config(), None, device)
    side = best.input_size(loaded.config)
    assert side is not None
    size = (side, side)

    def filled(square: Array, hole: npt.NDArray[np.bool_]) -> Array:
        image = torch.from_numpy(square).permute(2, 0, 1)[None].to(device).float() / 255
        mask = torch.from_numpy(hole)[None, None].to(device)
        known = (~mask).float()
        share = F.interpolate(known, size, mode="area")
        small = F.interpolate(image * known, size, mode="area") / share.clamp_min(1e-6)
        done = run_method(best, loaded.net, small.clamp(0, 1), share < 0.5, blend=best.blend).image
        large = F.interpolate(done, square.shape[:2], mode="bilinear")
        return torch.where(mask, large, image)[0].permute(1, 2, 0).mul(255).round().byte().cpu().numpy()

    return filled
