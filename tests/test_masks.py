"""Mask files: one polarity, thresholds in words, and no mask that says nothing."""

import numpy as np
import pytest
from toy_methods import box, noise

from inpaintx.data.masks import hole_from_alpha, hole_from_array, read_mask
from inpaintx.data.photo import Photo, write_photo
from inpaintx.errors import InpaintxError


@pytest.fixture
def write(tmp_path):
    def save(pixels, name="m.png"):
        write_photo(tmp_path / name, pixels, overwrite=True)
        return tmp_path / name

    return save


HOLE = box(40, 50)
WHITE = np.where(HOLE, 255, 0).astype(np.uint8)


@pytest.mark.parametrize(
    ("polarity", "pixels"), [("white", WHITE), ("black", 255 - WHITE), ("auto", WHITE), ("auto", 255 - WHITE)]
)
def test_polarity(write, polarity, pixels):
    mask = read_mask(write(pixels), polarity=polarity)
    np.testing.assert_array_equal(mask.hole, HOLE)
    assert mask.ratio == pytest.approx(144 / 2000)
    assert mask.hole.dtype == np.bool_


def test_auto_says_what_it_chose(write):
    mask = read_mask(write(255 - WHITE), polarity="auto")
    assert any("black was taken as the hole" in note and "92.8%" in note for note in mask.notes)


def test_an_inverted_mask_is_suspected_aloud(write):
    mask = read_mask(write(255 - WHITE))
    assert mask.ratio > 0.9
    assert any("inverted" in note and "--mask-polarity black" in note for note in mask.notes)
    large = read_mask(write(np.where(box(40, 50, top=2, left=2, side=37), 255, 0).astype(np.uint8)))
    assert large.ratio > 0.5
    assert large.notes == []


def test_a_grey_mask_is_split_at_half_with_a_word(write):
    grey = WHITE.copy()
    grey[0, :4] = (1, 127, 128, 254)
    mask = read_mask(write(grey))
    assert mask.hole[0, :4].tolist() == [False, False, True, True]
    assert any("0.20% of the mask's pixels are grey" in note for note in mask.notes)
    jpeg = read_mask(write(WHITE, "m.jpg"))
    np.testing.assert_array_equal(jpeg.hole, HOLE)
    assert any("grey" in note for note in read_mask(write(noise(40, 50, None))).notes)
    assert any("is this a mask" in note for note in read_mask(write(noise(40, 50, None))).notes)


def test_sixteen_bits_and_colours(write):
    np.testing.assert_array_equal(read_mask(write(WHITE.astype(np.uint16) * 257)).hole, HOLE)
    np.testing.assert_array_equal(read_mask(write(np.stack([WHITE] * 3, 2))).hole, HOLE)
    yellow = np.stack([WHITE, WHITE, np.zeros_like(WHITE)], 2)
    mask = read_mask(write(yellow))
    np.testing.assert_array_equal(mask.hole, HOLE)
    assert any("colours" in note for note in mask.notes)


@pytest.mark.parametrize(("paint", "polarity"), [(255, "white"), (0, "black"), (255, "auto"), (0, "auto")])
def test_paint_on_a_transparent_layer(write, paint, polarity):
    colour = np.full((40, 50, 3), paint, np.uint8)
    mask = read_mask(write(np.dstack([colour, WHITE])), polarity=polarity)
    np.testing.assert_array_equal(mask.hole, HOLE)
    assert any("transparent and counts as known" in note for note in mask.notes)


def test_an_opaque_alpha_changes_nothing(write):
    mask = read_mask(write(np.dstack([WHITE, WHITE, WHITE, np.full_like(WHITE, 255)])))
    np.testing.assert_array_equal(mask.hole, HOLE)
    assert mask.notes == []


def test_empty_and_full_masks_are_refused(write):
    with pytest.raises(InpaintxError, match=r"m\.png is empty"):
        read_mask(write(np.zeros((9, 9), np.uint8)))
    with pytest.raises(InpaintxError, match=r"m\.png is full"):
        read_mask(write(np.full((9, 9), 255, np.uint8)))
    with pytest.raises(InpaintxError, match="stored as 0 and 1"):
        read_mask(write(HOLE.astype(np.uint8)))
    with pytest.raises(InpaintxError, match="is full"):
        read_mask(write(WHITE), dilate=60)
    with pytest.raises(InpaintxError, match="transparent everywhere"):
        read_mask(write(np.zeros((9, 9, 4), np.uint8)))


def test_another_size_is_refused_or_resized(write):
    path = write(WHITE)
    with pytest.raises(InpaintxError, match=r"50 x 40 pixels and the photo 100 x 80.*--resize-mask"):
        read_mask(path, size=(80, 100))
    with pytest.raises(InpaintxError, match="turned upright"):
        read_mask(path, size=(50, 40))
    mask = read_mask(path, size=(80, 100), resize=True)
    np.testing.assert_array_equal(mask.hole, HOLE.repeat(2, 0).repeat(2, 1))
    assert any("resized from 50 x 40 to 100 x 80" in note for note in mask.notes)


def test_a_thin_line_survives_shrinking(write):
    line = np.zeros((300, 400), np.uint8)
    line[:, 201] = 255
    hole = read_mask(write(line), size=(30, 40), resize=True).hole
    assert hole[:, 20].all()
    assert hole.sum() == 30


def test_dilation_grows_by_that_many_pixels(write):
    dot = np.zeros((41, 41), np.uint8)
    dot[20, 20] = 255
    hole = read_mask(write(dot), dilate=5).hole
    ys, xs = np.mgrid[:41, :41]
    np.testing.assert_array_equal(hole, (ys - 20) ** 2 + (xs - 20) ** 2 <= 25)
    with pytest.raises(InpaintxError, match="0 or more"):
        read_mask(write(dot), dilate=-1)


def test_hole_from_alpha():
    rgba = np.dstack([noise(40, 50), 255 - WHITE])
    rgba[0, 0, 3] = 200
    mask, pixels = hole_from_alpha(Photo(rgba))
    np.testing.assert_array_equal(mask.hole, HOLE)
    assert (pixels[..., 3] == 255).all()
    np.testing.assert_array_equal(pixels[0, 0, :3], rgba[0, 0, :3])
    assert (rgba[HOLE][:, 3] == 0).all()
    with pytest.raises(InpaintxError, match="alpha channel"):
        hole_from_alpha(Photo(noise(4, 4)))


@pytest.mark.parametrize(
    "mask",
    [HOLE, WHITE, HOLE.astype(np.uint8), HOLE.astype(np.float32), HOLE.astype(np.int64), WHITE.astype(np.int64),
     HOLE[..., None], WHITE.astype(np.uint16) * 257, HOLE.astype(np.float64) * 0.51],
)  # fmt: skip
def test_arrays_of_every_type(mask):
    np.testing.assert_array_equal(hole_from_array(mask, (40, 50)), HOLE)


def test_arrays_that_do_not_fit():
    with pytest.raises(InpaintxError, match=r"\[40, 50\].*got \[50, 40\]"):
        hole_from_array(HOLE.T, (40, 50))
    with pytest.raises(InpaintxError, match="NaN"):
        hole_from_array(np.full((4, 4), np.nan), (4, 4))
    with pytest.raises(InpaintxError, match="complex"):
        hole_from_array(np.zeros((4, 4), complex), (4, 4))
