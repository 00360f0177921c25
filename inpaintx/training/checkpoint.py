"""Checkpoints: one folder each, written whole or not at all.

``RUN/checkpoints/step-00001000/`` holds ``<network>.safetensors`` for each network of the trainer (and
``ema.safetensors``), ``config.json`` (the run's record, with step and metrics) and ``state.pt``: the state of
optimisers, schedules and loss scaling, written by ``torch.save`` and read with ``weights_only=True``, which takes
tensors and plain values and runs no code. Random states need no file: each step draws from a seed of its own.
"""

import io
import json
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor

from inpaintx.data.files import PART, folder_written_whole
from inpaintx.errors import InpaintxError

__all__ = ["Checkpoint", "checkpoints", "clean", "fitting", "keep", "read", "read_network", "write"]

State = Mapping[str, Tensor]


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint that is whole: its step and its folder."""

    step: int
    folder: Path

    def record(self) -> dict[str, Any]:
        """The run's record as it was at this step."""
        try:
            return json.loads((self.folder / "config.json").read_text())
        except (OSError, ValueError) as error:
            raise _damaged(self.folder, error) from None


def checkpoints(run: Path) -> list[Checkpoint]:
    """The checkpoints of a run, oldest first."""
    found = [(re.fullmatch(r"step-(\d+)", p.name), p) for p in (run / "checkpoints").glob("step-*")]
    return sorted((Checkpoint(int(name[1]), p) for name, p in found if name), key=lambda c: c.step)


def write(
    run: Path, step: int, networks: Mapping[str, State], state: Mapping[str, Any], record: Mapping[str, Any]
) -> Checkpoint:
    """Write a checkpoint.

    Parameters
    ----------
    networks
        State of each network by name.
    state
        What else the run needs to go on: tensors and plain values.
    record
        Plain values, for ``config.json``.

    Raises
    ------
    InpaintxError
        No room, or no right to write; nothing is left of it, and earlier checkpoints stay.
    """
    folder = run / "checkpoints" / f"step-{step:08d}"
    with folder_written_whole(folder) as part:
        for name, tensors in networks.items():
            plain = {key: value.detach().cpu().contiguous() for key, value in tensors.items()}
            (part / f"{name}.safetensors").write_bytes(safetensors.torch.save(plain))
        buffer = io.BytesIO()  # torch.save itself would hide what the disk says
        torch.save(dict(state), buffer)
        (part / "state.pt").write_bytes(buffer.getbuffer())
        (part / "config.json").write_text(json.dumps(record, indent=1) + "\n")
    return Checkpoint(step, folder)


def read(checkpoint: Checkpoint, names: list[str]) -> tuple[dict[str, dict[str, Tensor]], dict[str, Any]]:
    """Read the networks named and the rest of the state, on the CPU.

    Raises
    ------
    InpaintxError
        A file is missing or damaged.
    """
    networks = {name: read_network(checkpoint, name) for name in names}
    try:
        state = torch.load(checkpoint.folder / "state.pt", map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises whatever unpickling raises
        raise _damaged(checkpoint.folder, error) from None
    return networks, state


def read_network(checkpoint: Checkpoint, name: str) -> dict[str, Tensor]:
    """Read the state of one network.

    Raises
    ------
    InpaintxError
        The file is missing or damaged.
    """
    try:
        return safetensors.torch.load_file(checkpoint.folder / f"{name}.safetensors")
    except (safetensors.SafetensorError, OSError) as error:
        raise _damaged(checkpoint.folder, error) from None


@contextmanager
def fitting(checkpoint: Checkpoint, method: str) -> Iterator[None]:
    """Say in words, while a checkpoint's content is loaded, that it does not fit the method's networks any more."""
    try:
        yield
    except (RuntimeError, ValueError, KeyError) as error:
        words = (str(error).strip().splitlines() or [""])[-1].strip()
        raise InpaintxError(
            f"checkpoint {checkpoint.folder} does not fit method {method!r} as it is now ({words})"
        ) from None


def _damaged(folder: Path, error: Exception) -> InpaintxError:
    words = (str(error).splitlines() or [type(error).__name__])[0]
    return InpaintxError(
        f"checkpoint {folder} is damaged ({words}); remove it, and the run goes on from the one before"
    )


def keep(run: Path, best: int | None) -> None:
    """Remove all checkpoints but the last two and that of step ``best``."""
    for checkpoint in checkpoints(run)[:-2]:
        if checkpoint.step != best:
            shutil.rmtree(checkpoint.folder, ignore_errors=True)


def clean(run: Path) -> None:
    """Remove what a killed process left of a checkpoint that it was writing."""
    for part in (run / "checkpoints").glob(f".*{PART}"):
        shutil.rmtree(part, ignore_errors=True)
