"""``inpaintx weights``: which trained weights there are, where they lie, and how more are got."""

import json
from pathlib import Path
from typing import Annotated

import typer

from inpaintx.cli.console import AsJson, print_table, say, stdout_for_results
from inpaintx.errors import InpaintxError
from inpaintx.plugin.download import fetch
from inpaintx.plugin.registry import registry
from inpaintx.plugin.weight_lookup import HOW_TO_GET, download_folder, find

__all__ = ["app"]

app = typer.Typer(name="weights", help="Show, fetch and find the weights of methods.", no_args_is_help=True)


@app.command("list")
def show(as_json: AsJson = False) -> None:
    """Show the weights that methods name, their terms, and which were found."""
    rows = [
        {
            "method": name,
            "tag": tag,
            "file": entry.file,
            "path": str(path) if path else None,
            "sha256": entry.sha256,
            "preset": entry.preset,
            "terms": entry.license,
            "trained_on": entry.trained_on,
        }
        for name, method in sorted(registry().methods.items())
        for tag, entry in method.weights.items()
        for path in [find(method, tag)]
    ]
    if as_json:
        with stdout_for_results() as out:
            out.say(json.dumps(rows, indent=2))
        return
    print_table(
        ["method", "tag", "file", "terms"],
        [[str(r["method"]), str(r["tag"]), str(r["path"] or "not found"), str(r["terms"])] for r in rows],
    )
    if not all(r["path"] for r in rows):
        say(f"to get those that were not found: {HOW_TO_GET}")


@app.command("get")
def get(
    source: Annotated[str, typer.Argument(help="hf://owner/repo/file (extra [hub]), or https://… with --sha256.")],
    digest: Annotated[str, typer.Option("--sha256", help="SHA-256 of the file; another file is refused.")] = "",
    out: Annotated[Path | None, typer.Option("-o", "--out", help="Where to write it.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a file that exists.")] = False,
) -> None:
    """Fetch a weight file and check it; by default to where inpaintx looks for weights."""
    say(f"wrote {fetch(source, digest, out, overwrite=overwrite)}")


@app.command("path")
def path(
    method: Annotated[str | None, typer.Argument(help="A method; without, the folder that 'get' writes to.")] = None,
    tag: Annotated[str, typer.Argument(help="Which of its weights.")] = "default",
) -> None:
    """Print where a method's weights lie."""
    if method is None:
        say(str(download_folder()))
        return
    found = registry().method(method)
    if tag not in found.weights:
        tags = ", ".join(found.weights) or "none"
        raise InpaintxError(f"method {method!r} has no weights {tag!r} (it has: {tags})")
    file = find(found, tag)
    if file is None:
        raise InpaintxError(f"weights {tag!r} of method {method!r} were not found; {HOW_TO_GET}")
    say(str(file))
