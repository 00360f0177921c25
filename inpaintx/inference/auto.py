"""``-m auto``: each hole pixel is filled by the method that fills it best."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from inpaintx.inference import tiling, visible
from inpaintx.inference.face_fill import BEST
from inpaintx.inference.faces import Face, rounds_of
from inpaintx.inference.inpainter import AUTO, Detail, Painter
from inpaintx.inference.plan import Plan, Saw
from inpaintx.inference.tiling import Canvas, Crop
from inpaintx.nn.blend import Blend
from inpaintx.plugin.method import Method
from inpaintx.plugin.registry import registry
from inpaintx.plugin.weights import find

__all__ = ["AutoPainter"]

Array = npt.NDArray[Any]
Bools = npt.NDArray[np.bool_]

REST = ("harmonic", "telea")  # for what no face has: the first that is there


class AutoPainter(Painter):
    """Several methods as one.

    What lies in a found face is the face network's, the rest is filled smoothly from its rim. The rest comes first: it
    is filled better from the photo than from a network's fill of a face (14 photos of ``docs/photos.py``: 24.3 dB
    against 23.6 beside faces, which themselves come out the same).

    Parameters
    ----------
    weights, seed, device, blend, batch_size, faces, detail
        As for :class:`inpaintx.inference.inpainter.Painter`; weights, blend and detail are the face network's.
    """

    def __init__(
        self,
        *,
        weights: str | Path | None = None,
        blend: Blend | None = None,
        faces: Any = "auto",
        detail: Detail = "none",
        **settings: Any,
    ) -> None:
        best = registry().methods.get(BEST)
        trained = weights is not None or (best and "default" in best.weights and find(best, "default") is not None)
        self.network = (
            Painter(BEST, weights=weights, blend=blend, faces=faces, detail=detail, **settings) if trained else None
        )
        rest = next((name for name in REST if name in registry().methods), REST[0])
        self.rest = Painter(rest, blend=None if trained else blend, **settings)
        chief = self.network or self.rest
        self.method, self.preset, self.blend = Auto(), "default", chief.blend
        self.device, self.batch_size = chief.device, chief.batch_size
        self.loaded = replace(self.rest.loaded, source=chief.loaded.source)

    def plan(self, pixels: Array, hole: Bools) -> Plan:
        """Share the hole ``[H,W]`` of a photo ``[H,W]`` or ``[H,W,C]`` among the methods."""
        faces: list[Face] = []
        said = f"faces were not looked for: the weights of method {BEST!r} were not found"
        shown: dict[str, list[list[Crop]]] = {}
        rest = hole
        if self.network is not None:
            faces = self.network.faces(pixels, hole)
            said = self.network.said_of(faces, hole)
            side = self.network.method.side(self.network.loaded.config)
            assert side is not None
            shown[BEST], rest = rounds_of(faces, hole, side)
        rounds = tiling.plan(rest, None, self.rest.method.max_pixels, visible.unseen(pixels, hole))
        if faces:
            rounds = [[replace(crop, only=rest[crop.core.at]) for crop in crops] for crops in rounds]
        stages = {self.rest.method.name: rounds, **shown}
        plan = Plan(stages, faces)
        plan.notes = [f"{said}; " * bool(said) + _shares(plan, hole)] if hole.any() else []
        return plan

    def paint(
        self,
        work: Sequence[tuple[Canvas, Plan]],
        seed: int = 0,
        progress: Callable[[float], None] | None = None,
        saw: Saw | None = None,
    ) -> None:
        """Fill the holes of canvases in place, a method after the other."""
        painters = [painter for painter in (self.rest, self.network) if painter is not None]
        for number, painter in enumerate(painters):
            part = None if progress is None else partial(_share, progress, number, len(painters))
            painter.paint(work, seed, part, saw)


def _share(progress: Callable[[float], None], number: int, of: int, done: float) -> None:
    """Pass on what is done of one of several painters' work."""
    progress((number + done) / of)


def _shares(plan: Plan, hole: Bools) -> str:
    """Say which method fills how much of the hole."""
    total = np.count_nonzero(hole)
    parts = [(name, np.count_nonzero(mine) / total) for name, mine in plan.owners(hole)]
    return ", ".join(f"{name} fills {share:.1%}" for name, share in parts if share)


class Auto(Method):
    """Stands for the methods together in reports."""

    name, paper = AUTO, ""
    weights: ClassVar = {}

    def inpaint(self, net: Any, image: Tensor, mask: Tensor, *, generator: torch.Generator | None = None) -> Tensor:
        """Not called: :class:`AutoPainter` calls those of the methods."""
        raise NotImplementedError
