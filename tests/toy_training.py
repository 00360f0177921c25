"""A toy GAN of a few hundred parameters, with everything in it that a resumed run has to bring back."""

import sys

import pytest
import torch
import torch.nn.functional as F
from face_sets import plain
from torch import nn
from toy_methods import FakeEntryPoint

import inpaintx.plugin.registry
from inpaintx import LearnedConfig, Method, Trainer, hookimpl
from inpaintx.training.checkpoint import checkpoints, read

NAMES = [f"{split}/{i:02}.png" for split, count in (("train", 10), ("val", 4)) for i in range(count)]


class ToyConfig(LearnedConfig):
    size: int = 16
    batch_size: int = 4
    steps: int = 6
    lr: float = 1e-2
    dropout: float = 0.3
    noise: bool = True
    norm: bool = True
    critic: bool = True
    twice: bool = False
    bad_at: int = 0
    bad: str = "loss"
    seed: int = 0  # the loop has an option of this name, too


class ToyNet(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.norm = nn.BatchNorm2d(8) if config.norm else nn.Identity()
        self.first, self.last = nn.Conv2d(4, 8, 3, padding=1), nn.Conv2d(8, 3, 3, padding=1)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, image, mask):
        x = self.norm(self.first(torch.cat([image * (1 - mask), mask], 1)))
        return self.last(self.dropout(F.relu(x))).sigmoid()


class ToyTrainer(Trainer):
    def __init__(self, net, config):
        self.config = config
        critic = nn.Sequential(nn.Conv2d(3, 4, 4, stride=4), nn.LeakyReLU(0.2), nn.Conv2d(4, 1, 2))
        optimizers = {
            "net": torch.optim.Adam(net.parameters(), config.lr),
            "critic": torch.optim.Adam(critic.parameters(), config.lr, betas=(0.0, 0.9)),
        }
        schedulers = {"net": torch.optim.lr_scheduler.StepLR(optimizers["net"], 3, 0.5)}
        super().__init__({"net": net, "critic": critic}, optimizers, schedulers, {"vgg": "random"})

    def step(self, batch):
        net, critic = self.networks["net"], self.networks["critic"]
        image, mask = batch["image"], batch["mask"]
        out = net(image, mask)
        out = out + 0.05 * torch.randn_like(out) if self.config.noise else out
        l1 = (out - image).abs().mean()
        if not self.config.critic:
            self.update("net", l1)
            return {"l1": l1}
        for _ in range(1 + self.config.twice):
            wrong = F.relu(1 - critic(image)).mean() + F.relu(1 + critic(out.detach())).mean()
            self.update("critic", wrong)
        adv = -critic(out).mean()
        if self.steps + 1 == self.config.bad_at:
            adv = self.spoilt(adv)
        self.update("net", l1 + 0.01 * adv)
        return {"l1": l1, "adv": adv, "critic": wrong}

    def spoilt(self, adv):
        if self.config.bad == "loss":
            return adv * torch.nan
        if self.config.bad == "gradient":
            weight = self.networks["net"].last.weight
            return adv + (weight - weight.detach()).sqrt().sum()  # 0, and its gradient is infinite
        return adv

    def advance(self):
        super().advance()
        if self.steps == self.config.bad_at and self.config.bad == "weight":  # no loss of this step sees it
            nn.init.constant_(self.networks["net"].last.weight, torch.inf)


class Toy(Method):
    name, paper, requires_weights, Config = "toy", "https://example.org/toy", True, ToyConfig
    presets = {"tiny": ToyConfig(steps=4)}  # noqa: RUF012

    def build(self, config):
        return ToyNet(config)

    def inpaint(self, net, image, mask, *, generator=None):
        return net(image, mask)

    def trainer(self, net, config):
        return ToyTrainer(net, config)


@hookimpl
def inpaintx_register_methods(register):
    register(Toy)


@pytest.fixture
def toy(monkeypatch):
    """The toy GAN is the only method registered."""
    registry = inpaintx.plugin.registry.Registry([FakeEntryPoint("toy", sys.modules[__name__])])
    monkeypatch.setattr(inpaintx.plugin.registry, "_registry", registry)


@pytest.fixture
def toy_faces(tmp_path):
    return plain(tmp_path / "faces", NAMES, 16)


def weights(run, step=None):
    """All tensors of a run's checkpoint (the last), networks and optimisers."""
    chosen = next(c for c in checkpoints(run)[::-1] if step in (None, c.step))
    networks, state = read(chosen, [p.stem for p in chosen.folder.glob("*.safetensors")])
    found = {f"{name}.{key}": tensor for name, tensors in networks.items() for key, tensor in tensors.items()}
    for name, optimizer in state["trainer"]["optimizers"].items():
        for number, slots in optimizer["state"].items():
            found |= {f"{name}.{number}.{slot}": tensor for slot, tensor in slots.items()}
    return found


def differing(run, other):
    """Names of the tensors that are not equal to the last bit."""
    first, second = weights(run), weights(other)
    assert first.keys() == second.keys()
    return [key for key in first if not torch.equal(first[key], second[key])]
