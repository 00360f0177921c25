"""Files written whole or not at all, with errors in words."""

import errno
import hashlib
import os
import shutil
import stat
import tempfile
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from inpaintx.errors import InpaintxError

__all__ = [
    "MAX_BYTES",
    "cannot_write",
    "check_file",
    "content_of",
    "folder_written_whole",
    "make_folder",
    "read_whole",
    "written_whole",
]

PART = ".part"  # ends the name of what is not written whole yet
MAX_BYTES = 2**30  # 50 megapixels of four channels of 16 bits are 400 MiB
KINDS = (
    (stat.S_ISFIFO, "pipe (FIFO)"),
    (stat.S_ISSOCK, "socket"),
    (stat.S_ISCHR, "device"),
    (stat.S_ISBLK, "device"),
)


def check_file(path: Path, what: str, *, most: int = MAX_BYTES) -> int:
    """Look at a file before it is opened: a FIFO, a device or a file without an end would never be read whole.

    Parameters
    ----------
    path
        The file; links are followed.
    what
        Its role ("photo", "mask"), for errors.
    most
        Bytes that are taken at most.

    Returns
    -------
    int
        Its size in bytes.

    Raises
    ------
    InpaintxError
        It is missing, a folder, not a regular file, larger than ``most``, or may not be looked at.
    """
    try:
        found = path.stat()
    except FileNotFoundError:
        raise InpaintxError(f"{what} {path} does not exist") from None
    except (OSError, ValueError) as error:  # ValueError: a zero byte in the name
        raise InpaintxError(f"{what} {path} cannot be read: {getattr(error, 'strerror', None) or error}") from None
    if stat.S_ISDIR(found.st_mode):
        raise InpaintxError(f"{what} {path} is a folder; expected a file")
    if not stat.S_ISREG(found.st_mode):
        kind = next((words for test, words in KINDS if test(found.st_mode)), "special file")
        raise InpaintxError(f"{what} {path} is a {kind}; expected a regular file")
    if found.st_size > most:
        raise InpaintxError(f"{what} {path} has {found.st_size} bytes; at most {most} are taken")
    return found.st_size


def read_whole(path: Path, what: str, *, most: int = MAX_BYTES) -> bytes:
    """Read a file after :func:`check_file`; ``what`` names its role ("photo", "mask") in errors.

    Raises
    ------
    InpaintxError
        As :func:`check_file`; or it may not be read.
    """
    check_file(path, what, most=most)
    try:
        with path.open("rb") as file:
            data = file.read(most + 1)
    except OSError as error:
        raise InpaintxError(f"{what} {path} cannot be read: {error.strerror or error}") from None
    if len(data) > most:  # files under /proc have no size, and others grow
        raise InpaintxError(f"{what} {path} has more than {most} bytes, which is the most that is taken")
    return data


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


def content_of(paths: Iterable[Path]) -> str:
    """SHA-256 over the SHA-256 of files, in their order; one that cannot be read counts as such.

    Threads share the work: reading and hashing run outside Python's lock.
    """

    def digest(path: Path) -> bytes:
        try:
            check_file(path, "image")
            with open(path, "rb") as file:
                one = hashlib.sha256()
                while block := file.read(1 << 20):
                    one.update(block)
                return one.digest()
        except (OSError, InpaintxError):
            return b"unreadable"

    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        return hashlib.sha256(b"".join(pool.map(digest, paths, chunksize=1))).hexdigest()
