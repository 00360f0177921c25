"""Headers of weight files: read and held against a network before any memory is taken."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from safetensors import safe_open

from inpaintx.errors import InpaintxError
from inpaintx.io.atomic import check_file

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["check_shapes"]

Importers = Callable[[], list[str]]
FLOATS, INTEGERS = {"F16", "BF16", "F32", "F64"}, {"I64", "I32", "I16", "I8", "U8", "BOOL"}


def open_weights(path: Path, importers: Importers = list) -> tuple[dict[str, str], dict[str, tuple[list[int], str]]]:
    """The metadata of a weight file, and the shape and kind of numbers of each tensor; none of them is read.

    ``importers`` gives the commands that bring other projects' weights into this format, for the error's words.

    Raises
    ------
    InpaintxError
        It is no safetensors file, or a damaged one; says what to do with one of another kind.
    """
    check_file(path, "weights", most=2**40)
    try:
        with safe_open(path, "pt") as file:
            slices = {key: file.get_slice(key) for key in file.keys()}  # noqa: SIM118 - not a dict
            return file.metadata() or {}, {k: (v.get_shape(), v.get_dtype()) for k, v in slices.items()}
    except Exception as error:  # what safetensors, or the system, says of a header that is none
        kind = _other_kind(path, importers)
        words = (str(error).splitlines() or [type(error).__name__])[0]
        raise InpaintxError(
            f"weights {path} are {kind}"
            if kind
            else f"weights {path} cannot be read as safetensors ({words[:200]}); fetch or export them anew"
        ) from None


def _other_kind(path: Path, importers: Importers) -> str:
    """What a file is that other projects hand out as weights, and the way from there; empty: not known."""
    start, inside = b"", []
    with suppress(OSError, ValueError, zipfile.BadZipFile):  # ValueError: a damaged directory of the archive
        with open(path, "rb") as file:
            start = file.read(4)
        inside = zipfile.ZipFile(path).namelist() if start == b"PK\x03\x04" else []
    if inside and all(name.endswith(".npy") for name in inside):
        return "NumPy's .npz, and inpaintx takes .safetensors"
    if start.startswith((b"\x80\x02", b"PK")) or path.suffix in (".pth", ".pt", ".ckpt", ".pkl", ".bin"):
        return (
            "a file of torch.save (a pickle, which can run code), and inpaintx takes .safetensors; published weights "
            f"are brought into its format by {' or '.join(importers()) or 'an importer, of which no plugin has one'}"
        )
    return "an HDF5 file, and inpaintx takes .safetensors" if start == b"\x89HDF" else ""


def check_shapes(path: Path, wanted: Mapping[str, Tensor], owner: str) -> None:
    """Hold a weight file's header against a network's state, which may lie on the device ``"meta"``.

    Raises
    ------
    InpaintxError
        A tensor is missing, not known, of another shape, or not of floating point where the network's is.
    """
    _, found = open_weights(path)
    faults = [f"{key} is missing" for key in wanted if key not in found]
    for key, (shape, dtype) in found.items():
        if key not in wanted:
            faults.append(f"{key} is not known")
        elif list(wanted[key].shape) != shape:
            faults.append(f"{key} has shape {shape}, not {list(wanted[key].shape)}")
        elif dtype not in (FLOATS if wanted[key].is_floating_point() else INTEGERS):
            faults.append(f"{key} is stored as {dtype}, which is no {wanted[key].dtype}")
    if faults:
        more = f", and {len(faults) - 3} more" if len(faults) > 3 else ""
        raise InpaintxError(f"weights {path} do not fit {owner}: {'; '.join(faults[:3])}{more}")
