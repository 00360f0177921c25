"""What the server keeps for one open page: a private folder with the photo, its hole and its fills."""

import secrets
import shutil
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from inpaintx.errors import InpaintxError
from inpaintx.io.formats import result_name
from inpaintx.io.masks import write_mask
from inpaintx.io.names import printable
from inpaintx.io.photo import Photo, decode
from inpaintx.web.pictures import hole_up, reduced, scaled, write_preview

__all__ = ["IDLE", "Session", "Sessions"]

Bools = npt.NDArray[np.bool_]
IDLE = 3600.0  # seconds after which a session that nobody uses is ended
KEPT = 6  # fills of a session that are kept for download


@dataclass
class Session:
    """One open page. What is decoded is not kept between two actions, so that an idle page costs disk alone.

    Attributes
    ----------
    folder
        Private; everything that the page is served lies in it.
    name
        The photo's file name, as it was uploaded.
    hole
        Packed bits of ``[H,W]``: the hole at the photo's own size.
    canceled
        Set to stop the fill that runs.
    """

    folder: Path
    name: str = ""
    size: tuple[int, int] = (0, 0)
    notes: list[str] = field(default_factory=list)
    hole: npt.NDArray[np.uint8] | None = None
    fills: list[dict[str, Any]] = field(default_factory=list)
    canceled: threading.Event = field(default_factory=threading.Event)
    used: float = field(default_factory=time.monotonic)
    count: int = 0
    uploads: set[Path] = field(default_factory=set)

    def open_photo(self, upload: Path) -> Photo:
        """Take an uploaded photo, with the very bytes that came, instead of the one before.

        Raises
        ------
        InpaintxError
            It cannot be read; the photo before stays.
        """
        data, name = self.take(upload)
        photo = decode(data, f"photo {name}")
        for old in self.folder.iterdir():
            shutil.rmtree(old) if old.is_dir() else old.unlink()
        self.name, self.notes, self.fills = name, photo.notes, []
        self.size = photo.pixels.shape[0], photo.pixels.shape[1]
        self.photo_path.write_bytes(data)
        write_preview(self.folder / "preview.png", photo)
        self.set_hole(np.zeros(self.size, np.bool_))
        return photo

    def take(self, upload: Path) -> tuple[bytes, str]:
        """Read an uploaded file: its content, and its name as errors call it."""
        self.uploads.add(upload.parent)
        try:
            return upload.read_bytes(), printable(upload.name)
        except OSError:
            raise InpaintxError("the upload is gone; upload the file once more") from None

    @property
    def photo_path(self) -> Path:
        """The photo; its suffix is the upload's."""
        return self.folder / f"photo-{self.name}"

    @property
    def preview(self) -> Path:
        """The photo, at most :data:`PREVIEW` pixels in width or height."""
        return self.folder / "preview.png"

    def photo(self) -> Photo:
        """Read the photo.

        Raises
        ------
        InpaintxError
            There is none.
        """
        if not self.name:
            raise InpaintxError("there is no photo yet: upload one first")
        self.used = time.monotonic()
        return decode(self.photo_path.read_bytes(), f"photo {self.name}")

    def get_hole(self) -> Bools:
        """The hole, ``[H,W]``."""
        if self.hole is None:
            raise InpaintxError("there is no photo yet: upload one first")
        height, width = self.size
        return np.unpackbits(self.hole, count=height * width).reshape(height, width).view(np.bool_)

    def set_hole(self, hole: Bools) -> None:
        """Keep a hole, one bit a pixel."""
        self.hole = np.packbits(hole)

    def shown_hole(self) -> Bools:
        """The hole as the page shows it: a pixel of the preview that any hole touches is hole."""
        return scaled(self.get_hole(), reduced(self.size))

    def paint(self, shown: Bools) -> Bools:
        """Take what was painted on the preview, ``[h,w]``: where it differs from what was shown, it counts."""
        hole, before = self.get_hole(), self.shown_hole()
        if shown.shape != before.shape:
            raise InpaintxError("the painted mask is not of this photo: reload the page")
        changed = hole_up(shown != before, self.size)
        if changed.any():
            hole = np.where(changed, hole_up(shown, self.size), hole)
            self.set_hole(hole)
        return hole

    def start_fill(self, exact: bool) -> tuple[str, str]:
        """Write the mask, and name a new result: (mask, result), relative to the folder; old results go."""
        hole = self.get_hole()
        if not hole.any():
            raise InpaintxError("the hole is empty: paint over what is to be filled")
        write_mask(self.folder / "mask.png", hole, overwrite=True)
        self.count += 1
        name = result_name(self.name)
        name = f"{Path(name).stem}-filled{'.png' if exact else Path(name).suffix}"
        while len(self.fills) >= KEPT:
            shutil.rmtree(self.folder / self.fills.pop(0)["folder"], ignore_errors=True)
        return "mask.png", f"fill-{self.count}/{name}"

    def close(self) -> None:
        """Stop what runs, and remove everything."""
        self.canceled.set()
        shutil.rmtree(self.folder, ignore_errors=True)


class Sessions:
    """The open pages, by the name that Gradio gives each.

    Parameters
    ----------
    root
        The server's private folder.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._open: dict[str, Session] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._open)

    def of(self, key: str | None) -> Session:
        """The session of a page; made at its first use."""
        key = key or "none"
        self.end_idle()
        with self._lock:
            if key not in self._open:
                folder = self.root / f"session-{secrets.token_urlsafe(24)}"
                folder.mkdir(mode=0o700)
                self._open[key] = Session(folder)
            session = self._open[key]
        session.used = time.monotonic()
        return session

    def end(self, key: str | None) -> None:
        """End a page's session, and remove what it had uploaded."""
        with self._lock:
            session = self._open.pop(key or "none", None)
            if session is None:
                return
            others = {folder for other in self._open.values() for folder in other.uploads}
        session.close()
        for folder in session.uploads - others:  # one file that two pages upload lies in one place
            if folder.parent == self.root:
                shutil.rmtree(folder, ignore_errors=True)

    def end_idle(self) -> None:
        """End the sessions that nobody has used for :data:`IDLE` seconds."""
        before = time.monotonic() - IDLE
        for key in [key for key, session in list(self._open.items()) if session.used < before]:
            self.end(key)
