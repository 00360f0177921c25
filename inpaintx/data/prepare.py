"""A face set made ready for training: cut, resized, split, with its regions and landmarks, in one plain folder."""

import csv
import json
import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any, Literal

import numpy as np

from inpaintx.data.align import AlignedCrop, Found, YuNet, cut_by_points, cut_middle
from inpaintx.data.center_crop import UnreadableFileError, read_picture
from inpaintx.data.landmarks import Points
from inpaintx.data.layouts import SPLITS, Face, Layout, find_layout, read_prepared
from inpaintx.data.mask_files import read_side
from inpaintx.data.mtcnn import MTCNN, installed
from inpaintx.data.segment import derive_regions
from inpaintx.data.splits import SplitBy, choose_splits
from inpaintx.errors import InpaintxError
from inpaintx.io.atomic import atomic_write, make_folder
from inpaintx.io.lock import locked
from inpaintx.io.memory import LARGEST_SQUARE
from inpaintx.io.names import printable
from inpaintx.io.photo import encode
from inpaintx.io.text_files import parse_json, read_text

__all__ = ["Prepared", "prepare"]

Crop = Literal["auto", "center", "centre"]
Find = Callable[[Any], list[Found]]
Detects = Callable[[], tuple[str, Find] | None]
Todo = tuple[Face, str]  # a face, and its name in the prepared folder
Made = tuple[Face, str, dict[str, Any] | str]  # and its record, or why it cannot be read
Pool = Callable[[Callable[[], Any], Sequence[Todo]], Iterator[Made]]
REGIONS = ("skin", "foreground")
JOURNAL = "faces.jsonl"
SUMMARY = "prepared.json"


@dataclass
class Prepared:
    """What :func:`prepare` did.

    Attributes
    ----------
    out
        The folder; a plain one for :func:`inpaintx.data.dataset.open_dataset`.
    summary
        What ``prepared.json`` holds.
    done_before
        Faces that an earlier, interrupted call had finished.
    """

    out: Path
    summary: dict[str, Any]
    done_before: int = 0
    notes: list[str] = field(default_factory=list)


def prepare(
    source: str | Path,
    out: str | Path,
    *,
    size: int,
    crop: Crop = "auto",
    yunet: str | Path | None = None,
    split_by: SplitBy = "auto",
    regions: bool = True,
    overwrite: bool = False,
    workers: int | None = None,
    pool: Pool | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Prepared:
    """Cut, align, resize and split a face set into a plain folder, once.

    Parameters
    ----------
    source
        A set that :func:`inpaintx.data.dataset.open_dataset` opens.
    out
        A folder: ``train/ val/ test/`` with JPEG files (quality 97, colours not subsampled), ``skin/`` and
        ``foreground/`` with PNG files, ``landmarks.csv``, ``faces.jsonl`` (a line a face: source, split, identity, how
        it was cut) and ``prepared.json`` (everything else). A call that was interrupted goes on where it stood.
    size
        Side of the images.
    crop
        ``"auto"``, a face at a time: by the set's landmarks, else by those of a detector, which is YuNet if ``yunet``
        is given, else MTCNN where the extra ``[faces]`` is installed, else the middle square; ``"center"`` (or
        ``"centre"``): the middle square of each.
    yunet
        Model file of OpenCV's face detector.
    split_by
        ``"auto"``: the set's own splits, else a hash of the identity, else of the name; or one of the latter two; or
        how many images train, val and test get in the set's order, as papers that print numbers do. What is beyond
        them is left out, and a person may be in several.
    regions
        Whether skin and foreground are written: the set's own, else derived from landmarks, else none.
    overwrite
        Make a set anew that lies in ``out`` already; the files of the old one are removed.
    workers
        Threads; default: the cores of this process.
    pool
        Makes the faces in other processes, in their order: ``partial(inpaintx.cluster.pool.spread, cluster=...,
        in_order=True)``. They see ``source`` and ``out`` under the same names.
    progress
        Called with the number of faces done and of all.

    Raises
    ------
    InpaintxError
        ``out`` holds something else, a set of other settings, or another process is at it; no face could be read; no
        such source.
    """
    if not 8 <= size <= LARGEST_SQUARE:
        raise InpaintxError(f"the size of prepared images must be from 8 to {LARGEST_SQUARE} pixels a side, got {size}")
    out = Path(out)
    layout = find_layout(Path(source), frozenset({"landmarks", *(REGIONS if regions else ())}))
    if out.resolve().is_relative_to(Path(source).resolve()):
        raise InpaintxError(f"{out} lies in the source {source}; prepare into another folder")
    wanted = yunet is not None or any(face.name not in layout.landmarks for face in layout.faces)
    detects = partial(_detector, yunet) if crop == "auto" and wanted else None
    images = len(layout.faces)
    splits, split_note = choose_splits(layout, split_by)
    layout.faces = [face for face in layout.faces if face.name in splits]
    names = _names(layout, splits)
    crop = "center" if crop == "centre" else crop
    make = partial(_Maker, layout, out, size, crop, detects, regions)
    maker = make()  # a model file that is at fault fails here
    settings = {
        "source": printable(Path(source).resolve()),
        "layout": layout.kind,
        "images": images,
        "size": size,
        "crop": crop,
        "yunet": printable(Path(yunet).name) if yunet is not None else None,
        **({"faces": "mtcnn"} if maker.detector is not None and yunet is None else {}),
        "split_by": split_note,
        "regions": regions,
    }
    with ExitStack() as stack:
        there = (out / SUMMARY).is_file()
        if there:  # before anything of an older preparation is read or removed
            stack.enter_context(locked(out))
        journal = _open_folder(out, settings, overwrite)
        if not there:
            stack.enter_context(locked(out))
        result = Prepared(out, {}, len(journal), list(layout.notes))
        todo = [(face, names[face.name]) for face in layout.faces if names[face.name] not in journal]
        skipped: dict[str, str] = {}
        for path in sorted({(out / part / name).parent for _, name in todo for part in ("", *REGIONS)}):
            if regions or path.relative_to(out).parts[0] not in REGIONS:
                make_folder(path)
        with (out / JOURNAL).open("a", encoding="utf-8") as lines:
            for face, name, record in pool(make, todo) if pool else _in_order(maker, todo, workers):
                if isinstance(record, str):
                    skipped[face.name] = record
                else:
                    record = {"name": name, "source": face.name, "split": splits[face.name], **record}
                    if face.identity is not None:
                        record["identity"] = face.identity
                    lines.write(json.dumps(record) + "\n")
                    lines.flush()
                    journal[name] = record
                if progress:
                    progress(len(journal) + len(skipped), len(layout.faces))
        if not journal:
            raise InpaintxError(
                f"none of the {len(layout.faces)} images of {source} can be read: {next(iter(skipped.values()))}"
            )
        _write_landmarks(out, [journal[name] for name in names.values() if name in journal])
        result.summary = _summary(settings, journal, skipped)
        _write_json(out / SUMMARY, result.summary)
        return result


def _detector(yunet: str | Path | None) -> tuple[str, Find] | None:
    """What finds faces in pictures that have no landmarks, and its name."""
    if yunet is not None:
        return "yunet", YuNet(Path(yunet)).all
    return ("mtcnn", MTCNN()) if installed() is not None else None


def _names(layout: Layout, splits: dict[str, str]) -> dict[str, str]:
    """The name of each image in the prepared folder: ``<split>/<path without the old split folder>.jpg``."""
    names: dict[str, str] = {}
    for face in layout.faces:
        path = PurePosixPath(face.name)
        if layout.split_by == "its folders" and face.split:
            path = PurePosixPath(*path.parts[1:])
        names[face.name] = f"{splits[face.name]}/{path.with_suffix('.jpg')}"
    twice = [name for name, count in Counter(names.values()).items() if count > 1]
    if twice:
        both = [name for name, new in names.items() if new == twice[0]]
        raise InpaintxError(f"{' and '.join(both)} of {layout.root} would both become {twice[0]}; rename one")
    return names


def _open_folder(out: Path, settings: dict[str, Any], overwrite: bool) -> dict[str, dict[str, Any]]:
    """Make the folder or go on in it; returns the faces that are finished, by name."""
    if out.exists() and not out.is_dir():
        raise InpaintxError(f"{out} is a file; expected a folder to prepare into")
    summary = out / SUMMARY
    if summary.is_file():
        told = read_prepared(out)
        old = told.get("settings", {})
        old |= {"crop": "center"} if old.get("crop") == "centre" else {}  # as version 0.1 wrote it
        if overwrite:
            _remove(out)
        elif old != settings:
            changed = [f"{k}: {old.get(k)!r}, now {v!r}" for k, v in settings.items() if old.get(k) != v]
            raise InpaintxError(
                f"{out} was prepared with other settings ({'; '.join(changed)}); give another folder or --overwrite"
            )
        else:
            return {name: record for name, record in _journal(out).items() if (out / name).is_file()}
    elif out.is_dir() and any(out.iterdir()):
        raise InpaintxError(f"{out} is not empty and holds no {SUMMARY}; give another folder (nothing was written)")
    make_folder(out)
    _write_json(summary, {"settings": settings, "complete": False})
    return {}


def _journal(out: Path) -> dict[str, dict[str, Any]]:
    """Finished faces by name; a last line that was cut off by an interruption does not count and is taken away."""
    path = out / JOURNAL
    if not path.is_file():
        return {}
    text = read_text(path)
    whole = text[: text.rfind("\n") + 1]
    if whole != text:
        with atomic_write(path) as part:
            part.write_text(whole, encoding="utf-8")
    found = {}
    for number, line in enumerate(whole.splitlines(), start=1):
        record = parse_json(line, f"{path}, line {number}")
        lacks = [key for key in ("name", "split", "crop", "outside") if key not in record]
        if lacks:
            raise InpaintxError(f"{path}, line {number} is damaged: it lacks {lacks[0]!r}; prepare into another folder")
        found[record["name"]] = record
    return found


def _remove(out: Path) -> None:
    """Take away the files of an older preparation, and nothing else."""
    for name in _journal(out):
        (out / name).unlink(missing_ok=True)
        for region in REGIONS:
            (out / region / name).with_suffix(".png").unlink(missing_ok=True)
    for name in (JOURNAL, "landmarks.csv", SUMMARY):
        (out / name).unlink(missing_ok=True)


class _Maker:
    """Makes faces; several threads may. Implements ``inpaintx.cluster.pool.Work``."""

    def __init__(
        self, layout: Layout, out: Path, size: int, crop: Crop, detects: Detects | None, regions: bool
    ) -> None:
        self.layout, self.out, self.size, self.crop, self.regions = layout, out, size, crop, regions
        self.detector = detects() if detects else None

    def __call__(self, todo: Sequence[Todo]) -> list[Made]:
        """Make faces."""
        return [(face, name, self.make(face, name)) for face, name in todo]

    def lost(self, todo: Todo, words: str) -> Made:
        """Say why a face was not made."""
        return (*todo, words)

    def make(self, face: Face, name: str) -> dict[str, Any] | str:
        """Write a face's files; returns its record, or why it cannot be read."""
        try:
            picture = read_picture(face.image)
            own = {region: self._own(region, face, picture) for region in REGIONS} if self.regions else {}
        except UnreadableFileError as error:
            return str(error)
        height, width = picture.shape[:2]
        points, cut, way = self._place(face, picture)
        pixels = cut.image(picture, self.size)
        placed = None if points is None else cut.place(points, self.size)
        record: dict[str, Any] = {
            "crop": way,
            "square": [round(float(v), 3) for v in cut],
            "outside": round(cut.outside(width, height), 4),
        }
        if placed is not None:
            record["landmarks"] = [[None if np.isnan(v) else round(float(v), 2) for v in point] for point in placed]
        files = {self.out / name: encode(pixels, "JPEG")[0]}
        found = {r: cut.region(inside, (width, height), self.size) for r, inside in own.items() if inside is not None}
        missing = [region for region in own if region not in found]
        if missing and placed is not None and (derived := derive_regions(pixels, placed)) is not None:
            found |= {region: getattr(derived, region) for region in missing}
            record["derived"] = missing
        for region, inside in found.items():
            files[(self.out / region / name).with_suffix(".png")] = encode(
                inside.view(np.uint8) * np.uint8(255), "PNG"
            )[0]
        for path, data in files.items():
            with atomic_write(path) as part:
                part.write_bytes(data)
        return record

    def _own(self, region: str, face: Face, picture: Any) -> Any:
        """The set's own region, ``[H,W]`` bool, or None."""
        paths = self.layout.regions.get(region, {}).get(face.name)
        if paths is None:
            return None
        parts = [read_side(path, region) for path in paths]
        if not parts:
            return np.zeros(picture.shape[:2], bool)  # the set says that nothing belongs
        height, width = parts[0].shape
        same = all(part.shape == (height, width) for part in parts)
        if not same or abs(width * picture.shape[0] - height * picture.shape[1]) > max(picture.shape):
            raise UnreadableFileError(
                f"{region} files of {face.image} have other proportions than the image: {paths[0]}"
            )
        return np.logical_or.reduce(parts)

    def _place(self, face: Face, picture: Any) -> tuple[Points | None, AlignedCrop, str]:
        """Landmarks if any, the square, and how it was found."""
        points, way = self.layout.landmarks.get(face.name), "landmarks"
        if points is None and self.detector is not None:
            way, find = self.detector
            points = next((face.points for face in find(picture)), None)
        cut = cut_by_points(points) if points is not None and self.crop == "auto" else None
        if cut is None:
            cut, way = cut_middle(picture.shape[1], picture.shape[0], self.layout.crop), "center"
        return points, cut, way


def _in_order(maker: _Maker, todo: list[Todo], workers: int | None) -> Iterator[Made]:
    """Make faces in several threads and give them in the order of the list; few wait in memory."""
    count = workers or (len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)
    pool = ThreadPoolExecutor(count, "inpaintx-prepare")
    coming: list[Future[dict[str, Any] | str]] = []
    try:
        for at, (face, name) in enumerate(todo):
            while len(coming) - at < 2 * count and len(coming) < len(todo):
                coming.append(pool.submit(maker.make, *todo[len(coming)]))
            yield face, name, coming[at].result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _write_landmarks(out: Path, records: list[dict[str, Any]]) -> None:
    """``landmarks.csv`` of the faces that have them; the count that most of them have."""
    counts = Counter(len(r["landmarks"]) for r in records if "landmarks" in r)
    if not counts:
        return
    count = counts.most_common(1)[0][0]
    with atomic_write(out / "landmarks.csv") as part, part.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(["name", *(f"{axis}{i}" for i in range(count) for axis in "xy")])
        for record in records:
            if len(record.get("landmarks", ())) == count:
                rows.writerow([record["name"], *("" if v is None else v for p in record["landmarks"] for v in p)])


def _summary(settings: dict[str, Any], journal: dict[str, dict[str, Any]], skipped: dict[str, str]) -> dict[str, Any]:
    records = list(journal.values())
    derived = Counter(region for record in records for region in record.get("derived", ()))
    splits = Counter(record["split"] for record in records)
    return {
        "settings": settings,
        "complete": True,
        "faces": len(records),
        "splits": {split: splits[split] for split in SPLITS},
        "crops": dict(sorted(Counter(record["crop"] for record in records).items())),
        "derived": dict(sorted(derived.items())),
        "outside": round(float(np.mean([record["outside"] for record in records])), 4),
        "skipped": skipped,
    }


def _write_json(path: Path, value: dict[str, Any]) -> None:
    with atomic_write(path) as part:
        part.write_text(json.dumps(value, indent=1) + "\n", encoding="utf-8")
