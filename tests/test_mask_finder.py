"""Masks that are proposed: scratches, colors, painted copies; the command that writes them."""

import itertools

import numpy as np
import pytest
from face_sets import CHECKOUT, shared_faces  # noqa: F401

from inpaintx.cli import run
from inpaintx.errors import InpaintxError
from inpaintx.inference.mask_finder import find_mask, mask_from_painted
from inpaintx.inference.scratches import find_scratches
from inpaintx.io.masks import read_mask
from inpaintx.io.opencv import import_cv2
from inpaintx.io.photo import Photo, decode, read_photo, write_photo

DEMO = CHECKOUT / "inpaintx" / "demo"
PORTRAITS = [DEMO / "eileen_collins.png", DEMO / "grace_hopper.jpg"]


def scratched(pixels, seed):
    """3 to 8 thin curves over a photo, white or black; and which pixels they change by more than 30 levels."""
    cv2 = import_cv2()
    rng = np.random.default_rng(seed)
    height, width = pixels.shape[:2]
    side = min(height, width)
    drawn = pixels.astype(np.float32)
    t = np.linspace(0, 1, 60)[:, None]
    for _ in range(int(rng.integers(3, 9))):
        start, end = rng.uniform(0, 1, 2) * (width, height), rng.uniform(0, 1, 2) * (width, height)
        while np.hypot(*(end - start)) < 0.3 * side:
            end = rng.uniform(0, 1, 2) * (width, height)
        bend = (start + end) / 2 + rng.normal(0, 0.08 * side, 2)
        curve = (1 - t) ** 2 * start + 2 * t * (1 - t) * bend + t * t * end
        line = np.zeros((height, width), np.uint8)
        thickness = int(rng.integers(1, max(2, round(side / 128)) + 1))
        cv2.polylines(line, [np.rint(curve * 16).astype(np.int32)], False, 255, thickness, cv2.LINE_AA, 4)
        level = rng.uniform(225, 255) if rng.random() < 0.6 else rng.uniform(0, 25)
        opacity = line[..., None] * (rng.uniform(0.8, 1) / 255)
        drawn = drawn * (1 - opacity) + level * opacity
    result = np.rint(drawn).clip(0, 255).astype(np.uint8)
    return result, np.abs(result.astype(int) - pixels).max(-1) > 30


def recall_precision(found, truth):
    both = np.count_nonzero(found & truth)
    return both / np.count_nonzero(truth), both / max(1, np.count_nonzero(found))


@pytest.mark.parametrize("path", PORTRAITS, ids=lambda path: path.stem)
def test_scratches_on_a_portrait(path):
    photo = read_photo(path)
    assert not find_scratches(photo.pixels).any()
    figures = [recall_precision(find_scratches(d), t) for d, t in (scratched(photo.pixels, seed) for seed in range(5))]
    recall, precision = np.mean(figures, 0)
    assert recall > 0.65
    assert precision > 0.8


def test_scratches_on_fifty_faces(shared_faces):  # noqa: F811
    paths = [sorted((shared_faces / kind / "test").glob("*.jpg"))[:25] for kind in ("syn256", "faces256")]
    figures = []
    for number, path in enumerate(itertools.chain(*paths)):
        damaged, truth = scratched(read_photo(path).pixels, [0, number])
        figures.append(recall_precision(find_scratches(damaged), truth))
    assert len(figures) == 50
    recall, precision = np.mean(figures, 0)
    assert recall >= 0.9
    assert precision >= 0.8


@pytest.mark.parametrize("size", [(1, 1), (3, 400), (7, 5), (660, 1100)])
def test_scratches_at_any_size(size):
    plain = np.full((*size, 3), 90, np.uint8)
    assert not find_scratches(plain).any()
    if min(size) > 100:
        plain[100:540, 1000:1003] = 250
        found = find_scratches(plain)
        assert found[120:520, 1001].all()
        assert np.count_nonzero(found) < 10 * 440


def spotted(dtype=np.uint8, channels=3):
    """A grey photo with a patch of orange (one level off at its rim), of white and of black; where they are."""
    pixels = np.full((60, 80, channels), 120, np.uint8)
    places = {name: np.zeros((60, 80), bool) for name in ("color=#FF8000", "white", "black")}
    for place, left, color in zip(places.values(), (5, 30, 55), ((255, 128, 0), (255,) * 3, (0,) * 3), strict=True):
        place[10:30, left : left + 15] = True
        pixels[place, :3] = color
    if channels == 4:
        pixels[..., 3] = 255
    return (pixels if dtype == np.uint8 else pixels.astype(dtype) * 257), places


@pytest.mark.parametrize(("dtype", "channels"), [(np.uint8, 3), (np.uint8, 4), (np.uint16, 3)])
def test_a_color_is_found(dtype, channels):
    pixels, places = spotted(dtype, channels)
    for name, place in places.items():
        mask = find_mask(Photo(pixels), [name])
        np.testing.assert_array_equal(mask.hole, place)
        assert mask.notes == [f"{name}: 6.25% of the photo is proposed as the hole; look at it before it is filled"]
    both = find_mask(Photo(pixels), ["white", "black"]).hole
    np.testing.assert_array_equal(both, places["white"] | places["black"])


def test_tolerance_and_the_rim_of_a_color():
    pixels = np.full((9, 40, 3), 255, np.uint8)
    pixels[:] = np.arange(255, 255 - 4 * 40, -4).astype(np.uint8)[None, :, None]
    assert find_mask(Photo(pixels), ["white"], tolerance=0).hole[0].nonzero()[0].tolist() == [0]
    # 255 - 4 x >= 235, and two pixels more, which lie within twice the tolerance
    assert find_mask(Photo(pixels), ["white"], tolerance=20).hole[0].nonzero()[0].tolist() == list(range(8))
    with pytest.raises(InpaintxError, match="tolerance must be 0 to 255, got 300"):
        find_mask(Photo(pixels), ["white"], tolerance=300)


def test_hidden_colors_are_not_found():
    pixels, places = spotted(channels=4)
    pixels[places["white"], 3] = 0
    with pytest.raises(InpaintxError, match="nothing was found that looks like white"):
        find_mask(Photo(pixels), ["white"])


@pytest.mark.parametrize("word", ["", "red", "color=", "color=#12345", "color=#GG0000", "Scratches"])
def test_an_unknown_word_is_refused(word):
    with pytest.raises(InpaintxError, match=r"must be scratches, white, black or color=#RRGGBB, got"):
        find_mask(Photo(np.zeros((4, 4, 3), np.uint8)), [word])


def painted_over(photo, seed, color):
    cv2 = import_cv2()
    rng = np.random.default_rng(seed)
    height, width = photo.pixels.shape[:2]
    stroke = np.zeros((height, width), np.uint8)
    for _ in range(4):
        points = rng.integers(0, (width, height), (5, 2)).astype(np.int32)
        cv2.polylines(stroke, [points], False, 1, int(rng.integers(6, 30)))
    pixels = photo.pixels.copy()
    pixels[stroke > 0] = color
    return pixels, stroke > 0


@pytest.mark.parametrize("path", PORTRAITS, ids=lambda path: path.stem)
@pytest.mark.parametrize("quality", [None, 95, 75, 50])
def test_a_painted_copy(path, quality):
    cv2 = import_cv2()
    photo = read_photo(path)
    for seed, color in enumerate([(255, 0, 0), (0, 255, 0), (255, 0, 255)]):
        pixels, truth = painted_over(photo, seed, color)
        if quality:
            data = cv2.imencode(".jpg", pixels[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()
            pixels = decode(data, "copy").pixels
        mask = mask_from_painted(photo, Photo(pixels))
        overlap = np.count_nonzero(mask.hole & truth) / np.count_nonzero(mask.hole | truth)
        assert overlap > (0.85 if quality else 0.99)
        assert any("saved anew" in note for note in mask.notes) == bool(quality)


def test_an_erased_copy_and_what_is_refused():
    photo = read_photo(PORTRAITS[0])
    erased = np.dstack([photo.pixels, np.full(photo.pixels.shape[:2], 255, np.uint8)])
    with pytest.raises(InpaintxError, match="does not differ from the photo"):
        mask_from_painted(photo, Photo(erased))
    erased[10:30, 40:70, 3] = 0
    hole = mask_from_painted(photo, Photo(erased)).hole
    assert hole[10:30, 40:70].all()
    assert np.count_nonzero(hole) == 600
    with pytest.raises(InpaintxError, match="painted copy has 512 x 511 pixels and the photo 512 x 512"):
        mask_from_painted(photo, Photo(photo.pixels[1:]))
    with pytest.raises(InpaintxError, match="everywhere"):
        mask_from_painted(Photo(np.zeros((9, 9, 3), np.uint8)), Photo(np.full((9, 9, 3), 99, np.uint8)))


def test_the_command_writes_what_inpaint_reads(folder, capfd):
    photo = read_photo(PORTRAITS[1])
    write_photo("photo.png", photo.pixels)
    pixels, truth = painted_over(photo, 0, (255, 0, 0))
    write_photo("painted.png", pixels)
    assert run(["mask", "photo.png", "painted.png", "-o", "mask.png", "--preview", "seen.png"]) == 0
    assert "is painted over" in capfd.readouterr().out
    hole = read_mask("mask.png", photo=photo).hole
    assert np.count_nonzero(hole ^ truth) < 0.01 * np.count_nonzero(truth)
    seen = read_photo("seen.png").pixels
    np.testing.assert_array_equal(seen[~hole], photo.pixels[~hole])
    assert len(np.unique(seen[hole], axis=0)) == 1
    assert run(["inpaint", "photo.png", "mask.png", "-o", "out.png", "-m", "telea"]) == 0
    write_photo("damaged.png", scratched(photo.pixels, 3)[0])
    assert run(["mask", "damaged.png", "--find", "scratches", "--dilate-mask", "1", "-o", "found.png"]) == 0
    assert "look at it before it is filled" in capfd.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["p.png", "m.png"], "-o/--out is missing"),
        (["p.png", "-o", "x.png"], "give a painted copy of the photo, or --find"),
        (["p.png", "m.png", "--find", "white", "-o", "x.png"], "one of the two"),
        (["p.png", "--find", "blue", "-o", "x.png"], "what to find must be"),
        (["p.png", "p.png", "-o", "x.png"], "does not differ"),
        (["p.png", "--find", "scratches", "-o", "x.jpg"], "a JPEG does not keep a mask exactly; write x.png"),
        (["p.png", "--find", "scratches", "-o", "m.png"], "m.png exists"),
        (["p.png", "none.png", "-o", "x.png"], "painted copy none.png"),
    ],
)
def test_the_command_says_what_is_wrong(folder, capfd, arguments, words):
    assert run(["mask", *arguments]) == 2
    assert words in capfd.readouterr().err
    assert not (folder / "x.png").exists()
