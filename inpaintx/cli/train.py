"""``inpaintx train``: a run."""

from typing import Annotated

import typer

from inpaintx.cli.inpaint import option, warnings_as_words

__all__ = ["train"]


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
