"""The canvas that the hole is painted on.

Gradio's own ``ImageEditor`` was tried first. In 6.31 it tells of no stroke until another control is used, sends photo,
layer and composite each time, and uploads them again and again (over forty times after one *Invert*) where the server
sets its layer; it draws by WebGL, which takes a minute a stroke where there is no GPU; and it cannot be used without a
mouse. This one paints on a plain canvas, and sends the mask alone: a few kilobytes after each stroke.
"""

import base64
import binascii
import secrets
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
import numpy.typing as npt

from inpaintx.errors import InpaintxError
from inpaintx.io.photo import decode, encode
from inpaintx.web.pictures import layer, painted_on
from inpaintx.web.session import Session

__all__ = ["STATIC", "painted", "painter", "value_of"]

Bools = npt.NDArray[np.bool_]
STATIC = Path(__file__).parent / "static"
PNG = "data:image/png;base64,"


def painter(**settings: Any) -> gr.HTML:
    """Make the component; its value is of :func:`value_of`, and it triggers ``painted`` after each stroke."""
    return gr.HTML(
        html_template=(STATIC / "painter.html").read_text(),
        css_template=(STATIC / "painter.css").read_text(),
        js_on_load=(STATIC / "painter.js").read_text(),
        **settings,
    )


def value_of(session: Session) -> dict[str, Any]:
    """What the page is to show: the photo's preview, and its hole."""
    shown = session.shown_hole()
    mask = ""
    if shown.any():
        mask = PNG + base64.b64encode(encode(layer(shown), "PNG")[0]).decode()
    return {
        "photo": f"gradio_api/file={session.preview}",
        "mask": mask,
        "size": shown.shape[::-1],
        "stamp": secrets.token_hex(8),
    }


def painted(value: Any) -> Bools | None:
    """Read what was painted, ``[h,w]`` at the preview's size; None where nothing came from the page.

    Raises
    ------
    InpaintxError
        It is not what the page sends.
    """
    mask = value.get("mask") if isinstance(value, dict) else None
    if not mask:
        return None
    try:
        if not str(mask).startswith(PNG):
            raise InpaintxError("")
        return painted_on(decode(base64.b64decode(str(mask)[len(PNG) :], validate=True), "the mask").pixels)
    except (InpaintxError, binascii.Error):
        raise InpaintxError("the painted mask cannot be read: reload the page") from None
