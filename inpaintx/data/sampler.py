"""Where holes come from: a generator by name, a folder of mask files, or a mixture; each hole by a key."""

import difflib
import inspect
import math
import threading
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from inpaintx.data.center_crop import UnreadableFileError
from inpaintx.data.generators import ACCUMULATIVE, GENERATORS, Bools, Generator
from inpaintx.data.mask_files import Side, read_side, resized
from inpaintx.errors import InpaintxError
from inpaintx.io.atomic import content_of
from inpaintx.io.formats import READABLE

__all__ = ["MaskSampler", "SkippedFileWarning", "own_generators", "parse_mask_spec"]

RENAMED = {"centre": "center"}  # generators by names of earlier versions
MOST_TRIES = 2000
SAMPLED = 64  # mask files that are measured for polarity and mean hole
SUSPICIOUS = 0.7
Draw = Callable[[np.random.Generator, int], Bools]  # the number counts holes that come in a fixed order
Generators = Callable[[], Mapping[str, Generator]]


class SkippedFileWarning(UserWarning):
    """A file of a set could not be read and is passed over."""


@dataclass
class MaskSampler:
    """Holes of one size; each is a pure function of its key.

    Attributes
    ----------
    spec
        What was asked for.
    size
        Side of the holes in pixels.
    notes
        What was read, measured or chosen, in words.
    skipped
        Mask files that could not be read, with the reason.

    Examples
    --------
    >>> holes = parse_mask_spec("strokes:ratio=0.1-0.4+box", size=64)
    >>> bool((holes((0, 7)) == holes((0, 7))).all())
    True
    """

    spec: str
    size: int
    notes: list[str] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)
    sources: list[Draw] = field(default_factory=list, repr=False)

    def __call__(self, key: tuple[int, ...]) -> Bools:
        """Draw the hole of ``key`` (a seed and an index, say; integers >= 0): ``[S,S]`` bool, True = hole.

        Raises
        ------
        InpaintxError
            No hole of the ratio that was asked for came in 2,000 tries.
        """
        rng = np.random.default_rng([len(key), *key])
        return self.sources[int(rng.integers(len(self.sources)))](rng, key[-1])

    def content(self) -> str:
        """SHA-256 over the mask files that holes are taken from (each is read); empty where all are drawn."""
        draws = [source.draw for source in self.sources if isinstance(source, _Within)]
        files = [path for draw in draws if isinstance(draw, _Files) for path in draw.read.files]
        return content_of(files) if files else ""


def own_generators() -> Mapping[str, Generator]:
    """The project's own generators by name."""
    return GENERATORS


def parse_mask_spec(spec: str, *, size: int, generators: Generators = own_generators) -> MaskSampler:
    """Open a source of holes.

    Parameters
    ----------
    spec
        ``"strokes"``, a generator's name; ``"box:low=0.1,high=0.3"``, with options; a folder of mask files, with
        ``polarity=white`` (white = hole, taken if nothing is said), ``black`` or ``auto``; or several of these joined
        by ``+``, of which each hole takes one by chance. Every source takes ``ratio=LOW-HIGH``: holes that cover such
        a share of the picture; others are drawn again, and drawn lines that cover less get more of their kind. With
        ``spread=uniform`` lines are laid until a share is reached that is drawn evenly from that range. A folder takes
        ``order=fixed``: files in the order of their names, one after the other by the last number of the key.
    size
        Side of the holes in pixels; files are resized to it (nearest).
    generators
        Gives all generators by name; :func:`inpaintx.plugin.registry.mask_generators` those of plugins as well. A
        function of a module, so that another process can call it.

    Returns
    -------
    MaskSampler
        What was read or measured stands in its ``notes``.

    Raises
    ------
    InpaintxError
        Unknown name or option, a folder without masks, a ratio that does not come.
    """
    if size < 1:
        raise InpaintxError(f"the size of holes must be positive, got {size}")
    holes = MaskSampler(spec, size)
    parts = [spec] if Path(spec).is_dir() else spec.split("+")
    for part in parts:
        holes.sources.append(_source(part.strip(), holes, generators))
    return holes


def _source(part: str, holes: MaskSampler, generators: Generators) -> Draw:
    known = generators()
    head, _, tail = part.partition(":")
    if Path(part).is_dir():
        head, tail = part, ""
    elif head not in known and ":" in tail:  # a colon in the folder's name
        head, _, tail = part.rpartition(":")
    head = RENAMED.get(head, head)
    options = dict(_option(item, part) for item in tail.split(",") if item.strip())
    low, high = _ratio(options.pop("ratio", None), part)
    generator = known.get(head)
    spread = options.pop("spread", None)
    if spread is not None and (spread != "uniform" or generator not in ACCUMULATIVE or high == 1):
        raise InpaintxError(
            f"spread=uniform goes with drawn lines (strokes, walk, quickdraw) and ratio=LOW-HIGH; got {part!r}"
        )
    if generator is not None:
        draw: Draw = _drawn(head, generators, options, holes.size)
    elif Path(head).is_dir():
        draw = _files(Path(head), options, holes)
    else:
        names = sorted(known)
        near = difflib.get_close_matches(head, names, n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise InpaintxError(f"{head!r} is neither a mask generator nor a folder; {hint}generators: {', '.join(names)}")
    within = _Within(draw, low, high, part, adds=generator in ACCUMULATIVE, uniform=spread is not None)
    for seed in range(4):  # a ratio that hardly ever comes fails here, not in the middle of a run
        within(np.random.default_rng(seed), seed, MOST_TRIES // 10)
    return within


def _option(item: str, part: str) -> tuple[str, str]:
    key, equals, value = item.partition("=")
    if not equals or not key.strip() or not value.strip():
        raise InpaintxError(f"options of masks are written NAME:KEY=VALUE,KEY=VALUE; got {item!r} in {part!r}")
    return key.strip(), value.strip()


def _ratio(words: str | None, part: str) -> tuple[float, float]:
    """The range of hole ratios; without one, anything but an empty or a full hole."""
    if words is None:
        return 0.0, 1.0
    try:
        low, high = (float(word) for word in words.split("-"))
    except ValueError:
        low, high = 1.0, 0.0
    if not 0 <= low < high <= 1:
        raise InpaintxError(f"ratio must be LOW-HIGH with 0 <= LOW < HIGH <= 1, as 0.1-0.2; got {words!r} in {part!r}")
    return low, high


@dataclass(frozen=True)
class _Within:
    """Draws until the hole covers more than ``low`` and at most ``high`` (and is neither empty nor full).

    ``adds``: a hole that is too small is kept, and the next one laid over it. ``uniform``: too small is what is below a
    share that is drawn from the range first.
    """

    draw: Draw
    low: float
    high: float
    part: str
    adds: bool
    uniform: bool = False

    def __call__(self, rng: np.random.Generator, number: int, tries: int = MOST_TRIES) -> Bools:
        high = self.high
        low = rng.uniform(self.low, high) if self.uniform else self.low
        seen = []
        kept: Bools | None = None
        for later in range(tries):
            hole = self.draw(rng, number + later)
            hole = hole if kept is None else hole | kept
            count = np.count_nonzero(hole)
            if low * hole.size < count <= high * hole.size and count < hole.size:
                return hole
            seen.append(count / hole.size)
            kept = hole if self.adds and count <= low * hole.size else None
        raise InpaintxError(
            f"masks {self.part!r}: none of {tries} had a hole ratio in {low:.3g}-{high:g} (they had {min(seen):.3f} to "
            f"{max(seen):.3f}); widen ratio= or change the generator's options"
        )


@dataclass(frozen=True)
class _Drawn:
    """Draws by a generator, which is looked up by its name: a plugin's may be a closure, which no worker is sent."""

    name: str
    generators: Generators
    size: int
    values: dict[str, Any]

    def __call__(self, rng: np.random.Generator, number: int) -> Bools:
        generator = self.generators()[self.name]
        try:
            hole = np.asarray(generator(rng, self.size, self.size, **self.values))
        except InpaintxError:
            raise
        except (Exception, SystemExit) as error:
            words = (str(error).strip().splitlines() or ["no message"])[0]
            raise InpaintxError(f"mask generator {self.name!r} failed: {type(error).__name__}: {words}") from error
        if hole.shape != (self.size, self.size) or hole.dtype != np.bool_:
            raise InpaintxError(
                f"mask generator {self.name!r} must return bool of shape [{self.size},{self.size}], True = hole; it "
                f"returned {hole.dtype} of shape {list(hole.shape)}"
            )
        return hole


def _drawn(name: str, generators: Generators, words: dict[str, str], size: int) -> _Drawn:
    parameters = list(inspect.signature(generators()[name]).parameters.values())[3:]
    known = {p.name: p for p in parameters if p.kind is not p.VAR_KEYWORD}
    free = len(known) < len(parameters)
    for key in words:
        if key not in known and not free:
            options = ", ".join([*known, "ratio"])
            raise InpaintxError(f"masks {name!r} take no option {key!r}; there are: {options}")
    values = {key: _value(word, known[key].default if key in known else None, name, key) for key, word in words.items()}
    return _Drawn(name, generators, size, values)


def _value(word: str, default: Any, name: str, key: str) -> Any:
    """Read an option as the kind of its default: switch, number or word."""
    if isinstance(default, bool):
        if word.lower() not in ("true", "false", "1", "0"):
            raise InpaintxError(f"masks {name!r}: {key} must be true or false, got {word!r}")
        return word.lower() in ("true", "1")
    for kind in (int, float):
        try:
            return kind(word)
        except ValueError:
            continue
    if isinstance(default, int | float):
        raise InpaintxError(f"masks {name!r}: {key} must be a number, got {word!r}")
    return word


def _files(folder: Path, options: dict[str, str], holes: MaskSampler) -> "_Files":
    polarity, order = options.pop("polarity", "white"), options.pop("order", "shuffled")
    if options or polarity not in ("white", "black", "auto") or order not in ("shuffled", "fixed"):
        came = ", ".join(f"{k}={v}" for k, v in options.items()) or f"polarity={polarity}, order={order}"
        raise InpaintxError(
            f"a folder of masks takes polarity=white|black|auto, order=shuffled|fixed and ratio=LOW-HIGH; got {came}"
        )
    inner = sorted(p.name for p in folder.iterdir() if p.is_dir() and p.name.lower() in ("train", "test", "val"))
    if len(inner) > 1:
        raise InpaintxError(f"{folder} holds several sets of masks ({', '.join(inner)}); name one: {folder / inner[0]}")
    files = sorted(p for p in folder.rglob("*") if p.suffix.lower() in READABLE and not p.name.startswith("."))
    if not files:
        raise InpaintxError(f"no mask files in {folder}; looked for {', '.join(READABLE)} in it and below it")
    count = f"{min(len(files), SAMPLED)} files measured"
    if polarity == "auto":
        sides: tuple[Side, Side] = ("brighter", "darker")
        readers = [_Reader(files, holes.size, holes.skipped, side) for side in sides]
        shares = [reader.mean_share() for reader in readers]
        # a side that is nowhere is not the hole: paint of one colour on transparent files
        chosen = min((0, 1), key=lambda i: shares[i] or math.inf)
        read, mean = readers[chosen], shares[chosen]
        color, other = (("white", "black"), ("black", "white"))[chosen]
        share = f"{shares[0]:.1%} of {count} is white or the brighter of two values"
        holes.notes.append(f"masks {folder}: {len(files)} files, polarity auto: {share}, so {color} = hole")
    else:
        color, other = ("white", "black") if polarity == "white" else ("black", "white")
        read = _Reader(files, holes.size, holes.skipped, "white" if polarity == "white" else "black")
        mean = read.mean_share()
        share = f"{mean:.1%} of {count} is {color}"
        holes.notes.append(f"masks {folder}: {len(files)} files, {polarity} = hole; {share}")
    if mean in (0.0, 1.0) and len(files) <= SAMPLED:
        what = "no hole" if mean == 0 else "nothing but hole"
        raise InpaintxError(
            f"masks {folder}: every file is all {other if mean == 0 else color}, which with {color} = hole is "
            f"{what}; give other files"
        )
    if mean > SUSPICIOUS:
        holes.notes.append(
            f"masks {folder}: the mean hole covers {mean:.0%}: are they inverted? (then: {folder}:polarity={other})"
        )
    return _Files(folder, read, fixed=order == "fixed")


@dataclass(frozen=True)
class _Files:
    """Takes a mask file, by chance or (``fixed``) by its number, and another where it cannot be read."""

    folder: Path
    read: "_Reader"
    fixed: bool = False

    def __call__(self, rng: np.random.Generator, number: int) -> Bools:
        count = len(self.read.files)
        for later in range(count):
            hole = self.read((number + later) % count if self.fixed else int(rng.integers(count)))
            if hole is not None:
                return hole
        raise InpaintxError(f"the mask files of {self.folder} cannot be read: {next(iter(self.read.skipped.values()))}")


class _Reader:
    """One side of mask files at the holes' size, kept packed in memory once read; a copy keeps its own."""

    def __init__(self, files: list[Path], size: int, skipped: dict[str, str], side: Side) -> None:
        self.files, self.size, self.skipped, self.side = files, size, skipped, side
        self.packed: dict[int, Any] = {}
        self.lock = threading.Lock()

    def __getstate__(self) -> dict[str, Any]:
        return {"files": self.files, "size": self.size, "skipped": self.skipped, "side": self.side}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(**state)  # type: ignore[misc]  # makes a lock and a memory of its own

    def __call__(self, index: int) -> Bools | None:
        size = self.size
        if index in self.packed:
            return np.unpackbits(self.packed[index], count=size * size).reshape(size, size).view(bool)
        path = self.files[index]
        if str(path) in self.skipped:
            return None
        try:
            inside = resized(read_side(path, "mask", self.side, option="polarity="), size)
        except UnreadableFileError as error:
            with self.lock:
                if str(path) not in self.skipped:
                    self.skipped[str(path)] = str(error)
                    warnings.warn(f"skipped: {error}", SkippedFileWarning, stacklevel=2)
            return None
        self.packed[index] = np.packbits(inside)
        return inside

    def mean_share(self) -> float:
        """The mean share of the side over files spread through the list.

        Raises
        ------
        InpaintxError
            None of them can be read.
        """
        chosen = np.linspace(0, len(self.files) - 1, min(len(self.files), SAMPLED)).astype(int)
        shares = [float(inside.mean()) for index in chosen if (inside := self(int(index))) is not None]
        if not shares:
            raise InpaintxError(f"none of {len(chosen)} mask files can be read; {next(iter(self.skipped.values()))}")
        return float(np.mean(shares))
