"""What the process that fills does: the main job on files, as the command line has it."""

import os
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from inpaintx.errors import InpaintxError

__all__ = ["Fill", "MethodInfo", "describe", "fill", "find_faces"]

Progress = Callable[[float], None]
Square = tuple[int, int, int]


@dataclass(frozen=True)
class MethodInfo:
    """A method, for the page's list; ``missing``: why it cannot be taken, or empty."""

    name: str
    what: str
    paper: str = ""
    trained_on: str = ""
    missing: str = ""


@dataclass(frozen=True)
class Fill:
    """What is asked for; names are relative to ``folder``, which is all that an error can tell of the machine.

    Parameters
    ----------
    folder
        Where photo and mask lie, and the results go.
    photo, mask, out
        File names.
    method, blend, detail, samples, seed
        As on the command line.
    faces
        ``"auto"``, ``"none"``, or squares by hand: (left, top, side).
    """

    folder: str
    photo: str
    mask: str
    out: str
    method: str = "auto"
    samples: int = 1
    seed: int = 0
    blend: str | None = None
    detail: str = "none"
    faces: str | tuple[Square, ...] = "auto"


def describe(progress: Progress) -> list[MethodInfo]:
    """List the methods, ``auto`` first."""
    from inpaintx.inference.inpainter import AUTO
    from inpaintx.plugin.registry import registry
    from inpaintx.plugin.weight_lookup import find

    found = [MethodInfo(AUTO, "each part of the hole by what fills it best")]
    for name, method in sorted(registry().methods.items()):
        weights = method.weights.get("default")
        missing = ""
        if weights is None and method.requires_weights:
            missing = "no trained weights are known"
        elif weights is not None and find(method, "default") is None:
            missing = f"its weights ({weights.file}) were not found"
        words = (type(method).__doc__ or "").strip().splitlines()
        trained_on = weights.trained_on if weights else ""
        found.append(MethodInfo(name, words[0] if words else "", method.paper, trained_on, missing))
    return found


def fill(asked: Fill, progress: Progress) -> dict[str, Any]:
    """Fill one photo; :class:`inpaintx.inference.files.Report` in plain values.

    Pictures of the plan and of what a network was shown are put into ``seen`` and ``crops`` beside the result.

    Raises
    ------
    InpaintxError
        As on the command line.
    """
    from inpaintx.inference.files import Failure, Job, inpaint_many

    os.chdir(asked.folder)
    out = Path(asked.out)
    out.parent.mkdir(exist_ok=True)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always", UserWarning)
        [result] = inpaint_many(
            [Job(Path(asked.photo), Path(asked.mask), out)],
            _inpainter(asked.method, asked.blend, asked.detail, asked.faces, asked.seed),
            samples=asked.samples,
            seed=asked.seed,
            overwrite=True,
            progress=progress,
            explain=out.parent / "seen",
            save_crops=out.parent / "crops",
        )
    if isinstance(result, Failure):
        raise InpaintxError(result.error)
    report = result.as_dict()
    report["weights"] = Path(report["weights"]).name  # and not where on the server it lies
    report["notes"] += list(dict.fromkeys(str(w.message) for w in said if issubclass(w.category, UserWarning)))
    return report


def find_faces(asked: Fill, progress: Progress) -> list[Square]:
    """Find the damaged faces of a photo: squares (left, top, side) in its pixels, moved to lie in it."""
    from inpaintx.inference.auto import BEST
    from inpaintx.io.masks import read_mask
    from inpaintx.io.photo import read_photo

    os.chdir(asked.folder)
    photo = read_photo(asked.photo)
    hole = read_mask(asked.mask, photo=photo).hole
    inpainter = _inpainter(BEST, None, "none", "auto", 0)
    if inpainter.unseen:
        raise InpaintxError(inpainter.unseen)
    height, width = hole.shape
    found = []
    for face in inpainter.faces(photo.pixels, hole):
        side = min(round(face.cut.side), height, width)
        left, top = (
            int(np.clip(round(middle - side / 2 + 0.5), 0, most - side))
            for middle, most in ((face.cut.x, width), (face.cut.y, height))
        )
        found.append((left, top, side))
    return found


@lru_cache(maxsize=2)
def _inpainter(method: str, blend: Any, detail: Any, faces: Any, seed: int) -> Any:
    """The method, ready to work; kept for the next photo."""
    from inpaintx.inference.pipeline import inpainter_for

    squares = list(faces) if isinstance(faces, tuple) else faces
    return inpainter_for(method, blend=blend, detail=detail, faces=squares, seed=seed)
