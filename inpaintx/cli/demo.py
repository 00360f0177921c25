"""``inpaintx demo``: the portraits that ship with the project, filled by every method that can run."""

from pathlib import Path
from typing import Annotated

import typer

from inpaintx.cli.console import say

__all__ = ["demo"]


def demo(
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder for the pictures.")] = Path("demo-out"),
    slow: Annotated[bool, typer.Option("--all", help="Show the methods that search for a minute as well.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace pictures that exist.")] = False,
) -> None:
    """Fill two portraits with every method that takes seconds, and name the pictures written."""
    from inpaintx import demo as job

    done = job.run(out, slow=slow, overwrite=overwrite, say=say)
    say("single results:")
    for path in done.results:
        say(f"  {path}")
    say(f"contact sheet: {done.sheet}")
