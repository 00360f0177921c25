"""One process at a time in a folder that is written to step by step."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import filelock

from inpaintx.errors import InpaintxError

__all__ = ["locked"]

NAME = ".lock"


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold a folder while the block runs; the system gives it back when the process ends, in whatever way.

    Raises
    ------
    InpaintxError
        Another process holds it.
    """
    lock = filelock.FileLock(folder / NAME)
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout:
        raise InpaintxError(
            f"{folder} is in use by another process that is not finished; wait for it, or give another folder"
        ) from None
    except (OSError, NotImplementedError) as error:
        raise InpaintxError(f"cannot lock {folder}: {error}") from None
    try:
        yield
    finally:
        lock.release()
