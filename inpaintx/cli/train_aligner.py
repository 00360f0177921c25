"""``inpaintx train-aligner``: the network that lays squares over damaged faces."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from inpaintx.training.fit_aligner import Aligned

__all__ = ["train_aligner"]


def train_aligner(
    data: Annotated[list[Path], typer.Argument(help="Sets of faces, aligned as training data is.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="Weight file to write (.safetensors).")],
    scenes: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Photos without faces, for what lies around a face.")
    ] = None,
    width: Annotated[int, typer.Option(min=4, help="Channels of the first layer.")] = 24,
    steps: Annotated[int, typer.Option(min=1)] = 15_000,
    batch: Annotated[int, typer.Option(min=2)] = 64,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    half_precision: Annotated[bool, typer.Option(help="Forward passes in bfloat16.")] = False,
    device: Annotated[str, typer.Option()] = "auto",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a file that exists.")] = False,
) -> None:
    """Fit the network that finds a face's square from what is left of it; stopped and run again, it goes on."""
    from inpaintx.cli.console import say
    from inpaintx.inference.device import pick_device
    from inpaintx.training.fit_aligner import AlignerFit, fit_aligner, read_scenes

    def report(step: int, loss: float, aligned: "Aligned") -> None:
        print(f"step {step}/{steps}: loss {loss:.3f}, {_words(aligned)}", flush=True)

    fit = AlignerFit(width, steps, batch, seed, half_precision=half_precision)
    around = read_scenes(scenes) if scenes else []
    aligned = fit_aligner(data, out, fit, scenes=around, overwrite=overwrite, device=pick_device(device), report=report)
    say(f"wrote {out}; on faces that it has not seen: {_words(aligned)}")


def _words(aligned: "Aligned") -> str:
    return (
        f"eyes and mouth off by {100 * aligned.error:.2f} % of the square's side ({100 * aligned.stayed:.1f} % "
        f"unmoved), {100 * aligned.told:.1f} % of windows told rightly"
    )
