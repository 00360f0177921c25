"""The running average of a network's weights."""

import copy

import torch
from torch import nn

__all__ = ["EMA"]


class EMA:
    """Exponential moving average (EMA) of a network's parameters and batch statistics; other buffers are its own.

    Parameters
    ----------
    net
        The network that is trained.
    decay
        Share of the old average that is kept at each update; less in the beginning, when it is
        ``(1 + steps) / (10 + steps)``.

    Attributes
    ----------
    net
        A copy that carries the average, in eval mode.
    """

    def __init__(self, net: nn.Module, decay: float) -> None:
        self.net = copy.deepcopy(net).eval().requires_grad_(False)
        self.decay = decay

    @torch.no_grad()
    def update(self, net: nn.Module, steps: int) -> None:
        """Take in the network's weights after ``steps`` steps."""
        decay = min(self.decay, (1 + steps) / (10 + steps))
        own, new = list(self.net.parameters()), list(net.parameters())
        if own:
            torch._foreach_lerp_(own, new, 1 - decay)  # type: ignore[arg-type]
        for (name, mine), theirs in zip(self.net.named_buffers(), net.buffers(), strict=True):
            if name.endswith(("running_mean", "running_var")):  # those of the last batches do not fit averaged weights
                mine.lerp_(theirs, 1 - decay)
            else:
                mine.copy_(theirs)
