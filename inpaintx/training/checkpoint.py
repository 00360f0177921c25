"""Checkpoints: one folder each, written whole or not at all.

``RUN/checkpoints/step-00001000/`` holds ``<network>.safetensors`` for each network of the trainer (and
``ema.safetensors``), ``config.json`` (the run's record, with step and metrics), ``state.pt``: the state of
optimisers, schedules and loss scaling, written by ``torch.save`` and read with ``weights_only=True``, which takes
tensors and plain values and runs no code; and ``SHA256SUMS`` of these, as ``sha256sum -c`` reads it, without which
checkpoints of earlier versions do. Random states need no file: each step draws from a seed of its own.
"""

import hashlib
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
from torch.utils import _pytree as pytree

from inpaintx.errors import InpaintxError
from inpaintx.io.atomic import PART, atomic_folder, check_file
from inpaintx.io.text_files import parse_json
from inpaintx.plugin.weights import plain
from inpaintx.training.record import RECORD, check_record

__all__ = ["Checkpoint", "check_state", "checkpoints", "clean", "fitting", "keep", "read", "read_network", "write"]

State = Mapping[str, Tensor]
STATE, SUMS = "state.pt", "SHA256SUMS"


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint that is whole: its step and its folder."""

    step: int
    folder: Path

    def record(self) -> dict[str, Any]:
        """The run's record as it was at this step.

        Raises
        ------
        InpaintxError
            It is missing, damaged or was changed.
        """
        path = self.folder / RECORD
        data = _content(self, RECORD)
        try:
            text = data.decode()
        except UnicodeDecodeError as error:
            raise _damaged(self.folder, f"{RECORD}: {error}") from None
        return check_record(parse_json(text, str(path)), path, kept=True)


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
        No room, or no right to write; something that could not be read again. Nothing is left of it, and earlier
        checkpoints stay.
    """
    check_state(state)
    folder = run / "checkpoints" / f"step-{step:08d}"
    with atomic_folder(folder) as part:
        for name, tensors in networks.items():
            _put(part / f"{name}.safetensors", safetensors.torch.save(plain(tensors, name)))
        buffer = io.BytesIO()  # torch.save itself would hide what the disk says
        torch.save(dict(state), buffer)
        _put(part / STATE, buffer.getbuffer())
        _put(part / RECORD, (json.dumps(record, indent=1) + "\n").encode())
    return Checkpoint(step, folder)


def _put(path: Path, data: bytes | memoryview) -> None:
    """Write a file of a checkpoint, and its SHA-256 to the list."""
    path.write_bytes(data)
    with (path.parent / SUMS).open("a") as sums:
        sums.write(f"{hashlib.sha256(data).hexdigest()}  {path.name}\n")


def check_state(state: Mapping[str, Any]) -> None:
    """Check, on a copy with empty tensors, that what is written can be read again without running code.

    Raises
    ------
    InpaintxError
        It holds something else than tensors and plain values.
    """
    small = pytree.tree_map(lambda x: torch.empty(0) if isinstance(x, Tensor) else x, dict(state))
    buffer = io.BytesIO()
    try:
        torch.save(small, buffer)
        buffer.seek(0)
        torch.load(buffer, weights_only=True)
    except Exception as error:  # pickling raises whatever the objects raise
        kinds = {type(x) for x in pytree.tree_leaves(small)} - {int, float, bool, str, bytes, type(None), Tensor}
        found = ", ".join(sorted(kind.__qualname__ for kind in kinds)) or (str(error).splitlines() or [""])[0]
        raise InpaintxError(
            "the trainer's state_dict() cannot be kept in a checkpoint: it must hold tensors and plain values only, "
            f"got {found}"
        ) from None


def read(checkpoint: Checkpoint, names: list[str]) -> tuple[dict[str, dict[str, Tensor]], dict[str, Any]]:
    """Read the networks named and the rest of the state, on the CPU.

    Raises
    ------
    InpaintxError
        A file is missing or damaged.
    """
    networks = {name: read_network(checkpoint, name) for name in names}
    data = _content(checkpoint, STATE)
    try:
        state = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except Exception:  # torch raises whatever unpickling raises, and in its words advises to run what is in the file
        raise _damaged(
            checkpoint.folder, f"{STATE} is not what torch.save writes of tensors and plain values"
        ) from None
    if not isinstance(state, dict):
        raise _damaged(checkpoint.folder, f"{STATE} holds no state")
    return networks, state


def read_network(checkpoint: Checkpoint, name: str) -> dict[str, Tensor]:
    """Read the state of one network.

    Raises
    ------
    InpaintxError
        The file is missing or damaged.
    """
    file = f"{name}.safetensors"
    data = _content(checkpoint, file)
    try:
        return safetensors.torch.load(data)
    except Exception as error:  # what safetensors or torch says of a header that is none
        raise _damaged(checkpoint.folder, f"{file}: {(str(error).splitlines() or [''])[0]}") from None


def _content(checkpoint: Checkpoint, name: str) -> bytes:
    """A file's bytes, after a check that they are those that were written."""
    folder = checkpoint.folder
    try:
        data = _bytes(folder / name)
        sums = _bytes(folder / SUMS).decode() if (folder / SUMS).exists() else None
    except FileNotFoundError:
        there = ", ".join(sorted(path.name for path in folder.iterdir())) if folder.is_dir() else "nothing"
        raise _damaged(folder, f"it has no {name}; it has: {there}") from None
    except (OSError, ValueError) as error:
        raise _damaged(folder, f"{name}: {error}") from None
    if sums is None:  # an earlier version's
        return data
    told = dict(line.split("  ", 1)[::-1] for line in sums.splitlines() if "  " in line)
    if told.get(name) != hashlib.sha256(data).hexdigest():
        raise _damaged(folder, f"{name} was changed since it was written: its SHA-256 is not the one in {SUMS}")
    return data


def _bytes(path: Path) -> bytes:
    """A file that is there and has an end."""
    if path.exists():
        check_file(path, "checkpoint file", most=2**40)
    return path.read_bytes()


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


def _damaged(folder: Path, words: str) -> InpaintxError:
    others = [c for c in checkpoints(folder.parent.parent) if c.folder != folder]
    if others:
        way = (
            f"restore it from a copy, or move it out of {folder.parent}: then the run goes on from step "
            f"{others[-1].step}"
        )
    else:
        way = "it is the run's only one: keep it, and restore what is missing from a copy"
    return InpaintxError(f"checkpoint {folder} is damaged ({words}); {way}")


def keep(run: Path, best: int | None) -> None:
    """Remove all checkpoints but the last two and that of step ``best``."""
    for checkpoint in checkpoints(run)[:-2]:
        if checkpoint.step != best:
            shutil.rmtree(checkpoint.folder, ignore_errors=True)


def clean(run: Path) -> None:
    """Remove what a killed process left of a checkpoint that it was writing."""
    for part in (run / "checkpoints").glob(f".*{PART}"):
        shutil.rmtree(part, ignore_errors=True)
