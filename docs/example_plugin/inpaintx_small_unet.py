"""A whole plugin that is trained: a small U-Net with an L1 loss. Copy it, and put your idea in its place."""

import torch
import torch.nn.functional as F
from torch import nn

import inpaintx


class Config(inpaintx.LearnedConfig):
    """Its options; ``size``, ``batch_size`` and ``steps`` come with LearnedConfig."""

    width: int = 32
    lr: float = 2e-3


class UNet(nn.Module):
    """Three times down by strides, three times up by nearest neighbours, with skips."""

    def __init__(self, width):
        super().__init__()
        w = [4, width, 2 * width, 4 * width]
        self.down = nn.ModuleList(nn.Conv2d(w[i], w[i + 1], 4, 2, 1) for i in range(3))
        self.up = nn.ModuleList(nn.Conv2d(w[i + 1] + w[i], w[i] if i else 3, 3, 1, 1) for i in (2, 1, 0))

    def forward(self, image, mask):
        """Image ``[B,3,H,W]`` in [0,1] and mask ``[B,1,H,W]``, 1 = hole, to a whole image."""
        x = torch.cat([image * (1 - mask), mask], 1)
        skips = []
        for conv in self.down:
            skips.append(x)
            x = F.relu(conv(x))
        for conv in self.up:
            x = conv(torch.cat([F.interpolate(x, scale_factor=2), skips.pop()], 1))
            x = F.relu(x) if skips else x.sigmoid()
        return x


class SmallUNet(inpaintx.Method):
    """The plainest learned method."""

    name, paper, requires_weights, multiple = "small_unet", "https://example.org/paper", True, 8
    Config = Config
    presets = {"tiny": Config(size=64, width=16, steps=600)}  # noqa: RUF012

    def build(self, config):
        """Make the network."""
        return UNet(config.width)

    def inpaint(self, net, image, mask, *, generator=None):
        """Fill."""
        return net(image, mask)

    def trainer(self, net, config):
        """Make what trains it."""
        return Training(net, config)


class Training(inpaintx.Trainer):
    """One network, one optimiser."""

    def __init__(self, net, config):
        super().__init__({"net": net}, {"net": torch.optim.Adam(net.parameters(), config.lr)})

    def step(self, batch):
        """Update from one batch: what lies in the hole counts six times."""
        error = (self.networks["net"](batch["image"], batch["mask"]) - batch["image"]).abs()
        loss = (error * (1 + 5 * batch["mask"])).mean()
        self.update("net", loss)
        return {"l1": loss}


@inpaintx.hookimpl
def inpaintx_register_methods(register):
    """Called once, when plugins are loaded."""
    register(SmallUNet)
