"""Face sets: opened by their folder, read as samples of one size."""

import hashlib
import math
import warnings
from collections import Counter
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch

from inpaintx.data.center_crop import Frame, UnreadableFileError, read_square
from inpaintx.data.landmarks import MIRRORED, eye_mouth_points
from inpaintx.data.layouts import SPLITS, Face, Layout, find_layout, hashed_splits, split_of_folder
from inpaintx.data.mask_files import read_region
from inpaintx.data.sampler import SkippedFileWarning
from inpaintx.data.segment import derive_regions
from inpaintx.errors import InpaintxError
from inpaintx.io.atomic import content_of
from inpaintx.io.memory import LARGEST_SQUARE
from inpaintx.io.names import printable

__all__ = ["FaceDataset", "Faces", "as_batch", "open_dataset"]

WANTS = frozenset({"skin", "foreground", "landmarks", "mask"})


def open_dataset(
    path: str | Path,
    *,
    size: int,
    split: str | None = None,
    wants: frozenset[str] = frozenset(),
    limit: int | None = None,
    crop: int | None = None,
    memory: float = 2e9,
) -> "FaceDataset":
    """Open a set of faces; how it lies on disk is found out and said in ``notes``.

    Parameters
    ----------
    path
        Folder of CelebA (``img_align_celeba/`` and its lists), CelebA-HQ (``CelebA-HQ-img/``), CelebAMask-HQ (and
        ``CelebAMask-HQ-mask-anno/``), or a plain folder: pictures in it and below it, or in ``images/``; in folders
        ``train/ val/ test/`` where it has splits; beside them ``skin/``, ``foreground/`` (white = inside) and
        ``masks/`` (white = hole) with the images' names, and ``landmarks*.csv`` (``name,x0,y0,x1,y1,...``; pixels of
        the image file, centre of the first pixel = 0; a name alone is enough where it is unique), and
        ``identities.csv`` (``name,identity``). A plain folder's split folder may be named itself.
    size
        Side S of the samples.
    split
        ``"train"``, ``"val"``, ``"test"``, or None for all. A set without splits of its own is split by its
        identities, else by its names (a hash of them: 90, 5 and 5 %), and ``notes`` says so.
    wants
        Of ``"skin"``, ``"foreground"``, ``"landmarks"`` and ``"mask"``: what samples hold besides the image.
    limit
        The first so many images of the split, in the set's order; None: all.
    crop
        Side of the middle square that is cut from each image, in its pixels. Default: its shorter side; for CelebA
        160.
    memory
        Decoded images are kept in memory if all of them take no more bytes than this.

    Raises
    ------
    InpaintxError
        No such folder, no set in it, or nothing in the split; says what was looked for and what is there.
    """
    if not 1 <= size <= LARGEST_SQUARE:
        raise InpaintxError(f"the size of a set's samples must be from 1 to {LARGEST_SQUARE} pixels a side, got {size}")
    if wants - WANTS:
        raise InpaintxError(f"a set cannot give {sorted(wants - WANTS)}; known: {sorted(WANTS)}")
    if split is not None and split not in SPLITS:
        raise InpaintxError(f"split must be train, val or test, got {split!r}")
    root = Path(path)
    named = split_of_folder(root.name)
    if named and split in (None, named) and root.is_dir() and not (root / "images").is_dir():
        root, split = root.resolve().parent, named
    layout = find_layout(root, wants)
    faces = _chosen(layout, split)
    if limit is not None:
        if limit < 1:
            raise InpaintxError(f"limit must be 1 or more, got {limit}")
        if limit < len(faces):
            layout.notes.append(f"the first {limit} of {len(faces)} images")
        faces = faces[:limit]
    if crop is not None:
        layout.crop = crop
    return FaceDataset(layout, faces, size=size, split=split, wants=wants, memory=memory)


def _chosen(layout: Layout, split: str | None) -> list[Face]:
    """The images of a split."""
    if split is None:
        return layout.faces
    if layout.split_by is None:
        splits = hashed_splits({face.identity or face.name for face in layout.faces})
        chosen = [face for face in layout.faces if splits[face.identity or face.name] == split]
        people = any(face.identity for face in layout.faces)
        layout.split_by = f"a hash of the {'identities' if people else 'names'}: it has no splits of its own"
    else:
        chosen = [face for face in layout.faces if face.split == split]
    if not chosen:
        there = Counter(face.split or "none" for face in layout.faces)
        counts = ", ".join(f"{name} {count}" for name, count in sorted(there.items()))
        raise InpaintxError(
            f"data {layout.root} has no images in split {split!r} (split by {layout.split_by}; there are: {counts})"
        )
    return chosen


class Faces(Protocol):
    """What training needs of a set; :class:`FaceDataset` says what each part is."""

    size: int
    wants: frozenset[str]
    has: frozenset[str]
    sources: dict[str, str]
    notes: list[str]
    layout: str
    fingerprint: str
    count: int
    flips: bool

    def __len__(self) -> int: ...
    def __getitem__(self, index: int, /) -> dict[str, Any]: ...
    def read(self, index: int, /) -> dict[str, Any]:
        """A sample as :func:`as_batch` takes it."""

    def content(self) -> str:
        """A digest of all that samples are made from."""


class FaceDataset:
    """Faces of one size; ``faces[i]`` is a sample.

    Attributes
    ----------
    names
        Of the images, as the set calls them; their order is fixed.
    layout
        What kind of set it is.
    has
        What samples truly hold of what was wanted.
    sources
        Where each comes from: ``"files"``, ``"parsing"``, ``"derived"``, ``"ones"``, ``"none"``.
    notes
        What was found, chosen and left out, in words.
    skipped
        Images that could not be read, with the reason.
    fingerprint
        SHA-256 of the names: two runs with the same one see the same order.
    """

    def __init__(
        self, layout: Layout, faces: list[Face], *, size: int, split: str | None, wants: frozenset[str], memory: float
    ) -> None:
        self.faces, self.size, self.wants = faces, size, wants
        self.names = [face.name for face in faces]
        self.layout = layout.kind
        self.notes = [
            f"{printable(layout.root)}: {layout.kind}, {len(faces)} images" + (f" of {split}" if split else "")
        ]
        if split:
            self.notes.append(f"split by {layout.split_by}")
        self.notes += map(printable, layout.notes)
        self.skipped: dict[str, str] = {}
        self.fingerprint = hashlib.sha256("\n".join(self.names).encode()).hexdigest()
        self._layout = layout
        self._sound: set[Path] = set()
        self._kept: dict[int, tuple[npt.NDArray[np.uint8], Frame]] = {}
        self._keep = len(faces) * size * size * 3 <= memory
        if self._keep:
            megabytes = math.ceil(len(faces) * size * size * 3 / 1e6)
            self.notes.append(f"decoded images are kept in memory (up to {megabytes} MB)")
        self._derived: dict[int, dict[str, npt.NDArray[np.uint8]]] = {}
        self.points = self._find_landmarks() if wants - {"mask"} else {}
        self.count = len(next(iter(self.points.values()))) if self.points else 5
        self.sources = {want: self._source(want) for want in sorted(wants)}
        self.has = frozenset(want for want, source in self.sources.items() if source not in ("ones", "none"))
        self.flips = "landmarks" not in self.has or self.count in MIRRORED
        if not self.flips:
            self.notes.append(
                f"no sample is mirrored: which of {self.count} landmarks change sides is not known (it is for "
                f"{', '.join(map(str, sorted(MIRRORED)))})"
            )

    def __getstate__(self) -> dict[str, Any]:
        """What a worker is sent: without the decoded images, of which each keeps its own."""
        return {**vars(self), "_kept": {}, "_derived": {}, "_sound": set()}

    def content(self) -> str:
        """SHA-256 over all that samples are made from: the files of images and regions, and the landmarks.

        Every file is read, as fast as the disk gives them.
        """
        regions = [self._layout.regions[want] for want in sorted(self.wants) if want in self._layout.regions]
        files = [
            path for face in self.faces for path in (face.image, *(p for r in regions for p in r.get(face.name, ())))
        ]
        points = hashlib.sha256()
        for name in sorted(self.points):
            points.update(f"{name}\n".encode() + self.points[name].tobytes())
        return hashlib.sha256(f"{content_of(files)} {points.hexdigest()}".encode()).hexdigest()

    def _find_landmarks(self) -> dict[str, npt.NDArray[np.float32]]:
        points = {name: self._layout.landmarks[name] for name in self.names if name in self._layout.landmarks}
        if points and len({len(p) for p in points.values()}) > 1:
            raise InpaintxError(f"data {self._layout.root}: landmarks with different numbers of points")
        if points and len(points) < len(self) and "landmarks" in self.wants:
            self.notes.append(f"{len(self) - len(points)} of {len(self)} images have no landmarks: NaN there")
        return points

    def _source(self, want: str) -> str:
        """Where samples take something from; says so where it is not the set's own."""
        if want == "landmarks":
            if not self.points:
                self.notes.append("the set has no landmarks: NaN for all")
            return "files" if self.points else "none"
        if self._layout.regions.get(want):
            if want in self._layout.derived:
                self.notes.append(f"{want}=derived: its files were derived from landmarks when the set was prepared")
                return "derived"
            return "parsing" if self._layout.kind == "celebamask-hq" else "files"
        if want == "mask":
            raise InpaintxError(f"data {self._layout.root} has no masks of its own; expected masks/ beside the images")
        able = sum(eye_mouth_points(points) is not None for points in self.points.values())
        if able:
            rest = "" if able == len(self) else f"; ones for the {len(self) - able} images without"
            self.notes.append(
                f"{want}=derived: from landmarks and GrabCut, when an image is first read, then kept in memory{rest} "
                "('inpaintx prepare' writes them to files once)"
            )
            return "derived"
        self.notes.append(f"{want}=ones: the set has neither {want} files nor landmarks to derive it from")
        return "ones"

    def __len__(self) -> int:
        return len(self.faces)

    def pixels(self, index: int) -> tuple[npt.NDArray[np.uint8], Frame]:
        """Decode an image: ``[S,S,3]`` uint8 RGB (do not write into it), and the square of the file that it shows.

        Raises
        ------
        UnreadableFileError
            It is damaged; see :attr:`skipped`.
        """
        if index in self._kept:
            return self._kept[index]
        face = self.faces[index]
        if face.name in self.skipped:
            raise UnreadableFileError(self.skipped[face.name])
        try:
            read = read_square(face.image, self.size, self._layout.crop, sound=self._sound)
        except UnreadableFileError as error:
            self.skip(face.name, str(error))
            raise
        if self._keep:
            self._kept[index] = read
        return read

    def skip(self, name: str, reason: str) -> None:
        """Report an image that cannot be read, once."""
        if self.skipped.setdefault(name, reason) is reason:
            warnings.warn(f"skipped: {reason}", SkippedFileWarning, stacklevel=3)

    def __getitem__(self, index: int) -> dict[str, Any]:
        """Read a sample.

        Returns
        -------
        dict
            ``"image"`` ``[3,S,S]`` float32 RGB in [0,1]; ``"name"``; where wanted ``"skin"``, ``"foreground"`` and
            ``"mask"`` ``[1,S,S]`` float32 of 0 and 1, ``"landmarks"`` ``[N,2]`` float32 (x, y; pixels of the sample,
            centre of the first pixel = 0; NaN = unknown).

        Raises
        ------
        UnreadableFileError
            Its image, or a mask file of it, is damaged.
        """
        sample = as_batch([self.read(index)])
        return {key: value[0] for key, value in sample.items()}

    def read(self, index: int) -> dict[str, Any]:
        """Read a sample as :func:`as_batch` takes it: image ``[S,S,3]`` uint8, regions ``[S,S]`` bool, points, name."""
        pixels, frame = self.pixels(index)
        name = self.names[index]
        sample: dict[str, Any] = {"image": pixels, "name": name}
        if "landmarks" in self.wants:
            points = self.points.get(name)
            placed = np.full((self.count, 2), np.nan, np.float32) if points is None else frame.place(points, self.size)
            sample["landmarks"] = placed
        for region in sorted(self.wants - {"landmarks"}):
            sample[region] = self._region(region, index, pixels, frame)
        return sample

    def _region(self, region: str, index: int, pixels: npt.NDArray[np.uint8], frame: Frame) -> npt.NDArray[np.bool_]:
        name = self.names[index]
        paths = self._layout.regions.get(region, {}).get(name)
        try:
            if paths is not None:
                return read_region(paths, frame, self.size, sound=self._sound)
        except UnreadableFileError as error:
            self.skip(name, str(error))
            raise
        if self.sources[region] == "derived" and name in self.points:
            return self._derive(region, index, pixels, frame)
        fill = self._layout.empty == "ones" or self.sources[region] == "ones"
        return np.full((self.size, self.size), fill)

    def _derive(self, region: str, index: int, pixels: npt.NDArray[np.uint8], frame: Frame) -> npt.NDArray[np.bool_]:
        """Skin or foreground from the landmarks; both are kept packed, one bit a pixel."""
        if index not in self._derived:
            regions = derive_regions(pixels, frame.place(self.points[self.names[index]], self.size))
            self._derived[index] = {} if regions is None else {k: np.packbits(v) for k, v in regions._asdict().items()}
        packed = self._derived[index].get(region)
        if packed is None:
            return np.ones((self.size, self.size), bool)
        return np.unpackbits(packed, count=self.size**2).reshape(self.size, self.size).view(bool)


def as_batch(samples: list[dict[str, Any]]) -> dict[str, Any]:
    """Join samples of :meth:`FaceDataset.read` to float32 tensors; names stay a list.

    NumPy does the work: torch would share it among threads of its own, which starve when several readers and a
    training step want the same cores.
    """
    batch: dict[str, Any] = {}
    for key in samples[0]:
        values = [sample[key] for sample in samples]
        if key == "name":
            batch[key] = values
        elif key == "image":
            planes = np.empty((len(values), 3, *values[0].shape[:2]), np.float32)
            for plane, pixels in zip(planes, values, strict=True):
                np.divide(pixels.transpose(2, 0, 1), np.float32(255), out=plane)
            batch[key] = torch.from_numpy(planes)
        elif key == "landmarks":
            batch[key] = torch.from_numpy(np.stack(values))
        else:
            batch[key] = torch.from_numpy(np.stack(values)[:, None].astype(np.float32))
    return batch
