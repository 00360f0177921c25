"""Who is on which image of a plain set: ``identities.csv``, read strictly, since splits rest on it."""

from collections import Counter
from pathlib import Path, PurePosixPath

from inpaintx.errors import InpaintxError
from inpaintx.io.text_files import read_csv

__all__ = ["read_identities"]

FILE = "identities.csv"
NAMES = ("name", "file", "image")


def read_identities(root: Path, names: list[str], notes: list[str]) -> dict[str, str]:
    """Read the identities of a set; empty where it has no ``identities.csv``.

    Parameters
    ----------
    root
        The set's folder.
    names
        Its images. A line names one by its path in the set, or by the file's name alone where that is unique.
    notes
        Takes what is worth knowing of them.

    Raises
    ------
    InpaintxError
        Another header than ``name,identity``, a line with other cells, a name that is not one image's, two identities
        of one image: a person would stand in train and test unnoticed.
    """
    path = root / FILE
    if not path.exists():
        return {}
    rows = read_csv(path)
    number, header = next(rows, (1, []))
    if [cell.lower() for cell in header] not in [[name, "identity"] for name in NAMES]:
        hint = "; separate cells by commas" if any(mark in "".join(header) for mark in ";\t") else ""
        raise InpaintxError(f"{path}, line {number}: the header must be name,identity; got {','.join(header)!r}{hint}")
    places: dict[str, list[str]] = {name: [name] for name in names}
    for last, count in Counter(PurePosixPath(name).name for name in names).items():
        if last not in places:
            places[last] = [name for name in names if PurePosixPath(name).name == last] if count == 1 else ["", ""]
    found: dict[str, str] = {}
    for number, row in rows:
        where = f"{path}, line {number}"
        if len(row) != 2 or not all(row):
            raise InpaintxError(f"{where}: expected name,identity, got {','.join(row)!r} ({len(row)} cells)")
        matches = places.get(row[0], [])
        if len(matches) != 1:
            what = "several images of this set" if matches else f"no image of this set{_hint(row[0], names)}"
            raise InpaintxError(f"{where}: {row[0]!r} is the name of {what}")
        if found.setdefault(matches[0], row[1]) != row[1]:
            raise InpaintxError(f"{where}: {matches[0]} is {found[matches[0]]!r} by an earlier line, here {row[1]!r}")
    if len(found) < len(names):
        notes.append(f"{FILE} lacks {len(names) - len(found)} of {len(names)} images: each is a person of its own")
    return found


def _hint(name: str, names: list[str]) -> str:
    """The image that was probably meant."""
    plain = PurePosixPath(name.replace("\\", "/"))
    stem = PurePosixPath(plain.name).stem.lower()
    near = next((n for n in names if plain == PurePosixPath(n) or PurePosixPath(n).stem.lower() == stem), None)
    return f"; is it {near!r}?" if near else ""
