"""The contract kit finds what is broken, and names the rule."""

import re
import types
from typing import ClassVar

import pytest
import torch
from pydantic import ConfigDict
from torch import nn

import inpaintx
from inpaintx.errors import InpaintxError
from inpaintx.testing import BrokenRuleError, check_method, run_rules


class Mean(inpaintx.Method):
    name = "mean"
    paper = "none"

    def inpaint(self, net, image, mask, *, generator=None):
        known = 1 - mask
        return ((image * known).sum((2, 3), True) / known.sum((2, 3), True).clamp(min=1)).expand_as(image)


class Peeks(Mean):
    def inpaint(self, net, image, mask, *, generator=None):
        return image.mean((2, 3), True).expand_as(image)


class Writes(Mean):
    def inpaint(self, net, image, mask, *, generator=None):
        fill = super().inpaint(net, image, mask)
        return image.mul_(1 - mask).add_(fill * mask)


class Mixes(Mean):
    def inpaint(self, net, image, mask, *, generator=None):
        return super().inpaint(net, image, mask).mean(0, True).expand_as(image)


class Unseeded(Mean):
    def inpaint(self, net, image, mask, *, generator=None):
        return torch.rand(1, 3, 1, 1).expand_as(image)


class NoiseForEach(Mean):
    def inpaint(self, net, image, mask, *, generator=None):
        return torch.rand(image.shape[0], 3, 1, 1, generator=generator).expand_as(image)


class FullHoleFails(Mean):
    def inpaint(self, net, image, mask, *, generator=None):
        known = 1 - mask
        return ((image * known).sum((2, 3), True) / known.sum((2, 3), True)).expand_as(image)


class EvenOnly(Mean):
    def inpaint(self, net, image, mask, *, generator=None):
        return super().inpaint(net, image[..., : image.shape[2] // 2 * 2, :], mask[..., : image.shape[2] // 2 * 2, :])


class Double(Mean):
    def inpaint(self, net, image, mask, *, generator=None):
        return super().inpaint(net, image, mask).double()


class OpenConfig(Mean):
    class Config(inpaintx.Config):
        model_config = ConfigDict(extra="ignore")


@pytest.mark.parametrize(
    ("method", "rule"),
    [
        (Peeks, "hidden pixels have no influence"),
        (Writes, "known pixels bit equal"),
        (Mixes, "batch equals singles"),
        (Unseeded, "same seed same result"),
        (NoiseForEach, "batch equals singles"),
        (FullHoleFails, "empty and full hole"),
        (EvenOnly, "any size"),
        (Double, "dtype and device kept"),
        (OpenConfig, "config round trip"),
    ],
)
def test_the_broken_rule_is_named(method, rule):
    assert rule in [r.rule for r in run_rules(method) if r.error]
    with pytest.raises(BrokenRuleError, match=rule):
        check_method(method)


def test_a_sound_method_passes():
    check_method(Mean)
    check_method(Mean())


class Learns(Mean):
    """One convolution that learns to be the picture."""

    requires_weights = True
    finite, moves, keeps = True, True, True
    key: ClassVar[str] = "net"
    more: ClassVar[dict[str, object]] = {}

    def told(self, loss):
        return {"l2": loss}

    def build(self, config):
        return nn.Conv2d(3, 3, 1)

    def inpaint(self, net, image, mask, *, generator=None):
        return net(image * (1 - mask)).sigmoid()

    def trainer(self, net, config):
        return LearnsTrainer(self, net)


class LearnsTrainer(inpaintx.Trainer):
    def __init__(self, method, net):
        self.method = method
        super().__init__({method.key: net}, {"net": torch.optim.SGD(net.parameters(), 0.1)})

    def step(self, batch):
        net = next(iter(self.networks.values()))
        loss = (net(batch["image"]) - batch["image"]).square().mean()
        if self.method.moves:
            self.update("net", loss)
        return self.method.told(loss.detach() if self.method.finite else loss.detach() * torch.nan)

    def state_dict(self):
        return super().state_dict() | self.method.more if self.method.keeps else {}


def test_a_trainable_method_passes():
    check_method(Learns)


@pytest.mark.parametrize("flaw", ["finite", "moves", "keeps"])
def test_flaws_of_training_are_named(flaw):
    broken = type("Flawed", (Learns,), {flaw: False})
    assert [r.rule for r in run_rules(broken) if r.error] == ["training step"]


class Opaque:
    """What no checkpoint can hold."""


class Wraps(Learns):
    def trainer(self, net, config):
        return LearnsTrainer(self, torch.nn.Sequential(net))


class NoTrainer(Learns):
    def trainer(self, net, config):
        return types.SimpleNamespace(step=lambda batch: {"l1": torch.zeros(())}, networks={"net": net})


class Tied(Learns):
    """Two names of one weight: safetensors itself refuses that."""

    def build(self, config):
        net = super().build(config)
        net.register_parameter("again", net.weight)
        return net


@pytest.mark.parametrize(
    ("flawed", "words"),
    [
        (type("Flawed", (Learns,), {"key": "generator"}), r"under the key 'net'; keys: 'generator'"),
        (type("Flawed", (Learns,), {"key": "../net"}), r"under the key 'net'"),
        (Wraps, r"must be the network that trainer\(\) was given"),
        (NoTrainer, r"must return an inpaintx.Trainer"),
        (type("Flawed", (Learns,), {"told": lambda self, loss: loss.item()}), r"dict of scalar tensors .* got float"),
        (type("Flawed", (Learns,), {"told": lambda self, loss: {"l2": loss.item()}}), r"got 'l2': float; leave out"),
        (type("Flawed", (Learns,), {"told": lambda self, loss: {"l2": loss.expand(2)}}), r"'l2' of shape \[2\]"),
        (type("Flawed", (Learns,), {"told": lambda self, loss: None}), r"got NoneType"),
        (type("Flawed", (Learns,), {"told": lambda self, loss: {}}), r"got an empty one"),
        (type("Flawed", (Learns,), {"more": {"mine": Opaque()}}), r"state_dict\(\) cannot be kept .* got Opaque"),
    ],
)
def test_what_a_run_could_not_go_on_with_breaks_the_contract(flawed, words):
    (broken,) = [r for r in run_rules(flawed) if r.error]
    assert re.search(words, broken.error), broken.error
    assert "\n" not in broken.error


def test_tied_weights_are_kept():
    check_method(Tied)


@pytest.mark.parametrize("name", ["a/b", "..", "", "ema"])
def test_a_network_is_not_named_like_something_else_of_a_checkpoint(name):
    net = torch.nn.Conv2d(3, 3, 1)
    with pytest.raises(InpaintxError, match="a key names a file of the checkpoint"):
        inpaintx.Trainer({"net": net, name: net}, {})


@pytest.mark.parametrize("name", inpaintx.methods())
def test_every_registered_method(name):
    broken = {r.rule: r.error for r in run_rules(name) if r.error}
    assert not broken
