"""A dataset that a program hands in, as a set of faces that training reads."""

import hashlib
from collections.abc import Mapping, Sized
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch

from inpaintx.data.dataset import WANTS, as_batch
from inpaintx.data.landmarks import MIRRORED
from inpaintx.errors import InpaintxError

__all__ = ["Dataset", "GivenDataset"]


class Dataset(Sized, Protocol):
    """A map-style dataset, such as :class:`torch.utils.data.Dataset` with a length."""

    def __getitem__(self, index: int, /) -> Any: ...


class GivenDataset:
    """Samples of a map-style dataset, held against what training expects of them.

    Parameters
    ----------
    samples
        ``samples[i]`` is an image, or a mapping with ``"image"`` and what is wanted beside it. An image is a tensor
        ``[3,S,S]`` or an array ``[S,S,3]``, RGB: uint8, or floating in [0,1], which is rounded to 8 bits; ``"skin"``,
        ``"foreground"`` and ``"mask"`` are ``[S,S]`` or ``[1,S,S]``, above 0.5 = inside, ``"landmarks"`` ``[N,2]``
        (x, y). Threads read it side by side (``workers=0``: none do).
    size
        Side S.
    wants, limit
        As for :func:`inpaintx.data.dataset.open_dataset`.

    Raises
    ------
    InpaintxError
        It is empty, or its first sample is not as said.
    """

    layout = "dataset"

    def __init__(
        self, samples: Dataset, *, size: int, wants: frozenset[str] = frozenset(), limit: int | None = None
    ) -> None:
        self._samples, self.size, self.wants = samples, size, wants
        self._count = min(len(samples), limit or len(samples))
        self.name = type(samples).__name__
        if self._count == 0:
            raise InpaintxError(f"the dataset {self.name} is empty")
        self.notes = [f"{self.name}: a dataset of {self._count} images"]
        self.has, self.sources = wants, dict.fromkeys(sorted(wants), "dataset")
        self.fingerprint = hashlib.sha256(f"{self._count} samples".encode()).hexdigest()
        self.count = 5
        self.flips = True
        first = self.read(0)
        if "landmarks" in wants:
            self.count = len(first["landmarks"])
            self.flips = self.count in MIRRORED

    def __len__(self) -> int:
        return self._count

    def content(self) -> str:
        """Nothing: whether a dataset gives the same samples as before, only its owner can tell."""
        return ""

    def __getitem__(self, index: int) -> dict[str, Any]:
        """Read a sample, as :class:`inpaintx.data.dataset.FaceDataset` gives it."""
        return {key: value[0] for key, value in as_batch([self.read(index)]).items()}

    def read(self, index: int) -> dict[str, Any]:
        """Read a sample as :func:`inpaintx.data.dataset.as_batch` takes it."""
        given = self._samples[index]
        if not isinstance(given, Mapping):
            given = {"image": given}
        where = f"sample {index} of the dataset {self.name}"
        if not {"image", *self.wants} <= given.keys():
            lacks = ", ".join(sorted({"image", *self.wants} - given.keys()))
            raise InpaintxError(f"{where} has no {lacks}; it has: {', '.join(sorted(map(str, given)))}")
        sample: dict[str, Any] = {"image": self._image(given["image"], where), "name": str(index)}
        for key in sorted(self.wants & WANTS):
            value = _array(given[key])
            if key == "landmarks":
                sample[key] = value.astype(np.float32)
                continue
            if value.shape not in ((self.size, self.size), (1, self.size, self.size)):
                raise InpaintxError(f"{where}: {key} must be [{self.size},{self.size}], got {list(value.shape)}")
            sample[key] = value.reshape(self.size, self.size) > 0.5
        return sample

    def _image(self, value: Any, where: str) -> npt.NDArray[np.uint8]:
        pixels = _array(value)
        if pixels.shape == (3, self.size, self.size):
            pixels = pixels.transpose(1, 2, 0)
        if pixels.shape != (self.size, self.size, 3):
            raise InpaintxError(
                f"{where}: an image must be a tensor [3,{self.size},{self.size}] or an array "
                f"[{self.size},{self.size},3], got {list(pixels.shape)}"
            )
        if pixels.dtype == np.uint8:
            return pixels
        if pixels.dtype.kind != "f" or not (pixels.min() >= 0 and pixels.max() <= 1):  # also true of NaN
            raise InpaintxError(f"{where}: an image must be uint8, or floating in [0,1], got {pixels.dtype}")
        return np.rint(pixels * 255).astype(np.uint8)


def _array(value: Any) -> npt.NDArray[Any]:
    return value.detach().cpu().numpy() if isinstance(value, torch.Tensor) else np.asarray(value)
