"""``inpaintx inpaint``: photo in, photo out."""

import io
import json
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum
from typing import Annotated, Any

import typer

from inpaintx.data.cv import quiet_cv2
from inpaintx.data.files import make_folder
from inpaintx.errors import InpaintxError
from inpaintx.inpaint import Painter
from inpaintx.many import Failure, Reading, Report, find_jobs, inpaint_many, names_several

__all__ = ["inpaint", "option", "warnings_as_words"]


class Blend(str, Enum):
    """How a fill is joined to its rim."""

    none = "none"
    poisson = "poisson"
    poisson_interior = "poisson_interior"


class Polarity(str, Enum):
    """Which colour of a mask is the hole."""

    auto = "auto"
    white = "white"
    black = "black"


def inpaint(
    photo: Annotated[str, typer.Argument(help="A photo, a folder of photos, or a glob in quotes.")],
    mask: Annotated[
        str | None, typer.Argument(help="Its mask, white = hole; for several photos one for all, or a folder.")
    ] = None,
    out: Annotated[
        str, typer.Option("-o", "--out", help="Result: a file, a folder for several, or - for stdout.")
    ] = "",
    method: Annotated[
        str | None, typer.Option("-m", "--method", help="See 'inpaintx methods'; default: the best on held-out faces.")
    ] = None,
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
    resize_mask: Annotated[bool, typer.Option("--resize-mask", help="Fit a mask of another size.")] = False,
    dilate_mask: Annotated[int, typer.Option(metavar="N", help="Grow the hole by N pixels.")] = 0,
    samples: Annotated[int, typer.Option(metavar="K", help="Make K fills: OUT-1, OUT-2, ...")] = 1,
    seed: Annotated[int, typer.Option(help="Random seed; fill k is made with seed + k.")] = 0,
    device: Annotated[str, typer.Option(metavar="auto|cpu|cuda:N", help="Where to compute.")] = "auto",
    batch_size: Annotated[int, typer.Option(metavar="N", help="Most crops that go through the method together.")] = 8,
    yunet: Annotated[
        str | None,
        typer.Option(metavar="MODEL", help="Show trained methods whole faces, found by OpenCV's YuNet (.onnx)."),
    ] = None,
    face: Annotated[
        list[str] | None,
        typer.Option(metavar="LEFT,TOP,SIDE", help="The same square given by hand, in pixels; may be repeated."),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace results that exist.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Report in JSON, on stdout (on stderr if the picture goes there).")
    ] = False,
) -> None:
    """Fill the holes of a photo, or of a folder of photos."""
    _check_arguments(mask, out, mask_from_alpha)
    several = names_several(photo)
    words = None if as_json else "stderr" if out == "-" else "stdout"
    jobs, failures = find_jobs(photo, mask, out)
    reports: list[Report] = []
    quiet_cv2()
    with warnings_as_words(None if as_json else "stderr") as warned:
        painter = Painter(
            method,
            preset=preset,
            weights=weights,
            seed=seed,
            device=device,
            blend=blend.value if blend else None,
            batch_size=batch_size,
            yunet=yunet,
            faces=[_square(words, several) for words in face or []],
            options=dict(map(option, set_ or [])),
        )
        if several:
            make_folder(out)
            _print(words, f"{len(jobs)} photos; {_work_line(painter, seed)}")
        results = inpaint_many(
            jobs,
            painter,
            Reading(mask_polarity.value, resize_mask, dilate_mask),
            samples=samples,
            seed=seed,
            overwrite=overwrite,
            stream=_Stdout() if out == "-" else None,
        )
        for result in _with_progress(results, len(jobs), several and not as_json):
            if isinstance(result, Failure):
                if not several:
                    raise result.cause or InpaintxError(result.error)
                failures.append(result)
                continue
            reports.append(result)
            for line in _lines(result, painter, several):
                _print(words, line)
    if as_json:
        done = [report.as_dict() for report in reports]
        failed = [{"photo": f.photo, "error": f.error} for f in failures]
        content = {"results": done, "failures": failed} if several else done[0]
        print(json.dumps({**content, "warnings": warned}, indent=2), file=sys.stderr if out == "-" else sys.stdout)
    if several:
        _print(words, f"{len(reports)} done, {len(failures)} failed; results are in {out}")
        for failure in failures:
            print(f"failed: {failure.photo}: {failure.error}", file=sys.stderr)
    if failures:
        raise typer.Exit(1)


def _check_arguments(mask: str | None, out: str, mask_from_alpha: bool) -> None:
    if not out:
        raise InpaintxError("where to? give a result with -o (a file; a folder for several photos; - for stdout)")
    if mask is None and not mask_from_alpha:
        raise InpaintxError("give a mask (white = hole) after the photo, or --mask-from-alpha")
    if mask is not None and mask_from_alpha:
        raise InpaintxError(f"--mask-from-alpha takes the hole from the photo, but a mask is given as well: {mask}")
    if out == "-" and sys.stdout.isatty():
        raise InpaintxError("a picture is not written to the terminal; redirect it: -o - > result.png")


def _square(words: str, several: bool) -> tuple[int, int, int]:
    """Read LEFT,TOP,SIDE."""
    if several:
        raise InpaintxError(
            "--face is a place on one photo, but several were given; --yunet looks for each one's faces"
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


def _work_line(painter: Painter, seed: int) -> str:
    """The method, where it comes from, and on what it runs."""
    method, source = painter.method, painter.loaded.source
    blend = "" if painter.blend == "none" else f", blend {painter.blend}"
    return (
        f"method {method.name}, preset {painter.preset}, weights: {source}, device {painter.device}, seed {seed}{blend}"
    )


def _lines(report: Report, painter: Painter, several: bool) -> Iterator[str]:
    colours = {1: "grey", 3: "RGB", 4: "RGBA"}[report.channels]
    crops = f"{report.crops} crop{'s' * (report.crops != 1)}"
    yield (
        f"{report.photo}: {report.width} x {report.height} {colours}, {report.bits} bit; hole {report.hole_ratio:.2%} "
        f"({report.hole_pixels} pixels, {crops})"
    )
    if not several:
        yield _work_line(painter, report.seed)
    for note in report.notes:
        yield f"{'  ' * several}note: {note}"
    out = "stdout" if report.out == ["-"] else ", ".join(report.out)
    yield f"{'  ' * several}wrote {out} ({report.seconds:.1f} s)"


def _print(stream: str | None, words: str) -> None:
    """Print to ``sys.stdout`` or ``sys.stderr`` as they are now: a progress bar takes their place while it is shown."""
    if stream is not None:
        print(words, file=getattr(sys, stream), flush=True)


@contextmanager
def warnings_as_words(stream: str | None) -> Iterator[list[str]]:
    """Say each warning once, as a sentence instead of a line of code; collect them for the report."""
    said: list[str] = []

    def show(message: Warning | str, *_: Any, **__: Any) -> None:
        if str(message) not in said:
            said.append(str(message))
            _print(stream, f"warning: {message}")

    with warnings.catch_warnings():
        warnings.simplefilter("always", UserWarning)
        warnings.showwarning = show
        yield said


def _with_progress(results: Iterator[Any], total: int, shown: bool) -> Iterator[Any]:
    """Draw a progress bar on stderr while results come, if a person is looking."""
    if not (shown and sys.stderr.isatty()):
        yield from results
        return
    from rich.console import Console
    from rich.progress import Progress

    # lines printed meanwhile go above the bar, but not where stdout is a file: rich would send them to stderr
    with Progress(console=Console(stderr=True), redirect_stdout=sys.stdout.isatty()) as progress:
        task = progress.add_task("inpaint", total=total)
        for result in results:
            progress.advance(task)
            yield result


class _Stdout(io.RawIOBase):
    """Unbuffered stdout, so that an error of the pipe or the disk comes while it can still be said in words."""

    def write(self, data: Any) -> int:
        view = memoryview(data)
        while view:
            view = view[os.write(sys.stdout.fileno(), view) :]
        return len(data)
