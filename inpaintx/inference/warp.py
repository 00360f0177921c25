"""Turned squares: cut out of a canvas as training data was cut, and brought back."""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from inpaintx.data.align import AlignedCrop
from inpaintx.inference import crop_layout
from inpaintx.inference.crop_layout import Canvas, Crop
from inpaintx.io.opencv import import_cv2

__all__ = ["bring_back", "show"]


def show(canvas: Canvas, crop: Crop, device: torch.device) -> tuple[Tensor, Tensor]:
    """Cut out what a crop shows to the method, at the method's size.

    Known pixels are averaged among themselves, as :func:`inpaintx.inference.canvas.extract` does; a turned square that
    reaches beyond the photo is filled by mirroring, known pixels and holes alike.

    Returns
    -------
    Tensor, Tensor
        ``[3,*input_size]`` float32 with 0 in the hole, and ``[1,*input_size]`` bool.
    """
    if crop.cut is None:
        return crop_layout.extract(canvas, crop.box, device, crop.input_size)
    cut = _in_box(crop)
    size = crop.input_size[0]
    hole = canvas.holes(crop.box, torch.device("cpu")).numpy()
    known = cut.image((~hole).astype(np.float32), size)
    planes = []
    for channel in range(3):
        plane = canvas.plane(crop.box, channel, torch.device("cpu")).numpy()
        planes.append(cut.image(np.where(hole, np.float32(0), plane), size) / np.maximum(known, 1e-6))
    small = known < 0.5
    if small.all() and known.max() > 0:  # dense specks: the least hidden pixels are what there is to go by
        small = known < known.max()
    image = np.where(small, np.float32(0), np.stack(planes).clip(0, 1))
    return torch.from_numpy(image).to(device), torch.from_numpy(small)[None].to(device)


def bring_back(image: Tensor, crop: Crop) -> Iterator[Tensor]:
    """Bring a fill ``[3,*input_size]`` back to ``crop.box``, plane by plane; it goes on around a turned square."""
    size = crop.box.height, crop.box.width
    if crop.cut is None:
        yield from crop_layout.resize_planes(image, size)
        return
    cv2 = import_cv2()
    matrix = _in_box(crop).matrix(crop.input_size[0])
    for plane in image:
        wide = cv2.warpAffine(
            plane.float().cpu().numpy(),
            matrix,
            size[::-1],
            flags=cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REPLICATE,
        )
        yield torch.from_numpy(wide).clamp_(0, 1).to(image.device)


def _in_box(crop: Crop) -> AlignedCrop:
    """The turned square of a crop in pixels of its box."""
    assert crop.cut is not None
    return crop.cut._replace(x=crop.cut.x - crop.box.left, y=crop.cut.y - crop.box.top)
