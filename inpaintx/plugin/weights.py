"""Where weights come from, and what happens when they are missing."""

import json
import os
import threading
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from pydantic import BaseModel
from safetensors import safe_open
from torch import Tensor, nn

from inpaintx.errors import InpaintxError, UntrainedWarning
from inpaintx.io.atomic import atomic_write
from inpaintx.io.digest import sha256
from inpaintx.io.text_files import parse_json
from inpaintx.io.weight_files import check_shapes, open_weights
from inpaintx.nn.layout import layout_on
from inpaintx.plugin.download import hub_file
from inpaintx.plugin.method import Method, current_names
from inpaintx.plugin.plugin_errors import blamed
from inpaintx.plugin.registry import registry
from inpaintx.plugin.weight_lookup import HOW_TO_GET, find

__all__ = ["Loaded", "load", "method_of", "plain", "save", "seeded"]

_DRAWING = threading.RLock()  # there is one global generator


@dataclass
class Loaded:
    """A network that is ready to fill: in eval mode, on its device, with what is known of its weights."""

    net: nn.Module
    config: BaseModel
    source: str


def load(
    method: Method,
    config: BaseModel,
    weights: str | None,
    device: torch.device,
    *,
    seed: int = 0,
    preset: str = "default",
    options: dict[str, Any] | None = None,
) -> Loaded:
    """Build a method's network and load its weights.

    Parameters
    ----------
    config
        All options, for a network without weights; weights bring the options that they were made with
        (:attr:`Method.checkpoint_fields`: some of them).
    options
        Those that the user asked for: they hold beside weights as well.
    weights
        A tag of the method, a path to a ``.safetensors`` file or its address on a model hub
        (:func:`inpaintx.plugin.download.hub_file`), or None: the tag ``"default"`` where the method
        has one, its file is found, and ``preset`` is the default, the weights' own, or leaves the network to them
        (:attr:`Method.checkpoint_fields`); else random weights drawn from ``seed``, with an :class:`UntrainedWarning`.

    Raises
    ------
    InpaintxError
        No such tag or file; a corrupt file; weights of another method or preset.
    """
    path, expected = None, ""
    entry = method.weights.get("default")
    if weights is None and entry and (preset in ("default", entry.preset) or method.checkpoint_fields is not None):
        path, expected = find(method, "default"), method.weights["default"].sha256
    elif weights in method.weights:
        path, expected = find(method, weights), method.weights[weights].sha256
        if path is None:
            entry = method.weights[weights]
            raise InpaintxError(
                f"weights {weights!r} of method {method.name!r} ({entry.file}) were found neither beside the plugin "
                f"nor in a package of weights nor in INPAINTX_WEIGHTS nor in torch's hub cache; {HOW_TO_GET}"
                + (f"; their makers keep them at {entry.url}" * bool(entry.url))
            )
    elif weights is not None:
        path = hub_file(weights) if weights.startswith("hf://") else Path(weights)
        if not path.is_file():
            tags = ", ".join(method.weights) or "none"
            hint = f"; method {method.successor!r} took over others" if method.successor else ""
            raise InpaintxError(
                f"no weights {weights!r}: not a file, and not a tag of {method.name!r} (tags: {tags}{hint})"
            )
    if path is not None and expected and sha256(path) != expected:
        raise InpaintxError(f"weights {path} are damaged or of another version: their SHA-256 is not {expected[:12]}…")
    config = _read(method, path, config, options or {}) if path else config
    owner = f"method {method.name!r}{_given(options)}"
    sketch = _sketch(method, config) if path and not expected else None
    if path and sketch is not None:  # a file of anybody's: no memory is taken on its word
        check_shapes(path, sketch, owner)
    with seeded(seed):
        net = _built(method, config)
    if path:
        if sketch is None:
            check_shapes(path, net.state_dict(), owner)
        with safe_open(path, "pt") as file:
            state = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 - not a dict
        try:
            net.load_state_dict({key: x.float() if x.is_floating_point() else x for key, x in state.items()})
        except RuntimeError as error:
            raise InpaintxError(f"weights {path} do not fit {owner}: {str(error).splitlines()[-1].strip()}") from None
    elif method.requires_weights:
        warnings.warn(
            f"method {method.name!r} runs with random weights (seed {seed}): its fills mean nothing until it is "
            "trained or weights are given",
            UntrainedWarning,
            stacklevel=2,
        )
    source = str(path) if path else "random" if method.requires_weights else "none needed"
    if layout_on(device) == torch.channels_last:
        net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return Loaded(net.to(device).eval(), config, source)


def method_of(path: Path) -> Method:
    """The method that a weight file says it is of.

    Raises
    ------
    InpaintxError
        It is no weight file, does not say it, or names a method that no plugin provides.
    """
    owner = open_weights(path, _importers)[0].get("inpaintx.method")
    if owner is None:
        raise InpaintxError(
            f"weights {path} do not say which method they are of (no 'inpaintx.method' in their metadata)"
        )
    return registry().method(owner)


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Draw from a seed in the block, and leave the CPU's global generator as it was; one thread at a time."""
    with _DRAWING, torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


def _built(method: Method, config: BaseModel) -> nn.Module:
    try:
        with blamed(method, "build()"):
            return method.network(config)
    except (MemoryError, RuntimeError):
        raise InpaintxError(
            f"no memory for the network of method {method.name!r} with these options; make it smaller (size, width)"
        ) from None


def _sketch(method: Method, config: BaseModel) -> dict[str, Tensor] | None:
    """The state of a network without its memory; None where :meth:`Method.build` needs the numbers themselves."""
    try:
        with seeded(0), torch.device("meta"):
            return method.network(config).state_dict()
    except InpaintxError:
        raise
    except Exception:
        return None


def _given(options: dict[str, Any] | None) -> str:
    return f" with {', '.join(f'{k}={v}' for k, v in options.items())}" if options else ""


def _importers() -> list[str]:
    methods = sorted(registry().methods.items())
    return [f"'inpaintx {method.importer}' ({name})" for name, method in methods if method.importer]


def _read(method: Method, path: Path, config: BaseModel, options: dict[str, Any]) -> BaseModel:
    """The options that a weight file was saved with, and the user's, after a check that it is this method's."""
    meta, _ = open_weights(path, _importers)
    owner = meta.get("inpaintx.method")
    if owner is None:
        raise InpaintxError(
            f"weights {path} do not say which method they are of (no 'inpaintx.method' in their metadata)"
        )
    if owner != method.name and owner not in method.compatible_weights:
        raise InpaintxError(f"weights {path} are of method {owner!r}, not of {method.name!r}")
    saved = parse_json(meta.get("inpaintx.config", "{}"), f"the metadata of weights {path}")
    saved, options = (current_names(type(config), given) for given in (saved, options))
    try:
        if method.checkpoint_fields is not None:
            kept = method.checkpoint_fields | {"size"}  # at another side than in training, fills are worse
            saved = {**config.model_dump(), **{k: v for k, v in saved.items() if k in kept}}
        return type(config).model_validate({**type(config).model_validate(saved).model_dump(), **options})
    except ValueError as error:
        raise InpaintxError(
            f"weights {path} were made with options that method {method.name!r} does not have now: "
            f"{'; '.join(str(error).splitlines()[1:3])}"
        ) from None


def save(path: Path, method: Method, config: BaseModel, net: nn.Module, **metadata: Any) -> None:
    """Write a network's weights with its method, options and ``metadata`` (text, or JSON); whole or not at all."""
    # of files that the options name, the name alone: where they lay is nobody's business
    options = {k: Path(v).name if isinstance(v, str) and os.sep in v else v for k, v in config.model_dump().items()}
    meta = {"inpaintx.method": method.name, "inpaintx.config": json.dumps(options), **metadata}
    state = plain(net.state_dict(), f"the network of method {method.name!r}")
    with atomic_write(path) as part:
        words = {key: v if isinstance(v, str) else json.dumps(v) for key, v in meta.items()}
        part.write_bytes(_in_order(safetensors.torch.save(state, words)))  # save_file would hide what the disk says


def plain(state: Mapping[str, Any], owner: str) -> dict[str, Tensor]:
    """A network's state as safetensors takes it: on the CPU, contiguous, tensors that share memory taken apart.

    Raises
    ------
    InpaintxError
        It holds something else than tensors; ``owner`` names the network.
    """
    found: dict[str, Tensor] = {}
    seen: set[int] = set()
    for key, value in state.items():
        if not isinstance(value, Tensor):
            raise InpaintxError(
                f"{owner}: its state {key!r} is {type(value).__name__}; weights are kept as tensors only (buffers)"
            )
        tensor = value.detach().cpu().contiguous()
        place = tensor.untyped_storage().data_ptr()
        found[key] = tensor.clone() if place in seen else tensor
        seen.add(place)
    return found


def _in_order(data: bytes) -> bytes:
    """The same file with the header's metadata in order: written twice, it is the same to the last bit."""
    end = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:end])
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + data[end:]
