"""Which photos a user means, which mask belongs to each, and where its result goes."""

import glob
import os
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path, PurePath

from inpaintx.errors import InpaintxError
from inpaintx.inference.mask_names import FORMS, MASK_NAME, Masks, at, is_mask_name, stem
from inpaintx.io.formats import READABLE, WRITABLE, result_name
from inpaintx.io.names import printable, split_suffix
from inpaintx.io.packed import Packed

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
NO_MASK = "give a mask (white = hole) after the photo, or --mask-from-alpha; x_mask.* beside x.* is found by itself"


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

    jobs: Collection[Job]
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
        folder = Path(photos)
        found = [(folder, place) for place in _in_order(_pictures(folder, passed, own, recursive))]
    else:
        matches = sorted(Path(p) for p in glob.glob(photos, recursive=True))
        found = [(p.parent, p.name) for p in matches if _is_picture(p, passed)]
    notes = _passed_over(passed)
    if not found:
        raise InpaintxError(
            f"no photos at {photos!r} (expected {', '.join(READABLE)}){'; ' if notes else ''}{'; '.join(notes)}"
        )
    choose, found = _chooser(found, mask, beside)
    return _paired(found, choose, Path(out), notes)


def pair_listed(photos: list[str], masks: list[str] | None, folders: tuple[str, str, str], beside: bool) -> Found:
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
    base = Path(folders[0]).parent if photos == [folders[0]] else Path(folders[0])
    found: Photos = [(base, place) for place in _places(photos, base, passed)]
    notes = _passed_over(passed)
    if not found:
        raise InpaintxError(
            f"no photos at {folders[0]} (expected {', '.join(READABLE)}){''.join(f'; {note}' for note in notes)}"
        )
    if masks is None:
        choose, found = _chooser(found, None, beside)
    elif masks == [folders[1]]:
        choose = _always(Path(folders[1]))
    else:
        inside = Path(folders[1])
        choose = Masks(_places(masks, inside, Counter()), inside, [place for _, place in found]).of
    return _paired(found, choose, Path(folders[2]), notes)


def _places(paths: list[str], folder: Path, passed: Counter[str]) -> list[str]:
    """Where the pictures among files lie in their folder."""
    pictures = (path for path in map(PurePath, paths) if _has_picture_name(path.name, passed))
    return _in_order(path.relative_to(folder).as_posix() for path in pictures)


def _in_order(places: Iterable[str]) -> list[str]:
    """Paths in the order of their parts."""
    return sorted(places, key=lambda place: place.replace("/", "\0"))


def _always(mask: Path | bytes | None) -> "Chooser":
    return lambda folder, place: mask


def _paired(found: "Photos", choose: "Chooser", out: Path, notes: list[str]) -> Found:
    """Make a job of each photo and its place below the photos' folder; what has no mask, or no name left, fails."""
    jobs: Packed[Job] = Packed()
    failures, taken = [], set()
    others = cache(lambda: {place for _, place in found})
    for folder, place in found:
        root, suffix = split_suffix(place)
        target = place if suffix.lower() in WRITABLE else f"{root}.png"
        if target != place and target in others():  # a.gif beside a.png
            target = f"{place}.png"
        try:
            if target in taken:
                raise InpaintxError(f"another photo of the same name is written to {out / target} already")
            jobs.append(Job(at(folder, place), choose(folder, place), at(out, target)))
            taken.add(target)
        except InpaintxError as error:
            failures.append(Failure(printable(folder / place), str(error)))
    return Found(jobs, failures, notes)


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
        masks = Masks(filter(is_mask_name, _listed(folder)), folder, [source.name])
        if not masks.fitting(folder, source.name):
            raise InpaintxError(NO_MASK)
        return Job(source, masks.of(folder, source.name), target)
    if isinstance(mask, str) and Path(mask).is_dir():
        masks = Masks(_listed(Path(mask)), Path(mask), [source.name])
        return Job(source, masks.of(source.parent, source.name), target)
    return Job(source, Path(mask) if isinstance(mask, str) else mask, target)


Chooser = Callable[[Path, str], Path | bytes | None]
#: A folder, and where photos lie below it: in a string, of which there may be a million.
Photos = list[tuple[Path, str]]


def _chooser(found: Photos, mask: str | bytes | None, beside: bool) -> tuple[Chooser, Photos]:
    """How the mask of each photo is found, and which of the pictures found are photos."""
    if mask is None and beside:

        def loosest(folder: Path, place: str) -> str:
            return FORMS[-1](os.path.join(folder, place))

        stems = {loosest(folder, stem(place)) for folder, place in found}
        by_folder: dict[Path, tuple[list[str], list[str]]] = defaultdict(lambda: ([], []))
        photos = []
        for folder, place in found:
            own = PurePath(place)
            lama = MASK_NAME.fullmatch(own.stem)
            is_mask = lama is not None and loosest(folder, own.with_name(lama[1]).as_posix()) in stems
            by_folder[folder / own.parent][is_mask].append(own.name)
            if not is_mask:
                photos.append((folder, place))
        if len(photos) == len(found):
            raise InpaintxError(NO_MASK)
        tables = {folder: Masks(masks, folder, names) for folder, (names, masks) in by_folder.items()}

        def beside_it(folder: Path, place: str) -> Path:
            photo = folder / place
            return tables[photo.parent].of(photo.parent, photo.name)

        return beside_it, photos
    if not isinstance(mask, str):
        return _always(mask), found
    path = Path(mask)
    if not path.exists():
        raise InpaintxError(f"mask {mask} does not exist")
    if not path.is_dir():
        return _always(path), [(folder, place) for folder, place in found if not at(folder, place).samefile(path)]
    if any(path.samefile(folder) for folder in {at(folder, place).parent for folder, place in found}):
        raise InpaintxError(
            f"{mask} is given as the folder of the photos and of the masks; put the masks into a folder of their own, "
            "or, where they are called x_mask.* beside x.* (LaMa's layout), leave this argument out"
        )
    deep = any("/" in place for _, place in found)
    masks = Masks(_listed(path, deep), path, [place for _, place in found])
    return masks.of, found


def _listed(folder: Path, recursive: bool = False) -> list[str]:
    """Where the pictures in a folder lie."""
    return _in_order(_pictures(folder, Counter(), [], recursive))


def _pictures(folder: Path, passed: Counter[str], leave: list[Path], recursive: bool) -> Iterator[str]:
    """Where the pictures in a folder lie; counts what is passed over."""
    left = {os.path.realpath(path) for path in leave}
    seen = {os.path.realpath(folder)}
    below = [folder]
    while below:
        here = below.pop()
        try:
            entries = os.scandir(here)
        except OSError as error:
            if here == folder:
                raise InpaintxError(f"the folder {folder} cannot be read: {error.strerror or error}") from None
            passed["unreadable folder"] += 1
            continue
        prefix = "" if here == folder else f"{here.relative_to(folder).as_posix()}/"
        with entries:
            for entry in entries:
                if not _is_folder(entry):
                    if _is_picture(entry, passed):
                        yield f"{prefix}{entry.name}"
                    continue
                real = os.path.realpath(entry)
                if real in left or real in seen:  # results, masks; a link that leads back
                    continue
                if recursive:
                    seen.add(real)
                    below.append(here / entry.name)
                else:
                    passed["folder"] += 1


def _is_folder(entry: os.DirEntry[str]) -> bool:
    """Whether an entry is a folder that is looked into; a stat where the listing does not say so."""
    if _is_hidden(entry.name):
        return False
    return os.path.isdir(entry) if entry.is_symlink() else entry.is_dir()


def _is_hidden(name: str) -> bool:
    return name.startswith(".") or name.lower() in HIDDEN


def _is_picture(path: Path | os.DirEntry[str], passed: Counter[str]) -> bool:
    """Whether a path has a picture's name and is a file; counts it otherwise."""
    listed = isinstance(path, os.DirEntry) and not path.is_symlink()  # whose kind is known without a stat
    if not (_is_hidden(path.name) or (path.is_file() if listed else os.path.isfile(path))):
        passed["folder" if os.path.isdir(path) else "special file"] += 1  # a glob matched a folder
        return False
    return _has_picture_name(path.name, passed)


def _has_picture_name(name: str, passed: Counter[str]) -> bool:
    """Whether a name is a picture's; counts it otherwise."""
    suffix = split_suffix(name)[1].lower()
    if _is_hidden(name):
        passed["hidden file"] += 1
    elif suffix not in READABLE:
        passed[suffix or ". (no suffix)"] += 1
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
