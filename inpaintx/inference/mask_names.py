"""Which mask belongs to which photo, by their names."""

import os
import re
import unicodedata
from collections.abc import Callable, Iterable
from itertools import pairwise
from pathlib import Path, PurePath

from inpaintx.errors import InpaintxError
from inpaintx.io.names import split_suffix

__all__ = ["FORMS", "MASK_NAME", "Masks", "at", "is_mask_name", "stem"]

MASK_NAME = re.compile(r"(.+)_mask\d*", re.DOTALL)  # LaMa's layout: x_mask.png or x_mask001.png beside x.png
# how stems are compared: as they are, then without regard to how accents are stored, then to case
FORMS: tuple[Callable[[str], str], ...] = (
    lambda stem: stem,
    lambda stem: unicodedata.normalize("NFC", stem),
    lambda stem: unicodedata.normalize("NFC", stem).casefold(),
)


def stem(place: str) -> str:
    """A path without its suffix."""
    return split_suffix(place)[0]


def at(folder: Path, place: str) -> Path:
    """A file in a folder. ``folder / place`` would enter the place itself into Python's table of interned strings."""
    return Path(os.path.join(folder, place))


def is_mask_name(place: str) -> bool:
    """Whether a picture is called like a mask beside its photo."""
    return MASK_NAME.fullmatch(PurePath(place).stem) is not None


class Masks:
    """The masks of a folder by the stems of the photos that they belong to.

    A mask has the stem of its photo, or is called x_mask: in each way, stems are compared in :data:`FORMS`. What is not
    asked for is not made: as a rule, all are found as they are.
    """

    def __init__(self, masks: Iterable[str], folder: Path, photos: list[str]) -> None:
        self.masks, self.folder, self.photos = list(masks), folder, photos
        self.tables: dict[tuple[int, bool], dict[str, list[str]]] = {}
        self.shared: dict[int, set[str]] = {}

    def of(self, folder: Path, place: str) -> Path:
        """The mask of the photo that lies at ``place`` below ``folder``."""
        fitting = self.fitting(folder, place)
        if len(fitting) == 1:
            return fitting[0]
        if fitting:
            names = " and ".join(p.name for p in fitting[:3])
            raise InpaintxError(f"{len(fitting)} masks have the stem {stem(place)!r}: {names} in {self.folder}")
        raise InpaintxError(f"no mask with the stem {stem(place)!r} in {self.folder}")

    def fitting(self, folder: Path, place: str) -> list[Path]:
        """The masks that may be the photo's."""
        own = stem(place)
        for lama in (False, True):
            for number, form in enumerate(FORMS):
                key = form(own)
                fitting = [at(self.folder, mask) for mask in self._table(number, lama).get(key, ())]
                fitting = [mask for mask in fitting if mask != at(folder, place)]
                if fitting and key not in self._shared(number):
                    return sorted(fitting)
        return []

    def _table(self, number: int, lama: bool) -> dict[str, list[str]]:
        """The masks by one form of the stem that their photo has."""
        if (number, lama) not in self.tables:
            table: dict[str, list[str]] = {}
            for mask in self.masks:
                own = stem(mask)
                if lama:
                    if not (named := MASK_NAME.fullmatch(PurePath(own).name)):
                        continue
                    own = PurePath(own).with_name(named[1]).as_posix()
                table.setdefault(FORMS[number](own), []).append(mask)
            self.tables[number, lama] = table
        return self.tables[number, lama]

    def _shared(self, number: int) -> set[str]:
        """Stems, in one form, that several photos have."""
        if number not in self.shared:
            stems = sorted(FORMS[number](stem(place)) for place in self.photos)
            self.shared[number] = {one for one, other in pairwise(stems) if one == other}
        return self.shared[number]
