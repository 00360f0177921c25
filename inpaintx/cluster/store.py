"""Photos, masks and results in an object store (``s3://``, ``gs://``, ``hdfs://``), through pyarrow's filesystems."""

import io
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from pathlib import Path, PurePosixPath
from typing import Any

from inpaintx.errors import InpaintxError
from inpaintx.inference.jobs import Found, Job, pair_listed, sample_paths
from inpaintx.io.optional import require

__all__ = ["Place", "Store", "find_in_store", "is_uri"]

Row = dict[str, Any]
WHOLE_AT_CLOSE = ("s3", "gcs", "abfs")  # an object appears when its upload is finished; elsewhere a file is renamed


def is_uri(path: str | None) -> bool:
    """Whether a path names a filesystem besides this machine's own."""
    return path is not None and "://" in path


class Place:
    """A folder, or a file, on a filesystem of pyarrow's.

    Raises
    ------
    InpaintxError
        There is no such filesystem, or it does not answer.
    """

    def __init__(self, uri: str) -> None:
        require("ray", "a photo store", "pyarrow")
        from pyarrow.fs import FileSystem

        try:
            self.files, path = FileSystem.from_uri(uri if is_uri(uri) else os.path.abspath(uri))
        except (OSError, ValueError) as error:
            raise InpaintxError(f"{uri} cannot be opened: {str(error).splitlines()[0]}") from error
        self.path = str(PurePosixPath(path)) if path else ""  # as paths of jobs are: without "//" and "/./"

    def listed(self, recursive: bool) -> list[str]:
        """The files in the folder; the place itself, if it is a file; none, if it is missing."""
        from pyarrow.fs import FileSelector, FileType

        if self.files.get_file_info(self.path).type == FileType.File:
            return [self.path]
        found = self.files.get_file_info(FileSelector(self.path, recursive=recursive, allow_not_found=True))
        return [info.path for info in found if info.type == FileType.File]

    def read(self, path: Path, to: Path) -> Path:
        """Copy a file here."""
        with self.files.open_input_stream(str(path)) as source, to.open("wb") as file:
            shutil.copyfileobj(source, file, 1 << 20)
        return to

    def lines(self, path: str) -> Iterator[bytes]:
        """A file's lines; none, if it is missing."""
        from pyarrow.fs import FileType

        if self.files.get_file_info(path).type == FileType.File:
            with self.files.open_input_stream(path, buffer_size=1 << 20) as source:
                yield from io.BufferedReader(source)

    def write(self, source: Path, path: str) -> None:
        """Copy a file of this machine there, whole or not at all."""
        whole_at_close = self.files.type_name in WHOLE_AT_CLOSE
        self.files.create_dir(str(Path(path).parent), recursive=True)
        part = path if whole_at_close else f"{path}.{os.getpid()}.inpaintx.part"
        with source.open("rb") as data, self.files.open_output_stream(part) as file:
            shutil.copyfileobj(data, file, 1 << 20)
        if not whole_at_close:
            self.files.move(part, path)


@dataclass(frozen=True)
class Store:
    """Where photos, masks and results lie; their jobs hold paths there."""

    photos: Place
    masks: Place
    results: Place

    def through(
        self, jobs: Sequence[Job], folder: Path, samples: int, fill: Callable[[Sequence[Job]], Sequence[Row]]
    ) -> list[Row]:
        """Bring photos and masks into a local folder, fill them there, and write the results to the store."""
        rows: dict[int, Row] = {}
        local: dict[int, Job] = {}
        for n, job in enumerate(jobs):
            try:
                local[n] = self._brought(job, folder, n)
            except OSError as error:
                rows[n] = _failed(job, f"it cannot be read: {_words(error)}")
        for (n, here), row in zip(local.items(), fill(list(local.values())), strict=True):
            rows[n] = {**row, "photo": jobs[n].name}
            if row["error"] is not None:
                names = ((here.photo, jobs[n].photo), (here.mask, jobs[n].mask))
                rows[n]["error"] = reduce(lambda words, pair: words.replace(*map(str, pair)), names, row["error"])
            else:
                try:
                    rows[n] |= self._taken(jobs[n], here, samples)
                except OSError as error:
                    rows[n] = _failed(jobs[n], f"the result cannot be written: {_words(error)}")
        return [rows[n] for n in range(len(jobs))]

    def _taken(self, job: Job, here: Job, samples: int) -> Row:
        """Write a job's results to the store; returns how the report names its files."""
        assert job.out is not None
        assert here.out is not None
        outs = sample_paths(job.out, samples)
        for source, target in zip(sample_paths(here.out, samples), outs, strict=True):
            self.results.write(source, str(target))
        return {"mask": None if job.mask is None else str(job.mask), "out": [str(out) for out in outs]}

    def _brought(self, job: Job, folder: Path, n: int) -> Job:
        """A job on local copies. Photos of different folders may share a name."""
        assert isinstance(job.photo, Path)
        assert job.out is not None
        own = folder / str(n)
        (own / "out").mkdir(parents=True)
        mask = None
        if isinstance(job.mask, Path):
            mask = self.masks.read(job.mask, own / f"mask{job.mask.suffix}")
        return Job(self.photos.read(job.photo, own / job.photo.name), mask, own / "out" / job.out.name)


def _words(error: OSError) -> str:
    return str(error).splitlines()[0]


def _failed(job: Job, words: str) -> Row:
    return {"photo": job.name, "error": words}


def find_in_store(
    photos: str, mask: str | None, out: str, *, recursive: bool, beside: bool
) -> tuple[Store, Found, frozenset[str]]:
    """Find photos and their masks, as :func:`inpaintx.inference.jobs.find_jobs` does, and the results that exist.

    Raises
    ------
    InpaintxError
        Nothing is there, or a filesystem does not answer.
    """
    store = Store(Place(photos), Place(mask or photos), Place(out))
    try:
        listed = store.photos.listed(recursive)
        masks = store.masks.listed(recursive) if mask else None
        done = frozenset(store.results.listed(recursive=True))
    except OSError as error:
        raise InpaintxError(f"{photos}, {mask or 'masks'} or {out} cannot be listed: {_words(error)}") from error
    folders = store.photos.path, store.masks.path, store.results.path
    return store, pair_listed(listed, masks, folders, beside), done
