"""One update of any optimiser: mixed precision, several processes, parts of a batch, and a stop at NaN."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from inpaintx.errors import InpaintxError

if TYPE_CHECKING:
    from lightning_fabric import Fabric

__all__ = ["NonFiniteError", "Updater", "broadcast", "first_not_finite"]

MOST_SKIPPED = 30  # float16: more updates than this in a row cannot be the loss scale's search for its value


@dataclass(eq=False)
class NonFiniteError(ArithmeticError):
    """Why updates stopped: the loss of an optimiser (of this process or another), or a parameter's gradient."""

    optimizer: str
    parameter: str | None
    here: bool

    def words(self, terms: Sequence[Mapping[str, Tensor]], names: Sequence[str]) -> str:
        """Name the loss term, or else the parameter, and the images.

        Parameters
        ----------
        terms
            The step's loss terms, for each part of the batch.
        names
            The batch's images.
        """
        size = len(names) // len(terms)
        suspects = [] if self.parameter else terms  # in a captured step, what follows such a gradient is NaN as well
        for number, part in enumerate(suspects):
            for name, value in part.items():
                if not value.isfinite():
                    own = names[number * size : (number + 1) * size]
                    return f"loss term {name!r} is {float(value)}; the batch: {', '.join(own)}"
        if not self.here:
            return f"the loss of optimiser {self.optimizer!r} is not finite in another process"
        what = f"the gradient of {self.parameter}" if self.parameter else f"the loss of optimiser {self.optimizer!r}"
        return f"{what} is not finite; the batch: {', '.join(names)}"


class Updater:
    """What :attr:`Trainer.updater` becomes in a run.

    An update is: gradients of the optimiser's own parameters (and no other), their mean over the processes, a check
    that they are finite, the limit on their norm, the optimiser's step. Networks are not wrapped, so that any order
    of updates works. After a loss or gradient that is not finite nothing is changed any more, and :attr:`fault` says
    why.

    Parameters
    ----------
    fabric
        Devices, precision and processes.
    networks, optimizers
        The trainer's.
    clip
        Largest norm of an update's gradient; 0: no limit.
    parts
        Parts that a batch comes in. Gradients add up over them and the step follows the last; where updates follow
        each other in a step, the later ones see the earlier ones' effect in the last part only.
    """

    def __init__(
        self,
        fabric: Fabric,
        networks: Mapping[str, nn.Module],
        optimizers: Mapping[str, Optimizer],
        clip: float = 0.0,
        parts: int = 1,
    ) -> None:
        self.fabric, self.networks, self.clip, self.parts = fabric, networks, clip, parts
        self.names = {id(optimizer): name for name, optimizer in optimizers.items()}
        self.fault: NonFiniteError | None = None
        self.part = 0
        self.done: set[str] = set()
        self.skipped = 0
        #: of each update of a captured step (inpaintx/training/graph.py): optimiser, parameters, loss and norm
        self.captured: list[tuple[str, list[nn.Parameter], Tensor]] | None = None

    def begin(self, part: int) -> None:
        """Announce the part of the batch that comes next."""
        self.part = part
        self.done.clear()

    def __call__(self, optimizer: Optimizer, loss: Tensor) -> None:
        """Update an optimiser's parameters from a loss."""
        if self.fault:
            return
        name = self.names[id(optimizer)]
        if name in self.done and self.parts > 1:
            raise InpaintxError(f"accumulate must be 1: the method updates {name!r} more than once in a step")
        self.done.add(name)
        parameters = [p for group in optimizer.param_groups for p in group["params"] if p.requires_grad]
        if self.part == 0:
            optimizer.zero_grad(set_to_none=True)
        with torch.autocast(self.fabric.device.type, enabled=False):
            self.fabric.backward(loss / self.parts if self.parts > 1 else loss, inputs=parameters)
            if self.part == self.parts - 1:
                self._finish(optimizer, name, parameters, loss.detach().float().view(()))

    def _finish(self, optimizer: Optimizer, name: str, parameters: list[nn.Parameter], own_loss: Tensor) -> None:
        loss = self._average(parameters, own_loss) if self.fabric.world_size > 1 else own_loss
        self.fabric.strategy.precision.unscale_gradients(optimizer)
        norm = nn.utils.get_total_norm([p.grad for p in parameters if p.grad is not None])
        both = torch.stack([loss, norm.to(loss)])
        if self.captured is not None:  # nothing can be read here; check_captured() does, after each replay
            self.captured.append((name, parameters, both))
        else:
            value, length = both.tolist()
            self.fault = self._fault(name, parameters, value, length, own_loss)
            if self.fault:
                return
        if self.clip and not self.skipped:
            nn.utils.clip_grads_with_norm_(parameters, self.clip, norm)
        self.fabric.strategy.optimizer_step(optimizer)
        torch.clear_autocast_cache()  # of the weights before this step, which the rest of the step would see

    def _fault(
        self, name: str, parameters: list[nn.Parameter], loss: float, norm: float, own_loss: float | Tensor
    ) -> NonFiniteError | None:
        """What stops the run at this update, if anything."""
        if not math.isfinite(loss):
            return NonFiniteError(name, None, here=not math.isfinite(float(own_loss)))
        if math.isfinite(norm):
            self.skipped = 0
            return None
        if getattr(self.fabric.strategy.precision, "scaler", None) and self.skipped < MOST_SKIPPED:
            self.skipped += 1  # the scaler leaves this step out and lowers its scale
            return None
        return NonFiniteError(name, self._worst(parameters), here=True)

    def check_captured(self) -> None:
        """After a replay of a captured step: read once whether its updates were finite; :attr:`fault` says if not."""
        updates = self.captured or []
        values = torch.stack([both for *_, both in updates]).tolist() if updates else []
        for (name, parameters, _), (loss, norm) in zip(updates, values, strict=True):
            self.fault = self.fault or self._fault(name, parameters, loss, norm, loss)

    def _average(self, parameters: list[nn.Parameter], loss: Tensor) -> Tensor:
        """Mean of gradients and loss over the processes; a parameter without gradient in any of them keeps none."""
        there = torch.tensor([p.grad is not None for p in parameters], device=loss.device, dtype=torch.float32)
        pieces = [(torch.zeros_like(p) if p.grad is None else p.grad).flatten().float() for p in parameters]
        flat: Tensor = self.fabric.all_reduce(torch.cat([*pieces, there, loss.view(1)]))  # type: ignore[assignment]
        sizes = [p.numel() for p in parameters]
        *means, there, loss = torch.split(flat, [*sizes, len(parameters), 1])
        for parameter, mean, some in zip(parameters, means, there.tolist(), strict=True):
            if some:
                parameter.grad = mean.view_as(parameter).to(parameter.dtype)
        return loss[0]

    def _worst(self, parameters: list[nn.Parameter]) -> str:
        """Name of the first parameter whose gradient is not finite."""
        bad = {id(p) for p in parameters if p.grad is not None and not bool(torch.isfinite(p.grad).all())}
        for name, network in self.networks.items():
            for parameter, tensor in network.named_parameters():
                if id(tensor) in bad:
                    return f"{name}.{parameter}"
        return "a parameter outside the trainer's networks"


def broadcast(fabric: Fabric, networks: Mapping[str, nn.Module]) -> None:
    """Give all processes the weights and buffers of the first."""
    if fabric.world_size > 1:
        for network in networks.values():
            for tensor in network.state_dict().values():
                torch.distributed.broadcast(tensor, 0)


def first_not_finite(networks: Mapping[str, nn.Module]) -> str | None:
    """Name of the first weight or buffer that is NaN or infinite."""
    for name, network in networks.items():
        for key, tensor in network.state_dict().items():
            if not bool(torch.isfinite(tensor).all()):
                return f"{name}.{key}"
    return None
