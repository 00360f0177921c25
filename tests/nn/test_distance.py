"""Distance in features, and sharpness."""

import math

import pytest
import torch
from vgg_files import vgg_file

from inpaintx.nn.distance import LAYERS, FeatureDistance
from inpaintx.nn.metrics import sharpness


@pytest.fixture(scope="module")
def distance(tmp_path_factory):
    return FeatureDistance(vgg_file(tmp_path_factory.mktemp("vgg") / "vgg.safetensors"))


def test_the_distance_is_the_sum_over_layers_of_normalized_features(distance):
    a, b = torch.rand(2, 3, 32, 32), torch.rand(2, 3, 32, 32)
    assert torch.equal(distance(a, a), torch.zeros(2))
    found = distance(a, b)
    assert torch.equal(found, distance(b, a))
    assert distance(a[:1], b[:1]) == pytest.approx(float(found[0]), rel=1e-5)
    expected = 0.0
    for name in LAYERS:
        x, y = (distance.vgg(image)[name][0].double() for image in (a, b))
        cosines = (x * y).sum(0) / (x.norm(dim=0) * y.norm(dim=0)).clamp_min(1e-12)
        expected += float((2 - 2 * cosines).mean())  # |u - v|^2 of unit vectors
    assert float(found[0]) == pytest.approx(expected, rel=1e-3)
    assert distance.outcome.startswith("file:vgg.safetensors@")


def test_sharpness_is_the_share_of_the_truths_differences_in_the_hole():
    x = torch.arange(12.0)
    truth = ((x[:, None] + x) / 22).expand(1, 3, 12, 12)
    mask = torch.zeros(1, 1, 12, 12)
    mask[..., 3:9, 3:9] = 1
    assert float(sharpness(truth, truth, mask)) == pytest.approx(1)
    assert float(sharpness(0.5 * truth, truth, mask)) == pytest.approx(0.5)
    blurred = torch.where(mask > 0, truth.mean(), truth)
    assert float(sharpness(blurred, truth, mask)) < 1
    elsewhere = torch.where(mask > 0, truth, 0)  # outside the hole nothing counts but the rim's other side
    assert float(sharpness(truth, elsewhere, mask)) == pytest.approx(
        float(sharpness(truth, truth, mask)) / float(sharpness(elsewhere, truth, mask)), rel=1e-6
    )
    assert math.isnan(float(sharpness(truth, torch.zeros_like(truth), mask)))  # a share of nothing
