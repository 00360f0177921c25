"""The contract of a method, and the one place where a method is called."""

import difflib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, ClassVar, TypeVar

import torch
import torch.nn.functional as F
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from inpaintx.errors import InpaintxError
from inpaintx.io.memory import LARGEST_SQUARE, ran_out
from inpaintx.nn.blend import Blend, guides
from inpaintx.plugin.trainer import Trainer

__all__ = ["Config", "LearnedConfig", "Method", "Trainer", "Weights", "blamed", "fill", "owner_of"]

Options = TypeVar("Options", bound=BaseModel)


class Config(BaseModel):
    """Base of a method's options: frozen, and an unknown name is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class LearnedConfig(Config):
    """What every trained method's options have: the square that it works on, and how it is trained by default.

    Parameters
    ----------
    size
        Side in pixels of the images that the network is trained on, and of the crops that it fills.
    batch, steps
        Images of one update, and number of updates.
    mirrored
        Fill the mirror image as well, and take the mean of both: twice the time, usually somewhat nearer to the truth.
        Not for methods that draw their fills at random.
    stages
        Names of further options that count steps: those that are not given scale with ``steps``.
    """

    stages: ClassVar[frozenset[str]] = frozenset()

    size: int = Field(default=256, ge=8, le=LARGEST_SQUARE)
    batch: int = Field(default=8, ge=1)
    steps: int = Field(default=100_000, ge=1)
    mirrored: bool = False


@dataclass(frozen=True)
class Weights:
    """Where trained weights are and what they are.

    Parameters
    ----------
    file
        Path beside the plugin, or a file name looked up in ``$INPAINTX_WEIGHTS`` and torch's hub cache.
    sha256
        Of the whole file, in hexadecimal; ``""`` if unknown.
    preset
        The preset of the method that they fit.
    licence, trained_on
        Terms of the weights, and the data, steps and hardware in words.
    url
        Where a person can fetch them; inpaintx itself downloads nothing unless told to.
    """

    file: str
    sha256: str = ""
    preset: str = "default"
    licence: str = ""
    trained_on: str = ""
    url: str = ""


class Configured(nn.Module):
    """The network of a method that has none: it only carries the options."""

    def __init__(self, config: BaseModel) -> None:
        super().__init__()
        self.config = config


class Method:
    """One way to fill holes; a plugin subclasses it once. ``name``, ``paper`` and :meth:`inpaint` must be given.

    Attributes
    ----------
    name, paper
        A name in lower case, and a link to the paper.
    Config, presets, weights
        Options (a frozen pydantic model), named sets of them, trained weights by tag.
    multiple
        Height and width must be multiples of it: :func:`fill` pads by reflection (marked known) and crops. Where it
        follows from the options, override :meth:`multiple_of`.
    size
        Side in pixels of the square that the method wants, for which the main job resizes the crop around a
        hole; None: any size. A :class:`LearnedConfig` brings its own.
    fixed
        Whether the network takes squares of its size only: :func:`fill` brings other images to it and back.
    max_pixels
        Most pixels of one call, for a method of any size that is slow or hungry on large ones: the main job reduces
        larger crops. None: the main job's own limit (4 megapixels).
    trained
        Whether the method's fills need trained weights.
    importer
        The command that brings published weights of the method into inpaintx's format, where the plugin has one.
    takes
        Names of other methods whose weight files fit, because they work with the same network.
    stored
        The options that a weight file brings with it, and that a preset cannot change then; None: all. Name those
        of the network where the others can be chosen anew at each fill.
    blend
        How the fill is joined to the photo unless the user says otherwise: ``"none"``: pasted; ``"poisson"``: by
        Poisson blending; ``"poisson_interior"``: by Poisson blending that takes nothing from the output outside the
        hole, for a method whose output has a seam of its own at the rim.
    draws
        Whether fills are drawn at random, so that two calls differ.
    """

    name: ClassVar[str]
    paper: ClassVar[str]
    Config: ClassVar[type[BaseModel]] = Config
    presets: ClassVar[dict[str, BaseModel]] = {}
    weights: ClassVar[dict[str, Weights]] = {}
    multiple: ClassVar[int] = 1
    size: ClassVar[int | None] = None
    fixed: ClassVar[bool] = False
    max_pixels: ClassVar[int | None] = None
    trained: ClassVar[bool] = False
    importer: ClassVar[str] = ""
    takes: ClassVar[frozenset[str]] = frozenset()
    stored: ClassVar[frozenset[str] | None] = None
    blend: ClassVar[Blend] = "none"
    draws: ClassVar[bool] = False

    def config(self, preset: str = "default", **options: Any) -> BaseModel:
        """Make the options of a preset with some of them changed.

        Raises
        ------
        InpaintxError
            Unknown preset or option, or a value that does not fit.
        """
        if preset not in self.presets and preset != "default":
            known = ", ".join(sorted({"default", *self.presets}))
            raise InpaintxError(f"method {self.name!r} has no preset {preset!r}; it has: {known}")
        return changed(self.presets.get(preset) or self.Config(), options, f"method {self.name!r}")

    def build(self, config: BaseModel) -> nn.Module:
        """Make the network for the options, with random weights; the default carries the options alone."""
        return Configured(config)

    def network(self, config: BaseModel) -> nn.Module:
        """Call :meth:`build`, and let the network carry its options as ``net.config``."""
        net = self.build(config)
        net.config = config  # type: ignore[assignment]
        return net

    def side(self, config: BaseModel) -> int | None:
        """Side in pixels of the square that the method wants with these options; None: any size."""
        return getattr(config, "size", self.size)

    def multiple_of(self, config: BaseModel) -> int:
        """What height and width must be multiples of with these options."""
        return self.multiple

    def needs(self, config: BaseModel) -> frozenset[str]:
        """What its training needs in a batch beside image and mask: of ``{"skin", "foreground", "landmarks"}``."""
        return frozenset()

    def inpaint(self, net: Any, image: Tensor, mask: Tensor, *, generator: torch.Generator | None = None) -> Tensor:
        """Fill the holes.

        Parameters
        ----------
        net
            What :meth:`build` returned, in eval mode, on the image's device; its options are ``net.config``.
        image
            ``[B,3,H,W]`` float32 RGB in [0,1]. What lies under the hole must not matter.
        mask
            ``[B,1,H,W]`` float32, 1 = hole, 0 = known.
        generator
            Source of randomness. Draw once a call and share the draw among the images of a batch, so that a
            photo's fill does not depend on its neighbours in the batch.

        Returns
        -------
        Tensor
            ``[B,3,H,W]`` in [0,1]; only the pixels in the hole are used (and those at its rim by
            ``blend="poisson"``, for the gradients across it, unless they are the image's own).
        """
        raise NotImplementedError(f"method {self.name!r} does not define inpaint()")

    def tuned(self, config: BaseModel) -> BaseModel:
        """Options of a training that begins from weights made with ``config``: without what those began from."""
        return config

    def trainer(self, net: nn.Module, config: BaseModel) -> Trainer:
        """Make what trains the network (:class:`Trainer`); a method that is not trained does not define it."""
        raise InpaintxError(f"method {self.name!r} has nothing to train")

    @classmethod
    def is_trainable(cls) -> bool:
        """Whether the plugin defines :meth:`trainer`."""
        return cls.trainer is not Method.trainer


def changed(base: Options, options: dict[str, Any], owner: str) -> Options:
    """Make a copy of options with some of them changed; ``owner`` names in errors whose options they are.

    Raises
    ------
    InpaintxError
        Unknown option (with the nearest that there is), or a value that does not fit.
    """
    try:
        return type(base).model_validate({**base.model_dump(), **options})
    except ValueError as error:
        known = ", ".join(type(base).model_fields) or "none"
        detail = "; ".join(_in_words(e, base) for e in getattr(error, "errors", list)())
        raise InpaintxError(f"options of {owner}: {detail or error} (options: {known})") from None


def _in_words(error: dict[str, Any], config: BaseModel) -> str:
    """One complaint of pydantic; an unknown name with the nearest one that there is."""
    name = ".".join(map(str, error["loc"]))
    if error["type"] != "extra_forbidden":
        return f"{name}: {error['msg']}"
    near = difflib.get_close_matches(name, type(config).model_fields, n=1, cutoff=0.5)
    return f"there is no option {name!r}" + (f"; did you mean {near[0]!r}?" if near else "")


@dataclass
class Filled:
    """What :func:`fill` returns: the composite, and the method's own output (``raw``) before compositing."""

    image: Tensor
    raw: Tensor = field(repr=False)


def check_image_mask(image: Tensor, mask: Tensor) -> None:
    """Hold image and mask against the one convention.

    Raises
    ------
    InpaintxError
        Names the argument, what was expected and what came.
    """
    if image.dim() != 4 or image.shape[1] != 3 or image.numel() == 0:
        raise InpaintxError(f"image must have shape [B,3,H,W] and not be empty, got {list(image.shape)}")
    if not image.is_floating_point():
        raise InpaintxError(f"image must be floating point with values in [0,1], got {image.dtype}")
    expected = [image.shape[0], 1, *image.shape[2:]]
    if list(mask.shape) not in (expected, [1, *expected[1:]]):
        raise InpaintxError(f"mask must have shape {expected} (1 = hole), got {list(mask.shape)}")
    if mask.is_complex():
        raise InpaintxError(f"mask must be bool, integer or floating point (1 = hole), got {mask.dtype}")
    if mask.device != image.device:
        raise InpaintxError(f"mask is on {mask.device} and image on {image.device}; put them on one device")


def fill(
    method: Method,
    net: nn.Module,
    image: Tensor,
    mask: Tensor,
    *,
    generator: torch.Generator | None = None,
    blend: Blend | None = None,
) -> Filled:
    """Run a method by the rules of the house: hidden pixels set to 0, sizes made to fit, known pixels kept.

    Parameters
    ----------
    image
        ``[B,3,H,W]``, any floating dtype, RGB in [0,1]; computed in float32, returned in its own dtype.
    mask
        ``[B,1,H,W]``, 1 = hole (above 0.5), any real dtype; ``[1,1,H,W]`` serves the whole batch.
    blend
        As :attr:`Method.blend`; None: what the method asks for.

    Returns
    -------
    Filled
        Composite whose known pixels equal the input's to the last bit, and the raw output, clamped to [0,1].
    """
    check_image_mask(image, mask)
    hole = (mask > 0.5).expand(image.shape[0], 1, -1, -1)
    shown = torch.where(hole, torch.zeros((), dtype=image.dtype, device=image.device), image).float()
    low, high = torch.aminmax(shown)
    if not (low >= -1e-3 and high <= 1 + 1e-3):  # also true of NaN
        raise InpaintxError(
            f"known pixels of image must lie in [0,1], got values from {low.item():g} to {high.item():g}"
        )
    raw = _run(method, net, shown, hole.float(), generator)
    if not torch.isfinite(raw.masked_fill(~hole, 0)).all():
        raise InpaintxError(
            f"method {method.name!r} filled the hole with values that are not finite; if it is trained, its weights "
            "are damaged, or it diverged"
        )
    filled = raw = raw.clamp(0, 1)
    blend = blend or method.blend
    if blend != "none":
        from inpaintx.ops import poisson_blend

        filled = poisson_blend(guides(raw, shown, hole, blend), shown, hole.float()).clamp_(0, 1)
    return Filled(torch.where(hole, filled.to(image.dtype), image.detach()), raw.to(image.dtype))


def _run(method: Method, net: nn.Module, shown: Tensor, mask: Tensor, generator: torch.Generator | None) -> Tensor:
    """Bring image and mask to a size that the network takes, fill, and come back."""
    config: Any = getattr(net, "config", None)
    height, width = shown.shape[2:]
    side = method.side(config) if method.fixed else None
    if side and (height, width) != (side, side):
        small, hole = _to_square(shown, mask, side)
        return F.interpolate(_run(method, net, small, hole, generator), (height, width), mode="bilinear")
    multiple = method.multiple_of(config)
    pad = (-width % multiple, -height % multiple)
    x, m = _pad(shown, pad), F.pad(mask, (0, pad[0], 0, pad[1]))
    with torch.no_grad():
        raw = _called(method, net, x, m, generator)
        if getattr(config, "mirrored", False):
            if method.draws:
                raise InpaintxError(
                    f"method {method.name!r} draws its fills at random, and the mean of two draws is no fill; "
                    "set mirrored=false"
                )
            other = _called(method, net, x.flip(3), m.flip(3), generator).flip(3)
            raw = (raw + other) / 2
    return raw[:, :, :height, :width]


def _called(method: Method, net: nn.Module, image: Tensor, mask: Tensor, generator: torch.Generator | None) -> Tensor:
    """Call :meth:`Method.inpaint`; whatever goes wrong in it is one sentence, with its own trace as the cause."""
    with blamed(method, "inpaint()"):
        raw = method.inpaint(net, image, mask, generator=generator)
    if not isinstance(raw, Tensor):
        raise InpaintxError(f"{owner_of(method)} returned {type(raw).__name__} from inpaint(), not a tensor")
    if raw.shape != image.shape:
        raise InpaintxError(f"{owner_of(method)} returned {list(raw.shape)} for an image of {list(image.shape)}")
    return raw


@contextmanager
def blamed(method: Method, call: str) -> Iterator[None]:
    """Turn what a plugin's code raises, or its exit, into one sentence that names it; want of memory stays itself.

    Raises
    ------
    InpaintxError
        Names method, plugin, ``call`` and what was raised, which is its cause.
    """
    try:
        yield
    except InpaintxError:
        raise
    except (Exception, SystemExit) as error:
        if ran_out(error):
            raise
        words = (str(error).strip().splitlines() or ["no message"])[0]
        raise InpaintxError(
            f"{owner_of(method)} failed in {call}: {type(error).__name__}: {words} (its trace: --debug)"
        ) from error


def owner_of(method: Method) -> str:
    """A method and the plugin that it comes from, in words."""
    from inpaintx.plugin.registry import registry

    if type(registry().methods.get(method.name)) is type(method):
        plugin = registry().plugin_of(method.name)
        return f"method {method.name!r} of plugin {plugin.name!r} ({plugin.package} {plugin.version})"
    return f"method {method.name!r} ({type(method).__module__})"


def _to_square(shown: Tensor, mask: Tensor, side: int) -> tuple[Tensor, Tensor]:
    """Resize; known pixels are averaged among themselves, and a pixel is hole where less than half of it is known."""
    size = (side, side)
    known = F.interpolate(1 - mask, size, mode="bilinear", antialias=True)
    small = F.interpolate(shown, size, mode="bilinear", antialias=True) / known.clamp_min(1e-6)
    hole = known < 0.5
    return small.clamp(0, 1).masked_fill(hole, 0), hole.float()


def _pad(x: Tensor, pad: tuple[int, int]) -> Tensor:
    """Pad right and bottom by reflection as far as the image reaches, the rest by its last row and column."""
    right, bottom = min(pad[0], x.shape[3] - 1), min(pad[1], x.shape[2] - 1)
    x = F.pad(x, (0, right, 0, bottom), mode="reflect")
    return F.pad(x, (0, pad[0] - right, 0, pad[1] - bottom), mode="replicate")
