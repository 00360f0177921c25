"""What trains a method's network: it owns the networks, their optimisers and the order of updates."""

import re
from collections.abc import Callable, Mapping
from typing import Any, Generic, cast

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler
from typing_extensions import TypeVar

from inpaintx.errors import InpaintxError

__all__ = ["Trainer", "check_losses", "check_trainer", "plain_update"]

NetT = TypeVar("NetT", bound=nn.Module, default=Any)

RESERVED = "ema"  # the running average of "net" has this name in checkpoints


def plain_update(optimizer: Optimizer, loss: Tensor) -> None:
    """One update in plain PyTorch: gradients of the optimiser's own parameters, and of nothing else."""
    optimizer.zero_grad(set_to_none=True)
    loss.backward(  # type: ignore[no-untyped-call]
        inputs=[p for group in optimizer.param_groups for p in group["params"] if p.requires_grad]
    )
    optimizer.step()


class _Main:
    """``trainer.net``: an attribute of that name that a subclass sets for itself comes first."""

    def __get__(self, trainer: "Trainer[Any] | None", owner: type) -> Any:
        return self if trainer is None else trainer.networks["net"]


class Trainer(Generic[NetT]):
    """Base of what :meth:`Method.trainer` returns; a method writes ``__init__`` and :meth:`step`.

    Parameters
    ----------
    networks
        Every module that has to be kept in a checkpoint; ``"net"`` is the method's own, which fills holes, and must be
        among them. Names are letters, digits, ``_`` and ``-``; ``"ema"`` is taken. Frozen feature extractors do not
        belong here.
    optimizers
        By name. An update with one of them changes its own parameters only, so a generator's loss may pass through a
        discriminator without leaving a gradient there.
    schedulers
        Learning rates by the number of steps.

    Attributes
    ----------
    net
        ``networks["net"]``; ``Trainer[MyNet]`` tells the type checker what it is.
    updater
        Does one update from an optimiser and a loss. The training loop puts its own in (mixed precision, several
        processes, gradient accumulation); alone, it is :func:`plain_update`.
    steps
        Steps done so far, over all sessions of a run; for schedules and stages.
    frozen
        What of the run rests on features that were not trained for it, e.g. ``{"vgg": "random"}``; written into the
        run's metadata.

    Raises
    ------
    InpaintxError
        No network ``"net"``, or a name that a checkpoint cannot hold.

    Examples
    --------
    >>> class Mine(Trainer):
    ...     def __init__(self, net):
    ...         super().__init__({"net": net}, {"net": torch.optim.Adam(net.parameters(), 2e-4)})
    ...
    ...     def step(self, batch):
    ...         loss = (self.networks["net"](batch["image"], batch["mask"]) - batch["image"]).abs().mean()
    ...         self.update("net", loss)
    ...         return {"l1": loss}
    """

    net = cast(NetT, _Main())

    def __init__(
        self,
        networks: Mapping[str, nn.Module],
        optimizers: Mapping[str, Optimizer],
        schedulers: Mapping[str, LRScheduler] | None = None,
        frozen: Mapping[str, str] | None = None,
    ) -> None:
        self.networks = dict(networks)
        _check_names(self)
        self.optimizers = dict(optimizers)
        self.schedulers = dict(schedulers or {})
        self.frozen = dict(frozen or {})
        self.updater: Callable[[Optimizer, Tensor], None] = plain_update
        self.steps = 0

    def step(self, batch: dict[str, Any]) -> dict[str, Tensor]:
        """Update from one batch.

        Parameters
        ----------
        batch
            ``"image"`` ``[B,3,H,W]`` float32 in [0,1], ``"mask"`` ``[B,1,H,W]`` float32, 1 = hole, and what
            :meth:`Method.required_annotations` names: ``"skin"`` and ``"foreground"`` ``[B,1,H,W]`` float32, 1 =
            inside; ``"landmarks"`` ``[B,N,2]`` float32, x and y in pixels of the image (centre of the first pixel =
            0), NaN where unknown.

        Returns
        -------
        dict
            The loss terms by name, each a scalar.
        """
        raise NotImplementedError(f"{type(self).__name__} does not define step()")

    def update(self, name: str, loss: Tensor) -> None:
        """Update the parameters of one optimiser from a loss that is a mean over the batch."""
        self.updater(self.optimizers[name], loss)

    def advance(self) -> None:
        """Count a step and move the learning rates; the loop calls it after each step (gradients accumulated)."""
        self.steps += 1
        for scheduler in self.schedulers.values():
            scheduler.step()

    def capturable_as(self) -> str | None:
        """Name the CUDA graph that the next :meth:`step` is captured in; None: the step cannot be captured.

        A captured step runs in Python once, and its kernels again and again (the loop's option ``cuda_graph``). It
        must not wait for the GPU (``item()``, ``if tensor``, ``tensor[mask]``, ``torch.tensor(...)``), nor branch on
        anything but the options. Numbers that change from step to step are tensors, which :meth:`advance` and
        :meth:`load_state_dict` write. A trainer of several stages returns a name for each.
        """
        return None

    def state_dict(self) -> dict[str, Any]:
        """All that a resumed run needs besides the weights of ``networks``."""
        return {
            "steps": self.steps,
            "optimizers": {name: o.state_dict() for name, o in self.optimizers.items()},
            "schedulers": {name: s.state_dict() for name, s in self.schedulers.items()},
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from what :meth:`state_dict` returned."""
        self.steps = state["steps"]
        for name, one in self.optimizers.items():
            one.load_state_dict(state["optimizers"][name])
        for name, schedule in self.schedulers.items():
            schedule.load_state_dict(state["schedulers"][name])


def _check_names(trainer: Trainer) -> None:
    names = ", ".join(map(repr, trainer.networks)) or "none"
    whose = f"{type(trainer).__name__}: networks"
    if "net" not in trainer.networks:
        raise InpaintxError(f"{whose} must hold the network that fills holes under the key 'net'; keys: {names}")
    for name in trainer.networks:
        if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_-]*", name) or name == RESERVED:
            raise InpaintxError(
                f"{whose} has the key {name!r}; a key names a file of the checkpoint: take letters, digits, '_' and "
                f"'-', and not {RESERVED!r}"
            )


def check_trainer(trainer: Any, net: nn.Module) -> None:
    """Check what :meth:`Method.trainer` returned for ``net``, so that a run fails before its first step, not after it.

    Raises
    ------
    InpaintxError
        Not a :class:`Trainer`, or one whose networks do not belong in a checkpoint.
    """
    if not isinstance(trainer, Trainer) or not hasattr(trainer, "networks"):
        raise InpaintxError(
            f"trainer() must return an inpaintx.Trainer whose __init__ calls super().__init__, got "
            f"{type(trainer).__name__}"
        )
    _check_names(trainer)
    if trainer.networks["net"] is not net:
        raise InpaintxError(
            f"{type(trainer).__name__}: networks['net'] must be the network that trainer() was given; validation and "
            "export see that one"
        )


def check_losses(losses: Any, owner: str) -> None:
    """Check what :meth:`Trainer.step` returned; ``owner`` names its class.

    Raises
    ------
    InpaintxError
        Not a dict of scalar tensors by name, or an empty one.
    """
    expected = f"{owner}.step() must return the loss terms as a dict of scalar tensors by name, got"
    if not isinstance(losses, Mapping):
        raise InpaintxError(f"{expected} {type(losses).__name__}")
    if not losses:
        raise InpaintxError(f"{expected} an empty one")
    for name, value in losses.items():
        if not isinstance(name, str) or not isinstance(value, Tensor):
            raise InpaintxError(f"{expected} {name!r}: {type(value).__name__}; leave out .item() and float()")
        if value.numel() != 1 or not torch.is_floating_point(value):
            raise InpaintxError(f"{expected} {name!r} of shape {list(value.shape)}, {value.dtype}")
