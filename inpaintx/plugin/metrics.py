"""Metrics that plugins register: called, checked, and which way they are better."""

from collections.abc import Iterable
from pathlib import Path

import torch
from torch import Tensor

from inpaintx.errors import InpaintxError
from inpaintx.io.digest import sha256
from inpaintx.plugin.plugin_errors import blamed
from inpaintx.plugin.registry import registry
from inpaintx.plugin.sampling import shared_samples

__all__ = ["choose_metrics", "higher_is_better", "measure_by_plugins", "metric_weights"]

MORE_IS_BETTER = ("psnr", "ssim", "sharpness")


def choose_metrics(asked: Iterable[str] = ()) -> tuple[tuple[str, ...], list[str]]:
    """Choose from the metrics of plugins all but those that are measured on request, and those that are asked for.

    Returns
    -------
    tuple
        Their names, sorted, and why others that were asked for are left out.

    Raises
    ------
    InpaintxError
        There is no such metric.
    """
    metrics = registry().metrics
    asked = list(asked)
    _check_there(asked)
    wanted = {name for name, metric in metrics.items() if not getattr(metric, "on_request", False)} | set(asked)
    missing = {name: getattr(metrics[name], "missing", str)() for name in wanted}
    notes = [f"{name}: left out, {why}" for name, why in sorted(missing.items()) if why]
    return tuple(sorted(name for name, why in missing.items() if not why)), notes


def metric_weights(names: Iterable[str]) -> dict[str, str]:
    """Name and SHA-256 of the weight file of each of these metrics that has one, as it is found on this machine.

    Raises
    ------
    InpaintxError
        There is no such metric; its ``weight_file`` fails, or gives no file's path: names it and its plugin.
    """
    names, found = list(names), {}
    _check_there(names)
    for name in names:
        where = getattr(registry().metrics[name], "weight_file", None)
        if where is not None:
            with blamed(_words(name), "weight_file()"):
                path = where()
                found[name] = "not found" if path is None else f"{Path(path).name} {sha256(Path(path))}"
    return found


def _check_there(names: Iterable[str]) -> None:
    metrics = registry().metrics
    for name in names:
        if name not in metrics:
            there = ", ".join(sorted(metrics)) or "none"
            raise InpaintxError(f"there is no metric {name!r}; those of plugins are: {there}")


def _words(name: str) -> str:
    return f"metric {name!r} of {registry().plugin_of(name, 'metric').words}"


@shared_samples()
def measure_by_plugins(names: Iterable[str], result: Tensor, truth: Tensor, mask: Tensor) -> dict[str, Tensor]:
    """Compare fills with the truth by metrics of plugins.

    Parameters
    ----------
    names
        Of registered metrics.
    result, truth, mask
        As :func:`inpaintx.plugin.hookspecs.inpaintx_register_metrics` says.

    Returns
    -------
    dict
        ``"full/NAME"`` to ``[B]`` float64 on the device of ``result``.

    Raises
    ------
    InpaintxError
        A metric fails, or gives something else than one value an image; names it and its plugin.
    """
    values = {}
    for name in names:
        with blamed(_words(name), "its function"):
            found = torch.as_tensor(registry().metrics[name](result, truth, mask)).double()
        if found.shape != (len(result),):
            raise InpaintxError(
                f"metric {name!r} must give one value an image, [{len(result)}], got {list(found.shape)}"
            )
        values[f"full/{name}"] = found.to(result.device)
    return values


def higher_is_better(metric: str) -> bool:
    """Whether more of a metric (``"hole/psnr"``) is better: by its own ``higher_is_better`` for one of a plugin."""
    name = metric.rpartition("/")[2]
    function = registry().metrics.get(name)
    return name in MORE_IS_BETTER if function is None else bool(getattr(function, "higher_is_better", False))
