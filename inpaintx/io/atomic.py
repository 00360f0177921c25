"""Files written whole or not at all, with errors in words."""

import errno
import hashlib
import os
import shutil
import stat
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from inpaintx.errors import InpaintxError

if sys.platform != "win32":
    import fcntl

__all__ = [
    "MAX_BYTES",
    "atomic_folder",
    "atomic_write",
    "cannot_write",
    "check_file",
    "check_writable",
    "content_of",
    "make_folder",
    "read_stream",
    "read_whole",
    "remove_stale",
]

PART = ".inpaintx.part"  # ends the name of what is not written whole yet
#: Most bytes of a file that is read (50 megapixels of four channels of 16 bits are 400 MiB).
MAX_BYTES = 2**30
KINDS = (
    (stat.S_ISFIFO, "pipe (FIFO)"),
    (stat.S_ISSOCK, "socket"),
    (stat.S_ISCHR, "device"),
    (stat.S_ISBLK, "device"),
)
OPEN_ALREADY = ("/dev/stdin", "/dev/fd/", "/proc/self/fd/")  # the shell's <(...): a pipe whose other end is there


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
    if not stat.S_ISREG(found.st_mode) and not (stat.S_ISFIFO(found.st_mode) and str(path).startswith(OPEN_ALREADY)):
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


def read_stream(stream: BinaryIO, what: str) -> bytes:
    """Read a stream to its end, as :func:`read_whole` a file."""
    try:
        data = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise InpaintxError(f"{what} cannot be read: {error.strerror or error}") from None
    if len(data) > MAX_BYTES:
        raise InpaintxError(f"{what} has more than {MAX_BYTES} bytes, which is the most that is taken")
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


def check_writable(path: Path) -> None:
    """Look whether :func:`atomic_write` could write ``path``, without a change to it.

    Raises
    ------
    InpaintxError
        No such folder, no right to write there, a file that is read-only, a name that the file system does not take.
    """
    try:
        target = _target(path)
        if target.exists() and not os.access(target, os.W_OK):
            raise PermissionError(errno.EACCES, "the file is read-only")
        handle, name = _make_part(target)
        os.close(handle)
        Path(name).unlink(missing_ok=True)  # another process may take it for a stale one
    except OSError as error:
        raise cannot_write(path, error) from None


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Yield a temporary file beside ``path`` that takes its place at the end, or is removed on an error.

    A link stays, and what it points to is written; a file that exists keeps its mode. A process that is killed
    meanwhile leaves a hidden file that ends in ``.inpaintx.part``; the next process that writes into the folder removes
    it.

    Raises
    ------
    InpaintxError
        No such folder, no right to write there, or no room on the disk; nothing is left behind.
    """
    part: Path | None = None
    handle: int | None = None
    try:
        target = _target(path)
        remove_stale(target.parent)
        handle, name = _make_part(target)
        part = Path(name)
        if sys.platform == "win32":  # it does not replace a file that is open
            os.close(handle)
            handle = None
        yield part
        part.chmod(stat.S_IMODE(target.stat().st_mode) if target.exists() else _mode(0o666))
        os.replace(part, target)
    except OSError as error:
        raise cannot_write(path, error) from error
    finally:
        if part is not None:
            part.unlink(missing_ok=True)
        if handle is not None:
            os.close(handle)


def _target(path: Path) -> Path:
    """What a link points to, and any other path itself."""
    with suppress(FileNotFoundError):
        os.lstat(path)  # a name that is too long, or a file among its folders
    return Path(os.path.realpath(path)) if path.is_symlink() else path


def _mode(most: int) -> int:
    mask = os.umask(0)
    os.umask(mask)
    return most & ~mask


def _prefix(path: Path) -> str:
    """How the temporary name of a path begins; a name may have 255 bytes, and a letter up to four of them."""
    return f".{os.fsencode(path.name)[:64].decode('utf-8', 'ignore')}."


def _make_part(path: Path) -> tuple[int, str]:
    """Make a temporary file beside ``path`` and lock it: it is in use for as long as the lock holds."""
    while True:
        handle, name = tempfile.mkstemp(prefix=_prefix(path), suffix=PART, dir=path.parent)
        locked = _lock(handle)
        if locked is None or (locked and os.path.exists(name)):
            return handle, name
        os.close(handle)  # another process took it for a stale one before it was locked, and removes it


def _lock(handle: int) -> bool | None:
    """Take a lock; False where another process holds it, None where the file system knows none."""
    if sys.platform == "win32":
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True


_next_look: dict[str, float] = {}


def remove_stale(folder: Path) -> None:
    """Remove what killed processes left in a folder: our own temporary files that no process holds a lock on."""
    key, begun = os.path.abspath(folder), time.monotonic()
    if begun < _next_look.get(key, 0):
        return
    with suppress(OSError), os.scandir(folder) as entries:
        stale = [e.path for e in entries if e.name.startswith(".") and e.name.endswith(PART)]
        for name in stale:
            with suppress(OSError):
                if not stat.S_ISREG(os.lstat(name).st_mode):
                    continue
                handle = os.open(name, os.O_RDWR)
                try:
                    if _lock(handle):
                        os.unlink(name)
                finally:
                    os.close(handle)
    now = time.monotonic()
    _next_look[key] = now + 100 * (now - begun)  # looking through a large folder takes 1 % of the time of writing


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Yield a temporary folder beside ``path`` that gets its name at the end, or is removed on an error.

    Its files are on the disk before it gets the name (fsync), so that not even a loss of power leaves half of it. A
    process that is killed meanwhile leaves a folder whose name begins with a dot and ends in ``.part``.

    Raises
    ------
    InpaintxError
        As :func:`atomic_write`.
    """
    part: Path | None = None
    try:
        part = Path(tempfile.mkdtemp(prefix=_prefix(path), suffix=PART, dir=path.parent))
        yield part
        for file in [*part.iterdir(), part]:
            _sync(file)
        part.chmod(_mode(0o777))
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
