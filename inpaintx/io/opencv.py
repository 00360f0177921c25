"""The one place that imports OpenCV, late, so that ``import inpaintx`` works without it, and that decodes with it."""

import os
import re
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from inpaintx.errors import InpaintxError
from inpaintx.io.memory import OutOfMemoryError, ran_out
from inpaintx.io.names import printable

__all__ = ["Decoded", "decode", "import_cv2", "quiet_cv2"]

MEND = "pip uninstall -y opencv-python opencv-contrib-python && pip install --force-reinstall opencv-python-headless"
STDERR = 2
MOST_WORDS = 80  # characters of a decoder's words
ERRORS = 2  # OpenCV's log level that tells errors of libtiff, but not its many warnings
# what decoders write straight to descriptor 2: libjpeg, libpng, OpenCV's log (whose errors go on over several lines)
COMPLAINT = re.compile(
    rb"^(?:(?:Corrupt JPEG data|Premature end of JPEG|Inconsistent progression|Unknown Adobe color"
    rb"|Warning: unknown JFIF|Invalid SOS|Unsupported marker|libpng (?:warning|error)).*\n?"
    rb"|\[ ?(?:FATAL|ERROR| ?WARN| ?INFO|DEBUG):\d+@[\d.]+\].*\n?(?:>.*\n?|\n)*)",
    re.MULTILINE,
)
_lock = threading.Lock()
# a child that is forked while descriptor 2 is held would go on writing to it: forks wait for the decoder
os.register_at_fork(before=_lock.acquire, after_in_parent=_lock.release, after_in_child=_lock.release)


@dataclass
class Decoded:
    """Pixels as OpenCV gives them (BGR; None where it fails), EXIF where it tells it, and what the decoders said."""

    pixels: npt.NDArray[Any] | None
    exif: bytes = b""
    complaints: list[str] = field(default_factory=list)


def import_cv2() -> Any:
    """Import OpenCV.

    Raises
    ------
    InpaintxError
        OpenCV is missing, or a system library that its windowed build wants (libGL on a server); says which command
        mends it.
    """
    try:
        import cv2
    except ModuleNotFoundError as error:
        if error.name != "cv2":
            raise
        raise InpaintxError("OpenCV is not installed; run: pip install opencv-python-headless") from None
    except ImportError as error:
        if ran_out(error):
            raise OutOfMemoryError("there is not enough memory to load OpenCV; close other programs") from None
        raise InpaintxError(
            f"OpenCV does not load ({error}). On a machine without a screen the headless build is the same cv2; "
            f"run: {MEND}"
        ) from None
    return cv2


def quiet_cv2() -> None:
    """Keep OpenCV from writing its own log to stderr; for programs, which say in their own words what went wrong."""
    _log_level(import_cv2(), 0)


def _log_level(cv2: Any, level: int) -> int:
    """Set how much OpenCV logs; what it was."""
    log = cv2.utils.logging if hasattr(cv2.utils, "logging") else cv2  # OpenCV 4 has both, later ones the first alone
    before: int = log.getLogLevel()
    log.setLogLevel(level)
    return before


def decode(data: bytes, *, metadata: bool = False, flag: int | None = None) -> Decoded:
    """Decode a picture.

    One thread decodes at a time: libraries under OpenCV tell damage on descriptor 2 alone, which is read here instead
    of reaching the terminal. Whatever other threads write there meanwhile is passed on.

    Parameters
    ----------
    data
        The file.
    metadata
        Whether OpenCV is asked for EXIF as well.
    flag
        One of ``cv2.IMREAD_*``; None: unchanged, which is the file's own depth and channels, not turned.
    """
    cv2 = import_cv2()
    buffer = np.frombuffer(data, np.uint8)
    result = Decoded(None)
    with _lock:
        level = _log_level(cv2, ERRORS)
        try:
            with _captured(result.complaints):
                if metadata and hasattr(cv2, "imdecodeWithMetadata"):
                    result.pixels, kinds, blocks = cv2.imdecodeWithMetadata(buffer, flags=cv2.IMREAD_UNCHANGED)
                    found = {int(kind): block.tobytes() for kind, block in zip(kinds, blocks, strict=True)}
                    result.exif = found.get(cv2.IMAGE_METADATA_EXIF, b"")
                else:
                    result.pixels = cv2.imdecode(buffer, cv2.IMREAD_UNCHANGED if flag is None else flag)
        except cv2.error as error:
            result.complaints.append(_printable(error.err))
        finally:
            _log_level(cv2, level)
    if result.pixels is not None and result.pixels.size == 0:
        result.pixels = None
    return result


@contextmanager
def _captured(complaints: list[str]) -> Iterator[None]:
    """Collect what decoders write to descriptor 2."""
    with _scratch() as held:
        try:
            before: int | None = os.dup(STDERR)
        except OSError:  # a service without a stderr
            before = None
        os.dup2(held, STDERR)
        try:
            yield
        finally:
            if before is None:
                os.close(STDERR)
            else:
                os.dup2(before, STDERR)
                os.close(before)
            text = os.pread(held, os.fstat(held).st_size, 0)
            complaints += [_in_short(found) for found in COMPLAINT.findall(text)]
            others = COMPLAINT.sub(b"", text)
            if others and before is not None:
                os.write(STDERR, others)


@contextmanager
def _scratch() -> Iterator[int]:
    """A file in memory, by its descriptor."""
    if hasattr(os, "memfd_create"):
        held = os.memfd_create("inpaintx")
        try:
            yield held
        finally:
            os.close(held)
    else:
        with tempfile.TemporaryFile() as file:
            yield file.fileno()


def _in_short(complaint: bytes) -> str:
    """The words of a decoder without those of OpenCV's log around them."""
    words = complaint.splitlines()[0]
    for head in (rb"^\[.*?TIFF_Error ", rb"^\[.*?: error: (?:\(.*?\) )?", rb"^\[.*?\] ", rb"^Corrupt JPEG data: "):
        words = re.sub(head, b"", words)
    return _printable(words)


def _printable(words: str | bytes) -> str:
    return printable(words.strip())[:MOST_WORDS]
