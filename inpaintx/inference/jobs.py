"""Which photos a user means, which mask belongs to each, and where its result goes."""

import glob
import os
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePath

from inpaintx.errors import InpaintxError
from inpaintx.io.formats import READABLE, WRITABLE, result_name
from inpaintx.io.names import printable

__all__ = ["Failure", "Found", "Job", "find_jobs", "is_batch_path", "is_done", "pair_listed", "sample_paths"]

HIDDEN = frozenset({"thumbs.db", "ehthumbs.db", "desktop.ini"})  # beside names that begin with a dot
# what is passed over, besides files of other kinds, which are counted by their suffix
PASSED = {
    "hidden file": "",
    "folder": " (--recursive goes through the folders in a folder)",
    "unreadable folder": "",
    "special file": " (a dead link, a pipe or a device)",
    "other file": "",
}
MASK_NAME = re.compile(r"(.+)_mask\d*")  # LaMa's layout: x_mask.png or x_mask001.png beside x.png
NO_MASK = "give a mask (white = hole) after the photo, or --mask-from-alpha; x_mask.* beside x.* is found by itself"
# how stems are compared: as they are, then without regard to how accents are stored, then to case
FORMS: tuple[Callable[[str], str], ...] = (
    lambda stem: stem,
    lambda stem: unicodedata.normalize("NFC", stem),
    lambda stem: unicodedata.normalize("NFC", stem).casefold(),
)


@dataclass(frozen=True, slots=True)
class Job:
    """A photo, its mask (None: from the photo itself), and where the result goes (None: to a stream).

    Photo and mask are paths, or a file's content.
    """

    photo: Path | bytes
    mask: Path | bytes | None
    out: Path | None

    @property
    def name(self) -> str:
        """The photo in words."""
        return shown(self.photo)


def shown(source: Path | bytes) -> str:
    """A file in words."""
    return "stdin" if isinstance(source, bytes) else printable(source)


@dataclass
class Failure:
    """A photo that was not done, and why, in one sentence."""

    photo: str
    error: str
    cause: Exception | None = field(default=None, repr=False)


@dataclass
class Found:
    """What a user's words came to.

    Parameters
    ----------
    jobs
        What is to be done, in order of names.
    failures
        Photos without a mask, or with several, or whose results would collide.
    notes
        In words: what was passed over, with its number.
    """

    jobs: list[Job]
    failures: list[Failure] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def is_batch_path(photos: str | bytes) -> bool:
    """Whether a user means several photos: a folder, or a glob that is not itself a file's name."""
    if isinstance(photos, bytes):
        return False
    path = Path(photos)
    return path.is_dir() or (glob.has_magic(photos) and not path.exists())


def find_jobs(
    photos: str | bytes, mask: str | bytes | None, out: str, *, recursive: bool = False, beside: bool = False
) -> Found:
    """Turn what a user names into jobs.

    Parameters
    ----------
    photos
        A file, a folder, a glob, or a picture file's content.
    mask
        One file (or its content) for all photos, or a folder with masks of the same stems; accents that are stored in
        another way, and another case, are looked through where that leaves no doubt. None: masks come from the photos.
    out
        A file for a photo, a folder for a folder or glob; ``"-"``: a stream.
    recursive
        Whether the folders in a folder count; results, and masks, lie in folders of the same names.
    beside
        Without ``mask``: whether the mask of ``x.png`` is ``x_mask.*`` (or ``x_mask001.*``) in the same folder.

    Raises
    ------
    InpaintxError
        Nothing found, or a file where a folder is needed; the same folder for photos and for masks.
    """
    if isinstance(photos, bytes) or not is_batch_path(photos):
        return Found([_single(photos, mask, out, beside)])
    if out == "-":
        raise InpaintxError("only one photo can go to stdout; give a folder for the results of several")
    if not Path(out).is_dir() and (Path(out).exists() or Path(out).suffix.lower() in WRITABLE):
        raise InpaintxError(f"{out} is a file, or named like one; the results of several photos need a folder")
    passed: Counter[str] = Counter()
    if Path(photos).is_dir():
        own = [Path(out)] + ([Path(mask)] if isinstance(mask, str) else [])
        found = sorted(_pictures(Path(photos), passed, own, recursive))
    else:
        matches = sorted(Path(p) for p in glob.glob(photos, recursive=True))
        found = [(p, PurePath(p.name)) for p in matches if _is_picture(p, passed)]
    notes = _passed_over(passed)
    if not found:
        raise InpaintxError(
            f"no photos at {photos!r} (expected {', '.join(READABLE)}){'; ' if notes else ''}{'; '.join(notes)}"
        )
    choose, found = _chooser(found, mask, beside)
    return _paired(found, choose, Path(out), notes)


def pair_listed(photos: list[Path], masks: list[Path] | None, folders: tuple[Path, Path, Path], beside: bool) -> Found:
    """Turn files that were listed elsewhere into jobs, as :func:`find_jobs` those of this machine.

    Parameters
    ----------
    photos, masks
        Files of any kind; None: masks lie beside the photos, or come from them.
    folders
        Of the photos, the masks and the results; a single photo or mask is a folder of itself.
    beside
        As for :func:`find_jobs`.
    """
    passed: Counter[str] = Counter()
    base = folders[0].parent if photos == [folders[0]] else folders[0]
    found: Photos = [(path, path.relative_to(base)) for path in photos if _has_picture_name(path, passed)]
    notes = _passed_over(passed)
    if not found:
        raise InpaintxError(
            f"no photos at {folders[0]} (expected {', '.join(READABLE)}){''.join(f'; {note}' for note in notes)}"
        )
    if masks is None:
        choose, found = _chooser(found, None, beside)
    elif masks == [folders[1]]:
        choose = _always(folders[1])
    else:
        pictures = [path for path in masks if _has_picture_name(path, Counter())]
        choose = _Masks(pictures, folders[1], [place for _, place in found]).of
    return _paired(found, choose, folders[2], notes)


def _always(mask: Path | bytes | None) -> "Chooser":
    return lambda photo, place: mask


def _paired(found: "Photos", choose: "Chooser", out: Path, notes: list[str]) -> Found:
    """Make a job of each photo and its place below the photos' folder; what has no mask, or no name left, fails."""
    result, taken = Found([], notes=notes), set()
    own_names = {place for _, place in found}
    for photo, place in found:
        name = result_name(place.name)
        if name != place.name and place.with_name(name) in own_names:  # a.gif beside a.png
            name = f"{place.name}.png"
        target = out / place.with_name(name)
        try:
            if target in taken:
                raise InpaintxError(f"another photo of the same name is written to {target} already")
            result.jobs.append(Job(photo, choose(photo, place), target))
            taken.add(target)
        except InpaintxError as error:
            result.failures.append(Failure(printable(photo), str(error)))
    return result


def is_done(job: Job, samples: int) -> bool:
    """Whether all results of a job are there."""
    return job.out is not None and all(path.is_file() for path in sample_paths(job.out, samples))


def sample_paths(out: Path, samples: int) -> list[Path]:
    """Where samples are written: ``out`` itself for one, ``name-1.png``, ``name-2.png``, … for several."""
    if samples == 1:
        return [out]
    return [out.with_name(f"{out.stem}-{k}{out.suffix}") for k in range(1, samples + 1)]


def _single(photo: str | bytes, mask: str | bytes | None, out: str, beside: bool) -> Job:
    target = None if out == "-" else Path(out)
    if isinstance(photo, bytes):
        if isinstance(mask, str) and Path(mask).is_dir():
            raise InpaintxError(f"a photo from stdin has no name to find its mask by in {mask}; give the mask itself")
        if target is not None and target.is_dir():
            raise InpaintxError(f"{out} is a folder, and a photo from stdin has no name; give a file")
        if mask is None and beside:
            raise InpaintxError(NO_MASK)
        return Job(photo, Path(mask) if isinstance(mask, str) else mask, target)
    source = Path(photo)
    if target is not None and target.is_dir():
        target = target / result_name(source.name)
    if mask is None and beside:
        folder = source.parent
        masks = _Masks([p for p in _listed(folder) if MASK_NAME.fullmatch(p.stem)], folder, [PurePath(source.name)])
        if not masks.belong:
            raise InpaintxError(NO_MASK)
        return Job(source, masks.of(source, PurePath(source.name)), target)
    if isinstance(mask, str) and Path(mask).is_dir():
        masks = _Masks(_listed(Path(mask)), Path(mask), [PurePath(source.name)])
        return Job(source, masks.of(source, PurePath(source.name)), target)
    return Job(source, Path(mask) if isinstance(mask, str) else mask, target)


Chooser = Callable[[Path, PurePath], Path | bytes | None]
Photos = list[tuple[Path, PurePath]]


def _chooser(found: Photos, mask: str | bytes | None, beside: bool) -> tuple[Chooser, Photos]:
    """How the mask of each photo is found, and which of the pictures found are photos."""
    if mask is None and beside:
        stems = {place.with_suffix("") for _, place in found}
        named = {photo: MASK_NAME.fullmatch(place.stem) for photo, place in found}
        is_mask = {photo: bool(m) and place.with_name(m[1]) in stems for photo, place in found if (m := named[photo])}
        photos = [(photo, place) for photo, place in found if not is_mask.get(photo)]
        if len(photos) == len(found):
            raise InpaintxError(NO_MASK)
        by_folder: dict[Path, list[tuple[Path, PurePath]]] = defaultdict(list)
        for photo, place in found:
            by_folder[photo.parent].append((photo, place))
        tables = {
            folder: _Masks(
                [photo for photo, _ in inside if is_mask.get(photo)],
                folder,
                [PurePath(photo.name) for photo, _ in inside if not is_mask.get(photo)],
            )
            for folder, inside in by_folder.items()
        }
        return lambda photo, place: tables[photo.parent].of(photo, PurePath(photo.name)), photos
    if not isinstance(mask, str):
        return _always(mask), found
    path = Path(mask)
    if not path.exists():
        raise InpaintxError(f"mask {mask} does not exist")
    if not path.is_dir():
        return _always(path), [(p, place) for p, place in found if not p.samefile(path)]
    if any(path.samefile(folder) for folder in {photo.parent for photo, _ in found}):
        raise InpaintxError(
            f"{mask} is given as the folder of the photos and of the masks; put the masks into a folder of their own, "
            "or, where they are called x_mask.* beside x.* (LaMa's layout), leave this argument out"
        )
    deep = any(len(place.parts) > 1 for _, place in found)
    masks = _Masks(_listed(path, deep), path, [place for _, place in found])
    return masks.of, found


class _Masks:
    """The masks of a folder by the stems of the photos that they belong to."""

    def __init__(self, masks: Iterable[Path], folder: Path, photos: Iterable[PurePath]) -> None:
        self.folder = folder
        self.tables: list[dict[str, list[Path]]] = [defaultdict(list) for _ in range(2 * len(FORMS))]
        for mask in masks:
            stem = mask.relative_to(folder).with_suffix("")
            lama = MASK_NAME.fullmatch(stem.name)
            for k, form in enumerate(FORMS):
                self.tables[k][form(stem.as_posix())].append(mask)
                if lama:
                    self.tables[len(FORMS) + k][form(stem.with_name(lama[1]).as_posix())].append(mask)
        self.photos = [Counter(form(place.with_suffix("").as_posix()) for place in photos) for form in FORMS]
        self.belong = any(self._fitting(place, place) for place in photos)

    def of(self, photo: Path, place: PurePath) -> Path:
        """The mask of the photo that lies at ``place`` below the photos' folder."""
        fitting = self._fitting(photo, place)
        if len(fitting) == 1:
            return fitting[0]
        stem = place.with_suffix("").as_posix()
        if fitting:
            names = " and ".join(p.name for p in fitting[:3])
            raise InpaintxError(f"{len(fitting)} masks have the stem {stem!r}: {names} in {self.folder}")
        raise InpaintxError(f"no mask with the stem {stem!r} in {self.folder}")

    def _fitting(self, photo: PurePath, place: PurePath) -> list[Path]:
        stem = place.with_suffix("").as_posix()
        for table, form, photos in zip(self.tables, FORMS * 2, self.photos * 2, strict=True):
            fitting = [mask for mask in table.get(form(stem), ()) if mask != photo]
            if fitting and photos[form(stem)] == 1:
                return sorted(fitting)
        return []


def _listed(folder: Path, recursive: bool = False) -> list[Path]:
    """The pictures in a folder."""
    return sorted(path for path, _ in _pictures(folder, Counter(), [], recursive))


def _pictures(
    folder: Path, passed: Counter[str], leave: list[Path], recursive: bool
) -> Iterator[tuple[Path, PurePath]]:
    """The pictures in a folder, each with its place there; counts what is passed over."""
    left = {os.path.realpath(path) for path in leave}
    seen = {os.path.realpath(folder)}
    below = [folder]
    while below:
        here = below.pop()
        try:
            entries = list(here.iterdir())
        except OSError as error:
            if here == folder:
                raise InpaintxError(f"the folder {folder} cannot be read: {error.strerror or error}") from None
            passed["unreadable folder"] += 1
            continue
        for path in entries:
            if path.is_dir() and not _is_hidden(path):
                real = os.path.realpath(path)
                if real in left or real in seen:  # results, masks; a link that leads back
                    continue
                if recursive:
                    seen.add(real)
                    below.append(path)
                else:
                    passed["folder"] += 1
            elif _is_picture(path, passed):
                yield path, path.relative_to(folder)


def _is_hidden(path: Path) -> bool:
    return path.name.startswith(".") or path.name.lower() in HIDDEN


def _is_picture(path: Path, passed: Counter[str]) -> bool:
    """Whether a path has a picture's name and is a file; counts it otherwise."""
    if not _is_hidden(path):
        if path.is_dir():  # a glob matched it
            passed["folder"] += 1
            return False
        if not path.is_file():
            passed["special file"] += 1
            return False
    return _has_picture_name(path, passed)


def _has_picture_name(path: Path, passed: Counter[str]) -> bool:
    """Whether a path has a picture's name; counts it otherwise."""
    if _is_hidden(path):
        passed["hidden file"] += 1
    elif path.suffix.lower() not in READABLE:
        passed[path.suffix.lower() or ". (no suffix)"] += 1
    else:
        return True
    return False


def _passed_over(passed: Counter[str]) -> list[str]:
    """Say it once, with numbers; the suffixes of other kinds of files together."""
    kinds = {kind: n for kind, n in passed.items() if kind.startswith(".")}
    others = f" ({', '.join(sorted(kinds, key=lambda kind: (-kinds[kind], kind))[:6])}{', ...' * (len(kinds) > 6)})"
    words = []
    for kind in PASSED:
        if n := passed[kind] if kind != "other file" else sum(kinds.values()):
            words.append(f"{n} {kind}{'s' * (n > 1)}{others if kind == 'other file' else PASSED[kind]}")
    return [printable(f"passed over: {', '.join(words)}")] if words else []
