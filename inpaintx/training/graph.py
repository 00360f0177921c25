"""A training step as a CUDA graph: captured once, then all of its kernels start with one call."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from inpaintx.errors import InpaintxError
from inpaintx.plugin.trainer import Trainer
from inpaintx.training.config import TrainConfig
from inpaintx.training.update import Updater

if TYPE_CHECKING:
    from lightning_fabric import Fabric

__all__ = ["GraphedStep", "check_graph", "make_capturable"]

WARM_UP = 3  # steps before a capture: libraries are loaded, workspaces and the optimisers' state allocated


def check_graph(fabric: Fabric, options: TrainConfig) -> None:
    """Refuse the option ``cuda_graph`` where no step can be captured.

    Raises
    ------
    InpaintxError
        No CUDA device, several processes, or an option whose step waits for the GPU.
    """
    if not options.cuda_graph:
        return
    if fabric.device.type != "cuda":
        raise InpaintxError(
            f"cuda_graph=true needs a GPU, and this run is on {fabric.device.type}; give a CUDA device, or begin a run "
            "without cuda_graph"
        )
    against = {
        "accumulate": options.accumulate > 1,
        "precision": options.precision == "16-mixed",
        "compile": options.compile,
    }
    values = [f"{name}={getattr(options, name)}" for name, there in against.items() if there]
    values += [f"{fabric.world_size} processes"] if fabric.world_size > 1 else []
    if values:
        raise InpaintxError(f"cuda_graph=true cannot be combined with {', '.join(values)}; leave one out")


def make_capturable(optimizers: Iterable[Optimizer], device: torch.device) -> None:
    """Keep learning rates and counts of steps on the device, where a captured update reads them at each replay.

    Raises
    ------
    InpaintxError
        An optimiser that PyTorch cannot capture.
    """
    for optimizer in optimizers:
        if "capturable" not in optimizer.defaults:
            raise InpaintxError(f"cuda_graph=true: torch.optim.{type(optimizer).__name__} cannot be captured")
        for group in optimizer.param_groups:
            group["capturable"] = True
            group["lr"] = torch.as_tensor(group["lr"], dtype=torch.float32, device=device)
        for state in optimizer.state.values():
            state["step"] = torch.as_tensor(state["step"], dtype=torch.float32, device=device)


class GraphedStep:
    """A trainer's ``step()`` by a CUDA graph.

    The first steps of each of its stages (:meth:`Trainer.capturable_as`) run as ever, on a stream beside; then a step
    is captured and from there on replayed. Random numbers are those of a run without a graph: a replay takes the
    generator's state of its own time. The step's tensors keep their memory from then on.

    Parameters
    ----------
    trainer, updater
        Of the run; the updater is the trainer's.
    device
        Where they are.

    Raises
    ------
    InpaintxError
        A trainer or an optimiser that cannot be captured.
    """

    def __init__(self, trainer: Trainer, updater: Updater, device: torch.device) -> None:
        self.trainer, self.updater, self.device = trainer, updater, device
        self.stage: str | None = None
        self.warmed = 0
        self.graph: torch.cuda.CUDAGraph | None = None
        self.inputs: dict[str, Tensor] = {}
        self.terms: dict[str, Tensor] = {}
        self._stage()
        make_capturable(trainer.optimizers.values(), device)
        self.stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]

    def __call__(self, batch: dict[str, Any]) -> dict[str, Tensor]:
        """Update from one batch; the loss terms, valid until the next call."""
        batch = {name: value for name, value in batch.items() if isinstance(value, Tensor)}
        stage = self._stage()
        if stage != self.stage:
            self.stage, self.warmed, self.graph, self.updater.captured = stage, 0, None, None
            make_capturable(self.trainer.optimizers.values(), self.device)  # what a resumed run has read is not
        if self.warmed < WARM_UP:
            self.warmed += 1
            self.stream.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(self.stream):
                terms = self.trainer.step(batch)
            torch.cuda.current_stream().wait_stream(self.stream)
            return terms
        if self.graph is None:
            self._capture(batch)
        for name, value in batch.items():
            self.inputs[name].copy_(value)
        assert self.graph is not None
        self.graph.replay()
        self.updater.check_captured()
        return self.terms

    def _stage(self) -> str:
        stage = self.trainer.capturable_as()
        if stage is None:
            raise InpaintxError(
                f"cuda_graph=true: the step of {type(self.trainer).__name__} cannot be captured with these options; "
                "leave cuda_graph out"
            )
        return stage

    def _capture(self, batch: dict[str, Tensor]) -> None:
        self.inputs = {name: value.clone() for name, value in batch.items()}
        self.updater.captured = []
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, stream=self.stream):
            self.terms = self.trainer.step(self.inputs)
        self.graph = graph
