"""``inpaintx import-pconv``."""

from pathlib import Path
from typing import Annotated

import typer

from inpaintx.nn.pretrained import read_state
from inpaintx.plugin import weights

from .method import PConv
from .official import load_official

__all__ = ["import_pconv"]


def import_pconv(
    files: Annotated[list[Path], typer.Argument(help="naoto0804's checkpoint; or PD-GAN's encoder, then its decoder.")],
    out: Annotated[Path, typer.Option(help="Weight file to write (.safetensors).")],
    window: Annotated[bool, typer.Option(help="The weights are of NVIDIA's layers, which divide otherwise.")] = False,
) -> None:
    """Bring published weights of partial convolutions into inpaintx's format."""
    method = PConv()
    scale = "window" if window else "sum"
    config = method.config("default" if len(files) == 1 else "prior", scale=scale)
    net = method.network(config)
    load_official(net, *(read_state(file) for file in files))
    weights.save(out, method, config, net, trained_on=f"imported from {', '.join(f.name for f in files)}")
    typer.echo(f"wrote {out}")
