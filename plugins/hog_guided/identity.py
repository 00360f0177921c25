"""A metric of ``inpaintx evaluate --metrics identity``: whether a fill is still the same person.

It loads neither torch nor dlib before it is called, as all plugins are loaded for ``inpaintx --help``.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from torch import Tensor

__all__ = ["IdentityDistance"]

SHOWN = 256  # pixels of the side at which landmarks are looked for
FACE = (0.16, 0.25, 0.82, 0.90)  # where dlib's detector sees the face in such a square: left, top, right, bottom
CHIP, AROUND = 150, 0.25  # what the descriptor's network takes: side, and margin as a share of the face


class Models(NamedTuple):
    """dlib, and its models of five landmarks and of 128 numbers a face."""

    dlib: Any
    landmarks: Any
    descriptor: Any


class IdentityDistance:
    """Euclidean distance between dlib's descriptors of fill and truth, 128 numbers each; less is better.

    The descriptor was trained so that two photos of one person are nearer than 0.6. Five landmarks of the truth place
    both pictures, so that a fill without eyes is not looked at elsewhere.

    Images are squares of faces with the eyes at 0.43 of the height and the mouth at 0.74.

    References
    ----------
    King, "Dlib-ml: A Machine Learning Toolkit", JMLR 10, 2009; models: ``face_recognition_models`` (public domain).
    """

    on_request = True

    @staticmethod
    def missing() -> str:
        """Why it cannot be measured; empty where it can."""
        there = find_spec("dlib") and find_spec("face_recognition_models")
        return "" if there else "dlib and its models are not here: pip install dlib-bin face_recognition_models"

    @staticmethod
    def weight_file() -> Path | None:
        """Where the descriptor's weights are."""
        return None if IdentityDistance.missing() else _file("dlib_face_recognition_resnet_model_v1.dat")

    def __call__(self, result: Tensor, truth: Tensor, mask: Tensor) -> Tensor:
        """Compare ``[B,3,S,S]``, RGB in [0,1]: ``[B]``."""
        import numpy as np
        import torch

        models = _models()
        left, top, right, bottom = (int(share * SHOWN) for share in FACE)
        distances = []
        for fill, true in zip(_pixels(result), _pixels(truth), strict=True):
            shape = models.landmarks(true, models.dlib.rectangle(left, top, right, bottom))
            chips = [models.dlib.get_face_chip(one, shape, CHIP, AROUND) for one in (fill, true)]
            a, b = (np.array(models.descriptor.compute_face_descriptor(chip)) for chip in chips)
            distances.append(float(np.linalg.norm(a - b)))
        return torch.tensor(distances, dtype=torch.float64)


def _pixels(images: Tensor) -> npt.NDArray[np.uint8]:
    """``[B,3,S,S]`` in [0,1] as ``[B,256,256,3]`` uint8."""
    import numpy as np
    import torch.nn.functional as F

    shown = F.interpolate(images.float(), (SHOWN, SHOWN), mode="bicubic", antialias=True).clamp(0, 1)
    return np.ascontiguousarray(shown.mul(255).round().byte().permute(0, 2, 3, 1).cpu().numpy())


def _file(name: str) -> Path:
    spec = find_spec("face_recognition_models")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent / "models" / name


@cache
def _models() -> Models:
    from inpaintx.errors import InpaintxError

    if missing := IdentityDistance.missing():
        raise InpaintxError(missing)
    dlib = import_module("dlib")
    landmarks = dlib.shape_predictor(str(_file("shape_predictor_5_face_landmarks.dat")))
    return Models(dlib, landmarks, dlib.face_recognition_model_v1(str(IdentityDistance.weight_file())))
