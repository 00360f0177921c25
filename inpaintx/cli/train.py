"""``inpaintx train`` and ``inpaintx export``: a run, and the weights that it leaves."""

import json
from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import typer

from inpaintx.cli.console import say
from inpaintx.cli.inpaint import option, warnings_as_words

__all__ = ["export", "train"]


class Which(str, Enum):
    """Which checkpoint is exported."""

    best = "best"
    last = "last"


def train(
    method: Annotated[str, typer.Argument(help="A method that can be trained; see 'inpaintx methods'.")],
    data: Annotated[str, typer.Argument(help="Folder of a set of faces.")],
    out: Annotated[str, typer.Option("-o", "--out", help="Folder of the run, made here.")],
    preset: Annotated[str | None, typer.Option(help="Named options of the method.", show_default="default")] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="KEY=VALUE", help="One option of the method or of the loop; an unknown one lists all."
        ),
    ] = None,
    steps: Annotated[int | None, typer.Option(metavar="N", help="The same as --set steps=N.")] = None,
    seed: Annotated[int | None, typer.Option(metavar="S", help="The same as --set seed=S.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the run's last checkpoint.")] = False,
    device: Annotated[str, typer.Option(metavar="auto|cpu|cuda|cuda:N", help="Where to compute.")] = "auto",
    devices: Annotated[int, typer.Option(metavar="N", help="GPUs, or processes on the CPU.")] = 1,
) -> None:
    """Train a method on a set of faces."""
    from inpaintx.training.callbacks import Bar
    from inpaintx.training.loop import train as job

    with warnings_as_words("stdout"):
        job(
            method,
            data,
            out,
            preset=preset,
            steps=steps,
            seed=seed,
            options=dict(map(option, set_ or [])),
            resume=resume,
            device=device,
            devices=devices,
            watch=[Bar()],
        )


def export(
    run: Annotated[Path, typer.Argument(help="Folder of a run.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="The file, *.safetensors.")],
    which: Annotated[Which, typer.Option(help="Checkpoint.")] = Which.best,
    half: Annotated[bool, typer.Option("--half", help="Store numbers in float16.")] = False,
    average: Annotated[bool, typer.Option(help="The running average, where the run has one.")] = True,
    license: Annotated[
        str, typer.Option("--license", "--licence", help="Terms of the weights, in words.")
    ] = "not stated",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a file that exists.")] = False,
) -> None:
    """Write a run's network as weights for 'inpaintx inpaint --weights'."""
    from inpaintx.training.export import export as job

    done = job(run, out, which=which.value, half=half, average=average, license=license, overwrite=overwrite)
    for key, value in done.metadata.items():
        say(f"{key}: {value if isinstance(value, str) else json.dumps(_rounded(value))}")
    say(f"wrote {done.path}, SHA-256 {done.sha256}")


def _rounded(value: Any) -> Any:
    """Plain values as a person reads them; the file has every digit."""
    if isinstance(value, dict):
        return {key: _rounded(inner) for key, inner in value.items()}
    return float(f"{value:.4g}") if isinstance(value, float) else value
