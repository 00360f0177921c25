"""Files of graphs: ONNX and torch.export's .pt2, each compared with eager before it is written."""

import io
import logging
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from inpaintx.errors import InpaintxError
from inpaintx.inference.graph import InpaintGraph
from inpaintx.io.atomic import atomic_write, check_writable
from inpaintx.io.digest import sha256
from inpaintx.io.memory import LARGEST_SQUARE
from inpaintx.io.optional import require
from inpaintx.plugin.method import Method
from inpaintx.plugin.weights import Loaded

__all__ = ["LIMIT", "GraphFile", "export_graph"]

LIMIT = 1e-4  # most that result or raw output may differ from eager, in [0,1]


@dataclass(frozen=True)
class GraphFile:
    """A graph that was written.

    Attributes
    ----------
    path, sha256
        The file.
    sizes
        Height and width of the images on which it was compared with eager.
    difference
        The largest difference there, of values in [0,1].
    notes
        What the file says of itself, in Markdown.
    """

    path: Path
    sha256: str
    sizes: list[tuple[int, int]]
    difference: float
    notes: str


def export_graph(
    method: Method,
    loaded: Loaded,
    out: str | Path,
    *,
    size: int | None = None,
    dynamic: bool = False,
    plain: bool = False,
    about: dict[str, str] | None = None,
    overwrite: bool = False,
    say: Callable[[str], None] = lambda words: None,
) -> GraphFile:
    """Write a method's network as a graph of one image and one mask.

    Parameters
    ----------
    method, loaded
        A method whose fill is one pass of a network, and what :func:`inpaintx.plugin.weights.load` made of it, on
        the CPU.
    out
        ``*.onnx``: standard ONNX operators, compared in onnxruntime; ``*.pt2``: for ``torch.export.load``.
    size
        Side in pixels of the images; None: the method's own, else 256.
    dynamic
        Whether height and width are free multiples of what the method needs; ``size`` is where it is traced.
    plain
        Whether a ``.pt2`` holds PyTorch's own ops alone, and can be loaded without inpaintx; else it holds inpaintx's
        faster ones, and ``import inpaintx.ops`` must come first. An ONNX file never holds them.
    about
        Further facts for the file's metadata, such as its terms.
    overwrite
        Whether a file that exists is replaced.
    say
        Called with a line of words before each step that takes seconds.

    Returns
    -------
    GraphFile
        With the largest difference from eager, at most :data:`LIMIT`.

    Raises
    ------
    InpaintxError
        Another suffix; a size that the method does not take; a method that no graph can stand for; an extra that is
        missing; a graph that does not compute the same.
    """
    out = Path(out)
    kind = {".onnx": "ONNX", ".pt2": "torch.export"}.get(out.suffix)
    if kind is None:
        raise InpaintxError(f"a graph is written as .onnx or .pt2, got {out}")
    if out.exists() and not overwrite:
        raise InpaintxError(f"{out} exists; give another name, or overwrite it (--overwrite)")
    if kind == "ONNX":
        require("onnx", "export to ONNX", "onnx", "onnxscript", "onnxruntime")
    check_writable(out)
    side, divisor = _side(method, loaded, size, dynamic)
    graph = InpaintGraph(method, loaded.net).eval()
    say(f"tracing {method.name} at {side} x {side} pixels")
    with _quiet():
        program = graph.program(side, side, divisor if dynamic else None, plain=plain or kind == "ONNX")
    sizes = [(side, side), (side + divisor, side), (side, side + 2 * divisor)] if dynamic else [(side, side)] * 3
    notes = _notes(method, graph, kind, side, divisor if dynamic else None, plain)
    facts = {"inpaintx.method": method.name, "inpaintx.config": loaded.config.model_dump_json(), **(about or {})}
    with atomic_write(out) as part:
        if kind == "ONNX":
            say("translating to ONNX")
            run = _write_onnx(program, graph.names, facts | {"notes": notes}, part)
        else:
            data = io.BytesIO()
            torch.export.save(program, data, extra_files={"README.md": notes, **facts})
            part.write_bytes(data.getbuffer())
            run = torch.export.load(data).module()
        say(f"comparing with eager at {', '.join(f'{h} x {w}' for h, w in dict.fromkeys(sizes))}")
        difference = graph.difference(sizes, run)
        if not difference <= LIMIT:  # also true of NaN
            raise InpaintxError(
                f"the {kind} graph of method {method.name!r} differs from eager by {difference:.2g}, more than the "
                f"{LIMIT:g} that is allowed; nothing was written"
            )
    return GraphFile(out, sha256(out), sizes, difference, notes)


def _side(method: Method, loaded: Loaded, size: int | None, dynamic: bool) -> tuple[int, int]:
    """The side to trace at, and what sides must be multiples of."""
    own, divisor = method.input_size(loaded.config), method.size_divisor(loaded.config)
    side = size or own or -(-256 // divisor) * divisor
    if dynamic:  # a side of one unit would be taken for a constant
        side = max(side, 2 * divisor)
    if method.fixed_size and (dynamic or side != own):
        raise InpaintxError(f"the network of method {method.name!r} takes images of {own} x {own} pixels and no others")
    if side < 1 or side % divisor or side > LARGEST_SQUARE:
        raise InpaintxError(
            f"method {method.name!r} takes sides that are multiples of {divisor}, at most {LARGEST_SQUARE}, got {side}"
        )
    return side, divisor


def _write_onnx(
    program: torch.export.ExportedProgram, names: list[str], facts: dict[str, str], part: Path
) -> Callable[..., Sequence[Any]]:
    """Write the program as ONNX, and return what runs the file."""
    import onnxruntime

    with _quiet():
        translated = torch.onnx.export(
            program, dynamo=True, verbose=False, input_names=names, output_names=["result", "raw"]
        )
    if translated is None:
        raise InpaintxError("torch's exporter gave no ONNX program")
    for node in translated.model.graph.all_nodes():
        node.metadata_props.clear()
    translated.model.metadata_props.update(facts)
    translated.save(part, external_data=False)
    session = onnxruntime.InferenceSession(part.read_bytes(), providers=["CPUExecutionProvider"])
    return lambda *given: session.run(None, {name: x.numpy() for name, x in zip(names, given, strict=True)})


def _notes(method: Method, graph: InpaintGraph, kind: str, side: int, divisor: int | None, plain: bool) -> str:
    """What a file says of itself: inputs, outputs, and what stays outside."""
    height, width = ("H", "W") if divisor else (side, side)
    lines = [
        f"# {method.name}: {kind} graph\n",
        f"One pass of the inpainting method `{method.name}` ({method.paper}).\n",
        "Inputs:\n",
        f"- `image` [1,3,{height},{width}] float32, RGB in [0,1]; what lies under the hole does not matter",
        f"- `mask` [1,1,{height},{width}] float32, 1 = hole (above 0.5)",
        *(
            f"- `{name}` {list(shape)} float32, drawn anew for each fill from "
            + ("the standard normal distribution" if draw == "randn" else "[0,1) evenly")
            for name, (draw, shape) in zip(graph.names[2:], graph.draws, strict=True)
        ),
        "\nOutputs:\n",
        f"- `result` [1,3,{height},{width}]: the image with its hole filled; known pixels are the image's own",
        f"- `raw` [1,3,{height},{width}] in [0,1]: what the network gave, inside the hole and outside\n",
    ]
    if divisor:
        lines.append(f"H and W are multiples of {divisor}, from {2 * divisor}.\n")
    if method.blend == "none":
        lines.append("The method pastes its fill, as this graph does.\n")
    else:
        lines.append(
            f"Blending stays outside: inpaintx joins this method's fill to the photo by `{method.blend}`; this graph "
            "pastes it. The same seam as in inpaintx is had from "
            "`inpaintx.ops.poisson_blend(guidance_image(raw, image, hole, blend), image, hole)`.\n"
        )
    lines.append("Cropping faces, resizing, tiling and detail transfer stay outside, too.\n")
    if kind == "torch.export" and not plain:
        lines.append("The graph holds ops of inpaintx: `import inpaintx.ops` before `torch.export.load`.\n")
    return "\n".join(lines)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep back what the exporters say to their own developers."""
    log = logging.getLogger("torch.onnx")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        log.setLevel(level)
