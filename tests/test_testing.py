"""The contract kit finds what is broken, and names the rule."""

import pytest
import torch
from pydantic import ConfigDict
from torch import nn

import inpaintx
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

    trained = True
    finite, moves, keeps = True, True, True

    def build(self, config):
        return nn.Conv2d(3, 3, 1)

    def inpaint(self, net, image, mask, *, generator=None):
        return net(image * (1 - mask)).sigmoid()

    def trainer(self, net, config):
        method = self

        class Trainer:
            optimiser = torch.optim.SGD(net.parameters(), 0.1)

            def step(self, batch):
                loss = (net(batch["image"]) - batch["image"]).square().mean()
                if method.moves:
                    loss.backward()
                    self.optimiser.step()
                return {"l2": loss.detach() if method.finite else float("nan")}

            def state_dict(self):
                return self.optimiser.state_dict() if method.keeps else {}

            def load_state_dict(self, state):
                self.optimiser.load_state_dict(state)

        return Trainer()


def test_a_trainable_method_passes():
    check_method(Learns)


@pytest.mark.parametrize("flaw", ["finite", "moves", "keeps"])
def test_flaws_of_training_are_named(flaw):
    broken = type("Flawed", (Learns,), {flaw: False})
    assert [r.rule for r in run_rules(broken) if r.error] == ["training step"]


@pytest.mark.parametrize("name", inpaintx.methods())
def test_every_registered_method(name):
    broken = {r.rule: r.error for r in run_rules(name) if r.error}
    assert not broken
