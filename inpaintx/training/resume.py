"""What keeps a run one run: its folder held by one process, its data, options and record the same as when it began."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from inpaintx.errors import InpaintxError
from inpaintx.io.atomic import make_folder
from inpaintx.io.lock import locked
from inpaintx.training.config import FREE, check_same
from inpaintx.training.record import RECORD

if TYPE_CHECKING:
    from lightning_fabric import Fabric

__all__ = ["check_continues", "check_unedited", "hold"]


def hold(fabric: Fabric, run: Path, stack: ExitStack, *, begins: bool) -> None:
    """Make a run's folder and keep other processes out of it until ``stack`` is closed.

    The first process of the run does it; where it fails, all of them do.

    Parameters
    ----------
    begins
        Whether there was no run in the folder.

    Raises
    ------
    InpaintxError
        Another process is at it, or was meanwhile.
    """
    fault = ""
    if fabric.is_global_zero:
        try:
            make_folder(run)
            stack.enter_context(locked(run))
            if begins and (run / RECORD).exists():
                raise InpaintxError(f"another run began in {run} meanwhile; give another folder")
        except InpaintxError as error:
            fault = str(error)
    fault = fabric.broadcast(fault)
    if fault:
        raise InpaintxError(fault)


def check_continues(earlier: dict[str, Any], record: dict[str, Any]) -> None:
    """Check that a run goes on with the data, frozen features and processes of its record.

    Raises
    ------
    InpaintxError
        Names what has changed.
    """
    for part in ("data", "extra"):
        before, now = earlier.get(part, {}), record[part]
        for key in ("images", "fingerprint", "sources"):
            check_same(f"{part} {key}", before.get(key), now.get(key))
    for part, digest in earlier.get("content", {}).items():  # earlier versions have none
        if digest != record["content"].get(part):
            what = "a mask file" if part == "holes" else "an image, or a file or list beside it,"
            raise InpaintxError(
                f"{what} has changed since the run began, and it cannot go on as if nothing had happened; restore the "
                "data, or begin another run from its weights (init=)"
            )
    measured = ["distance_in"] if record["train"]["best"] == "distance" else []
    for key in ("initialized_from", "frozen", "processes", *measured):
        check_same(key, earlier.get(key, ""), record[key])


def check_unedited(run: Path, earlier: dict[str, Any], kept: dict[str, Any]) -> None:
    """Hold a run's record against that of its last checkpoint, which has a digest.

    Raises
    ------
    InpaintxError
        They disagree on what changes the weights.
    """
    pairs: list[tuple[str, Any, Any]] = [(key, earlier[key], kept[key]) for key in ("method", "preset")]
    for part in ("config", "train"):
        both = sorted((earlier[part].keys() & kept[part].keys()) - FREE - {"steps"})
        pairs += [(key, earlier[part][key], kept[part][key]) for key in both]
    for key, ours, theirs in pairs:
        if ours != theirs:
            raise InpaintxError(
                f"{run / RECORD} says {key}={ours}, but the checkpoint of step {kept['step']} was made with {theirs}; "
                "undo the change"
            )
