"""How face sets lie on disk: which it is, its images, splits, identities and what else comes with them."""

import hashlib
import os
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

from inpaintx.data.identities import read_identities
from inpaintx.data.landmarks import Points, read_celeba_landmarks, read_landmarks, read_table
from inpaintx.errors import InpaintxError
from inpaintx.io.formats import READABLE
from inpaintx.io.names import printable
from inpaintx.io.text_files import read_json, read_text

__all__ = ["SPLITS", "Face", "Layout", "find_layout", "hashed_splits", "read_prepared", "split_of_folder"]

T = TypeVar("T")
#: Names of the splits of a set.
SPLITS = ("train", "val", "test")
_FOLDERS = {"train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}
RESERVED = frozenset({"skin", "foreground", "masks"})  # folders of a plain set that hold no images
NEEDS_POINTS = frozenset({"landmarks", "skin", "foreground"})  # skin and foreground may be derived from them
SKIN_PARTS = ("skin", "nose", "l_eye", "r_eye", "l_brow", "r_brow", "mouth", "u_lip", "l_lip")


@dataclass(frozen=True, slots=True)
class Face:
    """One image of a set: its name there (printable), its file, and what the set says of it."""

    name: str
    image: Path
    split: str | None = None
    identity: str | None = None


@dataclass
class Layout:
    """A set as found on disk.

    Attributes
    ----------
    kind
        ``"folder"``, ``"celeba"``, ``"celeba-hq"`` or ``"celebamask-hq"``.
    faces
        Its images, in a fixed order.
    split_by
        What the splits rest on, in words.
    landmarks
        Points by the name of an image, in pixels of its file.
    regions
        Files by region (``"skin"``, ``"foreground"``, ``"mask"``) and name of an image; their union counts.
    empty
        What an image without a file for a region has: ``"zeros"`` (the part is absent) or ``"ones"`` (nobody knows).
    derived
        Regions whose files were derived, not drawn or parsed (a prepared set tells).
    crop
        Side of the middle square that is cut, in pixels; None: the shorter side.
    """

    kind: str
    root: Path
    faces: list[Face]
    split_by: str | None = None
    landmarks: dict[str, Points] = field(default_factory=dict)
    regions: dict[str, dict[str, list[Path]]] = field(default_factory=dict)
    empty: str = "ones"
    derived: frozenset[str] = frozenset()
    crop: int | None = None
    notes: list[str] = field(default_factory=list)


def find_layout(root: Path, wants: frozenset[str] = frozenset()) -> Layout:
    """Find out how a set lies on disk, and list it.

    Parameters
    ----------
    root
        Its folder.
    wants
        Of ``"skin"``, ``"foreground"``, ``"landmarks"``, ``"mask"``: what is listed besides the images.

    Raises
    ------
    InpaintxError
        No such folder, or no set that is known; says what was looked for.
    """
    if not root.is_dir():
        raise InpaintxError(f"data {root} {'is a file' if root.exists() else 'does not exist'}; expected a folder")
    if (root / "img_align_celeba").is_dir():
        return _celeba(root, wants)
    if (root / "CelebA-HQ-img").is_dir():
        return _celeba_hq(root, wants)
    return _folder(root, wants)


def hashed_splits(keys: Iterable[str]) -> dict[str, str]:
    """Splits by chance that never change: 90 % train, 5 % val, 5 % test, by the SHA-256 of a name or identity.

    Where that leaves a split of a small set empty, the key next to it goes there.
    """
    shares = {key: int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "big") / 2**64 for key in keys}
    found = {key: "train" if share < 0.9 else "val" if share < 0.95 else "test" for key, share in shares.items()}
    for split, middle in (("val", 0.925), ("test", 0.975), ("train", 0.45)):
        count = Counter(found.values())
        movable = [key for key in found if count[found[key]] > 1]
        if not count[split] and movable:
            most = max(count[found[key]] for key in movable)
            nearest = min((k for k in movable if count[found[k]] == most), key=lambda k: (abs(shares[k] - middle), k))
            found[nearest] = split
    return found


def split_of_folder(name: str) -> str | None:
    """The split that a folder's name stands for: train(ing), val(id(ation)), test."""
    return _FOLDERS.get(name.lower())


def _pictures(folder: Path, skip: frozenset[str] = frozenset()) -> dict[str, Path]:
    """The pictures in and below a folder by their printable paths in it; ``skip``: folders at its top left out.

    Names go into JSON, CSV, digests and the names of prepared files, which take no bytes that are not UTF-8.
    """
    found: dict[str, Path] = {}
    for here, folders, files in os.walk(folder):
        above = Path(here).relative_to(folder).as_posix()
        folders[:] = [f for f in folders if not f.startswith(".") and not (above == "." and f.lower() in skip)]
        prefix = "" if above == "." else above + "/"
        for file in files:
            if file.lower().endswith(tuple(READABLE)) and not file.startswith("."):
                name = printable(prefix + file)
                if name in found:
                    raise InpaintxError(f"two files in {folder} are both spelt {name}; rename one")
                found[name] = Path(here, file)
    return dict(sorted(found.items()))


def _folder(root: Path, wants: frozenset[str]) -> Layout:
    """A plain folder; see :func:`inpaintx.data.dataset.open_dataset` for its rules."""
    images = root / "images" if (root / "images").is_dir() else root
    inner = [p for p in sorted(images.iterdir()) if p.is_dir() and not p.name.startswith(".")]
    sets = [p for p in inner if any(q.is_dir() and split_of_folder(q.name) for q in p.iterdir())]
    files = _pictures(images, RESERVED if images is root else frozenset())
    names = list(files)
    direct = any("/" not in name for name in names)
    if len(sets) > 1 and not direct and not any(split_of_folder(p.name) for p in inner):
        raise InpaintxError(
            f"data {root} holds several sets ({', '.join(p.name for p in sets)}); name one of them: {sets[0]}"
        )
    if not names:
        raise InpaintxError(
            f"no face set in {root}. Looked for: img_align_celeba/ (CelebA), CelebA-HQ-img/ (CelebA-HQ, "
            f"CelebAMask-HQ), images/, train/ val/ test/, or pictures ({', '.join(READABLE)}) in it and below it"
        )
    notes: list[str] = []
    people = read_identities(root, names, notes)
    split_of = {n: split_of_folder(n.split("/")[0]) if "/" in n else None for n in names}
    faces = [Face(n, files[n], split_of[n], people.get(n)) for n in names]
    layout = Layout("folder", root, faces, notes=notes)
    if any(face.split for face in faces):
        layout.split_by = "its folders"
        places = {(face.identity, face.split) for face in faces if face.identity and face.split}
        shared = sum(count > 1 for count in Counter(identity for identity, _ in places).values())
        if shared:
            notes.append(f"{shared} people are in several of its split folders")
    if wants & NEEDS_POINTS:
        layout.landmarks = _csv_landmarks(layout)
    derived = read_prepared(root).get("derived", ())
    layout.derived = frozenset(derived if isinstance(derived, (list, dict)) else ())
    for region in wants & {"skin", "foreground", "mask"}:
        folder = root / ("masks" if region == "mask" else region)
        if folder.is_dir():
            layout.regions[region] = _beside(folder, names, layout)
    return layout


def read_prepared(root: Path) -> dict[str, Any]:
    """What ``inpaintx prepare`` wrote of a set that it made; empty for others."""
    path = root / "prepared.json"
    if not path.is_file():
        return {}
    return read_json(path)


def _beside(folder: Path, names: list[str], layout: Layout) -> dict[str, list[Path]]:
    """Files of a region by the image's name; the suffix may differ."""
    files = {PurePosixPath(name).with_suffix("").as_posix(): path for name, path in _pictures(folder).items()}
    found = {}
    for name in names:
        path = files.get(PurePosixPath(name).with_suffix("").as_posix())
        if path:
            found[name] = [path]
    if not found:
        layout.notes.append(f"{folder} was left out: none of its files has the name of an image")
    elif len(found) < len(names):
        layout.notes.append(f"{folder.name}/ lacks {len(names) - len(found)} of {len(names)} images: ones there")
    return found


def _by_name(told: dict[str, T], names: list[str]) -> dict[str, T]:
    """What a list tells of each image: by its name in the set, or by the file's name alone where that is unique."""
    count = Counter(PurePosixPath(name).name for name in names)
    found = {}
    for name in names:
        last = PurePosixPath(name).name
        if name in told:
            found[name] = told[name]
        elif last in told and count[last] == 1:
            found[name] = told[last]
    return found


def _csv_landmarks(layout: Layout) -> dict[str, Points]:
    """Landmarks of the CSV file at the set's root that names the most images."""
    best: dict[str, Points] = {}
    files = sorted(layout.root.glob("landmarks*.csv"))
    for path in files:
        found = _by_name(read_landmarks(path), [face.name for face in layout.faces])
        if len(found) > len(best):
            best, chosen = found, path
    if best:
        some = "" if len(best) == len(layout.faces) else f", for {len(best)} of {len(layout.faces)} images"
        rest = f"; left out: {', '.join(p.name for p in files if p != chosen)}" if len(files) > 1 else ""
        layout.notes.append(f"landmarks from {chosen.name}: {len(next(iter(best.values())))} points{some}{rest}")
    elif files:
        layout.notes.append(f"{', '.join(p.name for p in files)}: none of the names is an image of this set")
    return best


def _list_of(root: Path, stem: str) -> Path | None:
    """One of a set's lists, as text or as CSV, at its root or in a folder Anno or Eval."""
    places = [root / folder / (stem + end) for folder in ("", "Anno", "Eval") for end in (".txt", ".csv")]
    return next((path for path in places if path.is_file()), None)


def _partition(path: Path) -> dict[str, str]:
    """The split of each file, from CelebA's list."""
    found = {}
    for row in read_table(path):
        if row[1] not in ("0", "1", "2"):
            raise InpaintxError(f"{path}: the split of {row[0]} must be 0, 1 or 2 (train, val, test), got {row[1]!r}")
        found[row[0]] = SPLITS[int(row[1])]
    return found


def _celeba(root: Path, wants: frozenset[str]) -> Layout:
    folder = root / "img_align_celeba"
    files = _pictures(folder)
    names = list(files)
    if not names:
        raise InpaintxError(f"{folder} holds no pictures; expected 202,599 files 000001.jpg ...")
    partition, people = _list_of(root, "list_eval_partition"), _list_of(root, "identity_CelebA")
    points = _list_of(root, "list_landmarks_align_celeba")
    split_of = _partition(partition) if partition else {}
    identity = {row[0]: row[1] for row in read_table(people)} if people else {}
    faces = []
    by_person = {} if partition else hashed_splits(set(identity.values()))
    for name in names:
        last = PurePosixPath(name).name
        split = split_of.get(last) or by_person.get(identity.get(last, ""))
        faces.append(Face(name, files[name], split, identity.get(last)))
    layout = Layout("celeba", root, faces, crop=160)
    layout.split_by = partition.name if partition else "hash of the identity" if people else None
    layout.notes.append("the middle 160 x 160 of each image is cut")
    if wants & NEEDS_POINTS and points:
        by_file = read_celeba_landmarks(points)
        layout.landmarks = {n: by_file[p] for n in names if (p := PurePosixPath(n).name) in by_file}
    return layout


def _celeba_hq(root: Path, wants: frozenset[str]) -> Layout:
    folder, parts = root / "CelebA-HQ-img", root / "CelebAMask-HQ-mask-anno"
    files = _pictures(folder)
    names = sorted(files, key=lambda n: (len(PurePosixPath(n).stem), n))  # 2.jpg before 10.jpg
    if not names:
        raise InpaintxError(f"{folder} holds no pictures; expected 0.jpg to 29999.jpg")
    origin = _list_of(root, "CelebA-HQ-to-CelebA-mapping")
    partition, people = _list_of(root, "list_eval_partition"), _list_of(root, "identity_CelebA")
    split_of, identity = {}, {}
    if origin and (partition or people):
        rows = [line.split() for line in read_text(origin).splitlines()]
        source = {row[0]: row[2] for row in rows if len(row) == 3 and row[0].isdigit()}
        by_file = _partition(partition) if partition else {}
        person = {row[0]: row[1] for row in read_table(people)} if people else {}
        by_person = hashed_splits(set(person.values()))
        for name in names:
            file = source.get(PurePosixPath(name).stem, "")
            if file in person:
                identity[name] = person[file]
                split_of[name] = by_person[person[file]]
            if file in by_file:
                split_of[name] = by_file[file]
    faces = [Face(n, files[n], split_of.get(n), identity.get(n)) for n in names]
    layout = Layout("celebamask-hq" if parts.is_dir() else "celeba-hq", root, faces, empty="zeros")
    if split_of:
        layout.split_by = f"{partition.name} of CelebA" if partition else "hash of the identity"
    for region in wants & {"skin", "foreground"}:
        if parts.is_dir():
            layout.regions[region] = _parsing(parts, names, region)
    return layout


def _parsing(parts: Path, names: list[str], region: str) -> dict[str, list[Path]]:
    """Files of CelebAMask-HQ that make up a region: ``{id // 2000}/{id:05d}_{part}.png``; absent parts have none."""
    wanted = SKIN_PARTS if region == "skin" else (*SKIN_PARTS, "hair")
    there = {path.name: set(os.listdir(path)) for path in parts.iterdir() if path.is_dir()}
    found: dict[str, list[Path]] = {}
    for name in names:
        stem = PurePosixPath(name).stem
        if stem.isdigit():
            group = str(int(stem) // 2000)
            files = [f"{int(stem):05d}_{part}.png" for part in wanted]
            found[name] = [parts / group / file for file in files if file in there.get(group, ())]
    return found
