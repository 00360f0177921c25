"""``inpaintx methods``: which methods there are, and one of them in full."""

import inspect
import json
from typing import Annotated, Any, Literal, get_args, get_origin

import typer
from pydantic import BaseModel

from inpaintx.cli.console import AsJson, print_table, say, stdout_for_results
from inpaintx.errors import InpaintxError
from inpaintx.plugin.registry import registry
from inpaintx.plugin.weight_lookup import find

__all__ = ["describe", "method_rows", "methods"]


def methods(
    name: Annotated[str | None, typer.Argument(help="A method: show its options, presets, weights and ops.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show the methods, where each comes from, and which trained weights were found; or one method in full."""
    if name is not None:
        found = describe(name)
        if as_json:
            with stdout_for_results() as out:
                out.say(json.dumps(found, indent=2))
        else:
            _print_method(found)
        return
    if as_json:
        with stdout_for_results() as out:
            out.say(json.dumps(method_rows(), indent=2))
        return
    rows = method_rows()
    print_table(
        ["method", "plugin", "package", "trainable", "weights", "paper"],
        [
            [
                r["name"],
                r["plugin"],
                f"{r['package']} {r['version']}",
                "yes" if r["trainable"] else "no",
                _weights_words(r),
                r["paper"],
            ]
            for r in rows
        ],
    )


def method_rows() -> list[dict[str, Any]]:
    """One row a method, by name, with the weights that were found for each tag."""
    rows = []
    for name, method in sorted(registry().methods.items()):
        plugin = registry().plugin_of(name)
        found = {tag: find(method, tag) for tag in method.weights}
        rows.append(
            {
                "name": name,
                "plugin": plugin.name,
                "package": plugin.package,
                "version": plugin.version,
                "trained": method.requires_weights,
                "trainable": method.is_trainable(),
                "presets": sorted({"default", *method.presets}),
                "options": method.config().model_dump(mode="json"),
                "weights": {tag: None if path is None else str(path) for tag, path in found.items()},
                "paper": method.paper,
            }
        )
    return rows


def describe(name: str) -> dict[str, Any]:
    """One method in full, as plain values; its native ops are counted by running it on small pictures.

    Raises
    ------
    InpaintxError
        There is no such method.
    """
    from inpaintx.testing import PRESET, count_ops
    from inpaintx.training.config import TrainConfig

    method, plugin = registry().method(name), registry().plugin_of(name)
    try:
        ops: dict[str, Any] = count_ops(method)
    except InpaintxError as error:
        ops = {"error": str(error)}
    return {
        "name": name,
        "words": (inspect.getdoc(type(method)) or "").partition("\n")[0],
        "paper": method.paper,
        "plugin": plugin.words,
        "presets": sorted({"default", *method.presets}),
        "training_options_of_presets": method.training_options,
        "weights": {
            tag: {
                "file": entry.file,
                "found": find(method, tag) is not None,
                "preset": entry.preset,
                "license": entry.license,
                "trained_on": entry.trained_on,
            }
            for tag, entry in method.weights.items()
        },
        "options": _described(method.config()),
        "training_options": _described(TrainConfig()) if method.is_trainable() else {},
        "ops": ops,
        "ops_counted_with": PRESET if PRESET in method.presets else "default",
    }


def _described(config: BaseModel) -> dict[str, Any]:
    """Each option's type, default and description."""
    return {
        option: {
            "type": _type_words(field.annotation),
            "default": getattr(config, option),
            "description": field.description or "",
        }
        for option, field in type(config).model_fields.items()
    }


def _type_words(annotation: Any) -> str:
    """A type as a user writes its values: the choices of a literal, else its name."""
    if get_origin(annotation) is Literal:
        return " | ".join(map(str, get_args(annotation)))
    return annotation.__name__ if isinstance(annotation, type) else str(annotation).replace("typing.", "")


def _print_method(found: dict[str, Any]) -> None:
    say(f"{found['name']}: {found['words']}")
    say(f"paper: {found['paper']}")
    say(f"from: {found['plugin']}")
    say(f"presets: {', '.join(found['presets'])}")
    for preset, options in found["training_options_of_presets"].items():
        say(f"preset {preset} trains with: {', '.join(f'{key}={value}' for key, value in options.items())}")
    for tag, entry in found["weights"].items():
        where = "found" if entry["found"] else "not found"
        say(f"weights {tag}: {entry['file']} ({where}), preset {entry['preset']}; {entry['trained_on'] or 'no words'}")
    if not found["weights"]:
        say("weights: none")
    for part, calls in found["ops"].items():
        words = calls if part == "error" else ", ".join(f"{op} x{n}" for op, n in calls.items()) or "none"
        say(f"ops, {part} (preset {found['ops_counted_with']}): {words}")
    for options, head in (("options", "option"), ("training_options", "option of the training loop")):
        rows = [[name, o["type"], str(o["default"]), o["description"]] for name, o in found[options].items()]
        if rows:
            print_table([head, "type", "default", "description"], rows)


def _weights_words(row: dict[str, Any]) -> str:
    if not row["weights"]:
        return "none yet: random" if row["trained"] else "none needed"
    return ", ".join(f"{tag} ({'found' if path else 'not found'})" for tag, path in row["weights"].items())
