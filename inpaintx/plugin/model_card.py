"""Model cards: what a weight file is, by what it says of itself and what its plugin says of it."""

import json
import math
from pathlib import Path
from typing import Any

from safetensors import safe_open

from inpaintx.io.digest import sha256
from inpaintx.plugin.method import Method

__all__ = ["model_card", "weight_facts"]

FIGURES = {"hole/psnr": "hole PSNR (dB)", "hole/ssim": "hole SSIM", "full/psnr": "PSNR (dB)", "full/ssim": "SSIM"}


def model_card(path: Path, method: Method) -> str:
    """Write the card of a weight file, in Markdown with the front matter that model hubs read.

    Parameters
    ----------
    path
        A ``.safetensors`` file of :func:`inpaintx.plugin.weights.save`.
    method
        The method that the weights are of. What it says of the file (:attr:`Method.weights`, by the SHA-256) goes
        into the card.
    """
    with safe_open(path, "np") as file:
        meta = file.metadata() or {}
        numbers = sum(math.prod(file.get_slice(key).get_shape()) for key in file.keys())  # noqa: SIM118 - not a dict
    facts, tag = weight_facts(path, method), _tag(path, method)
    options = json.loads(meta.get("inpaintx.config", "{}"))
    parts = [
        _front(method, facts["license"]),
        f"# {method.name}: {path.name}",
        f"Weights of the method [`{method.name}`]({method.paper}) of inpaintx, which fills holes in face photographs. "
        f"{numbers:,} numbers, {path.stat().st_size / 1e6:.1f} MB, SHA-256 `{facts['sha256']}`.",
        f"    inpaintx inpaint photo.jpg mask.png -o whole.png -m {method.name} --weights {tag or path.name}",
        f"**Terms**: {facts['license']}.",
        f"**Trained on**: {facts['trained_on']}.",
        _figures(json.loads(meta.get("validation", "{}"))),
        "**Not for**: photos of other things than faces; any use in which a filled face would be taken for a true "
        "record of a person. A fill is a guess from the faces that the network was trained on, and is worse for "
        "those that they represent badly.",
        "## Options\n\n" + _table(["option", "value"], [[f"`{k}`", f"`{json.dumps(v)}`"] for k, v in options.items()]),
    ]
    run = {k: meta[k] for k in ("preset", "steps", "seed", "holes", "weights", "hardware", "versions") if k in meta}
    if run:
        parts.append("## The run\n\n" + _table(["", ""], [[k, v] for k, v in run.items()]))
    return "\n\n".join(part for part in parts if part) + "\n"


def weight_facts(path: Path, method: Method) -> dict[str, str]:
    """Name, SHA-256, terms and training of a weight file, in words: by its plugin, or else by itself."""
    with safe_open(path, "np") as file:
        meta = file.metadata() or {}
    entry = method.weights.get(_tag(path, method))
    return {
        "weights": path.name,
        "sha256": sha256(path),
        "license": (entry.license if entry else "")
        or meta.get("license", "")
        or meta.get("licence", "")
        or "not stated",
        "trained_on": (entry.trained_on if entry else "") or _trained_on(meta),
    }


def _tag(path: Path, method: Method) -> str:
    """The name that the plugin has for the file; empty where it has none."""
    digest = sha256(path)
    return next((tag for tag, entry in method.weights.items() if digest == entry.sha256), "")


def _front(method: Method, terms: str) -> str:
    fields = {
        "license": "other",
        "license_name": terms,
        "library_name": "inpaintx",
        "pipeline_tag": "image-to-image",
        "tags": ["inpainting", "faces", method.name],
    }
    return "\n".join(["---", *(f"{key}: {json.dumps(value)}" for key, value in fields.items()), "---"])


def _trained_on(meta: dict[str, str]) -> str:
    return f"{meta['data']}, {meta['steps']} steps" if {"data", "steps"} <= meta.keys() else "not stated"


def _figures(validation: dict[str, Any]) -> str:
    """The figures of the run's own validation, beside those of the mean color."""
    found, floor = validation.get("metrics", {}), validation.get("mean_colour", {})
    rows = [
        [words, f"{found[key]:.4g}", f"{floor[key]:.4g}" if key in floor else ""]
        for key, words in FIGURES.items()
        if key in found
    ]
    if not rows:
        return ""
    return f"**On images of the split {validation['split']!r}** (holes `{validation['holes']}`):\n\n" + _table(
        ["", "these weights", "mean color"], rows
    )


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)
