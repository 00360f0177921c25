"""Mask files: one polarity, thresholds in words, and no mask that says nothing."""

import numpy as np
import pytest
from toy_methods import box, noise

from inpaintx.errors import InpaintxError
from inpaintx.io.masks import hole_from_alpha, read_mask
from inpaintx.io.photo import Photo, write_photo


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


def test_a_mask_that_hides_most_is_suspected_aloud(write):
    mask = read_mask(write(255 - WHITE))
    assert mask.notes == ["the hole covers 92.8% of the photo: if black marks the hole, --mask-polarity black"]
    mask = read_mask(write(WHITE), polarity="black")
    assert mask.notes == ["the hole covers 92.8% of the photo: if white marks the hole, --mask-polarity white"]
    large = np.zeros((40, 50), np.uint8)
    large[:24] = 255
    assert read_mask(write(large)).notes == []  # 60 %
    large[24, 0] = 255
    assert "60.1%" in read_mask(write(large)).notes[0]


def test_a_gray_mask_is_split_at_half_with_a_word(write):
    gray = WHITE.copy()
    gray[0, :4] = (1, 127, 128, 254)
    mask = read_mask(write(gray))
    assert mask.hole[0, :4].tolist() == [False, False, True, True]
    assert any("0.20% of the mask's pixels are grey" in note for note in mask.notes)
    jpeg = read_mask(write(WHITE, "m.jpg"))
    np.testing.assert_array_equal(jpeg.hole, HOLE)
    assert any("grey" in note for note in read_mask(write(noise(40, 50, None))).notes)
    assert any("is this a mask" in note for note in read_mask(write(noise(40, 50, None))).notes)


def test_sixteen_bits_and_colors(write):
    np.testing.assert_array_equal(read_mask(write(WHITE.astype(np.uint16) * 257)).hole, HOLE)
    np.testing.assert_array_equal(read_mask(write(np.stack([WHITE] * 3, 2))).hole, HOLE)
    yellow = np.stack([WHITE, WHITE, np.zeros_like(WHITE)], 2)
    mask = read_mask(write(yellow))
    np.testing.assert_array_equal(mask.hole, HOLE)
    assert any("colours" in note for note in mask.notes)


@pytest.mark.parametrize(("paint", "polarity"), [(255, "white"), (0, "black"), (255, "auto"), (0, "auto")])
def test_paint_on_a_transparent_layer(write, paint, polarity):
    color = np.full((40, 50, 3), paint, np.uint8)
    mask = read_mask(write(np.dstack([color, WHITE])), polarity=polarity)
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
    with pytest.raises(InpaintxError, match="is full"):
        read_mask(write(WHITE), dilate=60)
    with pytest.raises(InpaintxError, match="transparent everywhere"):
        read_mask(write(np.zeros((9, 9, 4), np.uint8)))


def test_another_size_is_refused_or_resized(write):
    path = write(WHITE)
    with pytest.raises(InpaintxError, match=r"50 x 40 pixels and the photo 100 x 80; give .*size, or --resize-mask$"):
        read_mask(path, size=(80, 100))
    mask = read_mask(path, size=(80, 100), resize=True)
    np.testing.assert_array_equal(mask.hole, HOLE.repeat(2, 0).repeat(2, 1))
    assert any("resized from 50 x 40 to 100 x 80" in note for note in mask.notes)


def test_another_shape_is_stretched_only_where_that_is_asked_for(write):
    path = write(WHITE)
    for resize in (False, True):
        with pytest.raises(InpaintxError, match=r"it lies on its side; .* or --resize-mask=stretch") as error:
            read_mask(path, size=(50, 40), resize=resize)
        assert "turned" not in str(error.value)
    with pytest.raises(InpaintxError, match=r"100 x 90: another shape; .* or --resize-mask=stretch"):
        read_mask(path, size=(90, 100), resize=True)
    assert read_mask(path, size=(90, 100), resize="stretch").hole.shape == (90, 100)


@pytest.mark.parametrize("size", [(3000, 3750), (333, 416), (17, 21), (40, 51), (9, 11)])
def test_a_side_rounded_to_a_pixel_is_no_other_shape(write, size):
    assert read_mask(write(WHITE), size=size, resize=True).hole.shape == size


def test_what_was_turned_upright_is_named_where_it_was(write):
    turned = Photo(noise(50, 40), notes=["turned upright (EXIF orientation 6)"])
    with pytest.raises(InpaintxError, match="one of them was turned upright"):
        read_mask(write(WHITE), photo=turned)
    with pytest.raises(InpaintxError, match="it lies on its side; give"):
        read_mask(write(WHITE), photo=Photo(noise(50, 40)))


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
