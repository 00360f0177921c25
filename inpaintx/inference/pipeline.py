"""The main job: photo in, photo out, on tensors, arrays and files of any size."""

import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, get_args

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from inpaintx.errors import InpaintxError
from inpaintx.inference import tiling, visible
from inpaintx.inference.device import pick_device
from inpaintx.inference.face_fill import face_fill
from inpaintx.inference.faces import Face, FaceFinder, Fill, find_by, rounds_of, squares
from inpaintx.inference.given import check_pixels, check_range, read_hole, read_image
from inpaintx.inference.plan import Plan, Saw
from inpaintx.inference.tiling import ArrayCanvas, Box, Canvas, Crop, TensorCanvas
from inpaintx.inference.warp import bring_back, show
from inpaintx.io.masks import cut_of
from inpaintx.io.memory import LARGEST_SQUARE, OutOfMemoryError, memory_in_words
from inpaintx.nn.blend import Blend, guides
from inpaintx.plugin.method import Method, check_image_mask, fill
from inpaintx.plugin.registry import registry
from inpaintx.plugin.weights import load

__all__ = ["Painter", "check_seed", "inpaint", "painter_for", "pick_device"]

Array = npt.NDArray[Any]
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


def painter_for(
    method: str | Method | None,
    *,
    preset: str = "default",
    options: dict[str, Any] | None = None,
    **settings: Any,
) -> "Painter":
    """Make the :class:`Painter` of a method; None and ``"auto"``: :class:`inpaintx.inference.auto.AutoPainter`.

    Raises
    ------
    InpaintxError
        As :class:`Painter`; a preset or options without a method.
    """
    if method not in (None, AUTO):
        return Painter(method, preset=preset, options=options, **settings)
    from inpaintx.inference.auto import AutoPainter

    if preset != "default" or options:
        raise InpaintxError("a preset and options are a method's own: name it (-m, method=)")
    return AutoPainter(**settings)


class Painter:
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
    faces
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
        options: dict[str, Any] | None = None,
    ) -> None:
        self.method = registry().method(method) if isinstance(method, str) else method
        if blend not in (None, *get_args(Blend)):
            raise InpaintxError(f"blend must be {', '.join(get_args(Blend))}, got {blend!r}")
        if batch_size < 1:
            raise InpaintxError(f"batch_size must be 1 or more, got {batch_size}")
        check_seed(seed)
        self.preset, self.blend, self.batch_size = preset, blend or self.method.blend, batch_size
        config = self.method.config(preset, **(options or {}))
        side = self.method.side(config)
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
        self._rough: Fill | None = None

    def faces(self, pixels: Array, hole: npt.NDArray[np.bool_]) -> list[Face]:
        """Find the damaged faces of a photo ``[H,W]`` or ``[H,W,C]`` for a method that works on squares."""
        if self.finder is None or not hole.any():
            return squares(self.squares, *hole.shape)
        if self._rough is None:
            self._rough = face_fill(self.method, self.loaded, self.device)
        hidden = visible.unseen(pixels, hole)
        found = self.finder(pixels, hole if hidden is None else hole | hidden, self._rough)
        return [face for face in found if face.damaged(hole)]

    def plan(self, pixels: Array, hole: npt.NDArray[np.bool_]) -> Plan:
        """Lay crops over the hole ``[H,W]`` of a photo ``[H,W]`` or ``[H,W,C]`` as the method wants them."""
        side = self.method.side(self.loaded.config)
        faces = self.faces(pixels, hole) if side else []
        rounds, left = rounds_of(faces, hole, side) if side else ([], hole)
        rounds += tiling.plan(left, side, self.method.max_pixels, visible.unseen(pixels, hole))
        return Plan({self.method.name: rounds}, faces, [said] if (said := self.said_of(faces, hole)) else [])

    def said_of(self, faces: Sequence[Face], hole: npt.NDArray[np.bool_]) -> str:
        """Say which faces were found, and how surely; empty where none were looked for."""
        if self.unseen or self.finder is None or not hole.any():
            return self.unseen
        if not faces:
            return "no damaged face was found"
        scores = ", ".join(f"{face.score:.2f}" for face in faces)
        return f"{len(faces)} damaged face{'s' * (len(faces) != 1)} found ({scores})"

    def paint(
        self,
        work: "Sequence[tuple[Canvas, Plan]]",
        seed: int = 0,
        progress: Callable[[float], None] | None = None,
        saw: Saw | None = None,
    ) -> None:
        """Fill the holes of canvases in place; crops of one size, of whichever canvas, go through in batches.

        Parameters
        ----------
        work
            Canvases, each with its plan.
        seed
            Of the method's random draws.
        progress
            Called after each batch with the share of the crops that are done.
        saw
            Called for each crop that a trained method is shown.
        """
        stages = [(canvas, plan.stages[self.method.name]) for canvas, plan in work]
        done, total = 0, sum(len(crops_of_round) for _, rounds in stages for crops_of_round in rounds)
        for number in range(max((len(rounds) for _, rounds in stages), default=0)):
            same: dict[tuple[int, int], list[tuple[Canvas, Crop]]] = {}
            for canvas, rounds in stages:
                for crop in rounds[number] if number < len(rounds) else ():
                    same.setdefault(crop.work, []).append((canvas, crop))
            for (height, width), tasks in same.items():
                most = max(1, min(self.batch_size, tiling.WORKING // (height * width)))
                for first in range(0, len(tasks), most):
                    self._fill(tasks[first : first + most], seed, saw)
                    done += len(tasks[first : first + most])
                    if progress is not None:
                        progress(done / total)

    def _fill(self, tasks: list[tuple[Canvas, Crop]], seed: int, saw: Saw | None) -> None:
        """Fill crops together, or one by one where the memory does not suffice for all."""
        height, width = tasks[0][1].work
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
        small = [show(canvas, crop, self.device) for canvas, crop in tasks]
        # a fresh generator a call: a photo's fill depends neither on its neighbours nor on the order of work
        generator = torch.Generator(self.device).manual_seed(seed)
        images, holes = torch.stack([s[0] for s in small]), torch.stack([s[1] for s in small])
        del small
        result = fill(self.method, self.loaded.net, images, holes, generator=generator, blend="none")
        if saw is not None and self.method.trained:
            for i, (canvas, crop) in enumerate(tasks):
                saw(canvas, crop, images[i], holes[i], result.image[i])
        guided = None if self.blend == "none" else guides(result.raw, images, holes, self.blend)
        del images, holes
        for i, (canvas, crop) in enumerate(tasks):
            filled: Iterable[Tensor] = bring_back(result.image[i], crop)
            if guided is not None:
                filled = _blended(bring_back(guided[i], crop), canvas, crop.box, self.device)
            canvas.put(crop, filled, bring_back(result.raw[i], crop))


def _blended(guide: Iterator[Tensor], canvas: Canvas, box: Box, device: torch.device) -> Iterator[Tensor]:
    """Solve plane by plane, ``[h,w]``, for the fill that has the gradients of ``guide`` and meets the photo."""
    from inpaintx.ops import poisson_blend

    hole = canvas.holes(box, device)
    together = 3 if hole.numel() <= tiling.WORKING else 1  # a large crop colour by colour, to bound the memory
    for first in range(0, 3, together):
        planes = [canvas.plane(box, c, device).masked_fill_(hole, 0.0) for c in range(first, first + together)]
        guides = torch.stack([next(guide) for _ in planes])
        yield from poisson_blend(guides[None], torch.stack(planes)[None], hole[None, None].float())[0].clamp_(0, 1)


@memory_in_words("fill the photo")
def inpaint(
    image: Any,
    mask: Any,
    method: str | Method | None = None,
    *,
    preset: str = "default",
    weights: str | Path | None = None,
    seed: int = 0,
    samples: int = 1,
    blend: Blend | None = None,
    device: str = "auto",
    raw: bool = False,
    faces: str | Path | Sequence[tuple[int, int, int]] = "auto",
    **options: Any,
) -> Any:
    """Fill the holes of photos; known pixels come out as they went in, to the last bit.

    Parameters
    ----------
    image
        Tensor ``[B,3,H,W]``, floating, RGB in [0,1]; or array ``[H,W]`` or ``[H,W,1]`` (grey), ``[H,W,2]`` (grey and
        alpha), ``[H,W,3]`` (RGB) or ``[H,W,4]`` (RGB and alpha), uint8, uint16 or floating in [0,1], in any byte order
        and memory layout; or a PIL image (L, LA, RGB, RGBA, 1, P, PA, I;16, I, F); or the path, or the bytes, of a
        picture file.
    mask
        1 = hole. Beside a tensor: tensor ``[B,1,H,W]`` (or ``[1,1,H,W]`` for all); beside the rest: array ``[H,W]``,
        ``[H,W,1]`` or ``[H,W,3]`` of three equal channels. Bool, integers 0 and 1 (or a picture up to 255 or 65535,
        split at 50 %), or floating in [0,1], above 0.5. Or, beside no tensor, a PIL image, the path or the bytes of a
        mask file, in which white is the hole (:func:`inpaintx.io.masks.read_mask` reads other ones).
    method
        A name of :func:`inpaintx.methods`, or a :class:`Method`. None or ``"auto"``: each hole pixel by the method that
        fills it best (:mod:`inpaintx.inference.auto`).
    preset, options
        Named options of the method, and fields of its ``Config`` that differ from them.
    weights
        Tag of the method's weights or path of a ``.safetensors`` file; None: its default ones, where found.
    seed, samples
        Random seed, and how many fills to make; fill number k is made with ``seed + k``.
    blend
        ``"poisson"``: join the fill to its rim without a seam (:func:`inpaintx.ops.poisson_blend`);
        ``"poisson_interior"``: with no regard to what the method gives outside the hole; ``"none"``: paste it; None:
        what the method itself asks for (:attr:`Method.blend`).
    device
        ``"auto"`` (a tensor's own device; else CUDA where there is some), ``"cpu"`` or ``"cuda:N"``.
    raw
        Return the method's output before compositing as well.
    faces
        For methods of a fixed size and ``"auto"``: a damaged face is shown to the network whole and upright, placed as
        those that it was trained on, and what no face has with its surroundings. ``"auto"``: faces are found by
        MTCNN, where the extra ``[faces]`` is installed; ``"none"``: they are not looked for; the path of a model file
        of OpenCV's YuNet: by that; or squares given by hand, each (left, top, side) in pixels: eyes at 0.43 of its
        height, the mouth at 0.74.

    Returns
    -------
    Tensor or ndarray
        The kind, shape, dtype and device of ``image``; for a path or bytes, an array ``[H,W]``, ``[H,W,3]`` or
        ``[H,W,4]`` of uint8 or uint16; for a PIL image, one of the same mode (RGB for a palette; with alpha where
        one colour was transparent). With ``raw``, a pair (result, raw output); where a large photo was worked on in
        crops, the raw output outside them is the input. With ``samples`` above 1, a list of these.

    Raises
    ------
    InpaintxError
        The input, an option or the weights do not fit; the message says what came, what was expected and what to do.

    Notes
    -----
    Alpha says what can be seen. Pixels of alpha 0 are shown to no method, and stay as they are outside the hole. The
    hole comes out opaque, or with the alpha of the photo where that is one and the same all around.

    Where all known pixels that can be seen are grey, so is the fill, whatever the method gave.

    Examples
    --------
    >>> import numpy as np, inpaintx
    >>> photo, hole = np.full((64, 64, 3), 200, np.uint8), np.zeros((64, 64), bool)
    >>> photo[20:30, 20:30], hole[20:30, 20:30] = 0, True
    >>> result = inpaintx.inpaint(photo, hole, method="telea")
    """
    check_seed(seed, samples)
    chosen: str | torch.device = device
    if isinstance(image, Tensor):
        mask = _tensor_holes(image, mask)
        chosen = image.device if device == "auto" else device
    else:
        given = read_image(image)
        image, hole = given.pixels, read_hole(mask, given.pixels)
        check_pixels(image, hole)
    painter = painter_for(
        method,
        preset=preset,
        weights=weights,
        seed=seed,
        device=chosen,
        blend=blend,
        faces=faces,
        options=options,
    )
    if isinstance(image, Tensor):
        results = _paint_tensors(painter, image, mask, [seed + k for k in range(samples)], raw)
        return results[0] if samples == 1 else results
    plan, results = painter.plan(image, hole), []
    for k in range(samples):
        canvas = ArrayCanvas(image, hole, raw=raw)
        painter.paint([(canvas, plan)], seed + k)
        result = given.back(canvas.pixels)
        results.append(result if canvas.raw is None else (result, given.back(canvas.raw)))
    return results[0] if samples == 1 else results


def _tensor_holes(image: Tensor, mask: Any) -> Tensor:
    """The holes, bool ``[B,1,H,W]``, of tensors that keep the convention."""
    if not isinstance(mask, Tensor):
        raise InpaintxError(f"mask must be a tensor as image is, got {type(mask).__name__}")
    check_image_mask(image, mask)
    if mask.dtype == torch.bool:
        mask = mask.view(torch.uint8) != 0  # a view of bytes may hold 255 for True
    else:
        low, high = torch.aminmax(mask.detach())
        mask = mask > cut_of(low.item(), high.item(), whole=not mask.is_floating_point())
    holes: Tensor = mask.expand(len(image), 1, -1, -1)
    check_range(*torch.aminmax(image.detach().masked_fill(holes, 0)))
    return holes


def _paint_tensors(painter: Painter, image: Tensor, holes: Tensor, seeds: Sequence[int], raw: bool) -> list[Any]:
    plans = [
        painter.plan(one.detach().permute(1, 2, 0).float().cpu().numpy(), hole[0].cpu().numpy())
        for one, hole in zip(image, holes, strict=True)
    ]
    results: list[Any] = []
    for seed in seeds:
        canvases = [TensorCanvas(one, hole, raw=raw) for one, hole in zip(image, holes, strict=True)]
        painter.paint(list(zip(canvases, plans, strict=True)), seed)
        result = torch.stack([c.pixels for c in canvases])
        results.append((result, torch.stack([c.raw for c in canvases if c.raw is not None])) if raw else result)
    return results
