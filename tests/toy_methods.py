"""Methods that tests can reckon with, and a registry that holds nothing else."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import inpaintx.plugin.registry
from inpaintx import Config, Method, Weights, hookimpl
from inpaintx.io.photo import write_photo


class MeanConfig(Config):
    gain: float = 1.0


class Mean(Method):
    """The mean of the known pixels times ``gain``: a known answer at any size."""

    name, paper, Config = "telea", "https://example.org/mean", MeanConfig
    seen: list[tuple[int, ...]] = []  # noqa: RUF012 - one list for all instances, on purpose

    def inpaint(self, net, image: Tensor, mask: Tensor, *, generator=None) -> Tensor:
        type(self).seen.append(tuple(image.shape))
        known = 1 - mask
        mean = (image * known).sum((2, 3), keepdim=True) / known.sum((2, 3), keepdim=True).clamp_min(1)
        return (mean * getattr(getattr(net, "config", None), "gain", 1.0)).expand_as(image).clone()


class Square(Mean):
    name, size = "square", 64
    seen: list[tuple[int, ...]] = []  # noqa: RUF012


class Slow(Mean):
    name, max_pixels = "slow", 100 * 100
    seen: list[tuple[int, ...]] = []  # noqa: RUF012


class Pasted(Mean):
    """The same mean, but the known pixels are handed back as they came."""

    name = "pasted"

    def inpaint(self, net, image: Tensor, mask: Tensor, *, generator=None) -> Tensor:
        return torch.where(mask > 0, super().inpaint(net, image, mask), image)


class SmallPasted(Pasted):
    name, size = "small_pasted", 64


class Dice(Method):
    """One random colour a call, the same for a whole batch."""

    name, paper = "dice", "https://example.org/dice"

    def inpaint(self, net, image: Tensor, mask: Tensor, *, generator=None) -> Tensor:
        return torch.rand(1, 3, 1, 1, generator=generator).expand_as(image)


class Learned(Method):
    name, paper, requires_weights, size = "learned", "https://example.org/learned", True, 64
    weights = {"default": Weights("toy_learned.safetensors"), "gone": Weights("toy_gone.safetensors")}  # noqa: RUF012

    Config = MeanConfig

    def build(self, config) -> nn.Module:
        net = nn.Conv2d(3, 3, 1)
        net.gain = config.gain
        return net

    def inpaint(self, net, image: Tensor, mask: Tensor, *, generator=None) -> Tensor:
        return (net(image) * net.gain).sigmoid()


class Failing(Method):
    """Fails on pictures whose first known pixel is pure red."""

    name, paper = "failing", "https://example.org/failing"

    def inpaint(self, net, image: Tensor, mask: Tensor, *, generator=None) -> Tensor:
        if bool((image[:, :, 0, 0] == torch.tensor([1.0, 0.0, 0.0])).all(1).any()):
            raise RuntimeError("red is too much")
        return torch.full_like(image, 0.5)


class Stopped(Method):
    name, paper = "stopped", "https://example.org/stopped"

    def inpaint(self, net, image: Tensor, mask: Tensor, *, generator=None) -> Tensor:
        raise KeyboardInterrupt


ALL = (Mean, Square, Slow, Pasted, SmallPasted, Dice, Learned, Failing, Stopped)


@hookimpl
def inpaintx_register_methods(register) -> None:
    for method in ALL:
        register(method)


@hookimpl
def inpaintx_register_commands(app) -> None:
    @app.command()
    def hello() -> None:
        """Say hello."""
        print("hello from a plugin")


class FakeEntryPoint:
    """What Registry needs of an entry point."""

    dist = None

    def __init__(self, name, module):
        self.name, self.value, self._module = name, f"tests.{name}", module

    def load(self):
        if isinstance(self._module, BaseException):
            raise self._module
        return self._module


@pytest.fixture
def toys(monkeypatch):
    """Only the toy methods are registered, and one plugin that does not import."""
    import sys

    entries = [FakeEntryPoint("toys", sys.modules[__name__]), FakeEntryPoint("broken", ImportError("no such thing"))]
    registry = inpaintx.plugin.registry.Registry(entries)
    monkeypatch.setattr(inpaintx.plugin.registry, "_registry", registry)
    for method in (Mean, Square, Slow):
        method.seen.clear()
    return registry


def noise(height: int, width: int, channels: int | None = 3, dtype=np.uint8, seed: int = 0) -> np.ndarray:
    """A picture that no codec or filter leaves alone by chance."""
    shape = (height, width) if channels is None else (height, width, channels)
    return np.random.default_rng(seed).integers(0, np.iinfo(dtype).max, shape, dtype=dtype, endpoint=True)


def box(height: int, width: int, *, top: int = 8, left: int = 10, side: int = 12) -> np.ndarray:
    """A hole ``[H,W]`` bool: one square."""
    hole = np.zeros((height, width), bool)
    hole[top : top + side, left : left + side] = True
    return hole


HOLE = box(60, 80)
PHOTO = noise(60, 80)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with a photo and a mask, and the process in it."""
    monkeypatch.chdir(tmp_path)
    write_photo("p.png", PHOTO)
    write_photo("m.png", np.where(HOLE, 255, 0).astype(np.uint8))
    return tmp_path


def listing(folder: Path) -> list[str]:
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())
