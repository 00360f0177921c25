"""Methods whose networks, weights and runs another method has taken over."""

import json
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from inpaintx.plugin.method import Method
from inpaintx.plugin.registry import registry

__all__ = ["current_method", "method_of_run", "names_of_today"]


def current_method(method: Method, preset: str, weights: str | Path | None) -> tuple[Method, str]:
    """Return the method and the preset that weights belong to now, with a warning where the method is another one.

    Parameters
    ----------
    method, preset
        Those that were asked for.
    weights
        A tag, a file, or None: the default weights, if the method had some once.
    """
    heir = registry().methods.get(method.successor)
    if heir is None or preset not in {"default", *heir.presets}:
        return method, preset
    if weights is None:
        moved = preset == "default" and "default" in heir.weights and "default" not in method.weights
    else:
        moved = str(weights) not in method.weights and (
            str(weights) in heir.weights or _superseded(method, Path(weights))
        )
    if not moved:
        return method, preset
    named = f"weights {weights}" if weights is not None else "the weights that method had"
    warnings.warn(
        f"{named} are of method {heir.name!r} now, which is taken in place of {method.name!r}: write -m {heir.name}",
        stacklevel=3,
    )
    return heir, preset


def method_of_run(record: Mapping[str, Any], method: Method, preset: str | None) -> tuple[Method, str | None]:
    """Return the method and the preset to resume a run with, where those that were asked for have a successor."""
    if method.successor != record["method"]:
        return method, preset
    heir = registry().method(method.successor)
    return heir, preset if preset is None or preset in heir.presets else record["preset"]


def names_of_today(record: Mapping[str, Any]) -> tuple[str, str]:
    """Return the names that the method and the preset of a run's record have today."""
    method = registry().methods.get(record["method"])
    heir = registry().methods.get(method.successor) if method and method.superseded(record["config"]) else None
    if heir is None:
        return record["method"], record["preset"]
    return heir.name, record["preset"] if record["preset"] in heir.presets else "default"


def _superseded(method: Method, file: Path) -> bool:
    """Whether a weight file is of a network that the method had once; one that cannot be read is not."""
    try:
        with safe_open(file, "np") as opened:
            meta = opened.metadata() or {}
        options = json.loads(meta.get("inpaintx.config", "{}"))
    except (OSError, ValueError, RecursionError, SafetensorError):
        return False
    return meta.get("inpaintx.method") == method.name and isinstance(options, dict) and method.superseded(options)
