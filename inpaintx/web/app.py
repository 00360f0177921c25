"""The page: what is on it, and which action each event calls."""

from collections.abc import Sequence
from typing import Any

import gradio as gr

from inpaintx.io.formats import READABLE
from inpaintx.web import api
from inpaintx.web.actions import Actions
from inpaintx.web.painter import STATIC, painter
from inpaintx.web.pictures import PREVIEW
from inpaintx.web.words import about_method, about_missing
from inpaintx.web.work import MethodInfo

__all__ = ["CSS", "HEAD", "THEME", "build"]

SUFFIXES = [suffix for suffix in READABLE if suffix not in (".heic", ".heif")]
CSS = (STATIC / "page.css").read_text()
HEAD = f"<script>{(STATIC / 'page.js').read_text()}</script>"
SANS = ["system-ui", "-apple-system", "Segoe UI", "Roboto", "sans-serif"]  # no font is fetched from elsewhere
THEME = gr.themes.Soft(primary_hue="rose", font=SANS, font_mono=["ui-monospace", "monospace"]).set(
    # letters that stand out from their ground by 4.5 to 1 and more (WCAG AA)
    **{
        f"{part}{dark}": color
        for dark, text in (("", "*neutral_800"), ("_dark", "*neutral_100"))
        for part, color in (
            ("block_label_text_color", text),
            ("block_title_text_color", text),
            ("block_label_background_fill", "*block_background_fill"),
            ("block_title_background_fill", "transparent"),
            ("button_primary_background_fill", "*primary_700"),
            ("button_primary_background_fill_hover", "*primary_800"),
            ("checkbox_label_background_fill_selected", "*primary_700"),
        )
    }
)
BLENDS = ["as the method wants", "none", "poisson", "poisson_interior"]
PICTURE: Any = {"interactive": False, "buttons": ["download", "fullscreen"], "show_label": False}
PRIVATE: Any = {"api_visibility": "private"}
ONE_AT_A_TIME: Any = {"concurrency_id": "fill", "concurrency_limit": 1, **PRIVATE}


def build(actions: Actions, methods: Sequence[MethodInfo], *, page: bool = True) -> gr.Blocks:
    """Make the app: the API, and the page unless ``page`` is off."""
    with gr.Blocks(title="inpaintx", analytics_enabled=False, fill_width=True) as app:
        api.add(actions, methods)
        if page:
            _Page(actions, methods)
        else:
            gr.Markdown("The HTTP API of inpaintx: see `/gradio_api/openapi.json`, or `view_api()` of `gradio_client`.")
        app.unload(actions.end)
    return app


class _Page:
    """The components, by name."""

    def __init__(self, actions: Actions, methods: Sequence[MethodInfo]) -> None:
        self.actions, self.methods = actions, methods
        gr.Markdown("# inpaintx\nDrop a photo, paint over the damage, press **Fill**.", elem_id="head")
        with gr.Row(equal_height=False):
            with gr.Column(scale=3, min_width=320):
                self._photo()
            with gr.Column(scale=2, min_width=320, visible=False) as self.right:
                self._fill()
        with gr.Column(visible=False) as self.results:
            self._results()
        self._connect()

    def _photo(self) -> None:
        kinds: Any = {"file_types": SUFFIXES, "file_count": "single"}
        self.photo = gr.File(label="Photo: drop, choose or paste a file", height=130, elem_id="photo", **kinds)
        with gr.Accordion("Take a picture with the camera", open=False):
            self.camera = gr.Image(
                sources=["webcam"], type="filepath", format="png", image_mode=None, label="Camera", elem_id="camera"
            )
        self.editor = painter(visible=False, elem_id="editor")
        self.hole = gr.Markdown(elem_id="hole")
        with gr.Column(visible=False) as self.tools:
            with gr.Row(elem_id="mend"):
                self.invert = gr.Button("Invert", size="sm", min_width=80)
                self.clear = gr.Button("Clear", size="sm", min_width=80, elem_id="clear")
                self.grow = gr.Button("Grow by", size="sm", min_width=80)
                self.by = gr.Number(
                    4,
                    label="Pixels to grow by",
                    show_label=False,
                    container=False,
                    minimum=1,
                    maximum=500,
                    precision=0,
                    min_width=80,
                )
            with gr.Accordion("Find damage", open=False):
                gr.Markdown("What is found is shown in the photo: erase what is wrong, paint what is missing.")
                with gr.Row():
                    self.what = gr.Radio(["scratches", "white", "black", "color"], value="scratches", label="Look for")
                    self.color = gr.ColorPicker("#ff8c00", label="The color", min_width=80)
                    self.tolerance = gr.Slider(0, 120, 24, step=1, label="Tolerance of a color")
                self.find = gr.Button("Find", size="sm", elem_id="find")
            with gr.Accordion("A mask from a file, from transparency, or by numbers", open=False):
                with gr.Row():
                    self.mask = gr.File(label="Mask file", height=110, elem_id="mask", **kinds)
                    self.copy = gr.File(label="A copy of the photo that was painted over", height=110, **kinds)
                self.polarity = gr.Radio(
                    ["white", "black", "auto"], value="white", label="The hole in the mask file is"
                )
                self.alpha = gr.Button("Take transparent pixels as the hole", size="sm")
                with gr.Row():
                    self.box = [
                        gr.Number(value, label=label, precision=0, minimum=0, min_width=70)
                        for label, value in (("left", 0), ("top", 0), ("width", 100), ("height", 100))
                    ]
                self.add = gr.Button("Add this rectangle (pixels of the photo)", size="sm", elem_id="add")

    def _fill(self) -> None:
        names = [method.name for method in self.methods if not method.missing]
        self.about = {method.name: about_method(method) for method in self.methods}
        self.method = gr.Dropdown(names, value=names[0], label="Method", elem_id="method")
        self.method_words = gr.Markdown(self.about[names[0]], elem_classes="small")
        if missing := about_missing(self.methods):
            gr.Markdown(f"Not available here:  \n{missing}", elem_classes="small grey")
        with gr.Row():
            self.go = gr.Button("Fill", variant="primary", size="lg", elem_id="fill")
            self.cancel = gr.Button("Cancel", variant="stop", size="lg", elem_id="cancel")
        self.progress = gr.Markdown(elem_id="progress")
        with gr.Row():
            self.samples = gr.Slider(1, 8, 1, step=1, label="Samples")
            self.seed = gr.Number(0, label="Seed", precision=0, minimum=0)
        self.exact = gr.Checkbox(label="Save as PNG, so that known pixels stay exactly as they are", value=True)
        with gr.Accordion("More options", open=False):
            self.blend = gr.Dropdown(BLENDS, value=BLENDS[0], label="How the fill is joined to its rim")
            self.detail = gr.Checkbox(label="Add the photo's own detail to a soft fill", value=True)
        with gr.Accordion("Faces", open=False):
            self.how = gr.Radio(["found", "none", "by hand"], value="found", label="Damaged faces are")
            self.look = gr.Button("Show the faces that are found", size="sm", elem_id="look")
            self.squares = gr.Textbox(label="Squares: LEFT,TOP,SIDE in pixels, one a line", lines=2)
            gr.Markdown("Click in the picture to move the nearest square.", elem_classes="small")
            self.faces = gr.Image(label="Faces", visible=False, elem_id="faces", **PICTURE)
            self.faces_words = gr.Markdown()
        with gr.Accordion("Compare methods", open=False):
            start = [name for name in ("auto", "telea", "harmonic_texture", "harmonic", "patchmatch") if name in names]
            self.chosen = gr.CheckboxGroup(names, value=start, label="Methods")
            self.compare = gr.Button("Fill by each", size="sm", elem_id="compare")

    def _results(self) -> None:
        self.said = gr.Markdown(elem_id="said")
        with gr.Row(equal_height=False):
            with gr.Column(scale=3, min_width=320), gr.Tabs():
                with gr.Tab("Before and after"):
                    self.slider = gr.ImageSlider(max_height=PREVIEW, label="Before, after", elem_id="slider", **PICTURE)
                with gr.Tab("Pixels"):
                    gr.Markdown("Before and after, four times as large. Click in *Difference* for another place.")
                    self.pixels = gr.Image(label="Pixels", elem_id="pixels", **PICTURE)
                with gr.Tab("Difference"):
                    gr.Markdown("The brighter, the more was changed. Click for the pixels.")
                    self.difference = gr.Image(label="Difference", elem_id="difference", **PICTURE)
                with gr.Tab("What the network saw"):
                    gr.Markdown("Which method fills what; what networks were shown, and what they gave.")
                    self.seen = gr.Gallery(label="Seen", columns=1, object_fit="contain", **PICTURE)
            with gr.Column(scale=2, min_width=320):
                self.files = gr.File(
                    label="Download: the filled photo, and the mask",
                    file_count="multiple",
                    interactive=False,
                    elem_id="files",
                )
                self.gallery = gr.Gallery(label="Samples", columns=2, visible=False, elem_id="gallery", **PICTURE)
        self.sheet = gr.Image(label="Compared", visible=False, elem_id="sheet", **PICTURE)

    def _connect(self) -> None:
        actions, editor = self.actions, self.editor
        shown = [editor, self.hole]
        opened = [editor, self.hole, self.tools, self.results]
        for source in (self.photo, self.camera):
            event = source.change(actions.open_photo, source, opened, concurrency_limit=2, **PRIVATE)
            event.success(lambda: gr.update(visible=True), None, self.right, **PRIVATE)
            event.failure(lambda: None, None, source, **PRIVATE)  # so that another one can be given
        editor.painted(
            actions.painted, editor, self.hole, show_progress="hidden", trigger_mode="always_last", **PRIVATE
        )
        self.invert.click(actions.invert, editor, shown, **PRIVATE)
        self.clear.click(actions.clear, None, shown, **PRIVATE)
        self.grow.click(actions.grow, [editor, self.by], shown, **PRIVATE)
        self.find.click(actions.find, [editor, self.what, self.color, self.tolerance], shown, **PRIVATE)
        self.alpha.click(actions.from_alpha, editor, shown, **PRIVATE)
        self.add.click(actions.box, [editor, *self.box], shown, **PRIVATE)
        self.mask.upload(actions.from_file, [self.mask, self.polarity], shown, **PRIVATE)
        self.copy.upload(actions.from_painted, self.copy, shown, **PRIVATE)
        self.method.change(self.about.get, self.method, self.method_words, show_progress="hidden", **PRIVATE)
        asked = [self.method, self.samples, self.seed, self.blend, self.detail, self.how, self.squares, self.exact]
        results = [self.slider, self.gallery, self.seen, self.files, self.said, self.difference, self.pixels]
        self.go.click(
            actions.fill, [editor, *asked], [self.results, *results], show_progress_on=self.progress, **ONE_AT_A_TIME
        )
        self.cancel.click(actions.cancel, None, None, queue=False, **PRIVATE)
        self.compare.click(
            actions.compare,
            [editor, self.chosen, self.seed],
            self.sheet,
            show_progress_on=self.progress,
            **ONE_AT_A_TIME,
        ).success(lambda: gr.update(visible=True), None, self.results, **PRIVATE)
        faces = [self.squares, self.faces, self.how]
        self.look.click(actions.look_for_faces, editor, [*faces, self.faces_words], **ONE_AT_A_TIME)
        self.squares.submit(actions.draw_faces, self.squares, self.faces, **PRIVATE)
        self.faces.select(actions.move_face, self.squares, faces, **PRIVATE)
        self.difference.select(actions.zoom, None, self.pixels, **PRIVATE)
