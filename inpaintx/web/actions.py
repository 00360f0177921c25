"""What the page's buttons do."""

import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np

from inpaintx.errors import InpaintxError
from inpaintx.inference.mask_finder import find_mask, mask_from_painted, rgb_of
from inpaintx.io.masks import Mask, finish, hole_from_alpha, read_mask, write_mask
from inpaintx.io.photo import decode, read_photo, write_photo
from inpaintx.viz.contact_sheet import Cell, contact_sheet, show_hole
from inpaintx.web import pictures
from inpaintx.web.painter import painted, value_of
from inpaintx.web.session import Session, Sessions
from inpaintx.web.words import about_hole, about_result, in_words
from inpaintx.web.work import Fill, fill, find_faces
from inpaintx.web.worker import CanceledError, Worker

__all__ = ["Actions", "faces_of"]

Editor = dict[str, Any] | None
SKIP: Any = gr.skip()


def faces_of(how: str, squares: str) -> str | tuple[tuple[int, int, int], ...]:
    """Read the page's choice of faces: ``found``, ``none``, or squares, one LEFT,TOP,SIDE a line.

    Raises
    ------
    InpaintxError
        A line that is none.
    """
    if how != "by hand":
        return "none" if how == "none" else "auto"
    found = []
    for line in filter(str.strip, squares.splitlines()):
        try:
            left, top, side = map(int, line.split(","))
        except ValueError:
            raise InpaintxError(f"a face is LEFT,TOP,SIDE in whole pixels, one a line, got {line!r}") from None
        found.append((left, top, side))
    return tuple(found) or "none"


class Actions:
    """Handlers of the page's events; each one looks the page's session up by the request."""

    def __init__(self, sessions: Sessions, worker: Worker) -> None:
        self.sessions, self.worker = sessions, worker

    def session(self, request: gr.Request) -> Session:
        """The page's session."""
        return self.sessions.of(request.session_hash)

    def end(self, request: gr.Request) -> None:
        """Remove everything when the page is closed."""
        self.sessions.end(request.session_hash)

    # -- the photo and its hole

    @in_words
    def open_photo(self, upload: str | None, request: gr.Request) -> Any:
        """Show an uploaded photo: editor, words, and what is opened or closed with it."""
        session = self.session(request)
        if upload is None:
            return gr.update(value=None, visible=False), "", gr.update(visible=False), gr.update(visible=False)
        photo = session.open_photo(Path(upload))
        words = about_hole(session.size, session.get_hole(), photo.notes)
        return self._editor(session), words, gr.update(visible=True), gr.update(visible=False)

    @in_words
    def painted(self, editor: Editor, request: gr.Request) -> str:
        """Say how much is painted."""
        session = self.session(request)
        if not session.name or editor is None:
            return ""
        return about_hole(session.size, self._hole(session, editor))

    @in_words
    def invert(self, editor: Editor, request: gr.Request) -> Any:
        """Turn hole and known round."""
        session = self.session(request)
        return self._show(session, Mask(~self._hole(session, editor)))

    @in_words
    def clear(self, request: gr.Request) -> Any:
        """Take the hole away."""
        session = self.session(request)
        return self._show(session, Mask(np.zeros(session.size, np.bool_)))

    @in_words
    def grow(self, editor: Editor, by: float, request: gr.Request) -> Any:
        """Grow the hole by pixels of the photo."""
        session = self.session(request)
        return self._show(session, finish(Mask(self._hole(session, editor)), "the mask", dilate=int(by)))

    @in_words
    def box(self, editor: Editor, left: float, top: float, width: float, height: float, request: gr.Request) -> Any:
        """Add a rectangle, in pixels of the photo: the way to paint without a mouse."""
        session = self.session(request)
        hole = self._hole(session, editor).copy()
        if min(left, top) < 0 or min(width, height) < 1:
            raise InpaintxError("a rectangle has left and top of 0 or more, and width and height of 1 or more")
        hole[int(top) : int(top + height), int(left) : int(left + width)] = True
        return self._show(session, Mask(hole))

    @in_words
    def find(self, editor: Editor, what: str, color: str, tolerance: float, request: gr.Request) -> Any:
        """Propose damage, beside what is painted already."""
        session = self.session(request)
        word = f"color={_hex(color)}" if what == "color" else what
        found = find_mask(session.photo(), [word], tolerance=int(tolerance))
        return self._show(session, Mask(found.hole | self._hole(session, editor), found.notes))

    @in_words
    def from_alpha(self, editor: Editor, request: gr.Request) -> Any:
        """Take transparent pixels as the hole, beside what is painted already."""
        session = self.session(request)
        photo = session.photo()
        if photo.alpha is None:
            raise InpaintxError("this photo has no transparent pixels")
        return self._show(session, Mask(hole_from_alpha(photo)[0].hole | self._hole(session, editor)))

    @in_words
    def from_file(self, upload: str | None, polarity: str, request: gr.Request) -> Any:
        """Take a mask file instead."""
        if upload is None:
            return SKIP, SKIP
        session = self.session(request)
        photo = session.photo()
        data, name = session.take(Path(upload))
        polarity_: Any = polarity
        try:
            return self._show(session, read_mask(data, polarity=polarity_, photo=photo, resize=True))
        except InpaintxError as error:
            raise InpaintxError(str(error).replace("mask from stdin", f"mask {name}")) from None

    @in_words
    def from_painted(self, upload: str | None, request: gr.Request) -> Any:
        """Take the difference to a painted copy."""
        if upload is None:
            return SKIP, SKIP
        session = self.session(request)
        data, name = session.take(Path(upload))
        return self._show(session, mask_from_painted(session.photo(), decode(data, f"painted copy {name}")))

    def _hole(self, session: Session, editor: Editor) -> Any:
        """The hole at the photo's size, with what was painted since."""
        shown = painted(editor)
        return session.get_hole() if shown is None else session.paint(shown)

    def _show(self, session: Session, mask: Mask) -> Any:
        session.set_hole(mask.hole)
        return self._editor(session), about_hole(session.size, mask.hole, mask.notes)

    def _editor(self, session: Session) -> Any:
        """The canvas with the photo and its hole."""
        return gr.update(value=value_of(session), visible=True)

    # -- the fill

    @in_words
    def fill(
        self,
        editor: Editor,
        method: str,
        samples: float,
        seed: float,
        blend: str,
        detail: bool,
        how: str,
        squares: str,
        exact: bool,
        request: gr.Request,
        progress: gr.Progress = gr.Progress(),  # noqa: B008 - how Gradio hands its bar in
    ) -> Any:
        """Fill the hole; the results' pictures, files and words."""
        session = self.session(request)
        self._hole(session, editor)
        faces = faces_of(how, squares)
        options = {"blend": None if blend == "as the method wants" else blend, "detail": "auto" if detail else "none"}
        done = self.run(session, method, exact, progress, samples=int(samples), seed=int(seed), faces=faces, **options)
        files = [str(session.folder / path) for path in done["out"]]
        shots = self._previews(session, done)
        crops = sorted((session.folder / done["folder"] / "crops").glob("*.png"))
        seen = sorted((session.folder / done["folder"] / "seen").glob("*.png"))
        return (
            gr.update(visible=True),
            (str(session.preview), shots[0]),
            gr.update(value=[(shot, f"seed {int(seed) + k}") for k, shot in enumerate(shots)], visible=len(shots) > 1),
            [str(path) for path in [*seen, *crops]],
            [*files, str(session.folder / done["folder"] / "mask.png")],
            about_result(done),
            *self._details(session, done, None),
        )

    def run(self, session: Session, method: str, exact: bool, progress: Any, **asked: Any) -> dict[str, Any]:
        """Fill a session's photo by the process that fills; the report, with the folder of the results."""
        mask, out = session.start_fill(exact)
        session.canceled = threading.Event()
        begun = time.monotonic()

        def said(share: float) -> None:
            left = (time.monotonic() - begun) * (1 - share) / share if share > 0 else 0
            progress(share, desc=f"{method}: {share:.0%}" + (f", about {left:.0f} s left" if left >= 1 else ""))

        progress(0, desc=f"{method}: looks at the photo")
        job = Fill(str(session.folder), session.photo_path.name, mask, out, method, **asked)
        try:
            report: dict[str, Any] = self.worker.run(fill, job, progress=said, canceled=session.canceled)
        except CanceledError:
            raise gr.Error("canceled: the photo stays as it was", title="Canceled", print_exception=False) from None
        report["folder"] = out.split("/")[0]
        write_mask(session.folder / report["folder"] / "mask.png", session.get_hole())
        session.fills.append(report)
        return report

    def cancel(self, request: gr.Request) -> None:
        """Stop the fill that runs for this page."""
        self.session(request).canceled.set()

    def _previews(self, session: Session, done: dict[str, Any]) -> list[str]:
        shots = []
        for number, path in enumerate(done["out"]):
            shot = session.folder / done["folder"] / f"preview-{number}.png"
            pictures.write_preview(shot, read_photo(session.folder / path))
            shots.append(str(shot))
        return shots

    def _details(self, session: Session, done: dict[str, Any], middle: tuple[int, int] | None) -> tuple[Any, Any]:
        """The difference, and pixels before and after around a place; None: the middle of the hole."""
        before, after = session.photo(), read_photo(session.folder / done["out"][0])
        folder = session.folder / done["folder"]
        if middle is None:
            rows, columns = np.nonzero(session.get_hole())
            middle = int(np.median(rows)), int(np.median(columns))
        session.count += 1
        zoom = folder / f"zoom-{session.count}.png"
        write_photo(zoom, pictures.zoomed(before, after, middle))
        write_photo(folder / "difference.png", pictures.difference(before, after), overwrite=True)
        return str(folder / "difference.png"), str(zoom)

    @in_words
    def zoom(self, event: gr.SelectData, request: gr.Request) -> Any:
        """Show the pixels around a place that was clicked in the difference picture."""
        session = self.session(request)
        if not session.fills:
            return SKIP
        scale = max(session.size) / max(pictures.reduced(session.size))
        column, row = (int(v * scale) for v in event.index[:2])
        return self._details(session, session.fills[-1], (row, column))[1]

    @in_words
    def compare(
        self,
        editor: Editor,
        methods: Sequence[str],
        seed: float,
        request: gr.Request,
        progress: gr.Progress = gr.Progress(),  # noqa: B008
    ) -> Any:
        """Fill by several methods, and show them as one contact sheet."""
        if not methods:
            raise InpaintxError("choose the methods to compare")
        session = self.session(request)
        hole = self._hole(session, editor)
        photo = session.photo()
        cells = [Cell(show_hole(rgb_of(photo), hole), ["the photo and its hole"])]
        for method in methods:
            try:
                done = self.run(session, method, True, progress, seed=int(seed))
            except InpaintxError as error:
                cells.append(Cell(None, [method, str(error)]))
                continue
            path = session.folder / done["out"][0]
            cells.append(Cell(read_photo(path).pixels, [method, f"{done['seconds']:.1f} s"]))
        session.count += 1
        sheet = session.folder / f"compared-{session.count}.png"
        write_photo(sheet, contact_sheet([cells[i : i + 3] for i in range(0, len(cells), 3)], tile=420))
        return gr.update(value=str(sheet), visible=True)

    # -- faces

    @in_words
    def look_for_faces(self, editor: Editor, request: gr.Request) -> Any:
        """Find the damaged faces and draw their squares."""
        session = self.session(request)
        self._hole(session, editor)
        mask, out = session.start_fill(True)
        session.canceled = threading.Event()
        job = Fill(str(session.folder), session.photo_path.name, mask, out)
        found = self.worker.run(find_faces, job, canceled=session.canceled)
        words = f"{len(found)} damaged face{'s' * (len(found) != 1)} found" if found else "no damaged face was found"
        squares = "\n".join(",".join(map(str, face)) for face in found)
        return squares, self._framed(session, squares), "by hand" if found else SKIP, words

    @in_words
    def draw_faces(self, squares: str, request: gr.Request) -> Any:
        """Draw the squares that were typed."""
        return self._framed(self.session(request), squares)

    @in_words
    def move_face(self, squares: str, event: gr.SelectData, request: gr.Request) -> Any:
        """Move the nearest square to where the picture was clicked; without one, make one."""
        session = self.session(request)
        height, width = session.size
        scale = max(session.size) / max(pictures.reduced(session.size))
        x, y = (v * scale for v in event.index[:2])
        faces = faces_of("by hand", squares)
        known = list(faces) if isinstance(faces, tuple) else [(0, 0, min(height, width) // 2)]
        nearest = min(range(len(known)), key=lambda i: abs(known[i][0] - x) + abs(known[i][1] - y))
        side = min(known[nearest][2], height, width)
        left, top = (int(np.clip(v - side / 2, 0, most - side)) for v, most in ((x, width), (y, height)))
        known[nearest] = (left, top, side)
        squares = "\n".join(",".join(map(str, face)) for face in known)
        return squares, self._framed(session, squares), "by hand"

    def _framed(self, session: Session, squares: str) -> Any:
        faces = faces_of("by hand", squares)
        scale = max(pictures.reduced(session.size)) / max(session.size)
        drawn = pictures.framed(
            read_photo(session.preview).pixels, list(faces) if isinstance(faces, tuple) else [], scale
        )
        session.count += 1
        path = session.folder / f"faces-{session.count}.png"
        write_photo(path, drawn)
        return gr.update(value=str(path), visible=True)


def _hex(color: str) -> str:
    """A color picker's answer, #rrggbb or rgba(r, g, b, a), as #RRGGBB."""
    if color.startswith("rgb"):
        values = [float(v) for v in color[color.index("(") + 1 : color.index(")")].split(",")[:3]]
        return "#" + "".join(f"{round(v):02X}" for v in values)
    return color
