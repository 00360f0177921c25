"""``inpaintx inpaint``: photo in, photo out."""

import json
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from enum import Enum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from inpaintx.cli.console import say, stdout_for_results
from inpaintx.cli.ray import Actors, Address, Gpus, cluster_of, inpaint_on
from inpaintx.errors import InpaintxError
from inpaintx.io.atomic import make_folder, read_stream

if TYPE_CHECKING:
    from inpaintx.cluster.fill import Filling
    from inpaintx.inference.files import Report
    from inpaintx.inference.inpainter import Inpainter
    from inpaintx.io.masks import Resize

__all__ = ["inpaint", "option", "warnings_as_words"]


class Blend(str, Enum):
    """How a fill is joined to its rim."""

    none = "none"
    poisson = "poisson"
    poisson_interior = "poisson_interior"


class Detail(str, Enum):
    """Whether a network's fill is given the photo's detail."""

    auto = "auto"
    none = "none"


class Polarity(str, Enum):
    """Which colour of a mask is the hole."""

    auto = "auto"
    white = "white"
    black = "black"


class ResizeMask(str, Enum):
    """How a mask of another size is fitted."""

    fit = "fit"
    stretch = "stretch"


def inpaint(
    photo: Annotated[str, typer.Argument(help="A photo, a folder of photos, a glob in quotes, or - for stdin.")],
    mask: Annotated[
        str | None,
        typer.Argument(help="Its mask, white = hole, or - for stdin; for several photos one for all, or a folder."),
    ] = None,
    out: Annotated[
        str, typer.Option("-o", "--out", help="Result: a file, a folder for several, or - for stdout.")
    ] = "",
    method: Annotated[
        str,
        typer.Option(
            "-m", "--method", help="auto: each part of the hole by what fills it best; or a name of 'inpaintx methods'."
        ),
    ] = "auto",
    preset: Annotated[str, typer.Option(help="Named options of the method.")] = "default",
    set_: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="One option of the method.")
    ] = None,
    weights: Annotated[str | None, typer.Option(metavar="TAG|PATH", help="Trained weights.")] = None,
    blend: Annotated[
        Blend | None, typer.Option(help="Paste the fill, or join it to its rim.", show_default="the method's own")
    ] = None,
    mask_polarity: Annotated[Polarity, typer.Option(help="Which colour of the mask is the hole.")] = Polarity.white,
    mask_from_alpha: Annotated[
        bool, typer.Option("--mask-from-alpha", help="The photo's transparent pixels are the hole.")
    ] = False,
    mask_from_damage: Annotated[
        bool, typer.Option("--mask-from-damage", help="What a cut or damaged JPEG has no data for is the hole.")
    ] = False,
    resize_mask: Annotated[
        ResizeMask | None,
        typer.Option(metavar="[=stretch]", help="Fit a mask of another size; with =stretch of another shape as well."),
    ] = None,
    dilate_mask: Annotated[int, typer.Option(metavar="N", help="Grow the hole by N pixels.")] = 0,
    samples: Annotated[int, typer.Option(metavar="K", help="Make K fills: OUT-1, OUT-2, ...")] = 1,
    seed: Annotated[int, typer.Option(help="Random seed; fill k is made with seed + k.")] = 0,
    device: Annotated[str, typer.Option(metavar="auto|cpu|cuda:N", help="Where to compute.")] = "auto",
    batch_size: Annotated[int, typer.Option(metavar="N", help="Most crops that go through the method together.")] = 8,
    faces: Annotated[
        str,
        typer.Option(
            metavar="auto|none|MODEL",
            help="Find damaged faces (by the extra [faces], or a model file of YuNet), to show them whole.",
        ),
    ] = "auto",
    face: Annotated[
        list[str] | None,
        typer.Option(
            metavar="LEFT,TOP,SIDE",
            help="A face's square by hand, in pixels: eyes at 0.43 of its height, mouth at 0.74. May be repeated.",
        ),
    ] = None,
    detail: Annotated[
        Detail | None,
        typer.Option(
            help="Add the photo's own grain and detail to what was filled softly: auto where no method is named.",
            show_default=False,
        ),
    ] = None,
    background: Annotated[
        str,
        typer.Option(metavar="METHOD", help="With auto: what fills what no face has.", show_default="harmonic_texture"),
    ] = "",
    explain: Annotated[
        str | None, typer.Option(metavar="DIR", help="Draw there which method fills what, and the faces found.")
    ] = None,
    save_crops: Annotated[
        str | None, typer.Option(metavar="DIR", help="Write there what the network was shown, and what it gave.")
    ] = None,
    recursive: Annotated[
        bool, typer.Option("--recursive", help="Go through the folders in a folder; results lie in the same ones.")
    ] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace results that exist.")] = False,
    skip_existing: Annotated[
        bool, typer.Option("--skip-existing", help="Keep results that exist, and do what is missing.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Report in JSON, on stdout (on stderr if the picture goes there).")
    ] = False,
    ray: Address = None,
    actors: Actors = None,
    gpus_per_actor: Gpus = 0.0,
) -> None:
    """Fill the holes of a photo, or of a folder of photos."""
    _check_arguments(photo, mask, out, mask_from_alpha, mask_from_damage, overwrite and skip_existing)
    from inpaintx.cluster.fill import Filling
    from inpaintx.inference.files import Reading
    from inpaintx.inference.jobs import is_batch_path

    cluster = cluster_of(ray, actors, gpus_per_actor, device)
    stored = [path for path in (photo, mask, out) if path and "://" in path]
    if stored and cluster is None:
        raise InpaintxError(f"{stored[0]} is in an object store, which --ray reads and writes: add it")
    settings = {
        "preset": preset,
        "weights": weights,
        "seed": seed,
        "blend": blend.value if blend else None,
        "batch_size": batch_size,
        "faces": [_square(square, cluster is not None or is_batch_path(photo)) for square in face] if face else faces,
        "detail": detail.value if detail else None,
        "background": background,
        "options": dict(map(option, set_ or [])),
    }
    reading = Reading(mask_polarity.value, _resize(resize_mask), dilate_mask, mask_from_damage)
    filling = Filling(method, settings, reading, samples, seed, skip_existing, explain, save_crops)
    beside = not (mask_from_alpha or mask_from_damage)
    chosen = {"beside": beside, "recursive": recursive, "overwrite": overwrite, "as_json": as_json}
    if cluster is None:
        _inpaint_here(filling, device, photo, mask, out, **chosen)
    else:
        inpaint_on(cluster, filling, photo, mask, out, **chosen)


def _inpaint_here(
    filling: "Filling",
    device: str,
    photo: str,
    mask: str | None,
    out: str,
    *,
    beside: bool,
    recursive: bool,
    overwrite: bool,
    as_json: bool,
) -> None:
    """Fill in this process."""
    from inpaintx.inference.files import inpaint_many
    from inpaintx.inference.jobs import Failure, find_jobs, is_batch_path, is_done
    from inpaintx.inference.pipeline import inpainter_for
    from inpaintx.io.opencv import quiet_cv2

    several = is_batch_path(photo)
    words = None if as_json else "stderr" if out == "-" else "stdout"
    given = _given(photo), None if mask is None else _given(mask)
    found = find_jobs(*given, out, recursive=recursive, beside=beside)
    jobs = [job for job in found.jobs if not (filling.keep and is_done(job, filling.samples))]
    skipped = len(found.jobs) - len(jobs)
    reports, failures = [], found.failures
    quiet_cv2()
    with ExitStack() as stack:
        results = stack.enter_context(stdout_for_results()) if as_json or out == "-" else None
        warned = stack.enter_context(warnings_as_words(None if as_json else "stderr"))
        for note in found.notes:
            _say(words, note)
        if skipped:
            _say(words, f"{skipped} skipped: {'their results exist' if several else f'{out} exists'}")
        if jobs:
            inpainter = inpainter_for(filling.method, device=device, **filling.model)
            if several:
                for folder in {out: None, **{str(job.out.parent): None for job in jobs if job.out}}:
                    make_folder(folder)
                _say(words, f"{len(jobs)} photos; {_work_line(inpainter, filling.seed)}")
            fills = inpaint_many(
                jobs,
                inpainter,
                overwrite=overwrite,
                stream=results if out == "-" else None,
                progress=stack.enter_context(_progress(len(jobs), shown=not as_json)),
                **filling.arguments,
            )
            for result in fills:
                if isinstance(result, Failure):
                    if not several:
                        raise result.cause or InpaintxError(result.error)
                    failures.append(result)
                    continue
                reports.append(result)
                for line in _lines(result, inpainter, several):
                    _say(words, line)
        if as_json and results:
            done = [report.as_dict() for report in reports]
            failed = [{"photo": f.photo, "error": f.error} for f in failures]
            content: dict[str, Any] = {"results": done, "failures": failed, "notes": found.notes}
            if not several:
                content = done[0] if done else {}
            text = json.dumps({**content, "skipped": skipped, "warnings": warned}, indent=2)
            say(text, "stderr") if out == "-" else results.say(text)
    if several:
        _say(words, f"{len(reports)} done, {len(failures)} failed; results are in {out}")
        for failure in failures:
            say(f"failed: {failure.photo}: {failure.error}", "stderr")
    if failures:
        raise typer.Exit(1)


def _given(name: str) -> str | bytes:
    """What an argument names: standard input's content for ``-``."""
    if name != "-":
        return name
    if sys.stdin is None or sys.stdin.isatty():
        raise InpaintxError("- reads a picture from stdin, and none is piped there; as in: ... - < photo.png")
    return read_stream(sys.stdin.buffer, "the picture from stdin")


def _resize(asked: ResizeMask | None) -> "Resize":
    return "stretch" if asked is ResizeMask.stretch else asked is not None


def _check_arguments(
    photo: str, mask: str | None, out: str, mask_from_alpha: bool, mask_from_damage: bool, both: bool
) -> None:
    if not out:
        raise InpaintxError("where to? give a result with -o (a file; a folder for several photos; - for stdout)")
    if photo == mask == "-":
        raise InpaintxError("stdin holds one picture: the photo or its mask, not both")
    if both:
        raise InpaintxError("--overwrite replaces results that exist, --skip-existing keeps them: give one of the two")
    if mask_from_alpha and mask_from_damage:
        raise InpaintxError("--mask-from-alpha and --mask-from-damage exclude each other: no JPEG is transparent")
    if mask is not None and (mask_from_alpha or mask_from_damage):
        option = "--mask-from-alpha" if mask_from_alpha else "--mask-from-damage"
        raise InpaintxError(f"{option} takes the hole from the photo, but a mask is given as well: {mask}")
    if out == "-" and sys.stdout.isatty():
        raise InpaintxError("a picture is not written to the terminal; redirect it: -o - > result.png")


def _square(words: str, several: bool) -> tuple[int, int, int]:
    """Read LEFT,TOP,SIDE."""
    if several:
        raise InpaintxError(
            "--face is a place on one photo, but several were given; --faces auto looks for each one's faces"
        )
    try:
        left, top, side = map(int, words.split(","))
    except ValueError:
        raise InpaintxError(f"--face takes LEFT,TOP,SIDE in whole pixels, got {words!r}") from None
    return left, top, side


def option(text: str) -> tuple[str, Any]:
    """Read ``key=value``; lists and tables are JSON, the rest is left for the method's Config to read."""
    key, sign, value = text.partition("=")
    if not sign or not key.strip():
        raise InpaintxError(f"--set takes KEY=VALUE, got {text!r}")
    if value[:1] in ("[", "{") or value == "null":
        try:
            return key.strip(), json.loads(value)
        except ValueError as error:
            raise InpaintxError(f"--set {key}: {value!r} is not JSON ({error})") from None
    return key.strip(), value


def _work_line(inpainter: "Inpainter", seed: int) -> str:
    """The method, where it comes from, and on what it runs."""
    method, source = inpainter.method, inpainter.loaded.source
    blend = "" if inpainter.blend == "none" else f", blend {inpainter.blend}"
    return (
        f"method {method.name}, preset {inpainter.preset}, weights: {source}, device {inpainter.device}, "
        f"seed {seed}{blend}"
    )


def _lines(report: "Report", inpainter: "Inpainter", several: bool) -> Iterator[str]:
    colors = {1: "grey", 3: "RGB", 4: "RGBA"}[report.channels]
    crops = f"{report.crops} crop{'s' * (report.crops != 1)}"
    yield (
        f"{report.photo}: {report.width} x {report.height} {colors}, {report.bits} bit; hole {report.hole_ratio:.2%} "
        f"({report.hole_pixels} pixels, {crops}){f', mask {report.mask}' if report.mask else ''}"
    )
    if not several:
        yield _work_line(inpainter, report.seed)
    for note in report.notes:
        yield f"{'  ' * several}note: {note}"
    out = "stdout" if report.out == ["-"] else ", ".join(report.out)
    yield f"{'  ' * several}wrote {out} ({report.seconds:.1f} s)"


def _say(stream: str | None, words: str) -> None:
    if stream is not None:
        say(words, stream)


@contextmanager
def warnings_as_words(stream: str | None) -> Iterator[list[str]]:
    """Say each warning once, as a sentence instead of a line of code; collect them for the report."""
    said: list[str] = []

    def show(message: Warning | str, *_: Any, **__: Any) -> None:
        if str(message) not in said:
            said.append(str(message))
            _say(stream, f"warning: {message}")

    with warnings.catch_warnings():
        warnings.simplefilter("always", UserWarning)
        warnings.showwarning = show
        yield said


@contextmanager
def _progress(photos: int, *, shown: bool) -> Iterator[Callable[[float], None] | None]:
    """Draw a bar on stderr if a person is looking; for a single photo once the first of several batches is done."""
    if not (shown and sys.stderr and sys.stderr.isatty()):  # a stream that was closed is None
        yield None
        return
    from rich.console import Console
    from rich.progress import Progress

    # lines printed meanwhile go above the bar, but not where stdout is a file: rich would send them to stderr
    with Progress(console=Console(stderr=True), redirect_stdout=bool(sys.stdout and sys.stdout.isatty())) as bar:
        task = bar.add_task("inpaint", total=photos, visible=photos > 1)

        def advance(done: float) -> None:
            bar.update(task, completed=done, visible=photos > 1 or done < photos, refresh=photos == 1)

        yield advance
