"""Metrics that rest on a network: LPIPS, and Fréchet distances under names that say on which network."""

import torch
from torch import Tensor, nn

from inpaintx.nn.inception import load_inception
from inpaintx.nn.lpips import load_lpips
from inpaintx.nn.options import OnMissing
from inpaintx.nn.vgg import load_vgg

__all__ = ["Networks"]


class Networks:
    """The networks that are there.

    Parameters
    ----------
    on_missing
        ``"error"``: LPIPS and FID, or an error that says which file is missing; ``"skip"``: those whose official
        weights are found; ``"random"``: as well, and a Fréchet distance on a VGG16 of seeded random weights where
        there are no others.

    Attributes
    ----------
    names
        Metric to what it rests on. ``fid`` is only ever the official network's; ``fd_vgg16`` rests on VGG16's last
        pooled features, and ``fd_vgg16(random)`` says what its name says: good for comparing methods under one
        protocol at most, never with a paper.
    notes
        What is left out, and why.
    """

    def __init__(self, on_missing: OnMissing = "skip", device: torch.device | str = "cpu") -> None:
        self.names: dict[str, str] = {}
        self.notes: list[str] = []
        self.lpips = load_lpips(on_missing)
        if self.lpips is not None:
            self.lpips.to(device)
            self.names["lpips"] = "VGG16 and linear weights 0.1, official"
        else:
            self.notes.append("lpips: left out, the official weights of VGG16 or of its judgement are not here")
        self.distance, self.embed = self._embedding(on_missing)
        if self.embed is not None:
            self.embed.to(device)
        if self.distance != "fid":
            instead = f"{self.distance} is reported instead, which is not comparable" if self.distance else "left out"
            self.notes.append(f"fid: {instead}; the official weights of InceptionV3 are not here")

    def _embedding(self, on_missing: OnMissing) -> tuple[str, nn.Module | None]:
        inception, _ = load_inception("error" if on_missing == "error" else "skip")
        if inception is not None:
            self.names["fid"] = "InceptionV3, official weights of 2015-12-05"
            return "fid", inception
        vgg, outcome = load_vgg(16, ["relu5_3"], on_missing, option="features")
        if vgg is None:
            return "", None
        name = "fd_vgg16" if outcome == "official" else f"fd_vgg16({outcome})"
        self.names[name] = f"VGG16, {outcome} weights, relu5_3 averaged over the image"
        return name, vgg

    @torch.no_grad()
    def features(self, image: Tensor) -> Tensor | None:
        """``[B,3,H,W]`` RGB in [0,1] to ``[B,D]`` float32 on the CPU; None where there is no network."""
        if self.embed is None:
            return None
        found = self.embed(image)
        return (found if isinstance(found, Tensor) else found["relu5_3"].mean((2, 3))).float().cpu()
