"""The recipes of trained weights: each command's options exist and fit, and a recipe goes on where it was stopped."""

import os
import subprocess
from pathlib import Path

import pytest
from face_sets import CHECKOUT

from inpaintx.cli.inpaint import option
from inpaintx.plugin.registry import registry
from inpaintx.training.config import resolve_settings

RECIPES = sorted((CHECKOUT / "plugins").glob("*/recipes/*.sh"))
ARGUMENTS = {  # beyond FACES and RUN
    "pconv_prior/flagship128": ["more", "vgg.safetensors"],
    "pconv_prior/flagship256": ["flagship128.safetensors", "more", "vgg.safetensors"],
    "pdgan/settle128": ["full.safetensors", "prior.safetensors", "vgg.safetensors", "fan.safetensors"],
    "pdgan/table": ["prior.safetensors", "vgg.safetensors", "fan.safetensors", "64"],
    **{
        f"{plugin}/{name}": ["more", "vgg.safetensors"]
        for plugin, name in (
            ("hog_guided", "features128"),
            ("foreground", "features128"),
            ("pix2pix_attention", "longer128"),
            ("deepfill", "longer128"),
            ("context_encoder", "longer128"),
        )
    },
}
# writes its arguments to a file, one a line and an empty one behind them, and makes what the command would make
STUB = """#!/bin/sh
printf '%s\\n' "$@" "" >> "$CALLS"
command=$1
while [ $# -gt 0 ]; do
  case $1 in -o | --out) out=$2 ;; esac
  shift
done
if [ "$command" = train ]; then mkdir -p "$out"; else touch "$out"; fi
"""


def calls(recipe, run, folder):
    """The commands of a recipe, as lists of arguments."""
    name = f"{recipe.parents[1].name}/{recipe.stem}"
    stub, log = folder / "bin" / "inpaintx", folder / "calls"
    stub.parent.mkdir(exist_ok=True)
    stub.write_text(STUB)
    stub.chmod(0o755)
    log.write_text("")
    environment = {**os.environ, "PATH": f"{stub.parent}:{os.environ['PATH']}", "CALLS": str(log)}
    subprocess.run([recipe, "faces", run, *ARGUMENTS.get(name, [])], env=environment, check=True, timeout=60)
    return [call.split("\n") for call in log.read_text().strip().split("\n\n") if call]


def settled(call):
    """The settings of a training's command; what it begins from is a file that is not there."""
    given = {"preset": None, "steps": None, "seed": None}
    options = {}
    words = iter(call[3:])
    for word in words:
        if word == "--set":
            key, value = option(next(words))
            options[key] = value
        elif word.removeprefix("--") in given:
            given[word.removeprefix("--")] = next(words)
        elif word == "-o":
            next(words)
        else:
            assert word == "--resume"
    preset = given.pop("preset")
    options |= {key: int(value) for key, value in given.items() if value is not None}
    if str(options.get("init", "")).endswith(".safetensors"):
        options.pop("init")
    return resolve_settings(registry().method(call[1]), preset, options)


def test_all_are_there():
    assert set(ARGUMENTS) <= {f"{recipe.parents[1].name}/{recipe.stem}" for recipe in RECIPES}


@pytest.mark.skipif(os.name != "posix", reason="shell scripts")
@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: f"{recipe.parents[1].name}-{recipe.stem}")
def test_options_fit_and_a_stopped_recipe_goes_on(recipe, tmp_path):
    assert os.access(recipe, os.X_OK)
    first = calls(recipe, str(tmp_path / "run"), tmp_path)
    trainings = [call for call in first if call[0] == "train"]
    assert trainings or recipe.stem == "fan128"
    for call in trainings:
        assert "--resume" not in call
        settled(call)
    again = [call for call in calls(recipe, str(tmp_path / "run"), tmp_path) if call[0] == "train"]
    assert [call[:3] for call in again if "--resume" not in call] == []
    assert all(Path(call[call.index("-o") + 1]).is_dir() for call in again)
