"""Skin and foreground derived from landmarks: near the truth where it is known, repeatable, and named derived."""

import numpy as np
import pytest
import torch
from face_sets import FACE_POINTS, drawn_face, landmarks_csv, plain, shared_faces, write  # noqa: F401

from inpaintx.data.dataset import open_dataset
from inpaintx.data.segment import derive_regions


def overlap(one, other):
    return (one & other).sum() / (one | other).sum()


def test_a_drawn_face_is_found():
    pixels, face, head = drawn_face()
    regions = derive_regions(pixels, FACE_POINTS)
    assert overlap(regions.skin, face) > 0.9
    assert overlap(regions.foreground, head) > 0.9
    assert (regions.foreground >= regions.skin).all()
    again = derive_regions(pixels, FACE_POINTS)
    assert all(np.array_equal(a, b) for a, b in zip(regions, again, strict=True))


def test_larger_pictures_are_worked_out_small():
    pixels, face, _ = drawn_face()
    large = derive_regions(np.repeat(np.repeat(pixels, 3, 0), 3, 1), (FACE_POINTS + 0.5) * 3 - 0.5)
    assert large.skin.shape == (288, 288)
    assert overlap(large.skin, np.repeat(np.repeat(face, 3, 0), 3, 1)) > 0.9


@pytest.mark.parametrize(
    "points", [np.full((5, 2), np.nan), np.full((5, 2), 30.0), FACE_POINTS + 500, np.zeros((7, 2))]
)
def test_landmarks_that_tell_nothing(points):
    assert derive_regions(drawn_face()[0], points) is None


def test_a_set_with_landmarks_derives_what_it_lacks(tmp_path):
    pixels, face, _ = drawn_face()
    write(tmp_path / "a.png", pixels)
    plain(tmp_path, ["b.png"], side=96)
    landmarks_csv(tmp_path / "landmarks.csv", {"a.png": FACE_POINTS})
    faces = open_dataset(tmp_path, size=96, wants=frozenset({"skin", "foreground"}))
    assert faces.sources == {"skin": "derived", "foreground": "derived"}
    assert faces.has == {"skin", "foreground"}
    assert any(
        note.startswith("foreground=derived") and "ones for the 1 images without" in note for note in faces.notes
    )
    first, second = faces[0], faces[0]
    assert set(first) == {"image", "name", "skin", "foreground"}
    assert overlap(first["skin"][0].numpy() > 0, face) > 0.9
    assert torch.equal(first["foreground"], second["foreground"])
    assert faces[1]["skin"].min() == 1


def test_shared_faces(shared_faces):  # noqa: F811
    """Skin covers the landmarks and roughly the share of the frame that its alignment promises."""
    faces = open_dataset(shared_faces / "tiny", size=64, wants=frozenset({"skin", "foreground", "landmarks"}))
    known = [i for i in range(len(faces)) if not bool(torch.isnan(faces[i]["landmarks"]).any())]
    assert len(known) == 12
    for i in known:
        sample = faces[i]
        assert 0.2 < sample["skin"].mean() < 0.6
        assert sample["foreground"].sum() > sample["skin"].sum()
        x, y = sample["landmarks"].round().long().T
        assert sample["skin"][0, y, x].float().mean() > 0.9
