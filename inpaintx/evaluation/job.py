"""Methods compared: the same images, the same holes, figures with intervals, in one folder that says how."""

import shutil
import warnings
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch

from inpaintx.cluster.pool import Cluster, spread
from inpaintx.errors import InpaintxError, renamed
from inpaintx.evaluation.entries import TRIVIAL_BASELINE, Entry, find_entries
from inpaintx.evaluation.features import Networks, of_sets
from inpaintx.evaluation.progress import Progress, bar, in_notebook
from inpaintx.evaluation.protocol import DEFAULT_MASKS, build_protocol
from inpaintx.evaluation.report import as_json, markdown, write_all
from inpaintx.evaluation.results import collect, make_rows
from inpaintx.evaluation.work import Task, Worker, label_of
from inpaintx.inference.device import pick_device
from inpaintx.inference.inpainter import check_seed
from inpaintx.io.atomic import atomic_folder, make_folder
from inpaintx.io.lock import locked
from inpaintx.io.optional import require
from inpaintx.nn.options import OnMissing
from inpaintx.plugin.metrics import choose_metrics, metric_weights

__all__ = ["DEFAULT_MASKS", "Evaluation", "Progress", "evaluate"]


@dataclass
class Evaluation:
    """A result: its folder, and what ``results.json`` says. A notebook shows the tables."""

    folder: Path
    result: dict[str, Any]

    @property
    def table(self) -> str:
        """The tables, as Markdown."""
        return markdown(self.result)

    @property
    def pictures(self) -> list[Path]:
        """The gallery (it shows images of the set, whose terms hold for it) and the plot."""
        return sorted(self.folder.glob("*.png"))

    def mean(self, method: str, group: str, metric: str, region: str = "hole", output: str = "composite") -> float:
        """One mean of the table.

        Raises
        ------
        InpaintxError
            There is no such figure; names those that there are.
        """
        wanted = {"method": method, "group": group, "output": output, "region": region, "metric": metric}
        for row in self.result["table"]:
            if all(row[key] == value for key, value in wanted.items()):
                return float(row["estimate"]["mean"])
        there = {key: sorted({row[key] for row in self.result["table"]}) for key in wanted}
        raise InpaintxError(f"the result has no figure of {wanted}; there are: {there}")

    def _repr_markdown_(self) -> str:
        """What a notebook shows: the tables, and the pictures in them."""
        shown = (f"![{p.stem}](data:image/png;base64,{b64encode(p.read_bytes()).decode()})" for p in self.pictures)
        return "\n\n".join([self.table, *shown])


@renamed(batch="batch_size")
def evaluate(
    data: str | Path,
    methods: Sequence[str],
    out: str | Path,
    *,
    masks: Sequence[str] = DEFAULT_MASKS,
    split: str | None = "test",
    size: int = 128,
    baseline: str | None = None,
    samples: int = 1,
    limit: int | None = None,
    weights: Mapping[str, str | Path] | None = None,
    presets: Mapping[str, str] | None = None,
    blends: Mapping[str, str] | None = None,
    features: OnMissing = "skip",
    vgg: str | Path = "",
    metrics: Sequence[str] = (),
    seed: int = 0,
    batch_size: int = 16,
    device: str = "auto",
    workers: int = 1,
    cluster: Cluster | None = None,
    gallery: bool = True,
    progress: Progress | None = None,
) -> Evaluation:
    """Compare methods on the same images with the same holes.

    Parameters
    ----------
    data
        A set of faces (:func:`inpaintx.data.dataset.open_dataset`).
    methods
        Names, or ``LABEL=NAME`` for further entries of one method. The mean colour of the known pixels is always
        compared as well: the floor.
    out
        Folder for the result; it must not exist. It comes whole or not at all: until then, finished batches are kept
        in ``OUT.unfinished``, and the same call goes on from there.
    masks
        Kinds of holes (:func:`inpaintx.evaluation.protocol.expand_masks`); each image gets one hole of each kind.
    split, size, limit
        Part of the set, side of its samples, and how many of them (the first by name; None: all).
    baseline
        What differences are taken to; default: ``telea`` if it is among the methods, else the mean colour.
    samples
        Fills of each image, each measured, their diversity too; for methods with chance in them.
    weights, presets, blends
        By label: a tag or file; a name; a :attr:`Method.blend`, where not the method's own.
    features
        What LPIPS and FID do without official weights: ``"skip"``, ``"random"`` (a Fréchet distance under a name that
        says so) or ``"error"``.
    vgg
        A weight file of VGG16 in torchvision's names: the distance of each fill from its truth in these features is
        measured (``distance_vgg16(NAME)``), and, without FID, a Fréchet distance on them (``fd_vgg16(NAME)``).
    metrics
        Names of metrics of plugins that are measured on request alone: ``"landmarks"``, ``"landmarks_in_hole"``,
        ``"identity"``.
    seed, batch_size
        Of holes, random weights and draws; images that go through a method at once. Both change (in the last digits,
        or more where there is chance) what a network gives, so both are part of the protocol.
    device
        ``"auto"``, ``"cpu"`` or ``"cuda:N"``, of one process.
    workers
        Above 1: that many of Ray's actors on this machine. Deprecated: ``cluster`` says the same.
    cluster
        Ray's actors that share the work, with the same figures; each has a GPU or a share of one, or computes on the
        CPU. They see the set, the masks, ``out`` and files of weights under the same names.
    gallery
        Whether fills are shown side by side, in a picture that shows images of the set.
    progress
        Called with batches done, all batches, and what is being done; None: a bar in a notebook, else nothing.

    Returns
    -------
    Evaluation
        The folder, and what ``results.json`` says.

    Raises
    ------
    InpaintxError
        Says what came, what was expected, and what to do; nothing that existed is changed.
    """
    require("eval", "evaluation", "torchmetrics", "matplotlib")
    out = Path(out)
    if workers < 1:
        raise InpaintxError(f"workers must be 1 or more, got {workers}")
    if workers > 1:
        warnings.warn("workers= is deprecated and goes in 0.3; use cluster=", DeprecationWarning, stacklevel=2)
        cluster = cluster or Cluster(actors=workers)
    check_seed(seed)
    _check_free(out)
    specs = find_entries(methods, {k: str(v) for k, v in (weights or {}).items()}, presets or {}, blends or {})
    labels = [s.label for s in specs]
    chosen = baseline or ("telea" if "telea" in labels else TRIVIAL_BASELINE)
    if chosen not in labels:
        raise InpaintxError(f"the baseline {chosen!r} is not among the methods: {', '.join(labels)}")
    where = pick_device(device)
    records = [Entry(s, size, seed, torch.device("cpu")).record for s in specs]
    networks = Networks(features, vgg=vgg)
    chosen_metrics, without = choose_metrics(metrics)
    protocol, groups = build_protocol(
        str(data),
        masks,
        split=split,
        size=size,
        limit=limit,
        seed=seed,
        inpaintx=_version(),
        samples=samples,
        batch=batch_size,
        features=networks.names,
        metrics=chosen_metrics,
        metric_weights=metric_weights(chosen_metrics),
        left_out=[*networks.notes, *without],
    )
    unfinished = out.with_name(f"{out.name}.unfinished")
    make_folder(unfinished)
    with locked(unfinished):  # the same call twice at a time would write over itself
        on, threads = (str(where), torch.get_num_threads()) if cluster is None else (cluster.device, cluster.threads)
        task = Task(str(data), groups, protocol, specs, records, unfinished, features, str(vgg), on, threads)
        with nullcontext(progress) if progress or not in_notebook() else bar() as told:
            for state in _progress(task, cluster):
                if told is not None:
                    told(*state)
        result = _write(task, out, chosen, gallery=gallery)
        shutil.rmtree(unfinished)
        return result


def _version() -> str:
    from inpaintx import __version__

    return __version__


def _check_free(out: Path) -> None:
    if out.exists():
        raise InpaintxError(f"{out} exists already; results are never replaced: delete it, or name another folder")
    if not out.absolute().parent.is_dir():
        raise InpaintxError(f"the folder {out.absolute().parent} for the result does not exist")


def _progress(task: Task, cluster: Cluster | None) -> Iterator[tuple[int, int, str]]:
    """Do the units that are not done; yields batches done, all batches, and the newest's method."""
    units = task.units()
    left = [unit for unit in units if not task.file(unit).exists()]
    done = len(units) - len(left)
    if done:
        yield done, len(units), "done before"
    if cluster is None:
        worker = Worker(task) if left else None
        for unit in left:
            assert worker is not None
            worker.do(unit)
            done += 1
            yield done, len(units), label_of(unit)
        return
    for label, fault in spread(partial(Worker, task), left, cluster) if left else ():
        if fault:
            raise InpaintxError(fault)
        done += 1
        yield done, len(units), label


def _write(task: Task, out: Path, baseline: str, *, gallery: bool) -> Evaluation:
    """Collect, compute and write; the folder takes its name when all is in it."""
    protocol, records = task.protocol, task.records
    environments: list[dict[str, Any]] = []
    measured = {record.label: collect(task.folder, protocol, record, environments) for record in records}
    distances = of_sets(protocol.features)
    truth = collect(task.folder, protocol, None, []) if distances else next(iter(measured.values()))
    rows = make_rows(protocol, measured, truth, baseline)
    result = as_json(protocol, records, measured, rows, baseline, environments)
    with atomic_folder(out) as part:
        write_all(part, protocol, records, measured, result, gallery=gallery)
    return Evaluation(out, result)
