"""Photo files by the folder: read ahead, filled in batches, written as they come, failures collected."""

import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from inpaintx.errors import InpaintxError
from inpaintx.inference import visibility
from inpaintx.inference.crop_layout import ArrayCanvas
from inpaintx.inference.explain import Beside
from inpaintx.inference.inpainter import Inpainter, check_seed
from inpaintx.inference.jobs import Failure, Job, sample_paths, shown
from inpaintx.inference.photo_plan import Plan
from inpaintx.io.atomic import atomic_write
from inpaintx.io.damage import hole_from_damage
from inpaintx.io.masks import Mask, Polarity, Resize, finish, hole_from_alpha, read_mask
from inpaintx.io.memory import OutOfMemoryError, ran_out
from inpaintx.io.names import printable
from inpaintx.io.photo import (
    MAX_PIXELS,
    Photo,
    check_input,
    check_output,
    check_pixels,
    decode,
    encode,
    output_format,
    read_photo,
)
from inpaintx.plugin.sampling import shared_samples

__all__ = ["Failure", "Job", "Reading", "Report", "inpaint_many"]


class SupportsWrite(Protocol):
    """Where a picture's bytes can be written."""

    def write(self, data: bytes, /) -> Any:
        """Take the bytes."""

    def flush(self) -> Any:
        """Pass them on."""


@dataclass(frozen=True)
class Reading:
    """How masks are read (see :func:`inpaintx.io.masks.read_mask`)."""

    polarity: Polarity = "white"
    resize: Resize = False
    dilate: int = 0
    damage: bool = False  # without a mask: what a damaged photo has no data for, instead of what is transparent


@dataclass
class Report:
    """What was read, done and written for one photo."""

    photo: str
    mask: str | None
    out: list[str]
    width: int
    height: int
    channels: int
    bits: int
    hole_ratio: float
    hole_pixels: int
    crops: int
    faces: list[dict[str, float]]
    filled_by: dict[str, int]
    method: str
    preset: str
    options: dict[str, Any]
    weights: str
    device: str
    blend: str
    detail: str
    seed: int
    samples: int
    seconds: float = 0.0
    notes: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return asdict(self)


@dataclass
class _Opened:
    job: Job
    photo: Photo
    pixels: npt.NDArray[Any]
    mask: Mask
    plan: Plan


def inpaint_many(
    jobs: Iterable[Job],
    inpainter: Inpainter,
    reading: Reading | None = None,
    *,
    samples: int = 1,
    seed: int = 0,
    overwrite: bool = False,
    keep: bool = False,
    stream: SupportsWrite | None = None,
    progress: Callable[[float], None] | None = None,
    explain: str | Path | None = None,
    save_crops: str | Path | None = None,
) -> Iterator[Report | Failure]:
    """Fill the holes of many photo files.

    While a batch is in the works, the next photos are read. Crops of one size go through the method together, from
    whichever photo they come, at most ``inpainter.batch_size`` at a time. A batch ends at each multiple of
    ``inpainter.batch_size`` in the list, so that lists cut there give, put together, the same pictures to the last bit.

    Parameters
    ----------
    jobs
        What to do: a :class:`Job` for each photo.
    inpainter
        The method, ready to work.
    reading
        How masks are read.
    samples, seed
        Fill number k of a photo is made with ``seed + k`` (from 0) and written beside the others as ``name-k``
        (from 1).
    overwrite
        Whether files that exist are replaced.
    keep
        Whether samples that exist stay, and only the missing ones are written.
    stream
        Where the result of a job without ``out`` is written, as PNG.
    progress
        Called with the number of photos that are done, the share of those in the works included.
    explain
        Folder for a picture of each photo that shows which method fills what.
    save_crops
        Folder for pictures of what a network was shown and gave.

    Yields
    ------
    Report or Failure
        One a job, in order, when its files are written.
    """
    check_seed(seed, samples)
    reading = reading or Reading()
    done = 0
    beside = Beside(explain, save_crops, overwrite=overwrite)

    def start(job: Job) -> "_Opened | Failure":
        try:
            return _open(job, inpainter, reading, samples, overwrite or keep)
        except Exception as error:
            return _failure(job, error)

    def watch(share: float, photos: int) -> None:
        if progress is not None:
            progress(done + share * photos)

    def finish_batch(batch: "list[_Opened]") -> Iterator[Report | Failure]:
        nonlocal done
        results: list[Report | Failure] = []
        try:
            share = partial(watch, photos=len(batch))
            results = _work(batch, inpainter, samples, seed, overwrite, keep, stream, share, beside)
        except Exception as error:
            if len(batch) == 1:
                results = [_failure(batch[0].job, error)]
        if not results:  # one photo has spoilt the batch: find it, do the others
            for one in batch:
                yield from finish_batch([one])
            return
        done += len(batch)
        watch(0, 0)
        yield from results

    batch: list[_Opened] = []
    for number, opened in enumerate(_read_ahead(jobs, start), start=1):
        if isinstance(opened, Failure):
            yield from finish_batch(batch) if batch else ()
            batch = []
            done += 1
            watch(0, 0)
            yield opened
            continue
        if batch and sum(b.mask.hole.size for b in [*batch, opened]) > MAX_PIXELS:
            yield from finish_batch(batch)
            batch = []
        batch.append(opened)
        if number % inpainter.batch_size == 0:  # which photos share a batch depends on their list alone
            yield from finish_batch(batch)
            batch = []
    yield from finish_batch(batch) if batch else ()


def _failure(job: Job, error: Exception) -> Failure:
    if isinstance(error, InpaintxError):
        return Failure(job.name, str(error), error)
    if ran_out(error):
        words = f"there is not enough memory for {job.name}; close other programs, or take a smaller photo"
        return _failure(job, OutOfMemoryError(words))
    detail = str(error).strip().splitlines()
    words = f"{type(error).__name__}: {detail[0] if detail else 'no message'}"
    return Failure(job.name, printable(words), error)


def _read_ahead(jobs: Iterable[Job], start: Any) -> "Iterator[_Opened | Failure]":
    """Open photos in order, two ahead of the one that is worked on: decoding runs outside Python's lock."""
    with ThreadPoolExecutor(2) as pool:
        waiting: list[Future[_Opened | Failure]] = []
        try:
            for job in jobs:
                waiting.append(pool.submit(start, job))
                if len(waiting) > 2:
                    yield waiting.pop(0).result()
            while waiting:
                yield waiting.pop(0).result()
        finally:
            for future in waiting:
                future.cancel()


def _open(job: Job, inpainter: Inpainter, reading: Reading, samples: int, overwrite: bool) -> _Opened:
    if isinstance(job.photo, Path):
        check_input(job.photo)
    if job.out is not None:
        output_format(job.out)
        for source, role in ((job.photo, "photo"), (job.mask, "mask")):
            if isinstance(source, Path) and job.out.exists() and source.exists() and job.out.samefile(source):
                raise InpaintxError(f"the result would replace the {role} itself ({source}); give another name")
        for path in sample_paths(job.out, samples):
            check_output(path, overwrite=overwrite)
    photo = decode(job.photo, "photo from stdin") if isinstance(job.photo, bytes) else read_photo(job.photo)
    pixels = photo.pixels
    if job.mask is None and reading.damage:
        mask = finish(hole_from_damage(photo), f"the damage of {job.name}", dilate=reading.dilate)
    elif job.mask is None:
        mask, pixels = hole_from_alpha(photo)
        mask = finish(mask, f"the transparency of {job.name}", dilate=reading.dilate)
    else:
        mask = read_mask(job.mask, polarity=reading.polarity, photo=photo, resize=reading.resize, dilate=reading.dilate)
    visibility.show_hole(pixels, mask.hole)
    hidden = visibility.unseen(pixels, mask.hole)
    if hidden is not None and bool((mask.hole | hidden).all()):
        raise InpaintxError(f"{job.name} is fully transparent outside the hole: there is nothing to fill it from")
    if job.out is not None:
        check_pixels(output_format(job.out), pixels)
    return _Opened(job, photo, pixels, mask, inpainter.plan(pixels, mask.hole))


@shared_samples()
def _work(
    batch: list[_Opened],
    inpainter: Inpainter,
    samples: int,
    seed: int,
    overwrite: bool,
    keep: bool,
    stream: SupportsWrite | None,
    progress: Callable[[float], None],
    beside: Beside,
) -> list[Report | Failure]:
    """Fill, encode, then write: an error of the method comes before any file of the batch is written."""
    begun = time.perf_counter()
    files: list[list[bytes]] = [[] for _ in batch]
    reports = [_report(opened, inpainter, samples, seed) for opened in batch]
    for k in range(samples):
        canvases = [ArrayCanvas(o.pixels, o.mask.hole) for o in batch]
        work = [(c, o.plan) for c, o in zip(canvases, batch, strict=True)]
        saw = beside.crops([(c, o.job.name) for c, o in zip(canvases, batch, strict=True)])
        inpainter.run(work, seed + k, partial(_pass_on, progress, k, samples), saw)
        for canvas, opened, report, encoded in zip(canvases, batch, reports, files, strict=True):
            out = opened.job.out
            data, notes = encode(canvas.pixels, output_format(out) if out else "PNG", opened.photo.metadata)
            encoded.append(data)
            report.notes += [note for note in notes if note not in report.notes]
    results: list[Report | Failure] = []
    for opened in batch:
        beside.plan(opened.job.name, opened.pixels, opened.mask.hole, opened.plan)
    for opened, report, encoded in zip(batch, reports, files, strict=True):
        try:
            report.out = _write(opened.job.out, encoded, overwrite, keep, stream)
        except InpaintxError as error:
            results.append(Failure(report.photo, str(error), error))
            continue
        report.seconds = round((time.perf_counter() - begun) / len(batch), 3)
        results.append(report)
    return results


def _pass_on(progress: Callable[[float], None], sample: int, samples: int, share: float) -> None:
    """Say the share of all samples that the share of one is."""
    progress((sample + share) / samples)


def _write(
    out: Path | None, files: list[bytes], overwrite: bool, keep: bool, stream: SupportsWrite | None
) -> list[str]:
    if out is None:
        if stream is None or len(files) != 1:
            raise InpaintxError("stdout takes one picture: give a file name, or --samples 1")
        try:
            stream.write(files[0])
            stream.flush()
        except OSError as error:
            raise InpaintxError(f"the picture cannot be written to the stream: {error.strerror or error}") from error
        return ["-"]
    paths = sample_paths(out, len(files))
    written: list[Path] = []
    try:
        for path, data in zip(paths, files, strict=True):
            if keep and path.is_file():
                continue
            check_output(path, overwrite=overwrite)
            new = not path.exists()
            with atomic_write(path) as part:
                part.write_bytes(data)
            if new:
                written.append(path)
    except InpaintxError:
        for path in written:  # all samples or none
            path.unlink(missing_ok=True)
        raise
    return [printable(path) for path in paths]


def _report(opened: _Opened, inpainter: Inpainter, samples: int, seed: int) -> Report:
    height, width = opened.mask.hole.shape
    return Report(
        photo=opened.job.name,
        mask=None if opened.job.mask is None else shown(opened.job.mask),
        out=[],
        width=width,
        height=height,
        channels=1 if opened.pixels.ndim == 2 else opened.pixels.shape[2],
        bits=opened.pixels.dtype.itemsize * 8,
        hole_ratio=opened.mask.ratio,
        hole_pixels=int(np.count_nonzero(opened.mask.hole)),
        crops=opened.plan.crops,
        faces=opened.plan.places(),
        filled_by={name: int(np.count_nonzero(mine)) for name, mine in opened.plan.owners(opened.mask.hole)},
        method=inpainter.method.name,
        preset=inpainter.preset,
        options=inpainter.loaded.config.model_dump(mode="json"),
        weights=printable(inpainter.loaded.source),
        device=str(inpainter.device),
        blend=inpainter.blend,
        detail=inpainter.detail,
        seed=seed,
        samples=samples,
        notes=[*opened.photo.notes, *opened.mask.notes, *opened.plan.notes],
    )
