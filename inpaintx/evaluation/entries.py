"""The methods that are compared: named, loaded, and written down."""

import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast, get_args

import torch
from safetensors import safe_open
from torch import Tensor, nn

from inpaintx.errors import InpaintxError, UntrainedWarning
from inpaintx.evaluation.protocol import Frozen
from inpaintx.inference.run import InpaintOutput, run_method
from inpaintx.io.digest import sha256
from inpaintx.io.names import printable
from inpaintx.nn.options import Blend
from inpaintx.plugin.method import Method
from inpaintx.plugin.registry import registry
from inpaintx.plugin.successor import current_method
from inpaintx.plugin.weights import load

__all__ = ["TRIVIAL_BASELINE", "Entry", "EntryRecord", "EntrySpec", "MeanColor", "find_entries"]

TRIVIAL_BASELINE = "mean_colour"


class MeanColor(Method):
    """The mean of the known pixels of each image: the floor that every method has to beat."""

    name, paper = TRIVIAL_BASELINE, ""

    def inpaint(self, net: Any, image: Tensor, mask: Tensor, *, generator: torch.Generator | None = None) -> Tensor:
        """One colour an image; black where nothing is known."""
        known = 1 - mask
        total = (image * known).sum((2, 3), keepdim=True)
        return (total / known.sum((2, 3), keepdim=True).clamp_min(1)).expand_as(image)


@dataclass(frozen=True)
class EntrySpec:
    """What a user asks for: a method under a label, its preset, weights (tag or file) and blend; None: its own."""

    label: str
    method: str
    preset: str = "default"
    weights: str | None = None
    blend: Blend | None = None


class EntryRecord(Frozen):
    """A method as it was measured.

    Parameters
    ----------
    weights
        Name of the file; ``"random"``: the method needs weights and has none, so its fills mean nothing; ``"none
        needed"``.
    metadata
        What the weight file says of itself: data, steps, licence.
    blend
        How fills are joined to the photo.
    side
        Side of the square that faces were resized to for this method, where it is not the protocol's.
    """

    label: str
    method: str
    paper: str
    package: str
    version: str
    preset: str
    options: dict[str, Any]
    weights: str
    sha256: str | None
    metadata: dict[str, str]
    blend: Blend
    side: int | None

    @property
    def title(self) -> str:
        """The label, with a mark for random weights that goes wherever the label goes."""
        return f"{self.label} (UNTRAINED)" if self.weights == "random" else self.label


class Entry:
    """A method that is ready to fill whole faces.

    Parameters
    ----------
    spec
        What the user asked for.
    size
        Side of the faces; a method that works at another size gets them resized whole, as one that takes no other.
    seed
        Of random weights.
    """

    def __init__(self, spec: EntrySpec, size: int, seed: int, device: torch.device) -> None:
        method = MeanColor() if spec.method == TRIVIAL_BASELINE else registry().method(spec.method)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UntrainedWarning)  # the record says it
            method, preset = current_method(method, spec.preset, spec.weights)
            loaded = load(method, method.config(preset), spec.weights, device, seed=seed, preset=preset)
        side = method.input_size(loaded.config)
        self.method = method
        self._resizes = method.fixed_size or side not in (None, size)
        self.blend: Blend = spec.blend or method.blend
        self.net: nn.Module = loaded.net
        file = Path(loaded.source) if loaded.source not in ("random", "none needed") else None
        plugin = registry().plugin_of(method.name) if spec.method != TRIVIAL_BASELINE else None
        self.record = EntryRecord(
            label=spec.label,
            method=method.name,
            paper=method.paper,
            package=plugin.package if plugin else "inpaintx",
            version=plugin.version if plugin else "",
            preset=spec.preset,
            options=loaded.config.model_dump(mode="json"),
            weights=printable(file.name) if file else loaded.source,
            sha256=sha256(file) if file else None,
            metadata=_metadata(file) if file else {},
            blend=self.blend,
            side=side if side != size else None,
        )

    def fill(self, image: Tensor, mask: Tensor, generator: torch.Generator) -> InpaintOutput:
        """Fill ``[B,3,S,S]``; see :func:`inpaintx.inference.run.run_method`."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # of slowness; how long it took is in the result
            return run_method(
                self.method,
                self.net,
                image,
                mask,
                generator=generator,
                blend=self.blend,
                fixed_size=self._resizes,
            )


def _metadata(file: Path) -> dict[str, str]:
    with safe_open(file, "pt") as opened:
        found = sorted((opened.metadata() or {}).items())  # safetensors gives them in another order each time
    return {k: v for k, v in found if k != "inpaintx.config"}


def find_entries(
    methods: Sequence[str], weights: Mapping[str, str], presets: Mapping[str, str], blends: Mapping[str, str]
) -> list[EntrySpec]:
    """Read the list of methods; the floor comes first, asked for or not.

    Parameters
    ----------
    methods
        Names, or ``LABEL=NAME`` for a second entry of a method (other weights, another preset or blend).
    weights, presets, blends
        By label.

    Raises
    ------
    InpaintxError
        No such method or blend, a label twice, or weights, a preset or a blend for a label that is not in the list.
    """
    named: dict[str, str] = {TRIVIAL_BASELINE: TRIVIAL_BASELINE}
    for text in methods:
        label, _, method = text.strip().rpartition("=")
        label = label or method
        if not re.fullmatch(r"[\w.-]+", label) or label == "truth":
            raise InpaintxError(f"{label!r} cannot be a label; take letters, digits, '_', '-', '.', and not 'truth'")
        if label in named and (label, method) != (TRIVIAL_BASELINE, TRIVIAL_BASELINE):
            raise InpaintxError(f"{label!r} is in the list of methods twice; give the second one a label: NEW={method}")
        if method != TRIVIAL_BASELINE:
            registry().method(method)
        named[label] = method
    if not methods:
        raise InpaintxError(f"no methods are named; there are: {', '.join(sorted(registry().methods))}")
    for what, given in (("weights", weights), ("a preset", presets), ("a blend", blends)):
        for label in given:
            if label not in named:
                raise InpaintxError(f"{what} for {label!r}, which is not in the list of methods: {', '.join(named)}")
    for label, blend in blends.items():
        if blend not in get_args(Blend):
            raise InpaintxError(f"the blend of {label!r} must be {', '.join(get_args(Blend))}, got {blend!r}")
    return [
        EntrySpec(label, name, presets.get(label, "default"), weights.get(label), cast(Blend | None, blends.get(label)))
        for label, name in named.items()
    ]
