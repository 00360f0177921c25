"""Validation on fixed images with fixed holes: metrics in the hole, and a picture of fills."""

import math
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from inpaintx.errors import InpaintxError
from inpaintx.inference.run import run_method
from inpaintx.nn.distance import FeatureDistance
from inpaintx.nn.metrics import measure, sharpness
from inpaintx.plugin.method import Method
from inpaintx.plugin.metrics import choose_metrics, higher_is_better, measure_by_plugins
from inpaintx.viz.contact_sheet import Cell, contact_sheet

__all__ = ["Validation", "is_improvement"]

SHOWN = 4
AT_ONCE = 8
Pixels = npt.NDArray[Any]


def is_improvement(metric: str, new: float, old: float | None) -> bool:
    """Whether a metric's new value is better than the best so far."""
    return old is None or math.isnan(old) or (new > old if higher_is_better(metric) else new < old)


def mean_color(image: Tensor, mask: Tensor) -> Tensor:
    """Fill with the mean of the known pixels, each image its own: the floor that training has to leave."""
    known = 1 - mask
    mean = (image * known).sum((2, 3), keepdim=True) / known.sum((2, 3), keepdim=True).clamp_min(1)
    return torch.where(mask > 0, mean, image)


class Samples(Protocol):
    """A set of samples by number."""

    def __len__(self) -> int: ...
    def __getitem__(self, index: int, /) -> dict[str, Any]: ...


FEW = 8  # images, by which a choice is hardly more than chance


class Validation:
    """Images and holes that stay the same, and what a method makes of them.

    Parameters
    ----------
    faces
        A set; of its images ``count`` are taken, spread evenly.
    holes
        Gives the hole of each image by its number; None: the samples' own ``"mask"``.
    distance
        Measures a fill's distance to the truth; None: nobody does.
    asked
        Metrics of plugins that are measured on request.

    Raises
    ------
    InpaintxError
        A metric that is asked for cannot be measured.
    """

    def __init__(
        self,
        faces: Samples,
        holes: Callable[[tuple[int, ...]], Any] | None,
        count: int,
        distance: FeatureDistance | None = None,
        asked: Iterable[str] = (),
    ) -> None:
        self.distance = distance
        asked = set(asked)
        self.metrics, self.left_out = choose_metrics(asked)
        if not asked <= set(self.metrics):
            note = next(note for note in self.left_out if note.partition(":")[0] in asked)
            raise InpaintxError(f"a metric of the validation cannot be measured; {note}")
        chosen = [int(i) for i in np.linspace(0, len(faces) - 1, min(count, len(faces)))]
        samples = [faces[i] for i in chosen]
        self.image = torch.stack([sample["image"] for sample in samples])
        if holes is None:
            self.mask = torch.stack([sample["mask"] for sample in samples])
        else:
            masks = [torch.from_numpy(holes((0, 0, number))) for number in range(len(chosen))]
            self.mask = torch.stack(masks).unsqueeze(1).float()
        filled = mean_color(self.image, self.mask)
        floor = measure(filled, self.image, self.mask)
        floor |= measure_by_plugins(self.metrics, filled, self.image, self.mask)
        self.floor = {name: self._mean(name, values) for name, values in floor.items()}

    def notes(self) -> Iterator[str]:
        """What there is to say of it before the training, in words."""
        count = len(self.image)
        psnr = self.floor["hole/psnr"]
        yield f"validation on {count} image{'s' * (count > 1)}; filled with the mean color: {psnr:.2f} dB"
        if count < FEW:
            yield f"a best checkpoint chosen by so few may be far from the best ({FEW} images or more are better)"
        yield from self.left_out

    def __call__(self, method: Method, net: nn.Module, device: torch.device) -> tuple[dict[str, float], Pixels]:
        """Fill every hole.

        Returns
        -------
        dict
            Means over the images of :func:`inpaintx.nn.metrics.measure` on the composites, ``hole/sharpness``,
            ``full/NAME`` of each metric of a plugin, and ``distance`` where it is measured.
        ndarray
            ``[H,W,3]`` uint8: hole, fill, composite and truth of the first few.
        """
        modes = {module: module.training for module in net.modules()}
        net.eval()
        found: dict[str, list[Tensor]] = {}
        rows: list[list[Cell]] = []
        for first in range(0, len(self.image), AT_ONCE):
            image, mask = (x[first : first + AT_ONCE].to(device) for x in (self.image, self.mask))
            generator = torch.Generator(device).manual_seed(first)
            filled = run_method(method, net, image, mask, generator=generator)
            each = measure(filled.image, image, mask)
            each["hole/sharpness"] = sharpness(filled.image, image, mask)
            each |= measure_by_plugins(self.metrics, filled.image, image, mask)
            if self.distance:
                each["distance"] = self.distance.to(device)(filled.image, image)
            for name, values in each.items():
                found.setdefault(name, []).append(values.cpu())
            for i in range(min(SHOWN - len(rows), len(image))):
                caption = f"{float(each['hole/psnr'][i]):.1f} dB"
                rows.append(_row(image[i], mask[i], filled.raw[i], filled.image[i], caption))
        for module, mode in modes.items():
            module.training = mode
        means = {name: self._mean(name, torch.cat(values)) for name, values in found.items()}
        return means, contact_sheet(rows, tile=160)

    def _mean(self, name: str, values: Tensor) -> float:
        """The mean over the images; a plugin's metric, or sharpness, has none (NaN) where it cannot be measured."""
        may_lack = name == "hole/sharpness" or name.removeprefix("full/") in self.metrics
        return float(values.nanmean() if may_lack else values.mean())


def _row(image: Tensor, mask: Tensor, raw: Tensor, whole: Tensor, caption: str) -> list[Cell]:
    hole = torch.where(mask > 0, torch.tensor([[[0.9]], [[0.15]], [[0.35]]], device=image.device), image)
    captions = (["hole"], ["fill"], ["composite", caption], ["truth"])
    pictures = (x.permute(1, 2, 0).cpu().numpy() for x in (hole, raw, whole, image))
    return [Cell(picture, words) for picture, words in zip(pictures, captions, strict=True)]
