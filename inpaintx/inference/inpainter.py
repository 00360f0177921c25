"""A method that is ready to work on photos: its network built, its weights loaded, its device chosen."""

import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from inpaintx.errors import InpaintxError
from inpaintx.inference import crop_layout, visibility
from inpaintx.inference.crop_layout import Box, Canvas, Crop
from inpaintx.inference.detail import LEAST, detailed
from inpaintx.inference.device import pick_device
from inpaintx.inference.face_squares import FILE as ALIGNER
from inpaintx.inference.face_squares import FaceSquares, find_squares
from inpaintx.inference.faces import Face, FaceFinder, find_by, rounds_of, squares
from inpaintx.inference.photo_plan import Plan, Saw
from inpaintx.inference.rim import mixed
from inpaintx.inference.run import run_method
from inpaintx.inference.warp import bring_back, show
from inpaintx.io.memory import LARGEST_SQUARE, OutOfMemoryError, memory_in_words
from inpaintx.nn.blend import guidance_image
from inpaintx.nn.options import Blend
from inpaintx.plugin.method import Method
from inpaintx.plugin.registry import registry
from inpaintx.plugin.successor import current_method
from inpaintx.plugin.weight_lookup import HOW_TO_GET
from inpaintx.plugin.weights import load

__all__ = ["Inpainter", "check_seed"]

Array = npt.NDArray[Any]
Detail = Literal["auto", "none"]
MOVES = (-0.5, 0.5)  # by so many of its own pixels moved, a network is shown a reduced square; the mean is the fill
AUTO = "auto"  # the default: each hole pixel by what fills it best


def check_seed(seed: int, samples: int = 1) -> None:
    """Refuse a seed that torch cannot take, or fewer samples than one.

    Raises
    ------
    InpaintxError
        Says what came.
    """
    if samples < 1:
        raise InpaintxError(f"samples must be 1 or more, got {samples}")
    if not 0 <= seed <= 2**63 - samples:
        raise InpaintxError(f"seed must be 0 or more and below 2**63, got {seed}")


class Inpainter:
    """A method that is ready to work on canvases: its network built, its weights loaded, its device chosen.

    Parameters
    ----------
    method
        A registered name, or a :class:`Method`.
    preset, weights, device, blend, options
        As for :func:`inpaint`.
    seed
        Of random weights, where there are no trained ones.
    batch_size
        Most crops that go through the method in one call.
    faces, detail
        As for :func:`inpaint`.

    Raises
    ------
    InpaintxError
        Unknown method, preset, option, blend or device; weights that are missing, damaged or of another method.
    """

    def __init__(
        self,
        method: str | Method,
        *,
        preset: str = "default",
        weights: str | Path | None = None,
        seed: int = 0,
        device: str | torch.device = "auto",
        blend: Blend | None = None,
        batch_size: int = 8,
        faces: str | Path | Sequence[tuple[int, int, int]] = "auto",
        detail: Detail | None = None,
        options: dict[str, Any] | None = None,
    ) -> None:
        asked = registry().method(method) if isinstance(method, str) else method
        self.method, preset = current_method(asked, preset, weights)
        if blend not in (None, *get_args(Blend)):
            raise InpaintxError(f"blend must be {', '.join(get_args(Blend))}, got {blend!r}")
        if batch_size < 1:
            raise InpaintxError(f"batch_size must be 1 or more, got {batch_size}")
        if detail not in (None, *get_args(Detail)):
            raise InpaintxError(f"detail must be {' or '.join(get_args(Detail))}, got {detail!r}")
        check_seed(seed)
        self.detail = detail or "none"
        self.preset, self.blend, self.batch_size = preset, blend or self.method.blend, batch_size
        config = self.method.config(preset, **(options or {}))
        side = self.method.input_size(config)
        if side is not None and side > LARGEST_SQUARE:
            raise InpaintxError(
                f"method {self.method.name!r} would work on squares of {side} x {side} pixels; at most "
                f"{LARGEST_SQUARE} x {LARGEST_SQUARE} are taken"
            )
        self.device = pick_device(device) if isinstance(device, str) else device
        self.squares = [] if isinstance(faces, (str, Path)) else list(faces)
        self.finder: FaceFinder | None = None
        self.unseen = ""  # why faces are not looked for
        if side is None:
            if self.squares or faces not in ("auto", "none", []):
                warnings.warn(f"method {self.method.name!r} works on any size: faces have no part in it", stacklevel=2)
                self.squares = []
        elif isinstance(faces, (str, Path)):
            self.finder, self.unseen = find_by(faces)
        tag = None if weights is None else str(weights)
        self.loaded = load(self.method, config, tag, self.device, seed=seed, preset=preset, options=options)
        self.beside: Inpainter | None = None  # whose fill is mixed in near the rim of a square's hole
        self._lay: FaceSquares | None = None if self.finder is None else find_squares(self.device)

    def faces(self, pixels: Array, hole: npt.NDArray[np.bool_]) -> list[Face]:
        """Find the damaged faces of a photo ``[H,W]`` or ``[H,W,C]`` for a method that works on squares."""
        if self.finder is None or not hole.any():
            return squares(self.squares, *hole.shape)
        hidden = visibility.unseen(pixels, hole)
        found = self.finder(pixels, hole if hidden is None else hole | hidden, self._lay)
        return [face for face in found if face.damaged(hole)]

    def plan(self, pixels: Array, hole: npt.NDArray[np.bool_]) -> Plan:
        """Lay crops over the hole ``[H,W]`` of a photo ``[H,W]`` or ``[H,W,C]`` as the method wants them."""
        side = self.method.input_size(self.loaded.config)
        faces = self.faces(pixels, hole) if side else []
        rounds, left = rounds_of(faces, hole, side) if side else ([], hole)
        rounds += crop_layout.plan(left, side, self.method.max_pixels, visibility.unseen(pixels, hole))
        said = self.said_of(faces, hole)
        return Plan({self.method.name: rounds}, faces, [said] if said else [])

    def said_of(self, faces: Sequence[Face], hole: npt.NDArray[np.bool_]) -> str:
        """Say which faces were found, and how surely; empty where none were looked for."""
        if self.unseen or self.finder is None or not hole.any():
            return self.unseen
        without = "" if self._lay else f"; hidden ones were not looked for: {ALIGNER} was not found; {HOW_TO_GET}"
        if not faces:
            return f"no damaged face was found{without}"
        scores = ", ".join(f"{face.score:.2f}" for face in faces)
        return f"{len(faces)} damaged face{'s' * (len(faces) != 1)} found ({scores}){without}"

    def run(
        self,
        work: "Sequence[tuple[Canvas, Plan]]",
        seed: int = 0,
        progress: Callable[[float], None] | None = None,
        saw: Saw | None = None,
    ) -> None:
        """Fill the holes of canvases in place; crops of one kind, of whichever canvas, go through in batches.

        Parameters
        ----------
        work
            Canvases, each with its plan.
        seed
            Of the method's random draws.
        progress
            Called after each batch with the share of the crops that are done.
        saw
            Called for each crop that a trained method is shown; of two views with the first.
        """
        stages = [(canvas, plan.stages[self.method.name]) for canvas, plan in work]
        done, total = 0, sum(len(crops_of_round) for _, rounds in stages for crops_of_round in rounds)
        for number in range(max((len(rounds) for _, rounds in stages), default=0)):
            same: dict[tuple[tuple[int, int], bool], list[tuple[Canvas, Crop]]] = {}
            for canvas, rounds in stages:
                for crop in rounds[number] if number < len(rounds) else ():
                    same.setdefault((crop.input_size, self._moves(crop)), []).append((canvas, crop))
            for kind in sorted(same):  # in no order of the neighbours': pictures of crops are numbered
                (height, width), tasks = kind[0], same[kind]
                most = max(1, min(self.batch_size, crop_layout.WORKING // (height * width)))
                for first in range(0, len(tasks), most):
                    self._fill(tasks[first : first + most], seed, saw)
                    done += len(tasks[first : first + most])
                    if progress is not None:
                        progress(done / total)

    def _fill(self, tasks: list[tuple[Canvas, Crop]], seed: int, saw: Saw | None) -> None:
        """Fill crops together, or one by one where the memory does not suffice for all."""
        height, width = tasks[0][1].input_size
        try:
            with memory_in_words(
                f"run method {self.method.name!r} on {self.device} at {width} x {height} pixels",
                "take a smaller photo" + ("" if self.device.type == "cpu" else ", or --device cpu"),
            ):
                self._fill_at_once(tasks, seed, saw)
                return
        except OutOfMemoryError:
            if len(tasks) == 1:
                raise
        for task in tasks:  # here, where the exception and what it held are gone
            self._fill([task], seed, saw)

    def _fill_at_once(self, tasks: list[tuple[Canvas, Crop]], seed: int, saw: Saw | None) -> None:
        moved = self._moves(tasks[0][1])  # so do all or none
        views = [[(canvas, crop.moved(by)) for canvas, crop in tasks] for by in MOVES] if moved else [tasks]
        fills = zip(*(self._shown(view, seed, None if k else saw) for k, view in enumerate(views)), strict=True)
        for (canvas, crop), mine in zip(tasks, fills, strict=True):
            guide = _mean(bring_back(fill.guide, fill.crop) for fill in mine)
            filled: Iterable[Tensor] = guide
            if self.blend != "none":
                filled = _blended(guide, canvas, crop.box, self.device)
            if self.beside is not None and crop.square:
                hole, side = canvas.holes(crop.box, self.device), crop.scale * max(crop.input_size)
                filled = mixed(filled, self.beside.fill_box(canvas, crop.box, seed), hole, side)
            if self.detail == "auto" and self.method.softness:
                wary = self.method.input_size(self.loaded.config) is None  # not a square of a face
                filled = detailed(filled, canvas, crop, self.method.softness, seed, wary)
            canvas.put(crop, filled, _mean(bring_back(fill.raw, fill.crop) for fill in mine))

    def fill_box(self, canvas: Canvas, box: Box, seed: int) -> Iterator[Tensor]:
        """Fill what is unknown in a box, reduced to what the method takes, and give it plane by plane, ``[h,w]``."""
        crop = crop_layout.whole(box, self.method.max_pixels)
        (fill,) = self._shown([(canvas, crop)], seed, None)
        return bring_back(fill.guide, crop)

    def _moves(self, crop: Crop) -> bool:
        """Whether this is a reduced square whose fill is to be sharp, of a method without chance."""
        reduced = crop.square and crop.scale >= LEAST
        return reduced and self.detail == "auto" and self.method.requires_weights and not self.method.is_stochastic

    def _shown(self, tasks: list[tuple[Canvas, Crop]], seed: int, saw: Saw | None) -> "list[_Fill]":
        """Show crops to the method."""
        small = [show(canvas, crop, self.device) for canvas, crop in tasks]
        # a fresh generator a call: a photo's fill depends neither on its neighbours nor on the order of work
        generator = torch.Generator(self.device).manual_seed(seed)
        images, holes = torch.stack([s[0] for s in small]), torch.stack([s[1] for s in small])
        del small
        result = run_method(self.method, self.loaded.net, images, holes, generator=generator, blend="none")
        if saw is not None and self.method.requires_weights:
            for i, (canvas, crop) in enumerate(tasks):
                saw(canvas, crop, images[i], holes[i], result.image[i])
        guided = result.image if self.blend == "none" else guidance_image(result.raw, images, holes, self.blend)
        return [_Fill(crop, guide, raw) for (_, crop), guide, raw in zip(tasks, guided, result.raw, strict=True)]


class _Fill(NamedTuple):
    """What a method gave for a crop, ``[3,*input_size]``: with the photo's known pixels, and as it came."""

    crop: Crop
    guide: Tensor
    raw: Tensor


def _mean(fills: Iterable[Iterator[Tensor]]) -> Iterator[Tensor]:
    """The mean of fills that come plane by plane."""
    for planes in zip(*fills, strict=True):
        yield planes[0] if len(planes) == 1 else torch.stack(planes).mean(0)


def _blended(guide: Iterator[Tensor], canvas: Canvas, box: Box, device: torch.device) -> Iterator[Tensor]:
    """Solve plane by plane, ``[h,w]``, for the fill that has the gradients of ``guide`` and meets the photo."""
    from inpaintx.ops import poisson_blend

    hole = canvas.holes(box, device)
    together = 3 if hole.numel() <= crop_layout.WORKING else 1  # a large crop colour by colour, to bound the memory
    for first in range(0, 3, together):
        planes = [canvas.plane(box, c, device).masked_fill_(hole, 0.0) for c in range(first, first + together)]
        guidance = torch.stack([next(guide) for _ in planes])
        yield from poisson_blend(guidance[None], torch.stack(planes)[None], hole[None, None])[0].clamp_(0, 1)
