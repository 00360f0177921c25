"""``inpaintx import-pconv``."""

from pathlib import Path
from typing import Annotated

import typer

from inpaintx.errors import InpaintxError

__all__ = ["import_pconv"]


def import_pconv(
    files: Annotated[list[Path], typer.Argument(help="naoto0804's checkpoint.")],
    out: Annotated[Path, typer.Option(help="Weight file to write (.safetensors).")],
    window: Annotated[bool, typer.Option(help="The weights are of NVIDIA's layers, which divide otherwise.")] = False,
) -> None:
    """Bring published weights of partial convolutions into inpaintx's format."""
    from inpaintx.nn.pretrained import read_state
    from inpaintx.plugin import weights

    from .method import PConv
    from .official import load_official

    method = PConv()
    scale = "window" if window else "sum"
    if len(files) != 1:
        raise InpaintxError(f"expected one file, got {len(files)}; PD-GAN's two are for 'inpaintx import-pconv-prior'")
    config = method.config(scale=scale)
    net = method.build(config)
    load_official(net, read_state(files[0]))
    weights.save(out, method, config, net, trained_on=f"imported from {', '.join(f.name for f in files)}")
    typer.echo(f"wrote {out}")
