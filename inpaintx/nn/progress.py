"""What a small training leaves behind, so that it goes on where it was stopped, and loses nothing."""

import io
from pathlib import Path
from typing import Any

import torch

from inpaintx.errors import InpaintxError
from inpaintx.io.atomic import atomic_write, check_writable

__all__ = ["check_result", "load_progress", "save_progress"]


def check_result(out: Path, *, overwrite: bool = False) -> None:
    """Look, before hours of work, whether a training's weights can be written.

    Raises
    ------
    InpaintxError
        A folder; the name does not end in ``.safetensors``; there is a file (and ``overwrite`` is not set); see
        :func:`inpaintx.io.atomic.check_writable`.
    """
    if out.is_dir():
        raise InpaintxError(f"{out} is a folder; give the name of a file")
    if out.suffix != ".safetensors":
        raise InpaintxError(f"{out}: weights are written as .safetensors; give a name that ends so")
    if out.exists() and not overwrite:
        raise InpaintxError(f"{out} exists; give another name, or overwrite it (--overwrite)")
    check_writable(out)


def save_progress(path: Path, step: int, made_with: dict[str, Any], parts: dict[str, Any]) -> None:
    """Write what ``parts`` (networks, optimizers) hold after a step, and the options that they are made with."""
    buffer = io.BytesIO()
    torch.save({"step": step, "made_with": made_with, **{k: part.state_dict() for k, part in parts.items()}}, buffer)
    with atomic_write(path) as file:
        file.write_bytes(buffer.getbuffer())


def load_progress(path: Path, made_with: dict[str, Any], parts: dict[str, Any]) -> int:
    """Load what :func:`save_progress` wrote into ``parts``.

    Returns
    -------
    int
        The steps that are done; 0 where there is no such file.

    Raises
    ------
    InpaintxError
        It cannot be read; it was made with other options than ``made_with`` (but for ``"steps"``), or has more steps.
    """
    if not path.exists():
        return 0
    try:
        saved = torch.load(path, map_location="cpu", weights_only=True)
        step, earlier = int(saved["step"]), dict(saved["made_with"])
    except Exception as error:  # torch raises whatever unpickling raises
        kind = type(error).__name__
        raise InpaintxError(
            f"{path} cannot be read as a training's progress ({kind}); remove it to begin anew"
        ) from None
    if earlier.keys() != made_with.keys():
        raise InpaintxError(f"{path} is of another kind of training; remove it to begin anew")
    other = [key for key, value in made_with.items() if key != "steps" and earlier.get(key) != value]
    if other or made_with["steps"] < step:
        words = ", ".join(f"{key}={earlier.get(key)}" for key in other) or f"{step} steps"
        raise InpaintxError(f"{path} is of a training with {words}; remove it to begin anew")
    for name, part in parts.items():
        part.load_state_dict(saved[name])
    return step
