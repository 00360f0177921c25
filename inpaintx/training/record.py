"""The record of a run: what it is made of, in ``RUN/config.json`` and in each of its checkpoints."""

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from inpaintx.data.dataset import Faces
from inpaintx.errors import InpaintxError
from inpaintx.io.names import printable
from inpaintx.io.text_files import read_json
from inpaintx.plugin.successor import names_of_today

__all__ = ["RECORD", "check_record", "describe", "read_record"]

RECORD = "config.json"
RENAMED = {"begun_from": "initialized_from", "mean_colour": "mean_color"}  # entries of records before 0.2


class _Data(BaseModel):
    model_config = ConfigDict(extra="allow", strict=True)

    name: str
    layout: str
    images: int
    fingerprint: str
    sources: dict[str, str]


class _Record(BaseModel):
    """What every record must hold, of whichever version; it may hold more."""

    model_config = ConfigDict(extra="allow", strict=True)

    inpaintx: str
    torch: str
    method: str
    preset: str
    config: dict[str, Any]
    train: dict[str, Any]
    data: _Data
    extra: dict[str, Any] = {}
    content: dict[str, str] = {}
    frozen: dict[str, str]
    processes: int
    hardware: str
    mean_color: dict[str, float]


class _Best(BaseModel):
    model_config = ConfigDict(extra="allow", strict=True)

    step: int
    metric: str
    value: float


class _Kept(_Record):
    """What the record of a checkpoint holds beside."""

    step: int
    metrics: dict[str, float]
    best: _Best | None


def check_record(record: dict[str, Any], path: Path, *, kept: bool = False) -> dict[str, Any]:
    """Check that a record has what a run needs, and return it with the entries' present names.

    Parameters
    ----------
    path
        Its file, for errors.
    kept
        Whether it is a checkpoint's.

    Raises
    ------
    InpaintxError
        An entry is missing or of another kind.
    """
    record = {RENAMED.get(key, key): value for key, value in record.items()}
    try:
        (_Kept if kept else _Record).model_validate(record)
    except ValidationError as error:
        first = error.errors()[0]
        raise InpaintxError(
            f"{path} cannot be read as the record of a run: {'.'.join(map(str, first['loc']))}: {first['msg']}; "
            "undo what was changed in it"
        ) from None
    method, preset = names_of_today(record)
    return {**record, "method": method, "preset": preset}


def read_record(run: Path) -> dict[str, Any]:
    """Read the record of a run's folder.

    Raises
    ------
    InpaintxError
        The folder is not a run's, or its record is damaged.
    """
    path = run / RECORD
    if not path.exists():
        raise InpaintxError(f"{run} is not the folder of a run: it has no {RECORD}")
    return check_record(read_json(path), path)


def describe(name: str, faces: Faces) -> dict[str, Any]:
    """What a record says of a set; nothing of where it lies."""
    return {
        "name": printable(name),
        "layout": faces.layout,
        "images": len(faces),
        "fingerprint": faces.fingerprint,
        "sources": faces.sources,
        "notes": faces.notes,
    }
