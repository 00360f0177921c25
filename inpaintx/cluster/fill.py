"""Photos filled by a pool of actors, each with one model; a row of the report for each."""

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Any

import torch

from inpaintx.cluster.pool import Cluster, spread
from inpaintx.cluster.store import Place, Store, find_in_store, is_uri
from inpaintx.errors import InpaintxError
from inpaintx.inference.face_squares import FILE as ALIGNER_FILE
from inpaintx.inference.face_squares import find_aligner
from inpaintx.inference.files import Reading, inpaint_many
from inpaintx.inference.inpainter import Inpainter
from inpaintx.inference.jobs import Failure, Job, find_jobs, is_batch_path, sample_paths
from inpaintx.inference.pipeline import inpainter_for
from inpaintx.io.atomic import atomic_write, make_folder, remove_stale
from inpaintx.io.digest import sha256
from inpaintx.io.names import printable
from inpaintx.io.packed import Packed

__all__ = ["REPORT", "Filling", "Photos", "fill_photos", "find", "report"]

Row = dict[str, Any]
#: Name of the report beside the results.
REPORT = "report.jsonl"


@dataclass(frozen=True)
class Filling:
    """How photos are filled: what :func:`inpainter_for` and :func:`inpaint_many` take.

    Parameters
    ----------
    method, model
        The method's name, and the settings of :func:`inpaintx.inference.pipeline.inpainter_for`.
    keep
        Whether samples that exist stay. Other files are replaced: :func:`find` has looked whether they may be.
    store
        Where photos, masks and results lie, if not in folders that all machines see.
    """

    method: str
    model: dict[str, Any]
    reading: Reading = field(default_factory=Reading)
    samples: int = 1
    seed: int = 0
    keep: bool = False
    explain: str | None = None
    save_crops: str | None = None
    store: Store | None = None

    @property
    def arguments(self) -> dict[str, Any]:
        """For :func:`inpaintx.inference.files.inpaint_many`."""
        names = ("reading", "samples", "seed", "keep", "explain", "save_crops")
        return {name: getattr(self, name) for name in names}


@dataclass(frozen=True)
class Photos:
    """What a user's words came to: photos to fill, rows of those that cannot be, and those whose results exist."""

    filling: Filling
    jobs: Collection[Job]
    failed: Collection[Row]
    skipped: Collection[Job]
    notes: list[str]

    @property
    def count(self) -> int:
        """Rows that are to come."""
        return len(self.jobs) + len(self.failed)


def find(
    photos: str,
    mask: str | None,
    out: str,
    filling: Filling,
    *,
    beside: bool = False,
    recursive: bool = False,
    overwrite: bool = False,
) -> Photos:
    """Find photos, their masks, and the results that exist; makes the folders for results.

    Parameters
    ----------
    photos, mask, out, beside, recursive
        As for :func:`inpaintx.inference.jobs.find_jobs`; or URIs of an object store (:mod:`inpaintx.cluster.store`).
    filling
        How they are filled.
    overwrite
        Whether results that exist are replaced. Else their photos fail, or are skipped where ``filling`` keeps them.

    Raises
    ------
    InpaintxError
        Nothing found; a single photo.
    """
    exists: Callable[[Path], bool] = Path.is_file
    if any(map(is_uri, (photos, mask, out))):
        store, found, there = find_in_store(photos, mask, out, recursive=recursive, beside=beside)
        exists, filling = lambda path: str(path) in there, replace(filling, store=store)
    elif is_batch_path(photos):
        found = find_jobs(photos, mask, out, recursive=recursive, beside=beside)
        for folder in {out: None, **{str(job.out.parent): None for job in found.jobs if job.out}}:
            make_folder(folder)
    else:
        raise InpaintxError(f"--ray shares the work of many photos, and {photos} is one; give a folder, or a glob")
    jobs: Packed[Job] = Packed()
    skipped: Packed[Job] = Packed()
    failed = Packed(row_of(failure) for failure in found.failures)
    for job in found.jobs:
        there_already = [path for path in sample_paths(job.out, filling.samples) if exists(path)] if job.out else []
        if not there_already or overwrite or (filling.keep and len(there_already) < filling.samples):
            jobs.append(job)
        elif filling.keep:
            skipped.append(job)
        else:  # said here: an actor replaces its own file when it tries a photo again
            words = f"{there_already[0]} exists; give another name or --overwrite"
            failed.append(row_of(Failure(job.name, words)))
    notes = [*found.notes, f"{len(skipped)} skipped: their results exist"] if skipped else found.notes
    return Photos(filling, jobs, failed, skipped, notes)


@contextmanager
def report(out: str, photos: Photos) -> Iterator[IO[str]]:
    """Open the report in the folder of the results, a JSON object a line; photos that are skipped have theirs."""
    store = photos.filling.store
    place = Place(out) if store is None else store.results
    name = f"{place.path}/{REPORT}"
    with TemporaryDirectory(prefix="inpaintx-") as folder:
        path = Path(name) if store is None else Path(folder) / REPORT
        with atomic_write(path) as part, part.open("w", encoding="utf-8") as lines:
            lines.writelines(_rows_before(photos.skipped, place, name))
        try:
            with path.open("a", encoding="utf-8") as lines:
                yield lines
        finally:
            if store is not None:
                place.write(path, name)


def _rows_before(skipped: Collection[Job], place: Place, name: str) -> Iterator[str]:
    """The rows of photos that are skipped, from the report of the run that did them."""
    unknown = {job.name for job in skipped}
    for line in place.lines(name) if unknown else ():
        with suppress(ValueError, TypeError, KeyError):  # the last line of a run that was killed may be cut off
            row = json.loads(line)
            if row["photo"] in unknown and row["error"] is None:  # what was refused because it existed is done
                unknown.remove(row["photo"])
                yield f"{line.decode().rstrip()}\n"
    for photo in sorted(unknown):
        yield json.dumps({"photo": photo, "error": None, "notes": ["its result existed"]}) + "\n"


def fill_photos(photos: Photos, cluster: Cluster, said: Callable[[str], None] | None = None) -> Iterator[Row]:
    """Fill photos; yields a row of the report for each, as they are done.

    A row holds the fields of :class:`inpaintx.inference.files.Report` and ``error``, None; or ``photo`` and ``error``.

    Parameters
    ----------
    said
        See :func:`inpaintx.cluster.pool.spread`.

    Raises
    ------
    InpaintxError
        See :func:`inpaintx.cluster.pool.spread`; a machine finds other weights than this one.
    """
    yield from photos.failed
    if not photos.jobs:
        return
    filling = photos.filling
    mine = weights_of(inpainter_for(filling.method, device="cpu", **filling.model))  # an unknown option fails here
    make = partial(_Filler, filling, mine, cluster.device, cluster.threads)
    batch = filling.model.get("batch_size", 8)
    try:
        yield from spread(make, photos.jobs, cluster, together=batch, said=said)
    finally:
        if filling.store is None:
            for folder in {job.out.parent for job in photos.jobs if job.out}:
                remove_stale(folder)  # of processes that were killed meanwhile


def weights_of(inpainter: Inpainter) -> tuple[str, ...]:
    """The weight files with their digests, those that faces are looked for with among them, and why they are not."""
    several = [getattr(inpainter, name, None) for name in ("network", "rest")]  # of "auto"
    parts = [part for part in several if part is not None] or [inpainter]
    paths = [Path(part.loaded.source) for part in parts]
    finder = next((part.finder for part in parts if part.finder), None)
    if finder:
        paths += [find_aligner() or Path(f"no {ALIGNER_FILE}"), *finder.files]
    names = [f"{path.name} {sha256(path)[:8]}" if path.is_file() else path.name for path in paths]
    return (*dict.fromkeys(names), parts[0].unseen)


def _in_words(weights: Iterable[str]) -> str:
    return ", ".join(filter(None, weights))


class _Filler:
    """One model; implements :class:`inpaintx.cluster.pool.Work`."""

    def __init__(self, filling: Filling, expected: tuple[str, ...], device: str, threads: int) -> None:
        torch.set_num_threads(threads)
        self.filling = filling
        self.inpainter = inpainter_for(filling.method, device=device, **filling.model)
        if (found := weights_of(self.inpainter)) != expected:
            raise InpaintxError(
                f"a machine of the cluster finds other weights ({_in_words(found)}) than this one "
                f"({_in_words(expected)}); install the same on all"
            )

    def __call__(self, jobs: Sequence[Job]) -> list[Row]:
        """Fill photos together."""
        store = self.filling.store
        if store is None:
            return self._fill(jobs)
        with TemporaryDirectory(prefix="inpaintx-") as folder:
            return store.through(jobs, Path(folder), self.filling.samples, self._fill)

    def _fill(self, jobs: Sequence[Job]) -> list[Row]:
        overwrite = not self.filling.keep
        results = inpaint_many(jobs, self.inpainter, overwrite=overwrite, **self.filling.arguments)
        return [row_of(result) for result in results]

    def lost(self, job: Job, words: str) -> Row:
        """The row of a photo that was not done."""
        return row_of(Failure(job.name, words))


def row_of(result: Any) -> Row:
    """A row of the report."""
    if isinstance(result, Failure):
        return {"photo": result.photo, "error": printable(result.error)}
    return {**result.as_dict(), "error": None}
