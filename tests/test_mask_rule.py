"""The rule by which pictures and arrays are masks: read as what they are, said, or refused; never read by chance."""

import numpy as np
import pytest
import torch
from toy_methods import HOLE as TOY_HOLE
from toy_methods import PHOTO, box, noise

import inpaintx
from inpaintx.cli import run
from inpaintx.errors import InpaintxError
from inpaintx.io.masks import hole_from_array, read_mask
from inpaintx.io.photo import Photo, encode, write_photo

HOLE = box(40, 50)
WHITE = np.where(HOLE, 255, 0).astype(np.uint8)
ZERO = np.zeros((40, 50), np.uint8)


def mask_of(pixels, fmt="PNG", **how):
    return read_mask(encode(pixels, fmt)[0], **how)


def painted(first, second):
    """A picture of two values, the hole in the second."""
    return np.where(HOLE[..., None], second, first).astype(np.uint8)


TWO = {
    "labels 0 and 1": HOLE.astype(np.uint8),
    "labels 0 and 2": HOLE.astype(np.uint8) * 2,
    "0 and 127": HOLE.astype(np.uint8) * 127,
    "200 and 255": np.where(HOLE, 255, 200).astype(np.uint8),
    "16 bits": HOLE.astype(np.uint16) * 300,
    "red on black": painted((0, 0, 0), (255, 0, 0)),
    "VOC's palette": painted((0, 0, 0), (128, 0, 0)),
    "two colours of one luminance": painted((76, 76, 76), (255, 0, 0)),
    "16-bit red": painted((0, 0, 0), (1, 0, 0)).astype(np.uint16) * 65535,
}


@pytest.mark.parametrize("case", TWO)
def test_two_values_on_one_side_are_refused_with_a_way_out(case):
    for polarity in ("white", "black"):
        with pytest.raises(InpaintxError, match=r"has two values, .* and .*--mask-polarity auto takes the rarer"):
            mask_of(TWO[case], polarity=polarity)
    mask = mask_of(TWO[case], polarity="auto")
    np.testing.assert_array_equal(mask.hole, HOLE)
    assert any("polarity auto" in note and "was taken as the hole" in note for note in mask.notes)
    assert not any("luminance" in note for note in mask.notes)


def test_auto_takes_the_rarer_value_wherever_it_lies():
    np.testing.assert_array_equal(mask_of(painted((255, 255, 255), (255, 0, 0)), polarity="auto").hole, HOLE)
    np.testing.assert_array_equal(mask_of(1 - HOLE.astype(np.uint8), polarity="auto").hole, HOLE)
    even = ZERO.copy()
    even[:20] = 7
    np.testing.assert_array_equal(mask_of(even, polarity="auto").hole, even == 7)  # as frequent: the brighter


def test_auto_takes_all_dark_paint_on_a_transparent_layer():
    paint = painted((254, 0, 0), (255, 0, 0))  # a brush's rim is a level off
    shown = box(40, 50, side=30)
    mask = mask_of(np.dstack([paint, np.where(shown, 255, 0).astype(np.uint8)]), polarity="auto")
    np.testing.assert_array_equal(mask.hole, shown)
    both = np.dstack([painted((0, 0, 0), (255, 255, 255)), np.where(shown, 255, 0).astype(np.uint8)])
    np.testing.assert_array_equal(mask_of(both, polarity="auto").hole, HOLE & shown)


def test_black_paint_over_nothing_says_what_to_do():
    with pytest.raises(InpaintxError, match=r"empty.*--mask-polarity auto takes what is painted"):
        mask_of(np.dstack([ZERO, ZERO, ZERO, WHITE]))


LABELS = np.minimum(np.arange(2000).reshape(40, 50) // 300, 5)
PALETTE = np.array([(0, 0, 0), (128, 0, 0), (0, 128, 0), (128, 128, 0), (192, 128, 128), (0, 0, 128)], np.uint8)


def test_what_would_be_split_by_chance_is_refused():
    with pytest.raises(InpaintxError, match=r"nothing white: its values run from 0 to 5 of 255"):
        mask_of(LABELS.astype(np.uint8))
    with pytest.raises(InpaintxError, match="colours that are neither black nor white"):
        mask_of(PALETTE[LABELS])
    with pytest.raises(InpaintxError, match="colours that are neither black nor white"):
        mask_of(painted((0, 0, 0), (255, 0, 0)), "JPEG", polarity="auto")
    with pytest.raises(InpaintxError, match="nothing white"):  # rings about 127 would be a speckled hole
        mask_of(HOLE.astype(np.uint8) * 127, "JPEG")
    bright = (255 - np.arange(2000).reshape(40, 50) % 90).astype(np.uint8)
    with pytest.raises(InpaintxError, match="nothing black"):
        mask_of(bright, polarity="black")


def test_soft_rims_and_tints_are_still_masks():
    soft = WHITE.copy()
    soft[14, 20:30] = np.linspace(0, 255, 10)
    assert any("split at 50 %" in note for note in mask_of(soft).notes)
    np.testing.assert_array_equal(mask_of(np.stack([WHITE, WHITE, WHITE // 2], 2), "JPEG").hole, HOLE)


def test_the_photo_itself_is_no_mask(folder, capfd):
    with pytest.raises(InpaintxError, match="mask from stdin is the photo itself"):
        mask_of(PHOTO, photo=Photo(PHOTO))
    gray = PHOTO.mean(2).astype(np.uint8)
    for name, pixels in (
        ("copy.tif", PHOTO),
        ("grey.png", gray),
        ("grey.jpg", gray),
        ("deep.png", gray * np.uint16(257)),
    ):
        write_photo(name, pixels)
    for name in ("p.png", "copy.tif", "grey.png", "grey.jpg", "deep.png"):
        assert run(["inpaint", "p.png", name, "-o", "out.png"]) == 2
        assert f"mask {name} is the photo itself" in capfd.readouterr().err
    assert not (folder / "out.png").exists()


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_an_array_of_the_photo_is_no_mask(dtype):
    scale = {np.uint8: 1, np.uint16: 257, np.float32: 1 / 255}[dtype]
    gray = (noise(40, 50).mean(2) * scale).astype(dtype)
    with pytest.raises(InpaintxError, match="mask shows what image does"):
        inpaintx.inpaint(noise(40, 50), gray, "harmonic")


@pytest.mark.parametrize("top", [0.5, 0.01])
def test_floating_labels_are_refused(top):
    with pytest.raises(InpaintxError, match=r"none of them above 0\.5"):
        hole_from_array(HOLE * top, HOLE.shape)
    with pytest.raises(InpaintxError, match=r"none of them above 0\.5"):
        inpaintx.inpaint(torch.rand(1, 3, 40, 50), torch.from_numpy(HOLE * top)[None, None], "harmonic")


@pytest.mark.parametrize(
    "mask",
    [HOLE, WHITE, HOLE.astype(np.uint8), HOLE.astype(np.float32), HOLE.astype(np.int64), WHITE.astype(np.int64),
     HOLE[..., None], WHITE.astype(np.uint16) * 257, HOLE.astype(np.float64) * 0.51, WHITE.view(np.bool_),
     WHITE.astype(">u2") * 257, HOLE.astype(">f4"), np.stack([WHITE] * 3, 2), HOLE.astype(np.uint8) * 128],
)  # fmt: skip
def test_arrays_of_every_type(mask):
    hole = hole_from_array(mask, (40, 50))
    np.testing.assert_array_equal(hole.view(np.uint8), HOLE.view(np.uint8))


@pytest.mark.parametrize(
    ("mask", "words"),
    [
        (HOLE.T, r"\[40, 50\].*got \[50, 40\]"),
        (np.where(HOLE, np.nan, 0), "NaN"),
        (HOLE.astype(complex), "complex"),
        (WHITE.astype(np.float32), "from 0 to 255; expected 0 = known to 1 = hole"),
        (HOLE - 1.0, "from -1 to 0"),
        (np.where(HOLE, -1, 1), "from -1 to 1; expected 0 and 1"),
        (HOLE.astype(np.int64) * 2, "from 0 to 2; .*mask == 1"),
        (HOLE.astype(np.uint8) * 127, "from 0 to 127"),
        (LABELS, "from 0 to 5"),
        (HOLE.astype(np.uint16) * 300, "from 0 to 300"),
        (HOLE.astype(np.int64) * 70000, "from 0 to 70000"),
        (PALETTE[LABELS], "three channels that differ"),
    ],
)
def test_arrays_that_are_no_masks(mask, words):
    with pytest.raises(InpaintxError, match=words):
        hole_from_array(mask, (40, 50))


def test_the_same_rule_behind_inpaint():
    with pytest.raises(InpaintxError, match="from 0 to 255"):
        inpaintx.inpaint(noise(60, 80), np.where(TOY_HOLE, 255.0, 0.0), method="telea")


@pytest.mark.usefixtures("toys")
@pytest.mark.parametrize("kind", [torch.bool, torch.uint8, torch.int64, torch.float32, torch.float16])
def test_tensors_by_the_same_rule(kind):
    image, hole = torch.rand(1, 3, 40, 50), torch.from_numpy(HOLE)[None, None]
    known = image[:, :, ~torch.from_numpy(HOLE)]
    result = inpaintx.inpaint(image, hole.to(kind), method="telea")
    assert torch.equal(result[:, :, ~torch.from_numpy(HOLE)], known)
    assert not torch.equal(result, image)
    assert torch.equal(result, inpaintx.inpaint(image, torch.from_numpy(WHITE)[None, None], method="telea"))
    if kind == torch.bool:
        assert torch.equal(result, inpaintx.inpaint(image, (hole.to(torch.uint8) * 255).view(kind), method="telea"))
        return
    for wrong in (hole.to(kind) * 2, hole.float() * -1, hole * float("nan"), hole.to(torch.int64) * 100):
        with pytest.raises(InpaintxError, match="mask has"):
            inpaintx.inpaint(image, wrong, method="telea")
