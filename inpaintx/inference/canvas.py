"""Photos that are being filled, and how crops are cut out of them and put back."""

from collections.abc import Iterable, Iterator
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from inpaintx.inference import visibility
from inpaintx.inference.crops import Box, Crop

__all__ = ["ArrayCanvas", "Canvas", "TensorCanvas", "extract", "resize_planes"]

Array = npt.NDArray[Any]
Bools = npt.NDArray[np.bool_]


class Canvas(Protocol):
    """A photo that is being filled; ``raw`` is None, or the same photo with the method's raw output in it.

    Where all known pixels of the photo are grey, so is what is put into the hole.
    """

    @property
    def raw(self) -> Any:
        """See the class."""

    def holes(self, box: Box, device: torch.device) -> Tensor:
        """Cut out ``[h,w]`` bool, True = not known: still hole, or fully transparent."""

    def plane(self, box: Box, channel: int, device: torch.device) -> Tensor:
        """Cut out one colour, ``[h,w]`` float32 in [0,1]; what lies under the hole is not to be used."""

    def put(self, crop: Crop, fill: Iterable[Tensor], raw: Iterable[Tensor]) -> None:
        """Write a fill, three planes ``[h,w]`` as large as ``crop.box``, into the hole pixels of ``crop.write_box``."""


class ArrayCanvas:
    """A NumPy photo of integers or floats: ``[H,W]``, ``[H,W,3]``, or either with alpha (``[H,W,2]``, ``[H,W,4]``).

    Only hole pixels are written, their alpha among them: what was filled can be seen. Pixels of alpha 0 outside the
    hole stay as they are, and their colours are shown to no method.
    """

    def __init__(self, pixels: Array, hole: Bools, *, raw: bool = False) -> None:
        self.pixels = pixels.copy()
        visibility.show_hole(self.pixels, hole)
        self.raw = self.pixels.copy() if raw else None
        self.remaining_mask = hole.copy()
        self.max_value = float(np.iinfo(pixels.dtype).max) if pixels.dtype.kind in "ui" else 1.0
        self.unseen = visibility.unseen(pixels, hole)
        known = ~hole if self.unseen is None else ~(hole | self.unseen)
        self.colored = pixels.ndim == 3 and pixels.shape[2] > 2
        self.gray = not self.colored or visibility.is_gray(pixels, known)

    def holes(self, box: Box, device: torch.device) -> Tensor:
        """See :meth:`Canvas.holes`."""
        cut = self.remaining_mask[box.at].copy()
        if self.unseen is not None:
            cut |= self.unseen[box.at]
        return torch.from_numpy(cut).to(device)

    def plane(self, box: Box, channel: int, device: torch.device) -> Tensor:
        """See :meth:`Canvas.plane`."""
        cut = self._channel(self.pixels, channel if self.colored else 0)[box.at]
        return torch.from_numpy(cut.astype(np.float32)).to(device).div_(self.max_value)

    def put(self, crop: Crop, fill: Iterable[Tensor], raw: Iterable[Tensor]) -> None:
        """See :meth:`Canvas.put`."""
        hole = self.remaining_mask[crop.write_box.at]
        mine = hole if crop.only is None else hole & crop.only
        self._write(self.pixels, crop, fill, mine, gray=self.gray)
        if self.raw is not None:
            shown = np.ones_like(hole) if crop.only is None else mine
            self._write(self.raw, crop, raw, shown, gray=not self.colored)
        hole[mine] = False

    def _write(self, target: Array, crop: Crop, planes: Iterable[Tensor], where: Bools, *, gray: bool) -> None:
        rows, columns = crop.write_box.within(crop.box)
        values: Iterable[Array] = (plane[rows, columns].cpu().numpy()[where] for plane in planes)
        if gray:
            values = [np.mean(list(values), 0)] * (3 if self.colored else 1)
        for channel, written in enumerate(values):
            self._channel(target, channel)[crop.write_box.at][where] = self._levels(written)

    def _channel(self, target: Array, channel: int) -> Array:
        return target if target.ndim == 2 else target[..., channel]

    def _levels(self, values: Array) -> Array:
        return np.rint(values * self.max_value) if self.pixels.dtype.kind in "ui" else values


class TensorCanvas:
    """One image ``[3,H,W]`` of a batch; known pixels, dtype and device stay."""

    def __init__(self, image: Tensor, hole: Tensor, *, raw: bool = False) -> None:
        self.pixels = image.detach().clone()
        self.raw = self.pixels.clone() if raw else None
        self.remaining_mask = hole[0].clone()
        self.gray = visibility.is_gray_tensor(self.pixels, self.remaining_mask)

    def holes(self, box: Box, device: torch.device) -> Tensor:
        """See :meth:`Canvas.holes`."""
        return self.remaining_mask[box.at].to(device, copy=True)

    def plane(self, box: Box, channel: int, device: torch.device) -> Tensor:
        """See :meth:`Canvas.plane`."""
        return self.pixels[channel][box.at].to(device, torch.float32, copy=True)

    def put(self, crop: Crop, fill: Iterable[Tensor], raw: Iterable[Tensor]) -> None:
        """See :meth:`Canvas.put`."""
        rows, columns = crop.write_box.within(crop.box)
        hole = self.remaining_mask[crop.write_box.at]
        mine = hole.clone() if crop.only is None else hole & torch.from_numpy(crop.only).to(hole.device)
        if self.gray:
            fill = torch.stack(list(fill)).mean(0).expand(3, -1, -1)
        for channel, plane in enumerate(fill):
            target = self.pixels[channel][crop.write_box.at]
            target.copy_(torch.where(mine, plane[rows, columns].to(target), target))
        if self.raw is not None:
            shown = torch.ones_like(mine) if crop.only is None else mine
            for channel, plane in enumerate(raw):
                target = self.raw[channel][crop.write_box.at]
                target.copy_(torch.where(shown, plane[rows, columns].to(target), target))
        hole[mine] = False


def extract(canvas: Canvas, box: Box, device: torch.device, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Cut a box out of a canvas and bring it to the method's size.

    Known pixels are averaged among themselves; what lies under the hole has no part in it. A large box is brought
    down colour by colour, so that no more than a plane of it is there in floating point.

    Returns
    -------
    Tensor, Tensor
        ``[3,*size]`` float32 with 0 in the hole, and ``[1,*size]`` bool; a pixel is hole where less than half of it
        is known.
    """
    hole = canvas.holes(box, device)
    planes = (canvas.plane(box, channel, device).masked_fill_(hole, 0.0) for channel in range(3))
    if hole.shape == size:
        return torch.stack(list(planes)), hole[None]
    known = _resize((~hole).float(), size, "bilinear")
    mean = torch.stack([_resize(plane, size, "bilinear") for plane in planes]) / known.clamp_min(1e-6)
    small = known < 0.5
    if small.all() and known.max() > 0:  # dense specks: the least hidden pixels are what there is to go by
        small = known < known.max()
    return mean.clamp_(0, 1).masked_fill_(small, 0.0), small[None]


def resize_planes(image: Tensor, size: tuple[int, int]) -> Iterator[Tensor]:
    """Bring a fill ``[3,h,w]`` back to the crop's size, plane by plane."""
    for plane in image:
        yield plane if plane.shape == size else _resize(plane, size, "bicubic").clamp_(0, 1)


def _resize(plane: Tensor, size: tuple[int, int], mode: str) -> Tensor:
    return F.interpolate(plane[None, None].float(), size, mode=mode, align_corners=False, antialias=True)[0, 0]
