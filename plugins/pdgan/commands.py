"""``inpaintx import-pdgan`` and ``inpaintx train-fan``."""

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["import_pdgan", "train_fan"]


def import_pdgan(
    encoder: Annotated[Path, typer.Argument(help="…_net_EN.pth")],
    decoder: Annotated[Path, typer.Argument(help="…_net_DE.pth")],
    generator: Annotated[Path, typer.Argument(help="…_net_PDGAN.pth")],
    out: Annotated[Path, typer.Option(help="Weight file to write (.safetensors).")],
) -> None:
    """Bring PD-GAN's published weights into inpaintx's format."""
    from inpaintx.nn.pretrained import read_state
    from inpaintx.plugin import weights

    from .method import PDGAN
    from .official import load_official

    method = PDGAN()
    config = method.config("paper")
    net = method.network(config)
    files = (encoder, decoder, generator)
    load_official(net, *(read_state(file) for file in files))
    weights.save(out, method, config, net, trained_on=f"imported from {', '.join(f.name for f in files)}")
    typer.echo(f"wrote {out}")


def train_fan(
    data: Annotated[Path, typer.Argument(help="A set of faces with landmarks.")],
    out: Annotated[Path, typer.Option(help="Weight file to write (.safetensors), for pdgan's fan_path.")],
    size: Annotated[int, typer.Option(min=64, help="Side of the images that it sees, a multiple of 64.")] = 128,
    width: Annotated[int, typer.Option(min=8, help="Channels, a multiple of 8.")] = 64,
    steps: Annotated[int, typer.Option(min=1)] = 6000,
    batch: Annotated[int, typer.Option(min=1)] = 16,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    jitter: Annotated[float, typer.Option(min=0, max=0.4, help="Shift and scale of faces, share of the side.")] = 0.12,
    jitter_angle: Annotated[float, typer.Option(min=0, max=90, help="Turn of faces, degrees.")] = 15.0,
    device: Annotated[str, typer.Option()] = "auto",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a file that exists.")] = False,
) -> None:
    """Fit a small FAN on a set's own landmarks; when it was stopped, it goes on when it is run again."""
    from inpaintx.inference.device import pick_device

    from .fit_fan import Fit, fit_fan

    def report(step: int, loss: float) -> None:
        print(f"step {step}: loss {loss:.3f}", flush=True)

    fit = Fit(size, width, steps, batch, seed, jitter, jitter_angle)
    fitted = fit_fan(data, out, fit, overwrite=overwrite, device=pick_device(device), report=report)
    typer.echo(
        f"wrote {out}; error on faces that it has not seen: {100 * fitted.error:.2f} % of the landmarks' box; of the "
        f"training faces' mean shape: {100 * fitted.mean_error:.2f} %"
    )
