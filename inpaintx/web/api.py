"""The HTTP API: the main job as typed endpoints, for ``gradio_client`` or plain HTTP."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gradio as gr

from inpaintx.errors import InpaintxError
from inpaintx.inference.mask_finder import find_mask
from inpaintx.io.masks import read_mask, write_mask
from inpaintx.web.actions import Actions, faces_of
from inpaintx.web.words import in_words
from inpaintx.web.work import MethodInfo

__all__ = ["add"]


def add(actions: Actions, methods: Sequence[MethodInfo]) -> None:
    """Add the endpoints ``/inpaint``, ``/find`` and ``/methods`` to the app that is being built.

    >>> from gradio_client import Client, handle_file                                   # doctest: +SKIP
    >>> client = Client("http://127.0.0.1:7860")                                        # doctest: +SKIP
    >>> [whole], report = client.predict(handle_file("photo.jpg"), handle_file("mask.png"), "auto", api_name="/inpaint")
    ... # doctest: +SKIP
    """
    names = [method.name for method in methods if not method.missing]

    @in_words
    def inpaint(
        photo: str | None,
        mask: str | None,
        method: str = names[0],
        samples: float = 1,
        seed: float = 0,
        faces: str = "auto",
        exact: bool = True,
        request: gr.Request = None,
        progress: gr.Progress = gr.Progress(),  # noqa: B008 - how Gradio hands its bar in
    ) -> tuple[list[str], dict[str, Any]]:
        """Fill the holes of a photo (mask: white = hole); the filled files, and the report of the command line."""
        if photo is None or mask is None:
            raise InpaintxError("give a photo and a mask")
        session = actions.session(request)
        opened = session.open_photo(Path(photo))
        session.set_hole(read_mask(session.take(Path(mask))[0], photo=opened, resize=True).hole)
        squares = faces_of("by hand", faces) if "," in faces else faces
        report = actions.run(session, method, exact, progress, samples=int(samples), seed=int(seed), faces=squares)
        return [str(session.folder / path) for path in report["out"]], {k: v for k, v in report.items() if k != "out"}

    @in_words
    def find(photo: str | None, what: str = "scratches", request: gr.Request = None) -> str:
        """Propose a mask: scratches, white, black or color=#RRGGBB."""
        if photo is None:
            raise InpaintxError("give a photo")
        session = actions.session(request)
        found = find_mask(session.open_photo(Path(photo)), [what])
        write_mask(session.folder / "mask.png", found.hole, overwrite=True)
        return str(session.folder / "mask.png")

    def list_methods() -> list[dict[str, str]]:
        """List the methods."""
        return [vars(method) for method in methods]

    with gr.Column(visible=False):
        photo, mask, button = gr.File(label="photo"), gr.File(label="mask"), gr.Button()
        method = gr.Dropdown(names, value=names[0], label="method")
        samples, seed = gr.Number(1, label="samples", precision=0), gr.Number(0, label="seed", precision=0)
        faces = gr.Textbox("auto", label="faces: auto, none, or LEFT,TOP,SIDE")
        exact = gr.Checkbox(True, label="exact: the result as PNG")
        what = gr.Textbox("scratches", label="what")
        filled, report, found = (
            gr.File(label="filled", file_count="multiple"),
            gr.JSON(label="report"),
            gr.File(label="mask"),
        )
        listed = gr.JSON(label="methods")
        button.click(
            inpaint,
            [photo, mask, method, samples, seed, faces, exact],
            [filled, report],
            api_name="inpaint",
            concurrency_id="fill",
            concurrency_limit=1,
        )
        button.click(find, [photo, what], found, api_name="find")
        button.click(list_methods, None, listed, api_name="methods")
