"""The main job: photo in, photo out, on tensors, arrays and files of any size."""

import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, get_args

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from inpaintx import crops, visible
from inpaintx.blend import Blend, guides
from inpaintx.crops import ArrayCanvas, Box, Canvas, Crop, TensorCanvas
from inpaintx.data.masks import cut_of
from inpaintx.errors import InpaintxError
from inpaintx.faces import FaceFinder, squares
from inpaintx.given import check_pixels, check_range, read_hole, read_image
from inpaintx.memory import LARGEST_SQUARE, OutOfMemoryError, memory_in_words
from inpaintx.method import Method, check_image_mask, fill
from inpaintx.registry import registry
from inpaintx.weights import find, load

__all__ = ["Painter", "check_seed", "default_method", "inpaint", "pick_device"]

Array = npt.NDArray[Any]
BEST = "pconv"  # by its figures on faces that no training has seen: docs/RESULTS.md


def pick_device(name: str = "auto") -> torch.device:
    """Turn ``"auto"`` (the first GPU that CUDA finds, else the CPU), ``"cpu"`` or ``"cuda:N"`` into a device.

    Raises
    ------
    InpaintxError
        No such device here.
    """
    if name == "auto":
        return torch.device("cuda:0" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise InpaintxError(f"unknown device {name!r}; expected auto, cpu or cuda:N") from None
    if device.type == "meta":
        raise InpaintxError("device 'meta' holds no values; expected auto, cpu or cuda:N")
    if device.type == "cuda" and not torch.cuda.is_available():
        raise InpaintxError(f"device {name!r} was asked for, but torch {torch.__version__} finds no CUDA device here")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise InpaintxError(
            f"device {name!r} was asked for, but there are only {torch.cuda.device_count()} (from cuda:0)"
        )
    try:
        torch.empty(1, device=device)
    except Exception as error:  # torch raises whatever the missing backend raises, over many lines
        words = str(error).splitlines()[0][:120]
        raise InpaintxError(f"device {name!r} cannot be used here ({words}); expected auto, cpu or cuda:N") from None
    return device


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


def default_method() -> str:
    """Name the method that is taken when none is asked for: ``pconv`` where its weights are found, else ``telea``."""
    best = registry().methods.get(BEST)
    return BEST if best and "default" in best.weights and find(best, "default") else "telea"


class Painter:
    """A method that is ready to work on canvases: its network built, its weights loaded, its device chosen.

    Parameters
    ----------
    method
        A registered name, a :class:`Method`, or None for :func:`default_method`.
    preset, weights, device, blend, options
        As for :func:`inpaint`.
    seed
        Of random weights, where there are no trained ones.
    batch_size
        Most crops that go through the method in one call.
    yunet, faces
        As for :func:`inpaint`.

    Raises
    ------
    InpaintxError
        Unknown method, preset, option, blend or device; weights that are missing, damaged or of another method.
    """

    def __init__(
        self,
        method: str | Method | None = None,
        *,
        preset: str = "default",
        weights: str | Path | None = None,
        seed: int = 0,
        device: str | torch.device = "auto",
        blend: Blend | None = None,
        batch_size: int = 8,
        yunet: str | Path | None = None,
        faces: Sequence[tuple[int, int, int]] = (),
        options: dict[str, Any] | None = None,
    ) -> None:
        if method is None and (preset != "default" or options):
            raise InpaintxError("a preset and options are a method's own: name it (-m, method=)")
        method = default_method() if method is None else method
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
        self.squares = list(faces)
        self.finder = None if yunet is None else FaceFinder(yunet)
        if (self.squares or self.finder) and side is None:
            warnings.warn(f"method {self.method.name!r} works on any size: faces have no part in it", stacklevel=2)
            self.squares, self.finder = [], None
        tag = None if weights is None else str(weights)
        self.loaded = load(self.method, config, tag, self.device, seed=seed, preset=preset, options=options)

    def faces(self, pixels: Array, hole: npt.NDArray[np.bool_]) -> list[Box]:
        """Find the damaged faces of a photo ``[H,W]`` or ``[H,W,C]`` for a method that works on squares."""
        if not self.finder or self.squares:
            return squares(self.squares, *hole.shape)
        hidden = visible.unseen(pixels, hole)
        found = self.finder(pixels, hole if hidden is None else hole | hidden)
        return [face for face in found if hole[face.at].any()]

    def plan(
        self, hole: npt.NDArray[np.bool_], faces: Sequence[Box] = (), unseen: npt.NDArray[np.bool_] | None = None
    ) -> list[list[Crop]]:
        """Lay crops over a hole ``[H,W]`` as the method wants them; see :func:`inpaintx.crops.plan`."""
        return crops.plan(hole, self.method.side(self.loaded.config), self.method.max_pixels, faces, unseen)

    def paint(
        self,
        work: "Sequence[tuple[Canvas, list[list[Crop]]]]",
        seed: int = 0,
        progress: Callable[[float], None] | None = None,
    ) -> None:
        """Fill the holes of canvases in place; crops of one size, of whichever canvas, go through in batches.

        Parameters
        ----------
        work
            Canvases, each with its :meth:`plan`.
        seed
            Of the method's random draws.
        progress
            Called after each batch with the share of the crops that are done.
        """
        done, total = 0, sum(len(crops_of_round) for _, rounds in work for crops_of_round in rounds)
        for number in range(max((len(rounds) for _, rounds in work), default=0)):
            same: dict[tuple[int, int], list[tuple[Canvas, Crop]]] = {}
            for canvas, rounds in work:
                for crop in rounds[number] if number < len(rounds) else ():
                    same.setdefault(crop.work, []).append((canvas, crop))
            for (height, width), tasks in same.items():
                most = max(1, min(self.batch_size, crops.WORKING // (height * width)))
                for first in range(0, len(tasks), most):
                    self._fill(tasks[first : first + most], seed)
                    done += len(tasks[first : first + most])
                    if progress is not None:
                        progress(done / total)

    def _fill(self, tasks: list[tuple[Canvas, Crop]], seed: int) -> None:
        """Fill crops together, or one by one where the memory does not suffice for all."""
        height, width = tasks[0][1].work
        try:
            with memory_in_words(
                f"run method {self.method.name!r} on {self.device} at {width} x {height} pixels",
                "take a smaller photo" + ("" if self.device.type == "cpu" else ", or --device cpu"),
            ):
                self._fill_at_once(tasks, seed)
                return
        except OutOfMemoryError:
            if len(tasks) == 1:
                raise
        for task in tasks:  # here, where the exception and what it held are gone
            self._fill([task], seed)

    def _fill_at_once(self, tasks: list[tuple[Canvas, Crop]], seed: int) -> None:
        small = [crops.take(canvas, crop.box, self.device, crop.work) for canvas, crop in tasks]
        # a fresh generator a call: a photo's fill depends neither on its neighbours nor on the order of work
        generator = torch.Generator(self.device).manual_seed(seed)
        images, holes = torch.stack([s[0] for s in small]), torch.stack([s[1] for s in small])
        del small
        result = fill(self.method, self.loaded.net, images, holes, generator=generator, blend="none")
        guided = None if self.blend == "none" else guides(result.raw, images, holes, self.blend)
        del images, holes
        for i, (canvas, crop) in enumerate(tasks):
            size = (crop.box.height, crop.box.width)
            filled: Iterable[Tensor] = crops.stretch(result.image[i], size)
            if guided is not None:
                filled = _blended(crops.stretch(guided[i], size), canvas, crop.box, self.device)
            canvas.put(crop, filled, crops.stretch(result.raw[i], size))


def _blended(guide: Iterator[Tensor], canvas: Canvas, box: Box, device: torch.device) -> Iterator[Tensor]:
    """Solve plane by plane, ``[h,w]``, for the fill that has the gradients of ``guide`` and meets the photo."""
    from inpaintx.ops import poisson_blend

    hole = canvas.holes(box, device)
    together = 3 if hole.numel() <= crops.WORKING else 1  # a large crop colour by colour, to bound the memory
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
    yunet: str | Path | None = None,
    faces: Sequence[tuple[int, int, int]] = (),
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
        mask file, in which white is the hole (:func:`inpaintx.data.masks.read_mask` reads other ones).
    method
        A name of :func:`inpaintx.methods`, or a :class:`Method`. None: :func:`default_method`, the one whose weights do
        best on held-out faces.
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
    yunet
        Model file of OpenCV's face detector YuNet: a trained method is shown each damaged face as a square placed like
        those that it was trained on. None, or no face found: the surroundings of each hole.
    faces
        The same squares given by hand, each (left, top, side) in pixels: eyes at 0.43 of the height, the mouth at 0.74.

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
    painter = Painter(
        method,
        preset=preset,
        weights=weights,
        seed=seed,
        device=chosen,
        blend=blend,
        yunet=yunet,
        faces=faces,
        options=options,
    )
    results = []
    for k in range(samples):
        if isinstance(image, Tensor):
            results.append(_paint_tensor(painter, image, mask, seed + k, raw))
        else:
            canvas = ArrayCanvas(image, hole, raw=raw)
            rounds = painter.plan(hole, painter.faces(image, hole), canvas.unseen)
            painter.paint([(canvas, rounds)], seed + k)
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


def _paint_tensor(painter: Painter, image: Tensor, holes: Tensor, seed: int, raw: bool) -> Any:
    canvases = [TensorCanvas(one, hole, raw=raw) for one, hole in zip(image, holes, strict=True)]
    work = []
    for canvas in canvases:
        hole = canvas.left.cpu().numpy()
        pixels = canvas.pixels.permute(1, 2, 0).float().cpu().numpy() if painter.finder else np.empty(0)
        work.append((canvas, painter.plan(hole, painter.faces(pixels, hole))))
    painter.paint(work, seed)
    result = torch.stack([c.pixels for c in canvases])
    return (result, torch.stack([c.raw for c in canvases if c.raw is not None])) if raw else result
