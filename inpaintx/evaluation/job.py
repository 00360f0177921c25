"""Methods compared: the same images, the same holes, figures with intervals, in one folder that says how."""

import json
import multiprocessing
import os
import shutil
import threading
import time
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import nullcontext
from dataclasses import dataclass, replace
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError

from inpaintx.errors import InpaintxError
from inpaintx.evaluation.entries import TRIVIAL_BASELINE, Entry, EntryRecord, find_entries
from inpaintx.evaluation.features import Networks
from inpaintx.evaluation.progress import Progress, bar, in_notebook
from inpaintx.evaluation.protocol import DEFAULT_MASKS, Protocol, build_protocol
from inpaintx.evaluation.report import as_json, markdown, write_all
from inpaintx.evaluation.results import collect, make_rows
from inpaintx.evaluation.work import Task, work
from inpaintx.inference.device import pick_device
from inpaintx.inference.inpainter import check_seed
from inpaintx.io.atomic import atomic_folder, make_folder
from inpaintx.io.lock import locked
from inpaintx.io.optional import require
from inpaintx.io.text_files import read_json
from inpaintx.nn.options import OnMissing
from inpaintx.plugin.registry import registry

__all__ = ["DEFAULT_MASKS", "Evaluation", "Progress", "evaluate", "merge"]

PART = "part.json"


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
    seed: int = 0,
    batch: int = 16,
    device: str = "auto",
    workers: int = 1,
    part: tuple[int, int] = (1, 1),
    gallery: bool = True,
    progress: Progress | None = None,
) -> Evaluation | None:
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
    seed, batch
        Of holes, random weights and draws; images that go through a method at once. Both change (in the last digits,
        or more where there is chance) what a network gives, so both are part of the protocol.
    device, workers
        ``"auto"``, ``"cpu"`` or ``"cuda:N"``; processes that share the work (with ``"auto"``, GPUs in turn).
    part
        ``(i, n)``: do only the i-th of n parts; ``out`` is then a folder for :func:`merge`.
    gallery
        Whether fills are shown side by side, in a picture that shows images of the set.
    progress
        Called with batches done, all batches, and what is being done; None: a bar in a notebook, else nothing.

    Returns
    -------
    Evaluation or None
        None for one of several parts.

    Raises
    ------
    InpaintxError
        Says what came, what was expected, and what to do; nothing that existed is changed.
    """
    require("eval", "evaluation", "torchmetrics", "matplotlib")
    out = Path(out)
    number, parts = part
    if not 1 <= number <= parts:
        raise InpaintxError(f"part must be I/N with 1 <= I <= N, got {number}/{parts}")
    if workers < 1:
        raise InpaintxError(f"workers must be 1 or more, got {workers}")
    check_seed(seed)
    _check_free(out)
    specs = find_entries(methods, {k: str(v) for k, v in (weights or {}).items()}, presets or {}, blends or {})
    labels = [s.label for s in specs]
    chosen = baseline or ("telea" if "telea" in labels else TRIVIAL_BASELINE)
    if chosen not in labels:
        raise InpaintxError(f"the baseline {chosen!r} is not among the methods: {', '.join(labels)}")
    where = pick_device(device)
    records = [Entry(s, size, seed, torch.device("cpu")).record for s in specs]
    networks = Networks(features)
    protocol, groups = build_protocol(
        str(data),
        masks,
        split=split,
        size=size,
        limit=limit,
        seed=seed,
        inpaintx=_version(),
        samples=samples,
        batch=batch,
        features=networks.names,
        metrics=tuple(sorted(registry().metrics)),
        left_out=networks.notes,
    )
    unfinished = out.with_name(f"{out.name}.unfinished")
    make_folder(unfinished)
    with locked(unfinished):  # the same call twice at a time would write over itself
        threads = max(1, torch.get_num_threads() // workers)
        task = Task(str(data), groups, protocol, specs, records, unfinished, features, str(where), threads)
        shares = [
            replace(task, part=number - 1 + parts * i, parts=parts * workers, device=_device(device, where, i))
            for i in range(workers)
        ]
        with nullcontext(progress) if progress or not in_notebook() else bar() as told:
            for state in _progress(shares):
                if told is not None:
                    told(*state)
        head = {"protocol": protocol, "records": records, "baseline": chosen, "part": number, "parts": parts}
        if parts > 1:
            (unfinished / PART).write_text(_head_json(head))
            os.replace(unfinished, out)
            return None
        result = _write([unfinished], out, head, gallery=gallery)
        shutil.rmtree(unfinished)
        return result


def merge(folders: Sequence[str | Path], out: str | Path, *, gallery: bool = True) -> Evaluation:
    """Put the parts of an evaluation together, from whichever machines they come.

    Parameters
    ----------
    folders
        What :func:`evaluate` left behind for each part.
    out
        Folder for the result; it must not exist.

    Raises
    ------
    InpaintxError
        A folder is no part, parts are of different evaluations, or one is missing.
    """
    out, paths = Path(out), [Path(folder) for folder in folders]
    _check_free(out)
    if not paths:
        raise InpaintxError("nothing to merge; give the folders that evaluate --part left behind")
    heads = [_read_head(path) for path in paths]
    for path, head in zip(paths, heads, strict=True):
        for key in ("protocol", "records", "baseline", "parts"):
            if head[key] != heads[0][key]:
                raise InpaintxError(
                    f"{path} and {paths[0]} are not parts of one evaluation: {_difference(head, heads[0], key)}"
                )
    numbers = [head["part"] for head in heads]
    for path, number in zip(paths, numbers, strict=True):
        if numbers.count(number) > 1:
            first = paths[numbers.index(number)]
            raise InpaintxError(
                f"part {number}/{heads[0]['parts']} is given twice ({first} and {path if path != first else 'again'}); "
                "name each part once"
            )
    missing = sorted(set(range(1, heads[0]["parts"] + 1)) - {head["part"] for head in heads})
    if missing:
        words = ", ".join(f"{n}/{heads[0]['parts']}" for n in missing)
        raise InpaintxError(f"part {words} is missing; run it (--part), or name its folder too")
    return _write(paths, out, heads[0], gallery=gallery)


def _version() -> str:
    from inpaintx import __version__

    return __version__


def _check_free(out: Path) -> None:
    if out.exists():
        raise InpaintxError(f"{out} exists already; results are never replaced: delete it, or name another folder")
    if not out.absolute().parent.is_dir():
        raise InpaintxError(f"the folder {out.absolute().parent} for the result does not exist")


def _device(asked: str, found: torch.device, worker: int) -> str:
    if asked == "auto" and found.type == "cuda":
        return f"cuda:{worker % torch.cuda.device_count()}"
    return str(found)


def _progress(shares: list[Task]) -> Iterator[tuple[int, int, str]]:
    """Do the shares, in this process or in one for each; yields batches done, all batches, and the newest's method."""
    files = [path for share in shares for path in share.files()]
    if len(shares) == 1:
        for done, path in enumerate(work(shares[0]), start=1):
            yield done, len(files), path.parent.name.rpartition("-")[0]
        return
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(len(shares), mp_context=spawn, initializer=_end_with_parent) as pool:
        running: list[Future[None]] = [pool.submit(_work_off, share) for share in shares]
        try:
            while not all(future.done() for future in running):
                yield sum(path.exists() for path in files), len(files), f"{len(shares)} workers"
                if any(future.done() and future.exception() for future in running):
                    break
                time.sleep(0.5)
            for future in running:
                future.result()
        except BrokenProcessPool:
            raise InpaintxError(
                "a worker process died, most likely for want of memory; what is done is kept, so run the same again "
                "with fewer workers"
            ) from None
        except BaseException:
            for process in multiprocessing.active_children():
                process.terminate()
            raise
    yield len(files), len(files), f"{len(shares)} workers"


def _end_with_parent() -> None:
    """Let a worker end when the process that began it is killed, instead of working off its share alone."""

    def watch(parent: BaseProcess) -> None:
        parent.join()
        os._exit(1)

    parent = multiprocessing.parent_process()
    assert parent is not None
    threading.Thread(target=watch, args=(parent,), daemon=True).start()


def _work_off(share: Task) -> None:
    for _ in work(share):
        pass


def _head_json(head: dict[str, Any]) -> str:
    plain = {**head, "protocol": head["protocol"].model_dump(mode="json")}
    plain["records"] = [record.model_dump(mode="json") for record in head["records"]]
    return json.dumps(plain) + "\n"


def _read_head(folder: Path) -> dict[str, Any]:
    path = folder / PART
    if not path.exists():
        unfinished = " (it is not finished; run the same part again)" if folder.name.endswith(".unfinished") else ""
        raise InpaintxError(f"{folder} is no part of an evaluation: it has no {PART}{unfinished}")
    head = read_json(path)
    try:
        head["protocol"] = Protocol.model_validate(head["protocol"])
        head["records"] = [EntryRecord.model_validate(record) for record in head["records"]]
        part, parts = head["part"], head["parts"]
        if not (isinstance(part, int) and isinstance(parts, int) and 1 <= part <= parts):
            raise ValueError(f"part {part!r} of {parts!r}")
        if head["baseline"] not in [record.label for record in head["records"]]:
            raise ValueError(f"baseline {head['baseline']!r} is not among the methods")
    except (ValueError, KeyError, TypeError, ValidationError) as error:
        raise InpaintxError(f"{path} is damaged or of another version: {str(error).splitlines()[0]}") from None
    return head


def _difference(one: dict[str, Any], other: dict[str, Any], key: str) -> str:
    """Which field differs, and how, where that is short."""
    a, b = one[key], other[key]
    if key == "protocol":
        key = next(name for name in Protocol.model_fields if getattr(a, name) != getattr(b, name))
        a, b = getattr(a, key), getattr(b, key)
    words = f"{a!r} and {b!r}"
    return f"{key} differ" + (f" ({words})" if len(words) < 200 else "")


def _write(folders: list[Path], out: Path, head: dict[str, Any], *, gallery: bool) -> Evaluation:
    """Collect, compute and write; the folder takes its name when all is in it."""
    protocol, records, baseline = head["protocol"], head["records"], head["baseline"]
    environments: list[dict[str, Any]] = []
    measured = {record.label: collect(folders, protocol, record, environments) for record in records}
    distances = any(name != "lpips" for name in protocol.features)
    truth = collect(folders, protocol, None, []) if distances else next(iter(measured.values()))
    rows = make_rows(protocol, measured, truth, baseline)
    result = as_json(protocol, records, measured, rows, baseline, environments)
    with atomic_folder(out) as part:
        write_all(part, protocol, records, measured, result, gallery=gallery)
    return Evaluation(out, result)
