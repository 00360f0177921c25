"""Running a method by the rules of the house: hidden pixels, sizes, blending, known pixels."""

from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from inpaintx.errors import InpaintxError
from inpaintx.nn.blend import guidance_image
from inpaintx.nn.options import Blend
from inpaintx.plugin.method import Method
from inpaintx.plugin.plugin_errors import blamed, owner_of

__all__ = ["run_method"]


@dataclass
class InpaintOutput:
    """What :func:`run_method` returns: the composite, and the method's own output (``raw``) before compositing."""

    image: Tensor
    raw: Tensor = field(repr=False)


def check_image_mask(image: Tensor, mask: Tensor) -> None:
    """Hold image and mask against the one convention.

    Raises
    ------
    InpaintxError
        Names the argument, what was expected and what came.
    """
    for name, tensor in (("image", image), ("mask", mask)):
        if tensor.layout is not torch.strided or tensor.is_meta:
            kind = "a meta tensor, which holds no values" if tensor.is_meta else f"of layout {tensor.layout}"
            raise InpaintxError(f"{name} must be a dense tensor with values, and is {kind}")
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


def run_method(
    method: Method,
    net: nn.Module,
    image: Tensor,
    mask: Tensor,
    *,
    generator: torch.Generator | None = None,
    blend: Blend | None = None,
    fixed_size: bool | None = None,
) -> InpaintOutput:
    """Run a method by the rules of the house: hidden pixels set to 0, sizes made to fit, known pixels kept.

    Parameters
    ----------
    image
        ``[B,3,H,W]``, any floating dtype, RGB in [0,1]; computed in float32, returned in its own dtype.
    mask
        ``[B,1,H,W]``, 1 = hole (above 0.5), any real dtype; ``[1,1,H,W]`` serves the whole batch.
    blend
        As :attr:`Method.blend`; None: what the method asks for.
    fixed_size
        As :attr:`Method.fixed_size`; None: the method's own.

    Returns
    -------
    InpaintOutput
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
    fixed = method.fixed_size if fixed_size is None else fixed_size
    side = method.input_size(getattr(net, "config", None)) if fixed else None
    raw = _run(method, net, shown, hole, generator, side)
    if not torch.isfinite(raw.masked_fill(~hole, 0)).all():
        raise InpaintxError(
            f"method {method.name!r} filled the hole with values that are not finite; if it is trained, its weights "
            "are damaged, or it diverged"
        )
    filled = raw = raw.clamp(0, 1)
    blend = blend or method.blend
    if blend != "none":
        from inpaintx.ops import poisson_blend

        filled = poisson_blend(guidance_image(raw, shown, hole, blend), shown, hole).clamp_(0, 1)
    return InpaintOutput(torch.where(hole, filled.to(image.dtype), image.detach()), raw.to(image.dtype))


def _run(
    method: Method, net: nn.Module, shown: Tensor, hole: Tensor, generator: torch.Generator | None, side: int | None
) -> Tensor:
    """Bring image and hole (bool) to a size that the network takes, fill, and come back."""
    config: Any = getattr(net, "config", None)
    height, width = shown.shape[2:]
    if side and (height, width) != (side, side):
        small, small_hole = _to_square(shown, hole, side)
        return F.interpolate(_run(method, net, small, small_hole, generator, side), (height, width), mode="bilinear")
    multiple = method.size_divisor(config)
    pad = (-width % multiple, -height % multiple)
    x, mask = _pad(shown, pad), F.pad(hole, (0, pad[0], 0, pad[1]))
    with torch.no_grad():
        raw = _called(method, net, x, mask, generator)
        if getattr(config, "mirrored", False):
            if method.is_stochastic:
                raise InpaintxError(
                    f"method {method.name!r} draws its fills at random, and the mean of two draws is no fill; "
                    "set mirrored=false"
                )
            other = _called(method, net, x.flip(3), mask.flip(3), generator).flip(3)
            raw = (raw + other) / 2
    return raw[:, :, :height, :width]


def _to_square(shown: Tensor, hole: Tensor, side: int) -> tuple[Tensor, Tensor]:
    """Resize; known pixels are averaged among themselves, and a pixel is hole where less than half of it is known."""
    size = (side, side)
    known = F.interpolate((~hole).float(), size, mode="bilinear", antialias=True)
    small = F.interpolate(shown, size, mode="bilinear", antialias=True) / known.clamp_min(1e-6)
    hidden = known < 0.5
    return small.clamp(0, 1).masked_fill(hidden, 0), hidden


def _pad(x: Tensor, pad: tuple[int, int]) -> Tensor:
    """Pad right and bottom by reflection as far as the image reaches, the rest by its last row and column."""
    right, bottom = min(pad[0], x.shape[3] - 1), min(pad[1], x.shape[2] - 1)
    x = F.pad(x, (0, right, 0, bottom), mode="reflect")
    return F.pad(x, (0, pad[0] - right, 0, pad[1] - bottom), mode="replicate")


def _called(method: Method, net: nn.Module, image: Tensor, hole: Tensor, generator: torch.Generator | None) -> Tensor:
    """Call :meth:`Method.inpaint`, which takes the mask in float32; its errors name the method and the plugin."""
    with blamed(method, "inpaint()"):
        raw = method.inpaint(net, image, hole.float(), generator=generator)
    if not isinstance(raw, Tensor):
        raise InpaintxError(f"{owner_of(method)} returned {type(raw).__name__} from inpaint(), not a tensor")
    if raw.shape != image.shape:
        raise InpaintxError(f"{owner_of(method)} returned {list(raw.shape)} for an image of {list(image.shape)}")
    return raw
