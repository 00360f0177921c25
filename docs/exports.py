"""Exports every feed-forward method, and writes the table of docs/export.md: ``python docs/exports.py``.

Methods without weights here run with random ones.
"""

import re
import tempfile
import warnings
from pathlib import Path

import onnxruntime
import torch

from inpaintx.errors import InpaintxError
from inpaintx.inference.export_graph import export_graph
from inpaintx.plugin.registry import registry
from inpaintx.plugin.weights import load

PAGE = Path(__file__).parent / "export.md"
HEAD = ["| method | weights | format | sizes | largest difference | file |", "|---|---|---|---|---|---|"]
BEGIN, END = "<!-- table: python docs/exports.py -->\n", "<!-- end of table -->"

warnings.simplefilter("ignore")
rows, none = [], []
with tempfile.TemporaryDirectory() as folder:
    for name, method in sorted(registry().methods.items()):
        loaded = load(method, method.config(), None, torch.device("cpu"))
        for suffix in (".onnx", ".pt2"):
            file = Path(folder) / f"{name}{suffix}"
            try:
                made = export_graph(method, loaded, file, dynamic=not method.fixed_size, say=print)
            except InpaintxError as error:
                print(error)
                none.append(f"`{name}`")
                break
            sides = "" if method.fixed_size else f"multiples of {method.size_divisor(loaded.config)}: "
            sizes = sides + ", ".join(f"{h}×{w}" for h, w in dict.fromkeys(made.sizes))
            cells = f"`{name}`", Path(loaded.source).name, suffix, sizes, f"{made.difference:.1e}"
            rows.append(f"| {' | '.join(cells)} | {file.stat().st_size / 1e6:.1f} MB |")
            print(rows[-1], flush=True)
words = (
    f"Values in [0,1]; torch {torch.__version__}, onnxruntime {onnxruntime.__version__}, CPU. No graph stands for "
    f"{', '.join(none)}: they have no network, or search instead of one pass.\n"
)
table = "\n".join([*HEAD, *rows, "", words])
page = PAGE.read_text(encoding="utf-8")
PAGE.write_text(re.sub(f"{BEGIN}.*{END}", lambda _: BEGIN + table + END, page, flags=re.DOTALL), encoding="utf-8")
