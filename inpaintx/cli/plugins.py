"""``inpaintx plugins``, ``check`` and ``new-plugin``: what a plugin author asks for."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from inpaintx.cli.console import AsJson, print_table, say, stdout_for_results
from inpaintx.plugin.registry import registry

__all__ = ["GIVEN", "check", "new_plugin", "plugin_rows", "plugins"]

GIVEN = ("methods", "masks", "metrics", "commands")


def plugins(as_json: AsJson = False) -> None:
    """Show which plugins loaded, what they give, from which package and version, and what failed and why."""
    if as_json:
        with stdout_for_results() as out:
            out.say(json.dumps(plugin_rows(), indent=2))
        return
    rows = plugin_rows()
    print_table(
        ["plugin", "package", "version", "gives", "error"],
        [[r["name"], r["package"], r["version"], _given(r), r["error"] or ""] for r in rows],
    )


def check(
    name: Annotated[str, typer.Argument(help="A method, as 'inpaintx methods' names it.")],
    seed: Annotated[int, typer.Option(help="Of the pictures and of the method.")] = 0,
    device: Annotated[str, typer.Option(help="Where to run it.")] = "cpu",
) -> None:
    """Hold a method against the contract; the exit code is 1 if it breaks a rule."""
    from inpaintx.testing import run_rules

    method = registry().method(name)
    broken = 0
    for result in run_rules(method, device=device, seed=seed):
        broken += result.error is not None
        say(f"{'BROKEN' if result.error else 'ok    '}  {result.rule}{': ' + result.error if result.error else ''}")
    say(f"method {name!r} " + (f"breaks {broken} rule{'s' * (broken > 1)}" if broken else "keeps the contract"))
    if broken:
        raise typer.Exit(1)


def new_plugin(
    name: Annotated[str, typer.Argument(help="Name of the method, like soft_fill.")],
    out: Annotated[Path | None, typer.Option("-o", "--out", help="Folder of the package; must not exist.")] = None,
    trained: Annotated[bool, typer.Option("--trained", help="A network with a trainer, not ten lines.")] = False,
) -> None:
    """Write the package of a plugin with one method that keeps the contract, to begin from."""
    from inpaintx.plugin.scaffold import new_plugin as job

    folder = job(name, out, trained=trained)
    say(f"wrote {folder}; next: pip install -e {folder} && inpaintx check {name}")


def _given(row: dict[str, Any]) -> str:
    """What a plugin gives, in words."""
    return "; ".join(f"{kind}: {', '.join(row[kind])}" for kind in GIVEN if row[kind])


def plugin_rows() -> list[dict[str, Any]]:
    """One row a plugin, in the order of loading."""
    return [vars(plugin) for plugin in registry().plugins]
