"""The metric of identity, with a stand-in for dlib, and with dlib where it is installed."""

import numpy as np
import pytest
import torch
from face_sets import shared_faces  # noqa: F401 - fixture
from inpaintx_plugins.hog_guided import identity

from inpaintx.data.dataset import open_dataset
from inpaintx.errors import InpaintxError
from inpaintx.plugin.metrics import choose_metrics, measure_by_plugins, metric_weights


class Stand:
    """Takes for a descriptor the mean colour of what the truth's landmarks place: the brightest row."""

    def rectangle(self, *box):
        return box

    def get_face_chip(self, image, shape, side, margin):
        assert (side, margin) == (150, 0.25)
        return image[shape : shape + 8]

    def compute_face_descriptor(self, chip):
        return chip.astype(float).mean((0, 1)) / 255

    def __call__(self, image, box):
        assert box == (40, 64, 209, 230)
        assert image.shape == (256, 256, 3)
        assert image.dtype == np.uint8
        return int(image.sum((1, 2)).argmax())


def test_both_pictures_are_placed_by_the_truth(monkeypatch):
    stand = Stand()
    monkeypatch.setattr(identity, "_models", lambda: identity.Models(stand, stand, stand))
    truth = torch.zeros(2, 3, 64, 64)
    truth[:, :, 20:24] = 1
    fill = truth.clone()
    fill[1, 0, 20:24] = 0  # the first colour is gone where the truth is bright
    fill[1, :, 40:50] = 1  # and what is bright elsewhere is not looked at
    found = measure_by_plugins(["identity"], fill, truth, torch.ones(2, 1, 64, 64))["full/identity"]
    assert found[0] == 0
    assert found[1] == pytest.approx(1.0, abs=0.3)


def test_it_is_asked_for_and_says_what_is_missing(monkeypatch):
    assert "identity" not in choose_metrics()[0]
    monkeypatch.setattr(identity, "find_spec", lambda name: None)
    identity._models.cache_clear()
    names, notes = choose_metrics(["identity"])
    assert "identity" not in names
    assert any("identity: left out, dlib and its models are not here: pip install dlib-bin" in note for note in notes)
    assert identity.IdentityDistance.weight_file() is None
    with pytest.raises(InpaintxError, match="pip install dlib-bin face_recognition_models"):
        identity._models()


@pytest.mark.skipif(bool(identity.IdentityDistance.missing()), reason="dlib and its models are not installed")
def test_a_person_is_nearer_to_himself_than_to_another(shared_faces):  # noqa: F811
    faces = open_dataset(shared_faces / "faces", size=128, split="val")
    image = torch.stack([faces[i]["image"] for i in range(6)])
    mask = torch.ones(6, 1, 128, 128)
    soft = torch.nn.functional.avg_pool2d(image, 3, 1, 1)
    measured = measure_by_plugins(
        ["identity"], torch.cat([image, soft, image.roll(1, 0)]), image.repeat(3, 1, 1, 1), mask
    )
    same, softened, other = measured["full/identity"].view(3, 6)
    assert same.max() == 0
    assert 0 < softened.max() < 0.3 < other.min()
    assert metric_weights(["identity"])["identity"].startswith("dlib_face_recognition_resnet_model_v1.dat ")
