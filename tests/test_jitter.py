"""Crops moved, scaled and turned, with all that belongs to them."""

import numpy as np
import pytest

from inpaintx.data.jitter import Jitter

SIZE = 64
POINTS = np.array([[20.0, 24], [40, 22], [31, 44]], np.float32)


def sample():
    """Bright dots at the landmarks, and a region that is the image's bright half."""
    y, x = np.mgrid[:SIZE, :SIZE]
    dots = np.exp(-((x[..., None] - POINTS[:, 0]) ** 2 + (y[..., None] - POINTS[:, 1]) ** 2) / 8)
    image = np.stack([*(255 * dots).transpose(2, 0, 1)], -1).astype(np.uint8)
    return {"image": image, "name": "a", "skin": x < SIZE // 2, "landmarks": POINTS.copy()}


def center_of(plane):
    y, x = np.mgrid[:SIZE, :SIZE]
    weight = plane.astype(float)
    return np.array([(x * weight).sum(), (y * weight).sum()]) / weight.sum()


@pytest.mark.parametrize("seed", range(4))
def test_landmarks_stay_on_what_they_mark(seed):
    jitter = Jitter(0.05, 10)
    moved = jitter(sample(), np.random.default_rng(seed))
    assert moved["image"].dtype == np.uint8
    assert moved["skin"].dtype == bool
    assert moved["name"] == "a"
    assert np.abs(moved["landmarks"] - POINTS).max() > 0.5
    for number, point in enumerate(moved["landmarks"]):
        assert center_of(moved["image"][..., number]) == pytest.approx(point, abs=0.1)


def test_regions_move_with_the_picture():
    one = sample()
    one["image"] = np.repeat(np.where(one["skin"], 200, 30).astype(np.uint8)[..., None], 3, -1)
    moved = Jitter(0.1, 10)(one, np.random.default_rng(1))
    assert ((moved["image"][..., 0] > 115) == moved["skin"]).mean() > 0.99
    assert not np.array_equal(moved["skin"], one["skin"])


def test_no_more_than_was_asked_for():
    draws = [Jitter(0.1, 10).draw(np.random.default_rng(seed), SIZE) for seed in range(400)]
    linear = np.array([matrix[:, :2] for matrix in draws])
    scales = np.sqrt(np.linalg.det(linear))
    angles = np.degrees(np.arctan2(linear[:, 1, 0], linear[:, 0, 0]))
    middle = np.full(2, (SIZE - 1) / 2)
    shifts = np.array([matrix[:, :2] @ middle + matrix[:, 2] for matrix in draws]) - middle
    for values, most in ((scales - 1, 0.1), (angles, 10), (shifts, 0.1 * SIZE)):
        assert np.abs(values).max() <= most + 1e-9
        assert values.min() < -0.8 * most < 0.8 * most < values.max()
        assert np.median(np.abs(values)) == pytest.approx(most / 8, rel=0.3)
    even = [Jitter(0.1, 10, power=1).draw(np.random.default_rng(seed), SIZE)[0, 1] for seed in range(400)]
    assert np.median(np.abs(np.degrees(even))) == pytest.approx(5, rel=0.3)


def test_nothing_asked_for_is_nothing_done():
    assert not Jitter()
    one, still = sample(), Jitter()(sample(), np.random.default_rng(0))
    assert np.array_equal(one["image"], still["image"])
    assert np.allclose(one["landmarks"], still["landmarks"])


def test_a_part_of_the_samples_stays_as_it_is():
    moved = 0
    for seed in range(200):
        one = sample()
        image = Jitter(0.1, 10, part=0.3)(one, np.random.default_rng(seed))["image"]
        moved += not np.array_equal(image, one["image"])
    assert 35 <= moved <= 85


def test_pictures_stay_sharp():
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (SIZE, SIZE, 3)).astype(np.uint8)
    image = (noise // 4 + 96).astype(np.uint8)
    moved = Jitter(0.0, 10)({"image": image, "name": ""}, np.random.default_rng(2))["image"]
    inner = (slice(12, -12), slice(12, -12))
    assert moved[inner].std() > 0.85 * image[inner].std()  # bilinear: about 0.67
