"""Text files that people and programs may have spoilt: read as UTF-8, JSON or CSV, or refused in one sentence."""

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from inpaintx.errors import InpaintxError
from inpaintx.io.atomic import read_whole

__all__ = ["parse_json", "read_csv", "read_json", "read_text"]


def read_text(path: Path, what: str = "list") -> str:
    """Read a file as UTF-8, with or without a byte order mark; ``what`` names its role in errors.

    Raises
    ------
    InpaintxError
        It cannot be read (:func:`inpaintx.io.atomic.read_whole`), or is in another encoding.
    """
    data = read_whole(path, what)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        kind = "UTF-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "another encoding, as Latin-1"
        raise InpaintxError(
            f"{path} is not UTF-8 (byte {error.start}, line {data.count(10, 0, error.start) + 1}; it may be {kind}); "
            'save it as UTF-8, which Excel calls "CSV UTF-8"'
        ) from None
    if "\0" in text:
        raise InpaintxError(f"{path} holds NUL characters (it may be UTF-16 or no text); save it as UTF-8")
    return text


def read_csv(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Read a CSV file; yields each row that is not empty with its line number, cells without blanks around them.

    Raises
    ------
    InpaintxError
        As :func:`read_text`; a field that is never closed, or is longer than 128 KiB.
    """
    rows = csv.reader(read_text(path).splitlines(keepends=True), strict=True)
    while True:
        try:
            row = next(rows)
        except StopIteration:
            return
        except csv.Error as error:
            raise InpaintxError(f"{path}, line {rows.line_num}: no CSV ({error})") from None
        if any(cell.strip() for cell in row):
            yield rows.line_num, [cell.strip() for cell in row]


def parse_json(text: str, owner: str) -> dict[str, Any]:
    """Read a JSON object; ``owner`` names in errors whose text it is.

    Raises
    ------
    InpaintxError
        No JSON, JSON nested beyond reason, or something else than an object.
    """
    try:
        value = json.loads(text)
    except RecursionError:
        raise InpaintxError(f"{owner} is damaged: its JSON is nested too deeply") from None
    except ValueError as error:
        raise InpaintxError(f"{owner} is damaged: no JSON ({error})") from None
    if not isinstance(value, dict):
        raise InpaintxError(f"{owner} is damaged: expected a JSON object, got {type(value).__name__}")
    return value


def read_json(path: Path, what: str = "record") -> dict[str, Any]:
    """Read a JSON object from a file; errors as of :func:`read_text` and :func:`parse_json`."""
    return parse_json(read_text(path, what), str(path))
