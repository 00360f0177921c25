"""The work: batches filled and measured, each kept in a file of its own, so that a stopped evaluation goes on."""

import hashlib
import json
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from inpaintx.errors import InpaintxError
from inpaintx.evaluation.entries import Entry, EntryRecord, EntrySpec
from inpaintx.evaluation.features import Networks, of_sets
from inpaintx.evaluation.protocol import Batch, Group, Protocol, Sources, digest, picture_of
from inpaintx.io.atomic import atomic_write, make_folder
from inpaintx.nn import metrics
from inpaintx.nn.options import OnMissing
from inpaintx.plugin.metrics import measure_by_plugins, metric_weights
from inpaintx.plugin.sampling import shared_samples

__all__ = ["TRUTH", "Task", "Worker", "environment", "label_of", "unit_file"]

TRUTH = "truth"  # what the truth's own features are kept under
Unit = tuple[EntryRecord | None, Batch]
Measured = dict[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class Task:
    """What is to be done, on which device and with how many threads a process."""

    data: str
    groups: list[Group]
    protocol: Protocol
    specs: list[EntrySpec]
    records: list[EntryRecord]
    folder: Path
    on_missing: OnMissing
    vgg: str
    device: str
    threads: int

    def file(self, unit: Unit) -> Path:
        """Where a unit is kept."""
        return unit_file(self.folder, self.protocol, *unit)

    def units(self) -> list[Unit]:
        """Every batch of every method; None instead of a record: the truth's features, once an image.

        A method's batches come with all holes of the same images one after the other.
        """
        batches = sorted(self.protocol.batches(), key=lambda batch: batch.first)
        truth = of_sets(self.protocol.features)
        first: list[Unit] = [(None, batch) for batch in batches if truth and batch.group == 0]
        return first + [(record, batch) for record in self.records for batch in batches]


def unit_file(folder: Path, protocol: Protocol, record: EntryRecord | None, batch: Batch) -> Path:
    """Where a batch is kept: the folder's name holds the digest of all that its values depend on."""
    text = protocol.digest + (record.model_dump_json() if record else "")
    name = f"{record.label if record else TRUTH}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"
    return folder / "units" / name / f"{batch.number:06d}.npz"


def label_of(unit: Unit) -> str:
    """The method that a unit is of."""
    return unit[0].label if unit[0] else TRUTH


class Worker:
    """Fills and measures batches, a method after the other; implements :class:`inpaintx.cluster.pool.Work`."""

    def __init__(self, task: Task) -> None:
        torch.set_num_threads(task.threads)
        self.task, self.device = task, torch.device(task.device)
        self.evaluator = _Evaluator(task, self.device)
        self.entry: Entry | None = None

    def __call__(self, units: Sequence[Unit]) -> list[tuple[str, str]]:
        """Do units; returns of each its method, and why it could not be done."""
        rows = []
        for unit in units:
            try:
                self.do(unit)
                rows.append((label_of(unit), ""))
            except InpaintxError as error:
                rows.append((label_of(unit), str(error)))
        return rows

    def lost(self, unit: Unit, words: str) -> tuple[str, str]:
        """The row of a unit that was not done."""
        return label_of(unit), f"batch {unit[1].number} of {label_of(unit)}: {words}; what is done is kept"

    def do(self, unit: Unit) -> None:
        """Do a unit that is not done yet.

        Raises
        ------
        InpaintxError
            A method fails, an image is not the one that the protocol saw, this machine has other weights, or a file
            cannot be written.
        """
        record, batch = unit
        path = self.task.file(unit)
        if path.exists():
            return
        if record is not None and (self.entry is None or self.entry.record != record):
            self.entry = None  # gives the memory back before the next one takes some
            spec = next(s for s in self.task.specs if s.label == record.label)
            self.entry = Entry(spec, self.task.protocol.size, self.task.protocol.seed, self.device)
            if self.entry.record != record:
                raise InpaintxError(f"method {record.label!r} has other weights or options on one of the machines")
            self.evaluator.warm_up(self.entry, batch)
        measured = self.evaluator.truth(batch) if record is None else self.evaluator.measure(self.entry, batch)
        make_folder(path.parent)
        with atomic_write(path) as part, open(part, "wb") as file:
            np.savez(file, **measured)  # type: ignore[arg-type]  # its stub takes allow_pickle for an array


class _Evaluator:
    """Images, holes and measures of one process."""

    def __init__(self, task: Task, device: torch.device) -> None:
        self.protocol, self.device = task.protocol, device
        here, expected = metric_weights(self.protocol.metrics), self.protocol.metric_weights
        if here != expected:
            raise InpaintxError(
                f"a machine of the cluster finds other weights of metrics ({_in_words(here)}) than this one "
                f"({_in_words(expected)}); install the same on all"
            )
        self.sources = Sources(
            task.data,
            task.protocol.split,
            task.protocol.size,
            task.protocol.seed,
            task.groups,
            foreground=task.protocol.foreground is not None,
        )
        self.networks = Networks(task.on_missing, device, task.vgg)
        if self.networks.names != task.protocol.features:
            raise InpaintxError(
                f"a machine of the cluster finds other feature networks ({_in_words(self.networks.names)}) than this "
                f"one ({_in_words(task.protocol.features)}); install the same on all"
            )
        self.environment = json.dumps(environment(device), sort_keys=True)

    def read(self, batch: Batch) -> tuple[Tensor, Tensor, Tensor | None]:
        """Images, masks and foregrounds of a batch, after a check that they are the protocol's."""
        samples, holes = [], []
        for number in range(batch.first, batch.last):
            picture = self.protocol.pictures[number]
            sample = self.sources.sample(picture.name)
            hole = self.sources.hole(batch.group, number, sample)
            expected = self.protocol.holes[batch.group][number].sha256
            if picture_of(sample) != picture or digest(np.packbits(hole)) != expected:
                raise InpaintxError(
                    f"the image, the mask or the foreground of {picture.name} has changed since the evaluation began, "
                    "or is decoded otherwise on this machine: the values would not belong together; begin anew"
                )
            samples.append(sample)
            holes.append(torch.from_numpy(hole)[None].float())
        image = torch.stack([s["image"] for s in samples]).to(self.device)
        mask = torch.stack(holes).to(self.device)
        if self.protocol.foreground is None:
            return image, mask, None
        return image, mask, torch.stack([s["foreground"] for s in samples]).to(self.device)

    def warm_up(self, entry: Entry, batch: Batch) -> None:
        """A first fill, of one image: what a library does once does not count as the method's time."""
        image, mask, _ = self.read(batch.model_copy(update={"last": batch.first + 1}))
        with suppress(Exception):  # if it fails, the batch itself will, with words
            entry.fill(image, mask, torch.Generator(self.device).manual_seed(0))

    def measure(self, entry: Entry | None, batch: Batch) -> Measured:
        """Fill a batch and measure the fills."""
        assert entry is not None
        image, mask, foreground = self.read(batch)
        fills, seconds, peak = self._fill(entry, batch, image, mask)
        outputs: dict[str, list[dict[str, Tensor]]] = {"composite": [], "raw": []}
        features: list[Tensor | None] = []
        for filled in fills:
            for output, result in (("composite", filled.image), ("raw", filled.raw)):
                outputs[output].append(metrics.measure(result, image, mask, foreground))
            values, found = self.networks.compare(filled.image, image)
            features.append(found)
            values["hole/sharpness"] = metrics.sharpness(filled.image, image, mask)
            values |= measure_by_plugins(self.protocol.metrics, filled.image, image, mask)
            outputs["composite"][-1] |= values
        unit: Measured = {
            f"value/{output}/{key}": torch.stack([s[key] for s in samples]).mean(0).cpu().numpy()
            for output, samples in outputs.items()
            for key in samples[0]
        }
        if len(fills) > 1:
            composites = torch.stack([f.image for f in fills])
            unit["value/composite/hole/diversity"] = metrics.diversity(composites, mask).cpu().numpy()
        unit |= self._features(fills[0].image, foreground, features[0])
        unit["seconds"], unit["peak"] = np.array(seconds), np.array(peak)
        unit["environment"] = np.array(self.environment)
        shown = self.protocol.shown(batch.group) - batch.first
        if 0 <= shown < len(image):
            unit["picture"], unit["truth"] = (_pixels(p[shown]) for p in (fills[0].image, image))
            unit["hole"] = mask[shown, 0].bool().cpu().numpy()
        return unit

    @shared_samples()
    def _fill(self, entry: Entry, batch: Batch, image: Tensor, mask: Tensor) -> tuple[list[Any], float, float]:
        """The samples of a batch, the seconds that they took, and the peak of memory meanwhile in bytes."""
        label, protocol = entry.record.label, self.protocol
        peak = _Peak(self.device)
        fills, started = [], time.perf_counter()
        for k in range(protocol.samples):
            # a draw of its own for each batch and sample, whoever computes it
            seed = int(np.random.SeedSequence([protocol.seed, batch.number, k]).generate_state(1, np.uint64)[0] >> 1)
            generator = torch.Generator(self.device).manual_seed(seed)
            try:
                fills.append(entry.fill(image, mask, generator))
            except Exception as error:
                names = [p.name for p in protocol.pictures[batch.first : batch.last]]
                reason = error.__cause__ or error  # what the method itself raised
                raise InpaintxError(
                    f"method {label!r} failed on {protocol.groups[batch.group].name!r}, images {names[0]} to "
                    f"{names[-1]}: {str(reason).strip() or type(reason).__name__}. What is done is kept; run again "
                    "without it, or with a smaller batch"
                ) from error
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        return fills, time.perf_counter() - started, peak.read()

    def _features(self, image: Tensor, foreground: Tensor | None, whole: Tensor | None) -> Measured:
        """Features of images, of their foregrounds too; ``whole``: the images', computed before."""
        found = {"full": whole}
        if foreground is not None:
            found["foreground"] = self.networks.features(image * foreground)
        return {f"features/{region}": f.numpy() for region, f in found.items() if f is not None}

    def truth(self, batch: Batch) -> Measured:
        """What fills are compared with as a set."""
        image, _, foreground = self.read(batch)
        return self._features(image, foreground, self.networks.features(image))


def _in_words(weights: Mapping[str, str]) -> str:
    return "; ".join(f"{name}: {file}" for name, file in weights.items())


class _Peak:
    """Most memory in use since it was made: of the GPU's allocator, or of the whole process; NaN where unknown."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)
        else:
            with suppress(OSError):
                Path("/proc/self/clear_refs").write_text("5")  # Linux: forgets the peak so far

    def read(self) -> float:
        """Bytes."""
        if self.device.type == "cuda":
            return float(torch.cuda.max_memory_allocated(self.device))
        try:
            lines = Path("/proc/self/status").read_text().splitlines()
        except OSError:
            return float("nan")
        return next((float(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM")), float("nan"))


def environment(device: torch.device) -> dict[str, Any]:
    """Versions, and what it ran on; no name of a machine."""
    import torchmetrics

    from inpaintx.io.opencv import import_cv2

    return {
        "python": ".".join(map(str, sys.version_info[:3])),
        "torch": torch.__version__,
        "torchmetrics": torchmetrics.__version__,
        "numpy": np.__version__,
        "cv2": import_cv2().__version__,
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
        "threads": torch.get_num_threads(),
    }


def _pixels(image: Tensor) -> npt.NDArray[np.uint8]:
    return (image.permute(1, 2, 0) * 255).round().clamp(0, 255).byte().cpu().numpy()
