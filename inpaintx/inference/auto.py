"""``-m auto``: each hole pixel is filled by the method that fills it best.

The rule, and what was measured for it (hole PSNR):

- In a found face the face network on the upright square, however thin the hole. Near the rim it is mixed with
  ``harmonic_texture``, at most half and half (:mod:`inpaintx.inference.rim`): 64 faces of 256 pixels, holes of 10 to
  20, 20 to 30 and 30 to 40 %: +0.29, +0.24 and +0.16 dB, distance in features of VGG16-HED 4, 4 and 3 % less. Mixed by
  the distance from the rim alone it is 0.08 dB nearer at 30 to 40 %, but hair came to lie on cheeks.
- Elsewhere ``harmonic_texture``, thin or wide. Eight scenes, strokes of 8, 16, 28 and 48 pixels, with detail, against
  ``harmonic``: +1.2, +0.8, +0.5 and +0.3 dB, distance 0.59, 0.58, 0.67 and 0.79 of its, sharpness 0.84 to 0.70 (0.38 to
  0.15); ``docs/scenes.py`` measures it.
- The photo's own detail is added to both unless ``detail="none"``.
- With it, a face that is reduced is shown to the network twice, half of the network's pixel up and left and half a
  pixel down and right, and the mean is taken: 64 faces of 256 pixels, holes of 10 to 50 %: +0.13 to +0.17 dB,
  distance 1 % less; moved by two pixels instead of a half, worse than one view.
- The rest comes before the faces: beside them the rim of the photo serves better than a network's fill (24.3 dB
  against 23.6 in 14 photos of ``docs/photos.py``, filled by ``harmonic``; the faces come out the same).
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from inpaintx.errors import InpaintxError
from inpaintx.inference import crop_layout, visibility
from inpaintx.inference.crop_layout import Canvas, Crop
from inpaintx.inference.faces import Face, rounds_of
from inpaintx.inference.inpainter import AUTO, Detail, Inpainter
from inpaintx.inference.photo_plan import Plan, Saw
from inpaintx.nn.options import Blend
from inpaintx.plugin.method import Method
from inpaintx.plugin.registry import registry
from inpaintx.plugin.weight_lookup import HOW_TO_GET, find

__all__ = ["BEST", "AutoInpainter"]

Array = npt.NDArray[Any]
Bools = npt.NDArray[np.bool_]

#: The network for faces: by its figures on those that no training has seen, docs/RESULTS.md.
BEST = "pconv_prior"
REST = ("harmonic_texture", "harmonic", "telea")  # for what no face has: the first that is there


class AutoInpainter(Inpainter):
    """Several methods as one.

    What lies in a found face is the face network's, the rest is filled from its rim.

    Parameters
    ----------
    weights, seed, device, blend, batch_size, faces, detail
        As for :class:`inpaintx.inference.inpainter.Inpainter`; weights, blend and detail are the face network's.
    background
        The method that fills what no face has; empty: ``harmonic_texture``, or ``harmonic`` or ``telea`` where that is
        not there.

    Raises
    ------
    InpaintxError
        As :class:`inpaintx.inference.inpainter.Inpainter`; ``background`` is the face network.
    """

    def __init__(
        self,
        *,
        weights: str | Path | None = None,
        blend: Blend | None = None,
        faces: Any = "auto",
        detail: Detail | None = None,
        background: str = "",
        **settings: Any,
    ) -> None:
        self.detail = detail = "auto" if detail is None else detail
        if background in (AUTO, BEST):
            raise InpaintxError(
                f"background={background}: this is the method for what no face has; take one that needs no face "
                f"(patchmatch, harmonic, ...), or method={BEST} for the whole hole"
            )
        best = registry().methods.get(BEST)
        trained = weights is not None or (best and "default" in best.weights and find(best, "default") is not None)
        self.network = (
            Inpainter(BEST, weights=weights, blend=blend, faces=faces, detail=detail, **settings) if trained else None
        )
        rest = background or next((name for name in REST if name in registry().methods), REST[0])
        self.rest = Inpainter(rest, detail=detail, blend=None if trained else blend, **settings)
        if self.network is not None and REST[0] in registry().methods:
            self.network.beside = self.rest if rest == REST[0] else Inpainter(REST[0], **settings)
        chief = self.network or self.rest
        self.method, self.preset, self.blend = Auto(), "default", chief.blend
        self.device, self.batch_size = chief.device, chief.batch_size
        self.loaded = replace(self.rest.loaded, source=chief.loaded.source)

    def plan(self, pixels: Array, hole: Bools) -> Plan:
        """Share the hole ``[H,W]`` of a photo ``[H,W]`` or ``[H,W,C]`` among the methods."""
        faces: list[Face] = []
        said = f"faces were not looked for: the weights of method {BEST!r} were not found; {HOW_TO_GET}"
        shown: dict[str, list[list[Crop]]] = {}
        rest = hole
        if self.network is not None:
            faces = self.network.faces(pixels, hole)
            said = self.network.said_of(faces, hole)
            size = self.network.method.input_size(self.network.loaded.config)
            assert size is not None
            shown[BEST], rest = rounds_of(faces, hole, size)
        side = self.rest.method.input_size(self.rest.loaded.config)
        rounds = crop_layout.plan(rest, side, self.rest.method.max_pixels, visibility.unseen(pixels, hole))
        if faces:
            rounds = [[replace(crop, only=rest[crop.write_box.at]) for crop in crops] for crops in rounds]
        stages = {self.rest.method.name: rounds, **shown}
        plan = Plan(stages, faces)
        plan.notes = [f"{said}; " * bool(said) + _shares(plan, hole)] if hole.any() else []
        return plan

    def run(
        self,
        work: Sequence[tuple[Canvas, Plan]],
        seed: int = 0,
        progress: Callable[[float], None] | None = None,
        saw: Saw | None = None,
    ) -> None:
        """Fill the holes of canvases in place, a method after the other."""
        inpainters = [inpainter for inpainter in (self.rest, self.network) if inpainter is not None]
        for number, inpainter in enumerate(inpainters):
            part = None if progress is None else partial(_share, progress, number, len(inpainters))
            inpainter.run(work, seed, part, saw)


def _share(progress: Callable[[float], None], number: int, of: int, done: float) -> None:
    """Pass on what is done of one of several inpainters' work."""
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
        """Not called: :class:`AutoInpainter` calls those of the methods."""
        raise NotImplementedError
