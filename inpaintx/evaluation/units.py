"""Measured batches read from their files, and held against what the protocol says must be in them."""

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from inpaintx.errors import InpaintxError
from inpaintx.evaluation.entries import EntryRecord
from inpaintx.evaluation.features import of_images, of_sets
from inpaintx.evaluation.protocol import Batch, Protocol
from inpaintx.io.atomic import check_file
from inpaintx.nn.metrics import MOST_PSNR

__all__ = ["read_unit"]

Unit = dict[str, npt.NDArray[Any]]
METRICS = ("mse", "mae", "psnr", "ssim")
SHOWN = ("picture", "truth", "hole")


def read_unit(path: Path, protocol: Protocol, record: EntryRecord | None, batch: Batch) -> Unit:
    """Read what was measured of a batch.

    Parameters
    ----------
    record
        None: the truth's features.

    Raises
    ------
    InpaintxError
        The file is damaged, lacks something, or holds what no measurement gives.
    """
    try:
        check_file(path, "measured batch", most=2**40)
        with np.load(path, allow_pickle=False) as file:
            unit = dict(file)
        for fault in _faults(unit, protocol, record, batch):
            raise ValueError(fault)
    except Exception as error:  # zipfile, zlib and NumPy raise whatever a damaged archive makes them
        words = (str(error).splitlines() or [type(error).__name__])[0]
        raise InpaintxError(f"{path} is damaged ({words}); move it away and run the same again") from None
    return unit


def _faults(unit: Unit, protocol: Protocol, record: EntryRecord | None, batch: Batch) -> Iterator[str]:
    """What is wrong with a unit, in words."""
    count = batch.last - batch.first
    embedded = _regions(protocol) & {"full", "foreground"} if of_sets(protocol.features) else set()
    wanted = {f"features/{region}" for region in embedded}
    values: set[str] = set()
    if record is not None:
        values = {f"value/{o}/{r}/{m}" for o in ("composite", "raw") for r in _regions(protocol) for m in METRICS}
        values |= {f"value/composite/full/{name}" for name in (*protocol.metrics, *of_images(protocol.features))}
        values.add("value/composite/hole/sharpness")
        values |= {"value/composite/hole/diversity"} if protocol.samples > 1 else set()
        wanted |= values | {"seconds", "peak", "environment"}
        if batch.first <= protocol.shown(batch.group) < batch.last:
            wanted |= set(SHOWN)
    if unit.keys() != wanted:
        odd = sorted(unit.keys() ^ wanted)[0]
        yield f"{odd} {'is missing' if odd in wanted else 'does not belong there'}"
        return
    for key, array in unit.items():
        if key in values:
            yield from _faults_of_values(key, array, count, protocol)
        elif key.startswith("features/") and (
            array.ndim != 2 or len(array) != count or array.dtype != np.float32 or not np.isfinite(array).all()
        ):
            yield f"{key} must be finite float32 of {count} rows, got {array.dtype} {list(array.shape)}"
        elif key in SHOWN:
            shape = (protocol.size, protocol.size) + (() if key == "hole" else (3,))
            kind = np.bool_ if key == "hole" else np.uint8
            if array.shape != shape or array.dtype != kind:
                yield f"{key} must be {np.dtype(kind)} {list(shape)}, got {array.dtype} {list(array.shape)}"
    if record is not None:
        yield from _faults_of_measures(unit, protocol)


def _faults_of_values(key: str, array: npt.NDArray[Any], count: int, protocol: Protocol) -> Iterator[str]:
    _, _, region, metric = key.split("/")
    if array.shape != (count,) or array.dtype != np.float64:
        yield f"{key} must be float64 [{count}], got {array.dtype} {list(array.shape)}"
        return
    if np.isinf(array).any():
        yield f"{key} is infinite"
    # the foreground may be untouched, the truth flat in the hole, and a plugin's metric undefined
    if np.isnan(array).any() and region != "foreground" and metric not in ("sharpness", *protocol.metrics):
        yield f"{key} is NaN"
    low, high = {"psnr": (-math.inf, MOST_PSNR), "ssim": (-1.001, 1.001)}.get(metric, (0.0, math.inf))
    if metric not in protocol.metrics and ((array < low) | (array > high)).any():
        yield f"{key} leaves its range"


def _faults_of_measures(unit: Unit, protocol: Protocol) -> Iterator[str]:
    """What does not go together, image by image; and what is no time, memory or environment."""
    for output in ("composite", "raw"):
        for region in _regions(protocol):
            mse, mae, psnr = (unit[f"value/{output}/{region}/{metric}"] for metric in ("mse", "mae", "psnr"))
            if (mae**2 > mse * (1 + 1e-9) + 1e-12).any():
                yield f"MAE exceeds RMSE in value/{output}/{region}"
            with np.errstate(divide="ignore"):
                expected = np.minimum(10 * np.log10(255**2 / mse), MOST_PSNR)
            if protocol.samples == 1 and not np.allclose(psnr, expected, rtol=1e-6, atol=1e-6, equal_nan=True):
                yield f"PSNR and MSE contradict each other in value/{output}/{region}"
    seconds, peak = unit["seconds"], unit["peak"]
    if seconds.shape or not np.isfinite(seconds) or seconds < 0:
        yield "seconds is no time"
    if peak.shape or not (np.isnan(peak) or 0 <= peak < math.inf):
        yield "peak is no number of bytes"
    environment = json.loads(str(unit["environment"]))
    if not isinstance(environment, dict) or not {"device", "threads", "torch"} <= environment.keys():
        yield "environment does not say where it was measured"


def _regions(protocol: Protocol) -> set[str]:
    return {"full", "hole"} | ({"foreground"} if protocol.foreground is not None else set())
