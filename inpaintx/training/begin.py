"""What a run begins from: another's weights, and the images that they have seen."""

import json
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import safe_open
from torch import nn

from inpaintx.errors import InpaintxError
from inpaintx.io.digest import sha256
from inpaintx.plugin import weights
from inpaintx.plugin.method import LearnedConfig, Method
from inpaintx.plugin.weight_lookup import find

__all__ = ["Seen", "begin_from", "seen_before", "seen_in"]


class Seen(NamedTuple):
    """Images that weights have seen in training, and whether that is all of them.

    ``whole`` is False where a file that they began from does not say what it had seen.
    """

    total: int
    whole: bool


def begin_from(method: Method, config: Any, net: nn.Module, init: str) -> str:
    """Load weights into a run's network; their file's name and SHA-256.

    Raises
    ------
    InpaintxError
        No such weights, or of another network.
    """
    loaded = weights.load(method, config, init, torch.device("cpu"))
    try:
        net.load_state_dict(loaded.net.state_dict())
    except RuntimeError:
        pairs = ((key, loaded_value, getattr(config, key)) for key, loaded_value in loaded.config)
        other = ", ".join(f"{key}={theirs} (here {ours})" for key, theirs, ours in pairs if theirs != ours)
        raise InpaintxError(
            f"weights {loaded.source} do not fit the network of this run; they were made with {other}"
        ) from None
    return f"{Path(loaded.source).name}, SHA-256 {sha256(Path(loaded.source))}"


def seen_before(method: Method, init: str) -> Seen:
    """Images that the weights have seen which a run begins from (:func:`seen_in`)."""
    path = find(method, init) if init in method.weights else Path(init)
    if not init:
        return Seen(0, whole=True)
    return seen_in(path) if path is not None and path.is_file() else Seen(0, whole=False)


def seen_in(path: Path) -> Seen:
    """Images that the weights of a file have seen, over all the runs behind them.

    Files of earlier versions say their last run's alone.
    """
    with safe_open(path, "pt") as file:
        meta = file.metadata() or {}
    if "images_seen" in meta:
        return Seen(**json.loads(meta["images_seen"]))
    try:
        training = json.loads(meta["training"])
        options = LearnedConfig.current_names(json.loads(meta["inpaintx.config"]))
        own = int(meta["steps"]) * int(options["batch_size"]) * int(training["processes"])
    except (KeyError, ValueError):
        return Seen(0, whole=False)
    return Seen(own, whole=not training.get("init"))
