"""``inpaintx figures``: a paper's figures from shipped weights, on the demo's portraits."""

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

__all__ = ["figures"]


class Paper(str, Enum):
    """The papers by their numbers in docs/papers.md."""

    pdgan = "000"
    hog_guided = "001"
    pix2pix_attention = "002"
    foreground = "003"
    latent_search = "004"


def figures(
    paper: Annotated[
        Paper,
        typer.Argument(
            help="000: PD-GAN for faces; 001: HOG-guided; 002: Pix2Pix with attention; 003: foreground-guided; "
            "004: search in the latent space (minutes)."
        ),
    ],
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder for the pictures; it must not exist.")],
) -> None:
    """Draw a paper's figures on the demo's portraits, from the weights that ship."""
    from importlib import import_module

    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    from inpaintx.errors import InpaintxError
    from inpaintx.io.atomic import atomic_folder, make_folder
    from inpaintx.io.photo import write_photo

    if out.exists():
        raise InpaintxError(f"{out} exists; give another folder")
    make_folder(out.absolute().parent)
    drawn = import_module(f"{__package__}.{paper.name}").FIGURES
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    with atomic_folder(out) as folder, Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=len(drawn))
        for name, draw in drawn.items():
            bar.update(task, description=name)
            write_photo(folder / f"{name}.png", draw())
            bar.advance(task)
    for name in drawn:
        typer.echo(out / f"{name}.png")
