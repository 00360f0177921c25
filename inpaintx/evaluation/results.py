"""From measured batches to rows of a table."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from inpaintx.errors import InpaintxError
from inpaintx.evaluation.entries import EntryRecord
from inpaintx.evaluation.features import of_sets
from inpaintx.evaluation.frechet import frechet_distance
from inpaintx.evaluation.protocol import Protocol
from inpaintx.evaluation.summary import Estimate, estimates, per_image
from inpaintx.evaluation.units import read_unit
from inpaintx.evaluation.work import unit_file
from inpaintx.nn.metrics import check_consistent

__all__ = ["Measured", "Row", "collect", "make_rows"]

Floats = npt.NDArray[np.float64]
Find = Callable[[Path], Path]


@dataclass
class Measured:
    """All values of one method.

    Attributes
    ----------
    values
        ``"output/region/metric"`` to ``[groups, images]``.
    features
        Region to ``[groups, images, D]``.
    pictures
        Group to what the gallery shows of it: fill, truth ``[S,S,3]`` uint8, hole ``[S,S]`` bool.
    seconds, peak
        Of all fills of a group ``[groups]``; most bytes in use.
    """

    values: dict[str, Floats] = field(default_factory=dict)
    features: dict[str, npt.NDArray[np.float32]] = field(default_factory=dict)
    pictures: dict[int, tuple[npt.NDArray[Any], ...]] = field(default_factory=dict)
    seconds: Floats = field(default_factory=lambda: np.zeros(0))
    peak: float = float("nan")


@dataclass(frozen=True)
class Row:
    """One figure of the table: of a method, on a kind of hole, with its paired difference to the baseline."""

    method: str
    group: str
    output: str
    region: str
    metric: str
    estimate: Estimate
    difference: Estimate | None


def collect(
    folder: Path, protocol: Protocol, record: EntryRecord | None, environments: list[dict[str, Any]]
) -> Measured:
    """Read the batches of a method.

    Parameters
    ----------
    record
        None: the truth's features.
    environments
        Those that the batches were computed in are added.

    Raises
    ------
    InpaintxError
        A batch is missing or damaged; features of different widths.
    """
    measured = Measured(seconds=np.zeros(len(protocol.groups)))
    shape = (len(protocol.groups), len(protocol.pictures))
    for batch in protocol.batches():
        if record is None and batch.group:
            break
        path = unit_file(folder, protocol, record, batch)
        unit = read_unit(path, protocol, record, batch)
        at = batch.group, slice(batch.first, batch.last)
        for key, value in unit.items():
            kind, _, name = key.partition("/")
            if kind == "value":
                measured.values.setdefault(name, np.full(shape, np.nan))[at] = value
            elif kind == "features":
                table = measured.features.setdefault(name, np.zeros((*shape, value.shape[1]), np.float32))
                if table.shape[2] != value.shape[1]:
                    raise InpaintxError(f"{path} is damaged: {key} has another width than those of other batches")
                table[at] = value
        if "picture" in unit:
            measured.pictures[batch.group] = unit["picture"], unit["truth"], unit["hole"]
        if record is not None:
            measured.seconds[batch.group] += unit["seconds"]
            measured.peak = float(np.fmax(measured.peak, unit["peak"]))
            found = json.loads(str(unit["environment"]))
            if found not in environments:
                environments.append(found)
    return measured


def make_rows(protocol: Protocol, measured: dict[str, Measured], truth: Measured, baseline: str) -> list[Row]:
    """Means, intervals and paired differences, group by group, and over each family of groups.

    Raises
    ------
    InpaintxError
        A row is not consistent in itself (:func:`inpaintx.nn.metrics.check_consistent`).
    """
    tables = [(group.name, [i]) for i, group in enumerate(protocol.groups)]
    for family in dict.fromkeys(group.family for group in protocol.groups):
        members = [i for i, group in enumerate(protocol.groups) if group.family == family]
        if len(members) > 1:
            tables.append((f"{family}, all", members))
    rows: list[Row] = []
    for name, groups in tables:
        base = _by_image(measured[baseline], groups)
        for label, one in measured.items():
            keys, own = list(one.values), _by_image(one, groups)
            means = estimates(own, seed=protocol.seed)
            against = estimates(own - base, seed=protocol.seed) if label != baseline else [None] * len(keys)
            check_consistent({k: e.mean for k, e in zip(keys, means, strict=True) if e}, f"{label}, {name}")
            for key, mean, difference in zip(keys, means, against, strict=True):
                output, region, metric = key.split("/")
                if mean is not None:
                    rows.append(Row(label, name, output, region, metric, mean, difference))
            rows += _distances(protocol, label, name, groups, one, truth)
    return rows


def _by_image(measured: Measured, groups: list[int]) -> Floats:
    """``[images, metrics]``: means over the groups."""
    stacked = np.stack([values[groups] for values in measured.values.values()], axis=2)
    image = np.broadcast_to(np.arange(stacked.shape[1]), stacked.shape[:2])
    return per_image(stacked.reshape(-1, stacked.shape[2]), image.reshape(-1))


def _distances(
    protocol: Protocol, label: str, group: str, groups: list[int], one: Measured, truth: Measured
) -> list[Row]:
    """Fréchet distances of the fills of some groups to the truth: of sets, so without interval or difference."""
    rows = []
    for region, features in one.features.items():
        fills = features[groups].reshape(-1, features.shape[-1])
        real = truth.features[region][0]
        if len(real) < 2:
            continue
        distance = frechet_distance(fills, real)
        missing = float("nan")
        rows.append(
            Row(
                label,
                group,
                "composite",
                region,
                of_sets(protocol.features),
                Estimate(distance, missing, missing, len(fills)),
                None,
            )
        )
    return rows
