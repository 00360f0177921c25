"""The training loop: ``inpaintx.train`` and ``inpaintx train``."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

import inpaintx
from inpaintx.data.given import Dataset
from inpaintx.data.jitter import Jitter
from inpaintx.data.loader import make_loader
from inpaintx.errors import InpaintxError
from inpaintx.io.atomic import atomic_write, make_folder
from inpaintx.io.names import is_unicode
from inpaintx.io.optional import require
from inpaintx.nn.layout import layout_on
from inpaintx.plugin.method import Method
from inpaintx.plugin.plugin_errors import blamed
from inpaintx.plugin.registry import registry
from inpaintx.plugin.successor import method_of_run
from inpaintx.plugin.trainer import check_losses, check_trainer
from inpaintx.training import checkpoint
from inpaintx.training.begin import begin_from, seen_before
from inpaintx.training.callbacks import Bar, Callback, Callbacks, Meter, TensorBoardLogger
from inpaintx.training.config import Settings, check_same, resolve_settings
from inpaintx.training.ema import EMA
from inpaintx.training.graph import GraphedStep, check_graph
from inpaintx.training.processes import hardware, place, same_threads, start
from inpaintx.training.record import RECORD, describe, read_record
from inpaintx.training.resume import check_continues, check_unedited, hold
from inpaintx.training.sets import open_part, open_validation
from inpaintx.training.update import Updater, broadcast, first_not_finite
from inpaintx.training.validate import is_improvement

if TYPE_CHECKING:
    from lightning_fabric import Fabric

__all__ = ["Trained", "train"]


@dataclass(frozen=True)
class Trained:
    """A run that came to its end: its folder, its steps, and the validation of the last and of the best checkpoint."""

    run: Path
    steps: int
    last: dict[str, float]
    best: dict[str, Any] | None


def train(
    method: str | Method,
    data: str | Path | Dataset,
    out: str | Path,
    *,
    preset: str | None = None,
    steps: int | None = None,
    seed: int | None = None,
    options: Mapping[str, Any] | None = None,
    resume: bool = False,
    device: str = "auto",
    devices: int = 1,
    watch: Sequence[Callback] | None = None,
    val_data: Dataset | None = None,
) -> Trained:
    """Train a method's network.

    Parameters
    ----------
    method
        A registered name, or a :class:`Method`.
    data
        Folder of a set (see :func:`inpaintx.data.dataset.open_dataset`); or a dataset, of whose samples all are
        trained on (:class:`inpaintx.data.given.GivenDataset` says what they are).
    out
        Folder of the run, made here: ``config.json``, ``checkpoints/``, ``pictures/``, ``tensorboard/``.
    preset
        Named options of the method; default: ``"default"``, or that of the run that is resumed.
    steps, seed
        Short for the options of these names.
    options
        Options of the method's Config and of :class:`inpaintx.training.config.TrainConfig` by name.
    resume
        Go on from the run's last checkpoint, with the same data order and random states; on the CPU the weights
        become those of a run that was never stopped, to the last bit: with the number of threads that the run began
        with, which is set again. A run that is not there yet begins.
    device
        ``"auto"``, ``"cpu"``, ``"cuda"`` or ``"cuda:N"``.
    devices
        GPUs, or processes on the CPU, on this machine; under ``torchrun`` or ``fabric run`` these decide.
    watch
        Are told what happens. Default: a :class:`Bar` in a notebook, else nobody.
    val_data
        A dataset to validate on, beside a dataset that is trained on; None: nothing is validated.

    Returns
    -------
    Trained
        What came of it.

    Raises
    ------
    InpaintxError
        Bad input; a loss or gradient that is not finite; a disk that is full; data that has gone or changed; a run
        that another process is at.

    Examples
    --------
    >>> inpaintx.train("small_unet", "faces/", "run", preset="tiny", steps=500)  # doctest: +SKIP
    >>> inpaintx.train("small_unet", "faces/", "run", steps=1000, resume=True)  # doctest: +SKIP
    """
    require("train", "training", "lightning_fabric", "tensorboard", "torchmetrics")
    method = registry().method(method) if isinstance(method, str) else method
    out = Path(out)
    short = {key: value for key, value in (("steps", steps), ("seed", seed)) if value is not None}
    if not is_unicode(out):
        raise InpaintxError(f"the folder {out} is not named in UTF-8, and TensorBoard writes into no other; rename it")
    if out.exists() and not resume:
        raise InpaintxError(f"{out} exists; resume the run in it (--resume), or give another folder")
    there = out.exists() and any(not path.name.startswith(".") for path in out.iterdir())
    earlier = read_record(out) if there else None
    if earlier:
        method, preset = method_of_run(earlier, method, preset)
    settings = resolve_settings(method, preset, {**(options or {}), **short}, earlier)
    fabric = start(device, devices, settings.train.precision)
    check_graph(fabric, settings.train)
    if watch is None:
        bar = Bar()
        watch = [bar] if bar.console.is_jupyter else []
    if isinstance(data, (str, Path)):
        if val_data is not None:
            raise InpaintxError("val_data= goes with a dataset; of a folder, val_split= names what is validated on")
        data = Path(data)
    return _Run(fabric, settings, data, val_data, out, earlier).go(watch if fabric.is_global_zero else [], earlier)


class _Run:
    """One session of a run."""

    def __init__(
        self,
        fabric: Fabric,
        settings: Settings,
        data: Path | Dataset,
        val_data: Dataset | None,
        out: Path,
        earlier: dict[str, Any] | None,
    ) -> None:
        self.fabric, self.out = fabric, out
        self.method, self.config, self.options = settings.method, settings.config, settings.train
        options = self.options
        self.threads_note = same_threads(fabric, (earlier or {}).get("threads"))
        with blamed(self.method, "required_annotations()"):
            self.needs = self.method.required_annotations(self.config)
        part = options.split, options.holes, self.config.size, self.needs
        self.faces, self.holes = open_part(data, *part, options.limit)
        self.extra = open_part(Path(options.extra), *part)[0] if options.extra else None
        validated = data if isinstance(data, Path) else val_data
        self.validation = open_validation(validated, options, self.config.size)
        self._seed(0, 0, rank=0)
        with blamed(self.method, "build()"):
            net = self.method.network(self.config).to(fabric.device).train()
        initialized_from = (earlier or {}).get("initialized_from", "")
        if options.init and not checkpoint.checkpoints(out):
            initialized_from = begin_from(self.method, self.config, net, options.init)
        elif options.init.endswith(".safetensors"):  # it may be gone, but not another
            check_same("init", initialized_from.split(",")[0], Path(options.init).name)
        with blamed(self.method, "trainer()"):
            self.trainer = self.method.trainer(net, self.config)
        check_trainer(self.trainer, net)
        checkpoint.check_state(self._state())
        last = options.channels_last
        self.channels_last = layout_on(fabric.device) == torch.channels_last if last is None else last
        place(self.trainer, fabric.device, channels_last=self.channels_last)
        self.updater = Updater(fabric, self.trainer.networks, self.trainer.optimizers, options.clip, options.accumulate)
        self.trainer.updater = self.updater
        graphed = options.cuda_graph
        self.run_step = GraphedStep(self.trainer, self.updater, fabric.device) if graphed else self.trainer.step
        self.average = EMA(net, options.ema) if options.ema else None
        self.net = self.average.net if self.average else net
        self.metrics: dict[str, float] = {}
        self.best: dict[str, Any] | None = None
        self.record = {
            "inpaintx": inpaintx.__version__,
            "torch": torch.__version__,
            **settings.record(),
            "data": describe(data.resolve().name if isinstance(data, Path) else type(data).__name__, self.faces),
            "extra": describe(Path(options.extra).resolve().name, self.extra) if self.extra else {},
            "content": self._content(),
            "initialized_from": initialized_from,
            "seen_before": (earlier or {}).get("seen_before") or list(seen_before(self.method, options.init)),
            "frozen": self.trainer.frozen,
            "processes": fabric.world_size,
            "hardware": hardware(fabric),
            "threads": torch.get_num_threads(),
            "mean_color": self.validation.floor if self.validation else {},
            "distance_in": self.validation.distance.outcome if self.validation and self.validation.distance else "",
        }

    def _content(self) -> dict[str, str]:
        """Digests of what is trained on, reckoned by the first process."""
        parts = {"data": self.faces, "extra": self.extra, "holes": self.holes}
        mine = {k: part.content() if part else "" for k, part in parts.items()} if self.fabric.is_global_zero else {}
        return self.fabric.broadcast(mine)

    def go(self, callbacks: Sequence[Callback], earlier: dict[str, Any] | None) -> Trained:
        """Train to the last step."""
        with ExitStack() as stack:
            hold(self.fabric, self.out, stack, begins=earlier is None)
            first = self._continue(earlier) if earlier else 0
            self.fabric.barrier()
            entered = [stack.enter_context(callback) for callback in callbacks]
            self.callbacks = Callbacks(entered)
            if self.fabric.is_global_zero:
                self._begin_folder()
                entered.append(stack.enter_context(TensorBoardLogger(self.out, first)))
            self.callbacks.begin(first, self.config.steps)
            for note in self._notes(first, resumed=earlier is not None):
                self.callbacks.note(note)
            if first < self.config.steps:
                stream: Any = make_loader(
                    self.faces,
                    self.holes,
                    batch=self.config.batch_size,
                    seed=self.options.seed,
                    start=first,
                    rank=self.fabric.global_rank,
                    world=self.fabric.world_size,
                    workers=self.options.workers,
                    flip=self.options.flip,
                    fixed_order=self.options.order == "fixed",
                    jitter=Jitter(self.options.jitter, self.options.jitter_angle, part=self.options.jitter_part),
                    extra=self.extra,
                    extra_share=self.options.extra_share,
                )
                self._train(first, stack.enter_context(closing(stream)))
            best = self.best
            words = f"; the best {best['metric']} is {best['value']:.4g}, at step {best['step']}" if best else ""
            self.callbacks.note(f"{self.out}: {self.trainer.steps} steps{words}")
        return Trained(self.out, self.trainer.steps, self.metrics, self.best)

    def _continue(self, earlier: dict[str, Any]) -> int:
        """Load the last checkpoint, if there is one yet; the steps that it has behind it."""
        check_continues(earlier, self.record)
        found = checkpoint.checkpoints(self.out)
        if not found:
            return 0
        last = found[-1]
        record = last.record()
        check_unedited(self.out, earlier, record)
        networks, state = checkpoint.read(last, list(self._networks()))
        with blamed(self.method, "load_state_dict()"), checkpoint.fitting(last, self.method.name):
            for name, network in self._networks().items():
                network.load_state_dict(networks[name])
            self.trainer.load_state_dict(state["trainer"])
            self.fabric.strategy.precision.load_state_dict(state["precision"])
        self.metrics, self.best = record["metrics"], record["best"]
        return last.step

    def _begin_folder(self) -> None:
        with atomic_write(self.out / RECORD) as part:
            part.write_text(json.dumps(self.record, indent=1) + "\n")
        make_folder(self.out / "checkpoints")
        checkpoint.clean(self.out)

    def _networks(self) -> dict[str, nn.Module]:
        """What a checkpoint keeps."""
        return {**self.trainer.networks, **({"ema": self.average.net} if self.average else {})}

    def _state(self) -> dict[str, Any]:
        with blamed(self.method, "state_dict()"):
            return self.trainer.state_dict()

    def _train(self, first: int, stream: Iterator[dict[str, Any]]) -> None:
        """Train from step ``first`` on."""
        broadcast(self.fabric, self.trainer.networks)
        if self.options.compile:
            for network in self.trainer.networks.values():
                network.compile()
        meter = Meter(self.config.batch_size * self.fabric.world_size)
        for step in range(first + 1, self.config.steps + 1):
            begun = time.perf_counter()
            batch = next(stream)
            meter.waited += time.perf_counter() - begun
            last = step == self.config.steps
            shown = last or _due(step, self.options.log_every)
            rates = {n: float(o.param_groups[0]["lr"]) for n, o in self.trainer.optimizers.items()} if shown else {}
            meter.add(self._step(step, batch))
            self.callbacks.step(step)
            if shown:
                self.callbacks.log(step, *meter.read())
                self.callbacks.rates(step, rates)
            try:
                improved = (last or _due(step, self.options.validate_every)) and self._validate(step)
            except InpaintxError:  # a hole that the method refuses, say
                self._save(step)
                raise
            if last or improved or _due(step, self.options.checkpoint_every):
                self._save(step)

    def _step(self, step: int, batch: dict[str, Any]) -> list[dict[str, Tensor]]:
        """One step on one batch; the loss terms of each part of it."""
        count, size = self.options.accumulate, self.config.batch_size // self.options.accumulate
        terms: list[dict[str, Tensor]] = []
        for number in range(count):
            part = {key: value[number * size : (number + 1) * size] for key, value in batch.items()}
            self._seed(step, number, self.fabric.global_rank)
            self.updater.begin(number)
            with blamed(self.method, f"step(), at step {step}"), self.fabric.autocast():
                found = self.run_step({key: self._placed(value) for key, value in part.items()})
            check_losses(found, type(self.trainer).__name__)
            terms.append({name: value.detach() for name, value in found.items()})
        if self.updater.fault:
            saved = checkpoint.checkpoints(self.out)
            kept = f"the checkpoint of step {saved[-1].step} is kept" if saved else "there is no checkpoint yet"
            what = self.updater.fault.words(terms, batch["name"])
            raise InpaintxError(f"step {step}: {what}; the run has stopped, {kept}") from self.updater.fault
        with blamed(self.method, "advance()"):
            self.trainer.advance()
        if self.average:
            self.average.update(self.trainer.networks["net"], step)
        return terms

    def _placed(self, value: Any) -> Any:
        if not isinstance(value, Tensor):
            return value
        if self.channels_last and value.dim() == 4:
            value = value.contiguous(memory_format=torch.channels_last)
        return value.to(self.fabric.device)

    def _validate(self, step: int) -> bool:
        """Validate, in the first process; whether the result is the best so far."""
        broadcast(self.fabric, self.trainer.networks)
        if self.validation is None or not self.fabric.is_global_zero:
            return self.fabric.broadcast(False)
        self.metrics, picture = self.validation(self.method, self.net, self.fabric.device)
        value = self.metrics[self.options.best]
        improved = is_improvement(self.options.best, value, self.best["value"] if self.best else None)
        if improved:
            self.best = {"step": step, "metric": self.options.best, "value": value}
        self.callbacks.validated(step, self.metrics, improved)
        self.callbacks.picture(step, picture)
        return self.fabric.broadcast(improved)

    def _save(self, step: int) -> None:
        """Write a checkpoint, in the first process, and remove old ones."""
        broadcast(self.fabric, self.trainer.networks)
        if self.fabric.is_global_zero:
            networks = self._networks()
            bad = first_not_finite(networks)
            if bad:
                raise InpaintxError(f"step {step}: {bad} is not finite; the run has stopped, no checkpoint is written")
            state = {"trainer": self._state(), "precision": self.fabric.strategy.precision.state_dict()}
            record = {**self.record, "step": step, "metrics": self.metrics, "best": self.best}
            checkpoint.write(self.out, step, {n: x.state_dict() for n, x in networks.items()}, state, record)
            checkpoint.keep(self.out, self.best["step"] if self.best else None)
        self.fabric.barrier()

    def _seed(self, step: int, part: int, rank: int) -> None:
        """Set all global generators to a state that follows from the seed and the place in the run."""
        value = int(np.random.SeedSequence((self.options.seed, step, part, rank)).generate_state(1, np.uint64)[0])
        random.seed(value)
        np.random.seed(value % 2**32)
        torch.manual_seed(value)

    def _notes(self, first: int, *, resumed: bool) -> Iterator[str]:
        size = sum(p.numel() for p in self.net.parameters())
        record = self.record
        yield f"method {self.method.name}, preset {record['preset']}, {size:,} parameters, on {record['hardware']}"
        yield from [f"begun from {record['initialized_from']}"] if record["initialized_from"] else []
        yield from self.faces.notes
        yield from self.extra.notes if self.extra else []
        yield from self.holes.notes if self.holes else []
        yield from [self.threads_note] if self.threads_note else []
        for name, outcome in self.trainer.frozen.items():
            loud = "" if outcome == "official" else ": results are not comparable with published ones"
            yield f"features: {name}={outcome}{loud}"
        if self.validation:
            yield from self.validation.notes()
        if first >= self.config.steps:
            yield f"the run has all its {first} steps; give more to go on"
        elif first:
            yield f"resumed after step {first}"
        elif resumed:
            every = self.options.checkpoint_every
            yield f"no checkpoint in {self.out} yet (checkpoint_every={every}): begins at step 0"


def _due(step: int, every: int) -> bool:
    return every > 0 and step % every == 0
