"""Files written whole or not at all, with errors in words."""

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from inpaintx.errors import InpaintxError

__all__ = ["cannot_write", "folder_written_whole", "make_folder", "read_whole", "written_whole"]

PART = ".part"  # ends the name of what is not written whole yet


def read_whole(path: Path, what: str) -> bytes:
    """Read a file; ``what`` names its role ("photo", "mask") in errors.

    Raises
    ------
    InpaintxError
        It is missing, a folder, or may not be read.
    """
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise InpaintxError(f"{what} {path} does not exist") from None
    except IsADirectoryError:
        raise InpaintxError(f"{what} {path} is a folder; expected a picture file") from None
    except OSError as error:
        raise InpaintxError(f"{what} {path} cannot be read: {error.strerror or error}") from None


def make_folder(path: str | Path) -> None:
    """Make a folder, and those above it, where missing.

    Raises
    ------
    InpaintxError
        A file is in the way, or there is no right to make it.
    """
    try:
        os.makedirs(path, exist_ok=True)
    except OSError as error:
        raise InpaintxError(f"cannot make the folder {path}: {error.strerror or error}") from None


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """Yield a temporary file beside ``path`` that takes its place at the end, or is removed on an error.

    Raises
    ------
    InpaintxError
        No such folder, no right to write there, or no room on the disk; nothing is left behind.
    """
    part: Path | None = None
    try:
        handle, name = tempfile.mkstemp(prefix=f".{path.name[:100]}.", suffix=PART, dir=path.parent)
        os.close(handle)
        part = Path(name)
        yield part
        mask = os.umask(0)
        os.umask(mask)
        part.chmod(0o666 & ~mask)
        os.replace(part, path)
    except OSError as error:
        raise cannot_write(path, error) from error
    finally:
        if part is not None:
            part.unlink(missing_ok=True)


@contextmanager
def folder_written_whole(path: Path) -> Iterator[Path]:
    """Yield a temporary folder beside ``path`` that gets its name at the end, or is removed on an error.

    Its files are on the disk before it gets the name (fsync), so that not even a loss of power leaves half of it. A
    process that is killed meanwhile leaves a folder whose name begins with a dot and ends in ``.part``.

    Raises
    ------
    InpaintxError
        As :func:`written_whole`.
    """
    part: Path | None = None
    try:
        part = Path(tempfile.mkdtemp(prefix=f".{path.name[:100]}.", suffix=PART, dir=path.parent))
        yield part
        for file in [*part.iterdir(), part]:
            _sync(file)
        mask = os.umask(0)
        os.umask(mask)
        part.chmod(0o777 & ~mask)
        os.rename(part, path)
        _sync(path.parent)
    except OSError as error:
        raise cannot_write(path, error) from error
    finally:
        if part is not None:
            shutil.rmtree(part, ignore_errors=True)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def cannot_write(path: Path, error: OSError) -> InpaintxError:
    """Say in words why a file or folder could not be written."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return InpaintxError(f"no room on the disk to write {path}; nothing was written")
    if error.errno == errno.ENOENT and not path.parent.exists():
        return InpaintxError(f"cannot write {path}: the folder {path.parent} does not exist")
    return InpaintxError(f"cannot write {path}: {error.strerror or error}")
