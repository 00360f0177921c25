"""Methods that share a network and its weights, and a method's own way of joining its fill."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import inpaintx
from inpaintx import Config, Method
from inpaintx.errors import InpaintxError
from inpaintx.inference.run import run_method
from inpaintx.plugin import weights

CPU = torch.device("cpu")


class Options(Config):
    width: int = 2
    rate: float = 0.1


class First(Method):
    name, paper, requires_weights, Config = "first", "https://example.org/first", True, Options
    presets = {"default": Options(), "paper": Options(width=4, rate=0.5)}  # noqa: RUF012
    checkpoint_fields = frozenset({"width"})

    def build(self, config) -> nn.Module:
        return nn.Linear(config.width, 1)

    def inpaint(self, net, image: Tensor, mask: Tensor, *, generator=None) -> Tensor:
        return torch.full_like(image, 0.9)


class Second(First):
    name, compatible_weights, blend = "second", frozenset({"first"}), "poisson"


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "first.safetensors"
    method = First()
    config = method.config(width=3, rate=0.2)
    weights.save(path, method, config, method.network(config))
    return str(path)


def test_a_file_brings_what_is_stored_and_leaves_the_rest_to_preset_and_user(file):
    for method in (First(), Second()):
        config = weights.load(method, method.config("paper"), file, CPU).config
        assert (config.width, config.rate) == (3, 0.5)
        config = weights.load(method, method.config(rate=0.7), file, CPU, options={"rate": 0.7}).config
        assert (config.width, config.rate) == (3, 0.7)


def test_the_side_of_the_training_always_comes_with_the_file(tmp_path):
    class Sized(Options):
        size: int = 256

    method = type("Third", (First,), {"name": "third", "Config": Sized, "presets": {}})()
    config = method.config(width=3, rate=0.2, size=64)
    weights.save(tmp_path / "third.safetensors", method, config, method.network(config))
    config = weights.load(method, method.config(rate=0.7), str(tmp_path / "third.safetensors"), CPU).config
    assert (config.width, config.rate, config.size) == (3, 0.7, 64)


def test_only_a_named_relative_takes_the_file(file, tmp_path):
    stranger = type("Stranger", (First,), {"name": "stranger", "stored": None})()
    with pytest.raises(InpaintxError, match="are of method 'first', not of 'stranger'"):
        weights.load(stranger, stranger.config(), file, CPU)


def test_a_method_that_wants_it_is_blended_unless_told_otherwise():
    image, mask = torch.full((1, 3, 16, 16), 0.25), torch.zeros(1, 1, 16, 16)
    mask[..., 4:12, 4:12] = 1
    method = Second()
    net = method.network(method.config())
    result = run_method(method, net, image, mask)
    assert torch.allclose(result.image, image, atol=1e-5)  # a flat fill has no gradients of its own
    assert bool((result.raw == 0.9).all())
    assert bool((run_method(method, net, image, mask, blend="none").image[mask.expand(1, 3, -1, -1) > 0] == 0.9).all())
    photo, hole = np.full((16, 16, 3), 64, np.uint8), mask[0, 0].numpy() > 0
    with pytest.warns(inpaintx.errors.UntrainedWarning):
        assert np.ptp(inpaintx.inpaint(photo, hole, method)) <= 1
    with pytest.warns(inpaintx.errors.UntrainedWarning):
        pasted = inpaintx.inpaint(photo, hole, method, blend="none")[hole]
    assert np.abs(pasted - 0.9 * 255).max() <= 0.5
