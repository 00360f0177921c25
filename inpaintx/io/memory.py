"""Out of memory, whoever says so: one sentence in place of a traceback."""

import errno
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from inpaintx.errors import InpaintxError

__all__ = ["LARGEST_SQUARE", "OutOfMemoryError", "memory_in_words", "ran_out"]

# Pixels a side that networks, sets and evaluations are asked for at most; beyond it lie gigabytes a layer.
LARGEST_SQUARE = 4096

# torch has no exception of its own for the CPU; oneDNN and Python's threads name no cause either
WORDS = (
    "can't allocate memory",
    "not enough memory",
    "out of memory",
    "bad_alloc",
    "cannot allocate memory",
    "could not create a primitive",
    "could not create a memory",
    "can't start new thread",
    "failed to map segment",
)
OPENCV_NO_MEMORY = -4  # cv::Error::StsNoMem


class OutOfMemoryError(InpaintxError):
    """There was not enough memory; the message says for what, and what takes less."""


def ran_out(error: BaseException) -> bool:
    """Whether an exception of Python, NumPy, PyTorch (any device) or OpenCV means that there was no memory left."""
    if isinstance(error, InpaintxError):
        return False
    if isinstance(error, MemoryError) or _is_torchs(error):
        return True
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    if getattr(error, "code", None) == OPENCV_NO_MEMORY:
        return True
    words = str(error).lower()
    return isinstance(error, (RuntimeError, ImportError)) and any(part in words for part in WORDS)


def _is_torchs(error: BaseException) -> bool:
    torch = sys.modules.get("torch")  # where it is not loaded, it has raised nothing
    return torch is not None and isinstance(error, torch.OutOfMemoryError)


@contextmanager
def memory_in_words(doing: str, advice: str = "close other programs, or take a smaller photo") -> Iterator[None]:
    """Turn running out of memory inside into an error in words.

    Raises
    ------
    OutOfMemoryError
        "there is not enough memory to (doing); (advice)".
    """
    try:
        yield
    except Exception as error:
        if not ran_out(error):
            raise
        raise OutOfMemoryError(f"there is not enough memory to {doing}; {advice}") from None
