"""Photo files by the folder: read ahead, filled in batches, written as they come, failures collected."""

import glob
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from inpaintx import visible
from inpaintx.crops import ArrayCanvas, Crop
from inpaintx.data.files import written_whole
from inpaintx.data.formats import READABLE, WRITABLE, result_name
from inpaintx.data.masks import Mask, Polarity, finish, hole_from_alpha, read_mask
from inpaintx.data.photo import (
    MAX_PIXELS,
    Photo,
    check_output,
    check_pixels,
    encode,
    output_format,
    read_photo,
)
from inpaintx.errors import InpaintxError
from inpaintx.inpaint import Painter, check_seed

__all__ = ["Failure", "Job", "Reading", "Report", "find_jobs", "inpaint_many", "names_several", "sample_paths"]


class SupportsWrite(Protocol):
    """Where a picture's bytes can be written."""

    def write(self, data: bytes, /) -> Any:
        """Take the bytes."""

    def flush(self) -> Any:
        """Pass them on."""


@dataclass(frozen=True)
class Job:
    """A photo, its mask (None: its own transparent pixels), and where the result goes (None: to a stream)."""

    photo: Path
    mask: Path | None
    out: Path | None


@dataclass(frozen=True)
class Reading:
    """How masks are read (see :func:`inpaintx.data.masks.read_mask`)."""

    polarity: Polarity = "white"
    resize: bool = False
    dilate: int = 0


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
    method: str
    preset: str
    options: dict[str, Any]
    weights: str
    device: str
    blend: str
    seed: int
    samples: int
    seconds: float = 0.0
    notes: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return asdict(self)


@dataclass
class Failure:
    """A photo that was not done, and why, in one sentence."""

    photo: str
    error: str
    cause: Exception | None = field(default=None, repr=False)


@dataclass
class _Opened:
    job: Job
    photo: Photo
    pixels: npt.NDArray[Any]
    mask: Mask
    rounds: list[list[Crop]]


def names_several(photos: str) -> bool:
    """Whether a user means several photos: a folder, or a glob that is not itself a file's name."""
    path = Path(photos)
    return path.is_dir() or (glob.has_magic(photos) and not path.exists())


def find_jobs(photos: str, mask: str | None, out: str) -> tuple[list[Job], list[Failure]]:
    """Turn what a user names into jobs.

    Parameters
    ----------
    photos
        A file, a folder (its PNG, JPEG, WebP and TIFF files) or a glob.
    mask
        One file for all photos, or a folder with masks of the same stems; None: masks come from the photos' alpha.
    out
        A file for a photo, a folder (made if missing) for a folder or glob; ``"-"``: a stream.

    Returns
    -------
    list of Job, list of Failure
        In order of names; failures are photos without a mask, or whose results would collide.

    Raises
    ------
    InpaintxError
        Nothing found, or a file where a folder is needed.
    """
    source = Path(photos)
    if not names_several(photos):
        if mask is not None and Path(mask).is_dir():
            mask = str(_by_stem(Path(mask)).get(source.stem) or _no_mask(source, Path(mask)))
        target = None if out == "-" else Path(out)
        if target is not None and target.is_dir():
            target = target / result_name(source.name)
        return [Job(source, None if mask is None else Path(mask), target)], []
    if out == "-":
        raise InpaintxError("only one photo can go to stdout; give a folder for the results of several")
    if not Path(out).is_dir() and (Path(out).exists() or Path(out).suffix.lower() in WRITABLE):
        raise InpaintxError(f"{out} is a file, or named like one; the results of several photos need a folder")
    if source.is_dir():
        found = sorted(p for p in source.iterdir() if p.is_file() and p.suffix.lower() in READABLE)
    else:
        found = sorted(p for p in map(Path, glob.glob(photos, recursive=True)) if p.is_file())
    if not found:
        raise InpaintxError(f"no photos at {photos!r} ({', '.join(READABLE)})")
    if mask is not None and not Path(mask).exists():
        raise InpaintxError(f"mask {mask} does not exist")
    masks = _by_stem(Path(mask)) if mask is not None and Path(mask).is_dir() else None
    jobs, failures, taken = [], [], set()
    for photo in found:
        target = Path(out) / result_name(photo.name)
        if masks is not None and photo.stem not in masks:
            failures.append(Failure(str(photo), f"no mask with the stem {photo.stem!r} in {mask}"))
        elif target in taken:
            failures.append(Failure(str(photo), f"another photo of the same name is written to {target} already"))
        else:
            taken.add(target)
            chosen = masks[photo.stem] if masks is not None else None if mask is None else Path(mask)
            jobs.append(Job(photo, chosen, target))
    return jobs, failures


def _by_stem(folder: Path) -> dict[str, Path]:
    table: dict[str, Path] = {}
    for path in sorted(p for p in folder.iterdir() if p.suffix.lower() in READABLE):
        if path.stem in table:
            raise InpaintxError(
                f"two masks have the stem {path.stem!r}: {table[path.stem].name} and {path.name} in {folder}"
            )
        table[path.stem] = path
    return table


def _no_mask(photo: Path, folder: Path) -> Path:
    raise InpaintxError(f"no mask with the stem {photo.stem!r} in {folder}")


def sample_paths(out: Path, samples: int) -> list[Path]:
    """Where samples are written: ``out`` itself for one, ``name-1.png``, ``name-2.png``, … for several."""
    if samples == 1:
        return [out]
    return [out.with_name(f"{out.stem}-{k}{out.suffix}") for k in range(1, samples + 1)]


def inpaint_many(
    jobs: Iterable[Job],
    painter: Painter,
    reading: Reading | None = None,
    *,
    samples: int = 1,
    seed: int = 0,
    overwrite: bool = False,
    stream: SupportsWrite | None = None,
) -> Iterator[Report | Failure]:
    """Fill the holes of many photo files.

    While a batch is in the works, the next photos are read. Crops of one size go through the method together, from
    whichever photo they come, at most ``painter.batch_size`` at a time.

    Parameters
    ----------
    jobs
        What to do; see :func:`find_jobs`.
    painter
        The method, ready to work.
    reading
        How masks are read.
    samples, seed
        Fill number k of a photo is made with ``seed + k`` (from 0) and written beside the others as ``name-k``
        (from 1).
    overwrite
        Whether files that exist are replaced.
    stream
        Where the result of a job without ``out`` is written, as PNG.

    Yields
    ------
    Report or Failure
        One a job, in order, when its files are written.
    """
    check_seed(seed, samples)
    reading = reading or Reading()

    def start(job: Job) -> "_Opened | Failure":
        try:
            return _open(job, painter, reading, samples, overwrite)
        except Exception as error:
            return _failure(job, error)

    def finish_batch(batch: "list[_Opened]") -> Iterator[Report | Failure]:
        try:
            results = _work(batch, painter, samples, seed, overwrite, stream)
        except Exception as error:
            if len(batch) == 1:
                yield _failure(batch[0].job, error)
                return
            for one in batch:  # one photo has spoilt the batch: find it, do the others
                yield from finish_batch([one])
            return
        yield from results

    batch: list[_Opened] = []
    for opened in _read_ahead(jobs, start):
        if isinstance(opened, Failure):
            yield from finish_batch(batch) if batch else ()
            batch = []
            yield opened
            continue
        if batch and sum(b.mask.hole.size for b in [*batch, opened]) > MAX_PIXELS:
            yield from finish_batch(batch)
            batch = []
        batch.append(opened)
        if len(batch) == painter.batch_size:
            yield from finish_batch(batch)
            batch = []
    yield from finish_batch(batch) if batch else ()


def _failure(job: Job, error: Exception) -> Failure:
    if isinstance(error, InpaintxError):
        return Failure(str(job.photo), str(error), error)
    detail = str(error).strip().splitlines()
    return Failure(str(job.photo), f"{type(error).__name__}: {detail[0] if detail else 'no message'}", error)


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


def _open(job: Job, painter: Painter, reading: Reading, samples: int, overwrite: bool) -> _Opened:
    if job.out is not None:
        output_format(job.out)
        for source, role in ((job.photo, "photo"), (job.mask, "mask")):
            if source is not None and job.out.exists() and source.exists() and job.out.samefile(source):
                raise InpaintxError(f"the result would replace the {role} itself ({source}); give another name")
        for path in sample_paths(job.out, samples):
            check_output(path, overwrite=overwrite)
    photo = read_photo(job.photo)
    pixels, size = photo.pixels, photo.pixels.shape[:2]
    if job.mask is None:
        mask, pixels = hole_from_alpha(photo)
        mask = finish(mask, f"the transparency of {job.photo}", dilate=reading.dilate)
    else:
        mask = read_mask(
            job.mask, polarity=reading.polarity, size=(size[0], size[1]), resize=reading.resize, dilate=reading.dilate
        )
    visible.show_hole(pixels, mask.hole)
    hidden = visible.unseen(pixels, mask.hole)
    if hidden is not None and bool((mask.hole | hidden).all()):
        raise InpaintxError(f"{job.photo} is fully transparent outside the hole: there is nothing to fill it from")
    if job.out is not None:
        check_pixels(output_format(job.out), pixels)
    faces = painter.faces(pixels, mask.hole)
    if painter.finder is not None and not painter.squares:
        mask.notes.append(f"{len(faces) or 'no'} damaged face{'s' * (len(faces) != 1)} found")
    return _Opened(job, photo, pixels, mask, painter.plan(mask.hole, faces, hidden))


def _work(
    batch: list[_Opened], painter: Painter, samples: int, seed: int, overwrite: bool, stream: SupportsWrite | None
) -> list[Report | Failure]:
    """Fill, encode, then write: an error of the method comes before any file of the batch is written."""
    begun = time.perf_counter()
    files: list[list[bytes]] = [[] for _ in batch]
    reports = [_report(opened, painter, samples, seed) for opened in batch]
    for k in range(samples):
        canvases = [ArrayCanvas(o.pixels, o.mask.hole) for o in batch]
        painter.paint([(c, o.rounds) for c, o in zip(canvases, batch, strict=True)], seed + k)
        for canvas, opened, report, encoded in zip(canvases, batch, reports, files, strict=True):
            out = opened.job.out
            data, notes = encode(canvas.pixels, output_format(out) if out else "PNG", opened.photo.metadata)
            encoded.append(data)
            report.notes += [note for note in notes if note not in report.notes]
    results: list[Report | Failure] = []
    for opened, report, encoded in zip(batch, reports, files, strict=True):
        try:
            report.out = _write(opened.job.out, encoded, overwrite, stream)
        except InpaintxError as error:
            results.append(Failure(report.photo, str(error), error))
            continue
        report.seconds = round((time.perf_counter() - begun) / len(batch), 3)
        results.append(report)
    return results


def _write(out: Path | None, files: list[bytes], overwrite: bool, stream: SupportsWrite | None) -> list[str]:
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
            check_output(path, overwrite=overwrite)
            new = not path.exists()
            with written_whole(path) as part:
                part.write_bytes(data)
            if new:
                written.append(path)
    except InpaintxError:
        for path in written:  # all samples or none
            path.unlink(missing_ok=True)
        raise
    return [str(path) for path in paths]


def _report(opened: _Opened, painter: Painter, samples: int, seed: int) -> Report:
    height, width = opened.mask.hole.shape
    return Report(
        photo=str(opened.job.photo),
        mask=None if opened.job.mask is None else str(opened.job.mask),
        out=[],
        width=width,
        height=height,
        channels=1 if opened.pixels.ndim == 2 else opened.pixels.shape[2],
        bits=opened.pixels.dtype.itemsize * 8,
        hole_ratio=opened.mask.ratio,
        hole_pixels=int(np.count_nonzero(opened.mask.hole)),
        crops=sum(map(len, opened.rounds)),
        method=painter.method.name,
        preset=painter.preset,
        options=painter.loaded.config.model_dump(mode="json"),
        weights=painter.loaded.source,
        device=str(painter.device),
        blend=painter.blend,
        seed=seed,
        samples=samples,
        notes=[*opened.photo.notes, *opened.mask.notes],
    )
