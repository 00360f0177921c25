"""Metrics that rest on a network: LPIPS, distances in features, and Fréchet distances, whose names say on which."""

from collections.abc import Iterable
from pathlib import Path

import torch
from torch import Tensor, nn

from inpaintx.io.names import printable
from inpaintx.nn.distance import EMBEDDING, FeatureDistance
from inpaintx.nn.inception import load_inception
from inpaintx.nn.lpips import load_lpips
from inpaintx.nn.options import OnMissing
from inpaintx.nn.vgg import load_vgg

__all__ = ["Networks", "of_images", "of_sets"]


def of_sets(names: Iterable[str]) -> str:
    """The one of :attr:`Networks.names` that compares sets of images; empty without one."""
    return next((name for name in names if name.startswith(("fid", "fd_"))), "")


def of_images(names: Iterable[str]) -> list[str]:
    """Those of :attr:`Networks.names` that compare a fill with its truth."""
    names = list(names)
    return [name for name in names if name != of_sets(names)]


class Networks:
    """The networks that are there.

    Parameters
    ----------
    on_missing
        ``"error"``: LPIPS and FID, or an error that says which file is missing; ``"skip"``: those whose official
        weights are found; ``"random"``: as well, and a Fréchet distance on a VGG16 of seeded random weights where
        there are no others.
    vgg
        A weight file of VGG16, for the distance of a fill from its truth in its features
        (:class:`inpaintx.nn.distance.FeatureDistance`) and, without FID, a Fréchet distance.

    Attributes
    ----------
    names
        Metric to what it rests on. ``fid`` is only ever the official network's; ``fd_vgg16`` rests on VGG16's last
        features, averaged over the image, and ``fd_vgg16(random)`` and ``fd_vgg16(NAME)`` say what their names say:
        good for comparing methods under one protocol at most, never with a paper.
    notes
        What is left out, and why.

    Raises
    ------
    InpaintxError
        Weights are missing, or do not fit.
    """

    def __init__(
        self, on_missing: OnMissing = "skip", device: torch.device | str = "cpu", vgg: str | Path = ""
    ) -> None:
        self.names: dict[str, str] = {}
        self.notes: list[str] = []
        self.lpips = load_lpips(on_missing)
        if self.lpips is not None:
            self.lpips.to(device)
            self.names["lpips"] = "VGG16 and linear weights 0.1, official"
        else:
            self.notes.append("lpips: left out, the official weights of VGG16 or of its judgement are not here")
        self.distance = FeatureDistance(vgg, embedding=True).to(device) if vgg else None
        if self.distance is not None:
            self._outcome = printable(self.distance.outcome)
            self._suffix = "" if self._outcome == "official" else f"({printable(Path(vgg).stem)})"
            self._distance_name = f"distance_vgg16{self._suffix}"
            self.names[self._distance_name] = f"VGG16, {self._outcome} weights, four layers normalised over channels"
        self._last: tuple[Tensor, dict[str, Tensor]] | None = None
        sets, self.embed = self._embedding(on_missing)
        if self.embed is not None:
            self.embed.to(device)
        if sets != "fid":
            instead = f"{sets} is reported instead, which is not comparable" if sets else "left out"
            self.notes.append(f"fid: {instead}; the official weights of InceptionV3 are not here")

    def _embedding(self, on_missing: OnMissing) -> tuple[str, nn.Module | None]:
        """The metric of sets, and its network unless it is that of the distance."""
        inception, _ = load_inception("error" if on_missing == "error" else "skip")
        if inception is not None:
            self.names["fid"] = "InceptionV3, official weights of 2015-12-05"
            return "fid", inception
        if self.distance is not None:
            vgg, name, outcome = None, f"fd_vgg16{self._suffix}", self._outcome
        else:
            vgg, outcome = load_vgg(16, [EMBEDDING], on_missing, option="features")
            if vgg is None:
                return "", None
            name = "fd_vgg16" if outcome == "official" else f"fd_vgg16({outcome})"
        self.names[name] = f"VGG16, {outcome} weights, {EMBEDDING} averaged over the image"
        return name, vgg

    @torch.no_grad()
    def compare(self, fill: Tensor, truth: Tensor) -> tuple[dict[str, Tensor], Tensor | None]:
        """Compare fills ``[B,3,H,W]``, RGB in [0,1], with the truth.

        Returns
        -------
        dict, Tensor or None
            ``"full/METRIC"`` to ``[B]`` float64; the fills' :meth:`features`.
        """
        values: dict[str, Tensor] = {}
        if self.lpips is not None:
            values["full/lpips"] = self.lpips(fill, truth).double()
        if self.distance is None:
            return values, self.features(fill)
        if self._last is None or not torch.equal(self._last[0], truth):  # images come with several holes in a row
            self._last = truth, self.distance.maps(truth)
        maps = self.distance.maps(fill)
        values[f"full/{self._distance_name}"] = self.distance.between(maps, self._last[1]).double()
        return values, self.features(fill) if self.embed is not None else _mean(maps)

    @torch.no_grad()
    def features(self, image: Tensor) -> Tensor | None:
        """``[B,3,H,W]`` RGB in [0,1] to ``[B,D]`` float32 on the CPU; None where there is no network."""
        if self.embed is None:
            return None if self.distance is None else _mean(self.distance.maps(image))
        found = self.embed(image)
        return found.float().cpu() if isinstance(found, Tensor) else _mean(found)


def _mean(maps: dict[str, Tensor]) -> Tensor:
    return maps[EMBEDDING].mean((2, 3)).float().cpu()
