"""What is measured: the images, the holes, how often and with what; frozen before the first fill."""

import functools
import hashlib
import re
import warnings
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, SkipValidation

from inpaintx.data.dataset import FaceDataset, open_dataset
from inpaintx.data.sampler import MaskSampler, parse_mask_spec
from inpaintx.errors import InpaintxError
from inpaintx.io.memory import LARGEST_SQUARE
from inpaintx.io.names import printable
from inpaintx.plugin.registry import mask_generators

__all__ = [
    "BINS",
    "DEFAULT_MASKS",
    "Batch",
    "Group",
    "Hole",
    "Picture",
    "Protocol",
    "Sources",
    "build_protocol",
    "digest",
    "expand_masks",
    "picture_of",
]

#: Hole ratios that a folder of masks and ``bins:`` are split by.
BINS = ((0.01, 0.1), (0.1, 0.2), (0.2, 0.3), (0.3, 0.4), (0.4, 0.5), (0.5, 0.6))
DISCARD = (0.2, 0.4, 0.6, 0.8)
#: What is evaluated where no masks are named.
DEFAULT_MASKS = ("bins:strokes", "center", "discard")
SMALLEST = 16  # pixels a side: SSIM's window has 11


class Frozen(BaseModel):
    """Base of the records of a result."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Group(Frozen):
    """Holes of one kind, one for each image.

    Parameters
    ----------
    name
        Heads the group's table: ``"10-20 %"``.
    family
        Groups of one family differ in hole ratio only, and share a curve.
    spec
        As for :func:`inpaintx.data.sampler.parse_mask_spec`, without the path of a folder; ``"own"``: the set's masks.
    """

    name: str
    family: str
    spec: SkipValidation[str]  # pydantic takes no name of a folder that is not UTF-8


class Picture(Frozen):
    """An image of the list: its name in the set, and the SHA-256 (16 digits) of its pixels at the protocol's size.

    ``foreground`` is that of its foreground, where the set has one.
    """

    name: str
    sha256: str
    foreground: str | None


class Hole(Frozen):
    """The hole of an image in a group: the share of pixels that it covers, and the SHA-256 (16 digits) of its bits."""

    ratio: float
    sha256: str


class Batch(Frozen):
    """Images ``first`` to ``last`` (excluded) of a group: what goes through a method at once, whoever computes it."""

    number: int
    group: int
    first: int
    last: int


class Protocol(Frozen):
    """All that the measured values of a method depend on besides the method: equal protocols, comparable values."""

    inpaintx: str
    data: str
    layout: str
    split: str | None
    size: int
    seed: int
    samples: int
    batch: int
    foreground: str | None
    features: dict[str, str]
    metrics: tuple[str, ...]
    metric_weights: dict[str, str] = {}
    pictures: tuple[Picture, ...]
    groups: tuple[Group, ...]
    holes: tuple[tuple[Hole, ...], ...]
    notes: tuple[str, ...]

    @functools.cached_property
    def digest(self) -> str:
        """SHA-256 of all of it."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()

    def batches(self) -> Iterator[Batch]:
        """The units of work; a batch never holds two groups, and does not depend on who computes it."""
        starts = range(0, len(self.pictures), self.batch)
        for group in range(len(self.groups)):
            for n, first in enumerate(starts):
                last = min(first + self.batch, len(self.pictures))
                yield Batch(number=group * len(starts) + n, group=group, first=first, last=last)

    def shown(self, group: int) -> int:
        """The image that the gallery shows of a group; another one for each."""
        return group * len(self.pictures) // len(self.groups)


class Sources:
    """The set and the holes of a protocol, opened on this machine.

    Parameters
    ----------
    data, split, size, seed
        See :func:`inpaintx.evaluate`.
    groups
        Groups with the full specification of their holes, as :func:`expand_masks` gives them.
    foreground
        Whether samples hold the foreground.
    """

    def __init__(
        self, data: str, split: str | None, size: int, seed: int, groups: Sequence[Group], *, foreground: bool
    ) -> None:
        self.size, self.seed = size, seed
        wants = frozenset({"foreground"} if foreground else ()) | frozenset("mask" for g in groups if g.spec == "own")
        self.faces: FaceDataset = open_dataset(data, size=size, split=split, wants=wants)
        self.place = {name: i for i, name in enumerate(self.faces.names)}
        self.holes: list[MaskSampler | None] = [
            None if g.spec == "own" else parse_mask_spec(g.spec, size=size, generators=mask_generators) for g in groups
        ]

    def sample(self, name: str) -> dict[str, Any]:
        """Read an image by its name."""
        return self.faces[self.place[name]]

    def hole(self, group: int, number: int, sample: dict[str, Any]) -> npt.NDArray[np.bool_]:
        """The hole ``[S,S]`` of image ``number`` of the list in a group: the same whoever asks, and in which order."""
        holes = self.holes[group]
        return np.asarray(sample["mask"][0] > 0.5) if holes is None else holes((self.seed, number))


def expand_masks(specs: Sequence[str]) -> list[Group]:
    """Turn what a user names into groups.

    Parameters
    ----------
    specs
        Each is ``"discard"`` (four groups: 20, 40, 60 and 80 % of the pixels), ``"bins:SPEC"`` or a folder of mask
        files (six groups by hole ratio: 1-10, 10-20, ... 50-60 %), ``"own"`` (the masks of the set itself), or
        anything else that :func:`inpaintx.data.sampler.parse_mask_spec` takes (one group).

    Raises
    ------
    InpaintxError
        None is given, or two are the same.
    """
    groups: list[Group] = []
    for spec in specs:
        source = spec.removeprefix("bins:")
        folder = Path(spec).is_dir() or Path(spec.partition(":")[0]).is_dir()
        if spec == "discard":
            groups += [Group(name=f"discard {p:.0%}", family="discard", spec=f"discard:p={p}") for p in DISCARD]
        elif source != spec or (folder and "ratio=" not in spec):
            groups += [
                Group(
                    name=f"{_public(source)} {100 * low:.0f}-{100 * high:.0f}%",
                    family=f"{_public(source)} by hole ratio",
                    spec=_with_ratio(source, f"ratio={low}-{high}"),
                )
                for low, high in BINS
            ]
        else:
            name = _public(spec)
            groups.append(Group(name=name, family=name, spec=spec))
    names = [g.name for g in groups]
    if not groups:
        raise InpaintxError("no masks are named; give one or more of --masks (say: --masks center)")
    if len(set(names)) < len(names):
        twice = next(n for n in names if names.count(n) > 1)
        raise InpaintxError(f"masks {twice!r} are named twice; give each once")
    return groups


def _with_ratio(source: str, ratio: str) -> str:
    parts = [source] if Path(source).is_dir() else source.split("+")
    return "+".join(f"{part}{',' if '=' in part.rpartition(':')[2] else ':'}{ratio}" for part in parts)


def _public(spec: str) -> str:
    """A specification without the folders above its own: those say something of a machine, nothing of the masks."""
    return printable(re.sub(r"[^+:]*/([^/+:]+)/*", r"\1", spec))


def build_protocol(
    data: str,
    masks: Sequence[str],
    *,
    split: str | None,
    size: int,
    limit: int | None,
    seed: int,
    left_out: Sequence[str] = (),
    **rest: Any,
) -> tuple[Protocol, list[Group]]:
    """Read every image and draw every hole once, and write down what they are.

    Parameters
    ----------
    left_out
        Notes on what is not measured.
    rest
        The other fields of :class:`Protocol`.

    Returns
    -------
    Protocol, list of Group
        The groups with the folders of this machine in them, for :class:`Sources`.

    Raises
    ------
    InpaintxError
        No images, masks that do not fit, or a number that is out of its range.
    """
    if size < SMALLEST:
        raise InpaintxError(f"images of {size} pixels a side are too small to measure; give at least {SMALLEST}")
    if size > LARGEST_SQUARE:
        raise InpaintxError(f"images are measured at {LARGEST_SQUARE} pixels a side at most, got {size}")
    for name, value in (("limit", limit), ("batch_size", rest["batch"]), ("samples", rest["samples"])):
        if value is not None and value < 1:
            raise InpaintxError(f"{name} must be 1 or more, got {value}")
    groups, notes = _possible(expand_masks(masks), size)
    sources = Sources(data, split, size, seed, groups, foreground=True)
    if "foreground" not in sources.faces.has:
        sources = Sources(data, split, size, seed, groups, foreground=False)
        notes.append("foreground: the set has none, so nothing is measured on it")
    pictures: list[Picture] = []
    holes: list[list[Hole]] = [[] for _ in groups]
    for picture, sample in islice(_readable(sources, notes), limit):
        for group, drawn in enumerate(holes):
            hole = sources.hole(group, len(pictures), sample)
            if not hole.any() or hole.all():
                share = "no hole" if not hole.any() else "nothing but hole"
                raise InpaintxError(f"masks {groups[group].name!r}: the mask of {picture.name} has {share}")
            drawn.append(Hole(ratio=float(hole.mean()), sha256=digest(np.packbits(hole))))
        pictures.append(picture)
    if not pictures:
        raise InpaintxError(f"none of the {len(sources.faces)} images of {data} can be read")
    for source in sources.holes:
        notes += source.notes if source is not None else ()
    protocol = Protocol(
        data=printable(Path(data).resolve().name),
        layout=sources.faces.layout,
        split=split,
        size=size,
        seed=seed,
        foreground=sources.faces.sources["foreground"] if "foreground" in sources.faces.has else None,
        pictures=tuple(pictures),
        groups=tuple(g.model_copy(update={"spec": _public(g.spec)}) for g in groups),
        holes=tuple(map(tuple, holes)),
        notes=tuple(
            dict.fromkeys(_strip_paths(note, data, *masks) for note in [*sources.faces.notes, *notes, *left_out])
        ),
        **rest,
    )
    return protocol, groups


def _strip_paths(note: str, *named: str) -> str:
    """A note without the folders above those that the user named, which say something of this machine only."""
    note = printable(note)
    for path in [Path(name.removeprefix("bins:")) for name in named]:
        for above in (path.parent, path.resolve().parent, path.resolve().parent.parent):
            note = note.replace(printable(f"{above}/"), "") if len(str(above)) > 1 else note
    return note


def _possible(groups: list[Group], size: int) -> tuple[list[Group], list[str]]:
    """The groups whose holes there are; a folder may lack masks of some hole ratio, but not of all."""
    kept, notes = [], []
    for group in groups:
        try:
            if group.spec != "own":
                parse_mask_spec(group.spec, size=size, generators=mask_generators)((0,))
        except InpaintxError as error:
            if group.family == group.name or "ratio" not in str(error):
                raise
            notes.append(f"left out: {error}")
            continue
        kept.append(group)
    if not kept:
        raise InpaintxError(f"no masks are left: {notes[0].removeprefix('left out: ')}")
    return kept, notes


def _readable(sources: Sources, notes: list[str]) -> Iterator[tuple[Picture, dict[str, Any]]]:
    for name in sources.faces.names:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # it is said in the notes
            try:
                sample = sources.sample(name)
            except InpaintxError as error:
                notes.append(f"left out: {error}")
                continue
        yield picture_of(sample), sample


def picture_of(sample: dict[str, Any]) -> Picture:
    """What the list says of a sample."""
    inside = sample.get("foreground")
    return Picture(
        name=sample["name"],
        sha256=digest(sample["image"].numpy()),
        foreground=None if inside is None else digest(np.packbits(inside.numpy() > 0.5)),
    )


def digest(array: npt.NDArray[Any]) -> str:
    """The first 16 digits of the SHA-256 of an array's bytes."""
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()[:16]
