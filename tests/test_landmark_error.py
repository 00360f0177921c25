"""The metrics of landmarks, with a stand-in for FAN: it takes each color's brightest pixel for a landmark."""

import math

import pytest
import torch
import torch.nn.functional as F
from face_sets import shared_faces  # noqa: F401 - fixture
from inpaintx_plugins.pdgan import landmark_error
from small_evaluation import SMALL, five_faces  # noqa: F401 - fixture

import inpaintx
from inpaintx.data.dataset import open_dataset
from inpaintx.errors import InpaintxError
from inpaintx.evaluation import work
from inpaintx.io.digest import sha256
from inpaintx.plugin.metrics import choose_metrics, measure_by_plugins, metric_weights
from inpaintx.plugin.registry import registry
from inpaintx.plugin.weight_lookup import find_file

POINTS = ((17, 9), (41, 13), (25, 45))  # x and y of the brightest pixel of each color, at a place of the maps each
NAMES = ("landmarks", "landmarks_in_hole")


class Brightest:
    size = 64

    def __call__(self, image):
        return [F.max_pool2d(image, 4)]


def bright(points):
    image = torch.full((1, 3, 64, 64), 0.1)
    for color, (x, y) in enumerate(points):
        image[0, color, y, x] = 1
    return image


@pytest.fixture
def brightest(monkeypatch, tmp_path_factory):
    """Where its weights are, too."""
    file = tmp_path_factory.mktemp("weights") / landmark_error.FILE
    file.write_bytes(b"ours")
    monkeypatch.setattr(landmark_error, "_fan", lambda device: Brightest())
    monkeypatch.setattr(landmark_error, "find_file", lambda name: file)
    return file


def test_the_mean_distance_is_a_share_of_the_box(brightest):
    truth, moved = bright(POINTS), bright(((17, 9 + 12), (41 + 4, 13 - 3), (25, 45)))
    mask = torch.zeros(2, 1, 64, 64)
    mask[1, :, 4:16, 10:24] = 1  # the first landmark alone
    both = [torch.cat([truth, truth]), torch.cat([truth, moved])]
    found = measure_by_plugins(NAMES, both[1], both[0], mask)
    box = math.sqrt(24 * 36)
    expected = (12 + math.hypot(4, 4)) / 3 / box  # at places of the maps, four pixels apart
    torch.testing.assert_close(found["full/landmarks"], torch.tensor([0, expected]).double(), atol=1e-6, rtol=0)
    inside = found["full/landmarks_in_hole"]
    assert inside[0].isnan()  # nothing is hidden there
    assert inside[1] == pytest.approx(12 / box)


def test_another_size_gives_the_same_share(brightest):
    def grown(points):
        return F.interpolate(bright(points), scale_factor=2.0)

    moved = (POINTS[0], POINTS[1], (25, 45 - 8))
    mask = torch.ones(1, 1, 64, 64)
    small = measure_by_plugins(NAMES, bright(moved), bright(POINTS), mask)
    large = measure_by_plugins(NAMES, grown(moved), grown(POINTS), F.interpolate(mask, scale_factor=2.0))
    assert small["full/landmarks"] > 0.05
    for name, value in small.items():
        torch.testing.assert_close(large[name], value)


def test_they_are_measured_on_request_alone(monkeypatch):
    assert set(NAMES) <= registry().metrics.keys()
    assert not set(NAMES) & set(choose_metrics()[0])
    monkeypatch.setattr(landmark_error, "find_file", lambda name: "there")
    assert set(NAMES) <= set(choose_metrics(NAMES)[0])
    with pytest.raises(InpaintxError, match=r"no metric 'landmark'; .*landmarks"):
        choose_metrics(["landmark"])


def test_without_the_weights_they_are_left_out_and_said(five_faces, monkeypatch):  # noqa: F811
    monkeypatch.setattr(landmark_error, "find_file", lambda name: None)
    result = inpaintx.evaluate(five_faces, ["mean_colour"], "out", **SMALL, metrics=["landmarks"])
    assert "landmarks: left out, fan128.safetensors was not found: install" in "\n".join(
        result.result["protocol"]["notes"]
    )
    assert "landmarks" not in {row["metric"] for row in result.result["table"]}


def test_an_evaluation_has_them_in_its_tables(five_faces, brightest):  # noqa: F811
    result = inpaintx.evaluate(five_faces, ["mean_colour"], "out", **SMALL, metrics=NAMES)
    found = [row["estimate"]["mean"] for row in result.result["table"] if row["metric"] == "landmarks"]
    assert len(found) == 6  # a centre hole, four shares discarded, their mean
    assert max(x for x in found if x is not None) > 0
    assert "landmarks ↓" in result.table
    file = f"fan128.safetensors {sha256(brightest)}"
    assert result.result["protocol"]["metric_weights"] == dict.fromkeys(NAMES, file)


@pytest.mark.parametrize("theirs", [b"others", None])
def test_a_machine_that_finds_another_fan_is_refused(five_faces, brightest, monkeypatch, theirs):  # noqa: F811
    """As its actor does, the worker looks for itself after the protocol was written."""

    def elsewhere(names):
        brightest.unlink()
        if theirs is None:
            monkeypatch.setattr(landmark_error, "find_file", lambda name: None)
        else:
            brightest.write_bytes(theirs)
        return metric_weights(names)

    monkeypatch.setattr(work, "metric_weights", elsewhere)
    words = "landmarks: fan128.safetensors [0-9a-f]{64}" if theirs else "landmarks: not found"
    with pytest.raises(InpaintxError, match=rf"finds other weights of metrics \({words}\) than this one"):
        inpaintx.evaluate(five_faces, ["mean_colour"], "out", **SMALL, metrics=["landmarks"])


@pytest.mark.skipif(find_file(landmark_error.FILE) is None, reason="inpaintx-weights is not installed")
def test_fan_finds_what_is_given(shared_faces):  # noqa: F811
    faces = open_dataset(shared_faces / "faces", size=128, split="test", wants=frozenset({"landmarks"}))
    image, given = (torch.stack([faces[i][key] for i in range(8)]) for key in ("image", "landmarks"))
    found = landmark_error.landmarks(image)
    box = (given.amax(1) - given.amin(1)).prod(1).sqrt()
    assert ((found - given).norm(dim=2).mean(1) / box).mean() < 0.03
    eyes = torch.zeros(8, 1, 128, 128)
    eyes[..., 45:65, 25:103] = 1
    gray = torch.where(eyes > 0, 0.5, image)
    error = measure_by_plugins(NAMES, gray, image, eyes)
    assert (error["full/landmarks_in_hole"] > 0.01).all()
    assert not measure_by_plugins(NAMES, image, image, eyes)["full/landmarks"].any()
