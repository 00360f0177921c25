"""What inference needs of a run, in one file that says where it comes from."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

import torch
from pydantic import BaseModel
from torch import nn

from inpaintx.errors import InpaintxError, renamed
from inpaintx.io.digest import sha256
from inpaintx.plugin import weights
from inpaintx.plugin.method import LearnedConfig, Method
from inpaintx.plugin.plugin_errors import blamed
from inpaintx.plugin.registry import registry
from inpaintx.training import checkpoint
from inpaintx.training.begin import Seen, begin_from
from inpaintx.training.record import RECORD, read_record

__all__ = ["Exported", "RunNetwork", "Which", "export", "network_of"]

#: Which checkpoint is exported.
Which = Literal["best", "last"]


@dataclass(frozen=True)
class Exported:
    """A file of weights: where it lies, its SHA-256, and the metadata in it."""

    path: Path
    sha256: str
    metadata: dict[str, Any]


@renamed(licence="license")
def export(
    run: str | Path,
    out: str | Path,
    *,
    which: Which = "best",
    half: bool = False,
    average: bool = True,
    start: str | Path | None = None,
    share: float = 1.0,
    license: str = "not stated",
    method: Method | None = None,
    overwrite: bool = False,
) -> Exported:
    """Write a run's network as weights that ``inpaintx inpaint --weights`` takes.

    Parameters
    ----------
    run
        Folder of a run.
    out
        The file, ``*.safetensors``.
    which
        The checkpoint with the best validation (the last where there was none), or the last.
    half
        Whether numbers are stored in float16; they are read back as float32.
    average
        Whether the running average is taken where the run has one.
    start, share
        The weights that the run began from (a tag or a file), and how far to go from them to the run's own: part of
        the way, a network that was trained further against a discriminator keeps its PSNR and has most of the new
        sharpness (Wang et al., "Deep Network Interpolation for Continuous Imagery Effect Transition", CVPR 2019).
    license
        Terms of the weights, in words.
    method
        Default: the registered one that the run names.
    overwrite
        Whether a file that exists is replaced.

    Raises
    ------
    InpaintxError
        Not a run, no checkpoint yet, a damaged one, weights that float16 cannot hold, a file in the way; a share
        outside 0 to 1 or without a start, or a start that the run did not begin from.
    """
    if not 0 <= share <= 1 or (share < 1 and start is None):
        raise InpaintxError(f"the share must be 0 to 1, and needs the start that it is counted from; got {share:g}")
    out = Path(out)
    if out.suffix != ".safetensors":
        raise InpaintxError(f"weights are written as .safetensors, got {out}")
    if out.exists() and not overwrite:
        raise InpaintxError(f"{out} exists; give another name, or overwrite it (--overwrite)")
    found = network_of(run, which=which, average=average, method=method)
    net = found.net
    way = "" if start is None else f", {share:g} of the way from {_move(found, str(start), share)}"
    if half:
        largest = max((float(x.abs().max()) for x in net.state_dict().values() if x.is_floating_point()), default=0.0)
        if largest > torch.finfo(torch.float16).max:
            raise InpaintxError(f"float16 cannot hold the weights: the largest is {largest:g}")
        net = net.half()
    metadata = found.metadata(license, half=half)
    metadata["weights"] += way
    if share < 1:
        metadata["validation"] |= {"metrics": {}}  # the run's figures are not of these weights
    weights.save(out, found.method, found.config, net, **metadata)
    return Exported(out, sha256(out), metadata)


def _move(found: "RunNetwork", start: str, share: float) -> str:
    """Put the network of a run on the way from the weights that it began from to its own; those in words."""
    first = found.method.network(cast(LearnedConfig, found.config))
    words = begin_from(found.method, found.config, first, start)
    began = found.record.get("initialized_from", "")
    if words.rpartition(" ")[2] != began.rpartition(" ")[2]:
        raise InpaintxError(f"the run began from {began or 'random weights'}, and not from {words}")
    state = first.state_dict()
    for name, own in found.net.state_dict().items():
        own.copy_(torch.lerp(state[name], own, share) if own.is_floating_point() else own)
    return words


@dataclass(frozen=True)
class RunNetwork:
    """The network of a run's checkpoint, and the checkpoint's record."""

    method: Method
    config: BaseModel
    net: nn.Module
    record: dict[str, Any]
    averaged: bool

    def metadata(self, license: str, *, half: bool = False) -> dict[str, Any]:
        """Where the weights come from."""
        return _metadata(self.record, self.averaged, half, license)


def network_of(
    run: str | Path, *, which: Which = "best", average: bool = True, method: Method | None = None
) -> RunNetwork:
    """Read the network of a run.

    Parameters
    ----------
    run, which, average, method
        As for :func:`export`.

    Raises
    ------
    InpaintxError
        Not a run, no checkpoint yet, or a damaged one.
    """
    run = Path(run)
    read_record(run)
    found = checkpoint.checkpoints(run)
    if not found:
        raise InpaintxError(f"run {run} has no checkpoint yet")
    best = found[-1].record()["best"] or {}
    chosen = next((c for c in found if which == "best" and c.step == best.get("step")), found[-1])
    record = chosen.record()
    method = method or registry().method(record["method"])
    config = method.config(record["preset"], **record["config"])
    lacks = {"seed", "split", "val_split", "holes", "val_holes", "ema", "init"} - record["train"].keys()
    if lacks:
        raise InpaintxError(
            f"{chosen.folder / RECORD} cannot be read as the record of a run: train lacks {min(lacks)!r}"
        )
    averaged = average and record["train"]["ema"] > 0
    with blamed(method, "build()"):
        net = method.network(config)
    state = checkpoint.read_network(chosen, "ema" if averaged else "net")
    with checkpoint.fitting(chosen, method.name):
        net.load_state_dict(state)
    return RunNetwork(method, config, net.eval(), record, averaged)


def _metadata(record: dict[str, Any], averaged: bool, half: bool, license: str) -> dict[str, Any]:
    """Where weights come from; nothing of the machine but what it is in general words."""
    data, train, extra = record["data"], record["train"], record.get("extra") or {}
    before, whole = record.get("seen_before", (0, not train["init"]))
    own = record["step"] * LearnedConfig.current_names(record["config"])["batch_size"] * record["processes"]
    shares = f", and {extra['name']} for {train['extra_share']:g} of each batch" if extra else ""
    return {
        "preset": record["preset"],
        "steps": str(record["step"]),
        "seed": str(train["seed"]),
        "data": f"{data['name']} ({data['layout']}, {data['images']} images of split {train['split']!r}){shares}",
        "images_seen": Seen(before + own, whole)._asdict(),
        "holes": train["holes"],
        "validation": {
            "split": train["val_split"],
            "holes": train["val_holes"] or train["holes"],
            "metrics": record["metrics"],
            "mean_colour": record["mean_color"],
            "distance_in": record.get("distance_in", ""),
        },
        "frozen": record["frozen"],
        "training": {
            **train,
            "init": record.get("initialized_from", ""),
            "extra": extra.get("name", ""),
            "val_vgg": Path(train.get("val_vgg", "")).name,
            "processes": record["processes"],
        },
        "hardware": record["hardware"],
        "weights": ("running average" if averaged else "last step's") + (", float16" if half else ", float32"),
        "license": license,
        "versions": f"inpaintx {record['inpaintx']}, torch {record['torch']}",
    }
