"""``inpaintx fetch``: official files of others, by name, checked by their SHA-256."""

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from inpaintx.cli.console import say
from inpaintx.nn.official import FETCHED
from inpaintx.plugin.download import fetch_official

__all__ = ["fetch"]

Name = Enum("Name", {name: name for name in FETCHED}, type=str)  # type: ignore[misc]


def fetch(
    names: Annotated[
        list[Name],
        typer.Argument(
            help="lpips, fid: features for 'inpaintx evaluate'; vgg16: for losses; yunet: a finder of faces "
            "(--faces, --yunet)."
        ),
    ],
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="Folder.", show_default="where inpaintx looks for them")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a file that is another one.")] = False,
) -> None:
    """Fetch files that others publish, and check them; what is there already is not fetched again."""
    for file in dict.fromkeys(file for name in names for file in FETCHED[name.value]):
        say(f"{file.name}: {file.url}")
        say(f"{fetch_official(file, out, overwrite=overwrite)}: SHA-256 {file.sha256} is right")
