"""``inpaintx import-pconv-prior``."""

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["import_pconv_prior"]


def import_pconv_prior(
    encoder: Annotated[Path, typer.Argument(help="PD-GAN's encoder (..._net_EN.pth).")],
    decoder: Annotated[Path, typer.Argument(help="Its decoder (..._net_DE.pth).")],
    out: Annotated[Path, typer.Option(help="Weight file to write (.safetensors).")],
) -> None:
    """Bring PD-GAN's published prior into inpaintx's format."""
    from inpaintx.nn.pretrained import read_state
    from inpaintx.plugin import weights

    from .method import PConvPrior
    from .official import load_official

    method = PConvPrior()
    config = method.config(scale="sum")
    net = method.network(config)
    load_official(net, read_state(encoder), read_state(decoder))
    weights.save(out, method, config, net, trained_on=f"imported from {encoder.name}, {decoder.name}")
    typer.echo(f"wrote {out}")
