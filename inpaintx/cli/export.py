"""``inpaintx export``: a run's weights, a network as a graph for other programs, a model card."""

import json
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from inpaintx.cli.console import say
from inpaintx.errors import InpaintxError
from inpaintx.plugin.registry import registry
from inpaintx.plugin.weight_lookup import HOW_TO_GET

if TYPE_CHECKING:
    from inpaintx.plugin.method import Method
    from inpaintx.plugin.weights import Loaded

__all__ = ["export"]


class Which(str, Enum):
    """Which checkpoint is exported."""

    best = "best"
    last = "last"


def export(
    source: Annotated[str, typer.Argument(metavar="RUN_OR_METHOD", help="Folder of a run, or a method.")],
    out: Annotated[Path | None, typer.Option("-o", "--out", help="A run's weights, *.safetensors.")] = None,
    onnx: Annotated[
        Path | None, typer.Option("--onnx", metavar="FILE", help="The network in standard ONNX operators.")
    ] = None,
    torch_export: Annotated[
        Path | None, typer.Option("--torch-export", metavar="FILE", help="The network for torch.export.load, *.pt2.")
    ] = None,
    card: Annotated[
        Path | None, typer.Option("--card", metavar="FILE", help="The model card of the weights, *.md.")
    ] = None,
    size: Annotated[int | None, typer.Option(help="Side of a graph's images.", show_default="the method's")] = None,
    dynamic: Annotated[bool, typer.Option("--dynamic", help="Let a graph take images of many sizes.")] = False,
    plain_ops: Annotated[
        bool, typer.Option("--plain-ops", help="A .pt2 in PyTorch's own ops: slower, loads without inpaintx.")
    ] = False,
    weights: Annotated[str | None, typer.Option(help="Tag or file of a method's weights.")] = None,
    which: Annotated[Which, typer.Option(help="Checkpoint of a run.")] = Which.best,
    half: Annotated[bool, typer.Option("--half", help="Store a run's weights in float16.")] = False,
    average: Annotated[bool, typer.Option(help="The running average, where the run has one.")] = True,
    start: Annotated[
        str | None, typer.Option(metavar="TAG|FILE", help="The weights that a run began from, for --share.")
    ] = None,
    share: Annotated[float, typer.Option(help="How far to go from --start to a run's own weights.")] = 1.0,
    license: Annotated[
        str, typer.Option("--license", "--licence", help="Terms of a run's weights, in words.")
    ] = "not stated",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace files that exist.")] = False,
) -> None:
    """Write a run's weights, or a run's or a method's network as ONNX or .pt2, or a model card."""
    is_method = _is_method(source, out, card, weights)
    _check_files({".onnx": onnx, ".pt2": torch_export, ".md": card}, out, overwrite)
    if out is not None:
        from inpaintx.training.export import export as job

        done = job(
            source,
            out,
            which=which.value,
            half=half,
            average=average,
            start=start,
            share=share,
            license=license,
            overwrite=overwrite,
        )
        for key, value in done.metadata.items():
            say(f"{key}: {value if isinstance(value, str) else json.dumps(_rounded(value))}")
        say(f"wrote {done.path}, SHA-256 {done.sha256}")
    if out is not None and card is not None:
        _write_card(out, None, card)
    if is_method:
        method, loaded, about = _method_network(source, weights)
        if card is not None:
            _write_card(Path(loaded.source), method, card)
    elif onnx or torch_export:
        method, loaded, about = _run_network(source, which, average, license)
    for file in filter(None, (onnx, torch_export)):
        from inpaintx.inference.export_graph import export_graph

        made = export_graph(
            method,
            loaded,
            file,
            size=size,
            dynamic=dynamic,
            plain=plain_ops,
            about=about,
            overwrite=overwrite,
            say=say,
        )
        say(f"wrote {file}, SHA-256 {made.sha256}; differs from eager by {made.difference:.2g} at most")


def _is_method(source: str, out: Path | None, card: Path | None, weights: str | None) -> bool:
    """Whether ``source`` is a method and not the folder of a run; what does not go with it is refused."""
    if source in registry().methods and not Path(source).is_dir():
        if out is not None:
            raise InpaintxError(f"weights of method {source!r} are files already: 'inpaintx weights path {source}'")
        return True
    if not Path(source).exists():
        raise InpaintxError(f"{source!r} is neither the folder of a run nor a method; see 'inpaintx methods'")
    if weights is not None:
        raise InpaintxError("--weights is for a method; of a run, --which names the checkpoint")
    if card is not None and out is None:
        raise InpaintxError("a model card tells the SHA-256 of a weight file: write that too, with -o")
    return False


def _check_files(files: dict[str, Path | None], out: Path | None, overwrite: bool) -> None:
    """Refuse names of another suffix, and files that exist, before any work begins."""
    if out is None and not any(files.values()):
        raise InpaintxError("nothing to write: name a file with -o (weights), --onnx, --torch-export or --card")
    for suffix, file in files.items():
        if file is not None and file.suffix != suffix:
            raise InpaintxError(f"expected the name of a {suffix} file, got {file}")
        if file is not None and file.exists() and not overwrite:
            raise InpaintxError(f"{file} exists; give another name, or overwrite it (--overwrite)")


def _run_network(run: str, which: Which, average: bool, license: str) -> "tuple[Method, Loaded, dict[str, str]]":
    from inpaintx.plugin.weights import Loaded
    from inpaintx.training.export import network_of

    found = network_of(run, which=which.value, average=average)
    about = {k: v if isinstance(v, str) else json.dumps(v) for k, v in found.metadata(license).items()}
    return found.method, Loaded(found.net, found.config, run), about


def _method_network(name: str, weights: str | None) -> "tuple[Method, Loaded, dict[str, str]]":
    import torch

    from inpaintx.cli.inpaint import warnings_as_words
    from inpaintx.plugin.model_card import weight_facts
    from inpaintx.plugin.weights import load

    method = registry().method(name)
    with warnings_as_words("stdout"):
        loaded = load(method, method.config(), weights, torch.device("cpu"))
    path = Path(loaded.source)
    return method, loaded, weight_facts(path, method) if path.is_file() else {"weights": loaded.source}


def _write_card(path: Path, method: "Method | None", card: Path) -> None:
    """Write the card of a weight file; ``method`` is the one that it is of, None: the one that it names."""
    from inpaintx.io.atomic import atomic_write
    from inpaintx.plugin.model_card import model_card
    from inpaintx.plugin.weights import method_of

    if not path.is_file():
        raise InpaintxError(f"there are no weights to write a card of; {HOW_TO_GET}")
    with atomic_write(card) as part:
        part.write_text(model_card(path, method or method_of(path)), encoding="utf-8")
    say(f"wrote {card}")


def _rounded(value: Any) -> Any:
    """Plain values as a person reads them; the file has every digit."""
    if isinstance(value, dict):
        return {key: _rounded(inner) for key, inner in value.items()}
    return float(f"{value:.4g}") if isinstance(value, float) else value
