"""Squares by landmarks: the mean shape laid over what a FAN finds."""

import numpy as np
import pytest
import torch

from inpaintx.data.align import AlignedCrop
from inpaintx.inference import pipeline
from inpaintx.inference.face_shape import FaceShape, find_shape
from inpaintx.nn.fan import FAN, load_shape, save_fan, target_heatmaps

SHAPE = np.array([[40, 50], [88, 50], [64, 70], [50, 95], [78, 95]], np.float32)


class Spots(torch.nn.Module):
    """Heatmaps with spots at given landmarks, whatever it is shown."""

    size = 128

    def __init__(self, points):
        super().__init__()
        self.points = torch.from_numpy(points)[None]

    def forward(self, image):
        return [target_heatmaps(self.points, 128, 32)]


def moved(points, cut):
    """Where ``points`` of training's square are in a square of 128 that has that square at ``cut``."""
    matrix = cut.matrix(128)
    return ((points - matrix[:, 2]) @ np.linalg.inv(matrix[:, :2]).T).astype(np.float32)


@pytest.mark.parametrize("cut", [AlignedCrop(63.5, 63.5, 128, 0.0), AlignedCrop(70.0, 60.5, 110.0, 0.2)])
@pytest.mark.parametrize("size", [128, 256])
def test_the_square_is_where_the_landmarks_have_their_places_of_training(cut, size):
    place = FaceShape(Spots(moved(SHAPE, cut)), SHAPE, torch.device("cpu"))
    found = place(np.zeros((size, size, 3), np.uint8), np.zeros((size, size), bool))
    scale = size / 128
    expected = ((cut.x + 0.5) * scale - 0.5, (cut.y + 0.5) * scale - 0.5, cut.side * scale)
    assert np.abs(np.array(found[:3]) - expected).max() < 0.3 * scale
    assert abs(found.angle - cut.angle) < 0.01


def test_landmarks_that_can_be_seen_count_most():
    points = SHAPE.copy()
    points[4] += 5
    place = FaceShape(Spots(points), SHAPE, torch.device("cpu"))
    seen, hole = np.zeros((128, 128), bool), np.zeros((128, 128), bool)
    hole[80:, 64:] = True  # around the last one
    off = [abs(place(np.zeros((128, 128, 3), np.uint8), gap).side - 128) for gap in (seen, hole)]
    assert off[1] < 0.35 * off[0]


def test_landmarks_that_are_no_face_say_nothing():
    place = FaceShape(Spots(SHAPE[::-1].copy()), SHAPE, torch.device("cpu"))
    assert place(np.zeros((128, 128, 3), np.uint8), np.zeros((128, 128), bool)) is None


def test_the_shape_comes_with_the_file(tmp_path):
    save_fan(tmp_path / "fan.safetensors", FAN(1, 5, 16, 64), "toys", torch.from_numpy(SHAPE / 2))
    assert np.allclose(load_shape(str(tmp_path / "fan.safetensors")), SHAPE / 2)
    save_fan(tmp_path / "none.safetensors", FAN(1, 5, 16, 64), "toys")
    assert load_shape(str(tmp_path / "none.safetensors")) is None


def test_another_file_makes_another_model(tmp_path, monkeypatch):
    file = tmp_path / "fan128.safetensors"
    file.touch()
    monkeypatch.setattr(pipeline, "find_file", {file.name: file}.get)
    before = pipeline._files("auto", None)
    assert pipeline._files("auto", None) == before
    file.write_bytes(b"other")
    assert pipeline._files("auto", None) != before


def test_the_package_of_weights_has_one(monkeypatch):
    place = find_shape(torch.device("cpu"))
    if place is None:
        pytest.skip("inpaintx-weights is not installed")
    assert place.shape.shape == (49, 2)
    assert 30 < place.shape.min() < place.shape.max() < 105
    monkeypatch.setattr("inpaintx.inference.face_shape.find_file", lambda name: None)
    assert find_shape(torch.device("cpu")) is None
