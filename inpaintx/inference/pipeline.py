"""The main job: photo in, photo out, on tensors, arrays and files of any size."""

import threading
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from inpaintx.errors import InpaintxError
from inpaintx.inference.auto import BEST, AutoInpainter
from inpaintx.inference.crop_layout import ArrayCanvas, TensorCanvas
from inpaintx.inference.device import pick_device
from inpaintx.inference.face_squares import find_aligner
from inpaintx.inference.inpainter import AUTO, Detail, Inpainter, check_seed
from inpaintx.inference.inputs import check_pixels, check_range, read_hole, read_image
from inpaintx.inference.run import check_image_mask
from inpaintx.io.masks import cut_of
from inpaintx.io.memory import memory_in_words
from inpaintx.nn.options import Blend
from inpaintx.plugin.download import hub_file
from inpaintx.plugin.method import Method
from inpaintx.plugin.model_card import model_card
from inpaintx.plugin.registry import registry
from inpaintx.plugin.sampling import shared_samples
from inpaintx.plugin.weight_lookup import find
from inpaintx.plugin.weights import Loaded, method_of

if TYPE_CHECKING:
    from inpaintx.inference.export_graph import GraphFile

__all__ = ["Model", "inpaint", "inpainter_for", "load", "pick_device"]


def inpainter_for(
    method: str | Method | None,
    *,
    preset: str = "default",
    options: dict[str, Any] | None = None,
    background: str = "",
    **settings: Any,
) -> "Inpainter":
    """Make the :class:`Inpainter` of a method; None and ``"auto"``: :class:`inpaintx.inference.auto.AutoInpainter`.

    Raises
    ------
    InpaintxError
        As :class:`Inpainter`; a preset or options without a method; weights beside an address of a hub.
    """
    if isinstance(method, str) and method.startswith("hf://"):
        if settings.get("weights") is not None:
            raise InpaintxError(f"{method} brings its own weights; leave out weights={settings['weights']}")
        method, settings["weights"] = method_of(hub_file(method)), method
    if method not in (None, AUTO):
        if background:
            raise InpaintxError(f"a background method is auto's alone: leave it out, or method {method!r}")
        return Inpainter(method, preset=preset, options=options, **settings)
    if preset != "default" or options:
        raise InpaintxError("a preset and options are a method's own: name it (-m, method=)")
    return AutoInpainter(background=background, **settings)


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
    detail: Detail | None = None,
    background: str = "",
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
        A name of :func:`inpaintx.methods`; a :class:`Method`; or a weight file on a model hub, ``hf://owner/repo``
        (:func:`inpaintx.plugin.download.hub_file`), which names its method. None or ``"auto"``: each hole pixel by
        the method that fills it best (:mod:`inpaintx.inference.auto`).
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
    detail
        ``"auto"``: where a fill is softer than the photo, because the crop was reduced or the method is soft
        (:attr:`Method.softness`), detail of known pixels that look like it is added
        (:func:`inpaintx.inference.detail.add_detail`); of a trained method without chance in it, to the mean of two
        views half of its pixel apart where the crop is a reduced square. ``"none"``: not; None: ``"auto"`` where no
        method was named, so that fills are as sharp as the photo, and ``"none"`` for a named one, which gives what it
        gives.
    background
        For ``"auto"``: the method that fills what no face has; empty: the one that measured best, ``harmonic_texture``.

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
    settings = {"weights": weights, "blend": blend, "faces": faces, "detail": detail, "background": background}
    chosen: str | torch.device = image.device if isinstance(image, Tensor) and device == "auto" else device
    model = _KEPT.model(method, preset=preset, device=chosen, seed=seed, **settings, **options)
    return model(image, mask, seed=seed, samples=samples, raw=raw)


class Model:
    """A method that is ready to fill photos: :func:`load` makes it, once for any number of calls.

    Attributes
    ----------
    method
        The method (for ``"auto"``: a stand-in of that name).
    net, config
        Its network in eval mode, and the network's options; of ``"auto"``: the face network's.
    source
        The weight file, ``"random"`` or ``"none needed"``.
    """

    def __init__(self, inpainter: Inpainter) -> None:
        self._inpainter = inpainter
        self.method = inpainter.method
        chief = getattr(inpainter, "network", None) or inpainter
        self.net, self.config, self.source = chief.loaded.net, chief.loaded.config, chief.loaded.source
        self._owner: Method = chief.method

    def __repr__(self) -> str:
        return f"<inpaintx model {self.method.name}, weights: {self.source}, device {self._inpainter.device}>"

    @property
    def card(self) -> str:
        """The model card of its weight file, in Markdown; empty without one."""
        if self.source in ("random", "none needed"):
            return ""
        return model_card(Path(self.source), self._owner)

    def export(
        self,
        out: str | Path,
        *,
        size: int | None = None,
        dynamic: bool = False,
        plain: bool = False,
        overwrite: bool = False,
    ) -> "GraphFile":
        """Write the network as ONNX or for torch.export: :func:`inpaintx.inference.export_graph.export_graph`."""
        from inpaintx.inference.export_graph import export_graph

        if self._inpainter.device.type != "cpu":
            raise InpaintxError(f"graphs are traced on the CPU, and the model is on {self._inpainter.device}")
        loaded = Loaded(self.net, self.config, self.source)
        return export_graph(self._owner, loaded, out, size=size, dynamic=dynamic, plain=plain, overwrite=overwrite)

    @memory_in_words("fill the photo")
    @shared_samples()
    def __call__(self, image: Any, mask: Any, *, seed: int = 0, samples: int = 1, raw: bool = False) -> Any:
        """Fill the holes of photos; parameters, result and errors are those of :func:`inpaint`."""
        check_seed(seed, samples)
        if isinstance(image, Tensor):
            holes = _tensor_holes(image, mask)
            results = _inpaint_tensors(self._inpainter, image, holes, [seed + k for k in range(samples)], raw)
            return results[0] if samples == 1 else results
        given = read_image(image)
        pixels, hole = given.pixels, read_hole(mask, given.pixels)
        check_pixels(pixels, hole)
        plan, results = self._inpainter.plan(pixels, hole), []
        for k in range(samples):
            canvas = ArrayCanvas(pixels, hole, raw=raw)
            self._inpainter.run([(canvas, plan)], seed + k)
            result = given.back(canvas.pixels)
            results.append(result if canvas.raw is None else (result, given.back(canvas.raw)))
        return results[0] if samples == 1 else results


def load(
    method: str | Method | None = None,
    *,
    preset: str = "default",
    weights: str | Path | None = None,
    device: str | torch.device = "auto",
    blend: Blend | None = None,
    faces: str | Path | Sequence[tuple[int, int, int]] = "auto",
    detail: Detail | None = None,
    background: str = "",
    seed: int = 0,
    **options: Any,
) -> Model:
    """Load a method and its weights once, to fill any number of photos.

    Parameters
    ----------
    method, preset, weights, device, blend, faces, detail, background, options
        As for :func:`inpaint`.
    seed
        Of random weights, where there are no trained ones.

    Raises
    ------
    InpaintxError
        Unknown method, preset, option, blend or device; weights that are missing, damaged or of another method.

    Examples
    --------
    >>> import numpy as np, inpaintx
    >>> model = inpaintx.load("telea")
    >>> photo, hole = np.full((32, 32), 200, np.uint8), np.zeros((32, 32), bool)
    >>> hole[8:16, 8:16] = True
    >>> model(photo, hole).shape
    (32, 32)
    """
    settings = {"weights": weights, "device": device, "blend": blend, "faces": faces, "detail": detail, "seed": seed}
    return Model(inpainter_for(method, preset=preset, options=options, background=background, **settings))


class _Kept(threading.local):
    """The last few models of each thread, so that a call of :func:`inpaint` does not build and read them again."""

    most = 3

    def __init__(self) -> None:
        self.models: OrderedDict[Any, Model] = OrderedDict()

    def model(self, method: str | Method | None, seed: int, **settings: Any) -> Model:
        """Load a model, or give the one that was loaded from the same files with the same settings."""
        key = None if isinstance(method, Method) else (method, _files(method, settings["weights"]), repr(settings))
        if key in self.models:
            self.models.move_to_end(key)
            return self.models[key]
        model = load(method, seed=seed, **settings)
        if key is not None and model.source != "random":  # random weights are of the seed
            self.models[key] = model
            if len(self.models) > self.most:
                self.models.popitem(last=False)
        return model


_KEPT = _Kept()


def _files(name: str | None, weights: Any) -> tuple[Any, ...]:
    """What a model is made of that may change between two calls: the method itself, and the state of its files."""
    methods = registry().methods
    asked = methods.get(BEST if name in (None, AUTO) else name)
    paths = [Path(weights)] if weights is not None else []
    paths += [path for tag in asked.weights for path in [find(asked, tag)] if path] if asked else []
    paths += [path for path in [find_aligner()] if path]
    stats = [(path, path.stat().st_mtime_ns, path.stat().st_size) for path in paths if path.is_file()]
    return (id(asked), *stats)


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


def _inpaint_tensors(inpainter: Inpainter, image: Tensor, holes: Tensor, seeds: Sequence[int], raw: bool) -> list[Any]:
    plans = [
        inpainter.plan(one.detach().permute(1, 2, 0).float().cpu().numpy(), hole[0].cpu().numpy())
        for one, hole in zip(image, holes, strict=True)
    ]
    results: list[Any] = []
    for seed in seeds:
        canvases = [TensorCanvas(one, hole, raw=raw) for one, hole in zip(image, holes, strict=True)]
        inpainter.run(list(zip(canvases, plans, strict=True)), seed)
        result = torch.stack([c.pixels for c in canvases])
        results.append((result, torch.stack([c.raw for c in canvases if c.raw is not None])) if raw else result)
    return results
