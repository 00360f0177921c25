"""Which images train, validate and test."""

from typing import Literal

from inpaintx.data.layouts import SPLITS, Layout, hashed_splits
from inpaintx.errors import InpaintxError

__all__ = ["SplitBy", "choose_splits"]

SplitBy = Literal["auto", "identity", "name"] | tuple[int, int, int]


def choose_splits(layout: Layout, wanted: SplitBy) -> tuple[dict[str, str], str]:
    """Choose the split of each image.

    Parameters
    ----------
    layout
        The set.
    wanted
        ``"auto"``: its own splits, else a hash of the identity, else of the name; or one of the latter two; or how many
        images train, val and test get, in its order.

    Returns
    -------
    dict, str
        The split by the image's name, without those that are left out, and what it rests on.

    Raises
    ------
    InpaintxError
        The set tells no identities; numbers that it does not have.
    """
    if isinstance(wanted, tuple):
        there, asked = len(layout.faces), sum(wanted)
        if min(wanted) < 0 or not 0 < asked <= there:
            raise InpaintxError(f"train, val and test must be from 0 on and at most {there} together, got {wanted}")
        labels = [split for split, count in zip(SPLITS, wanted, strict=True) for _ in range(count)]
        of = {face.name: split for face, split in zip(layout.faces, labels, strict=False)}
        return of, f"{', '.join(map(str, wanted))} in the set's order"
    people = any(face.identity is not None for face in layout.faces)
    if wanted == "identity" and not people:
        raise InpaintxError(
            f"{layout.root} tells no identities (looked for identity_CelebA.txt, or identities.csv with name,identity)"
        )
    if wanted == "auto" and layout.split_by is not None and all(face.split for face in layout.faces):
        return {face.name: str(face.split) for face in layout.faces}, layout.split_by
    if wanted != "name" and people:
        by_person = hashed_splits({face.identity or face.name for face in layout.faces})
        return {f.name: by_person[f.identity or f.name] for f in layout.faces}, "hash of the identity"
    return hashed_splits(face.name for face in layout.faces), "hash of the name"
