"""Plugins that fail, leave, take what is not theirs or have odd names: each is named, none harms the rest."""

import sys

import numpy as np
import pytest
import torch
import typer
from toy_methods import FakeEntryPoint, Mean, folder, listing  # noqa: F401

import inpaintx
import inpaintx.plugin.registry
from inpaintx.cli import run
from inpaintx.data.sampler import parse_mask_spec
from inpaintx.errors import InpaintxError
from inpaintx.plugin.registry import Registry, mask_generators


class Plugin:
    """A module with the hooks that it is given."""

    def __init__(self, *, methods=(), masks=None, metrics=None, commands=None):
        def hook(name, call):
            call.__name__ = name
            setattr(self, name, inpaintx.hookimpl(call))

        hook("inpaintx_register_methods", lambda register: [register(m) for m in methods])
        hook("inpaintx_register_masks", lambda register: [register(*item) for item in (masks or {}).items()])
        hook("inpaintx_register_metrics", lambda register: [register(*item) for item in (metrics or {}).items()])
        hook("inpaintx_register_commands", commands or (lambda app: None))


@pytest.fixture
def registered(monkeypatch):
    def put(**plugins):
        registry = Registry([FakeEntryPoint(name, plugin) for name, plugin in plugins.items()])
        monkeypatch.setattr(inpaintx.plugin.registry, "_registry", registry)
        return {plugin.name: plugin for plugin in registry.plugins}

    return put


def raises(self, *args, **kwargs):
    raise KeyError("no such key")


def leaves(self, *args, **kwargs):
    sys.exit(0)


@pytest.mark.parametrize(
    ("member", "behavior", "words"),
    [
        ("inpaint", raises, "failed in inpaint(): KeyError: 'no such key'"),
        ("inpaint", leaves, "failed in inpaint(): SystemExit: 0"),
        ("inpaint", lambda *args, **kwargs: None, "returned NoneType from inpaint(), not a tensor"),
        ("inpaint", lambda *args, **kwargs: np.zeros((1, 3, 60, 80)), "returned ndarray from inpaint()"),
        ("inpaint", lambda self, net, image, mask, **kwargs: image[:, :1], "returned [1, 1, 60, 80] for an image of"),
        ("build", raises, "failed in build(): KeyError"),
        ("build", leaves, "failed in build(): SystemExit"),
    ],
)
def test_a_method_that_fails_is_named_with_its_plugin(member, behavior, words, registered, folder, capfd):  # noqa: F811
    registered(mine=Plugin(methods=[type("Bad", (Mean,), {"name": "bad", member: behavior})]))
    assert run(["inpaint", "p.png", "m.png", "-o", "out.png", "-m", "bad"]) == 2
    (line,) = capfd.readouterr().err.splitlines()
    assert line.startswith("inpaintx: method 'bad' of plugin 'mine' ")
    assert words in line
    assert listing(folder) == ["m.png", "p.png"]
    with pytest.raises(InpaintxError, match="method 'bad' of plugin 'mine'"):
        inpaintx.inpaint("p.png", "m.png", "bad")


def test_want_of_memory_is_not_the_plugins_fault(registered):
    def hungry(self, net, image, mask, *, generator=None):
        raise torch.OutOfMemoryError("CUDA out of memory")

    method = type("Hungry", (Mean,), {"name": "hungry", "inpaint": hungry})()
    image, mask = torch.zeros(1, 3, 8, 8), torch.ones(1, 1, 8, 8)
    with pytest.raises(torch.OutOfMemoryError):
        inpaintx.inference.run.run_method(method, method.network(method.config()), image, mask)


@pytest.mark.parametrize(
    "name", ["../up", "a/b", "a\\b", "\x1b[31mred", "a b", "", ".", "-x", "a\nb", "x" * 65, 7, None]
)
def test_names_that_are_none_are_refused(name, registered, capfd):
    plugins = registered(
        bad=Plugin(methods=[type("Bad", (Mean,), {"name": name})]),
        masks=Plugin(masks={name: lambda rng, height, width: np.ones((height, width), bool)}),
        metrics=Plugin(metrics={name: lambda result, truth, mask: result.mean((1, 2, 3))}),
        good=Plugin(methods=[Mean]),
    )
    for plugin, words in (("masks", "mask generator"), ("metrics", "metric")):
        assert words in plugins[plugin].error
        assert "is no name" in plugins[plugin].error
    assert plugins["bad"].error
    assert inpaintx.methods() == ["telea"]
    assert run(["plugins"]) == 0
    assert run(["methods"]) == 0
    assert "\x1b[31m" not in capfd.readouterr().out


def group(app, name):
    own = typer.Typer()
    own.command("sub")(lambda: print("stolen"))
    own.command("other")(lambda: print("stolen"))
    app.add_typer(own, name=name)


def named_inside(app):
    own = typer.Typer(name="inpaint")
    own.command("sub")(lambda: print("stolen"))
    own.command("other")(lambda: None)
    app.add_typer(own)


def flattened(app):
    own = typer.Typer()
    own.command("check")(lambda: print("stolen"))
    own.command("mine")(lambda: None)
    app.add_typer(own)


def by_function(app):
    @app.command()
    def inpaint():
        print("stolen")


def removes(app):
    app.registered_commands.clear()


def replaces_the_root(app):
    app.callback()(lambda: print("stolen"))


@pytest.mark.parametrize(
    "commands",
    [
        lambda app: group(app, "inpaint"),
        lambda app: group(app, "check"),
        lambda app: group(app, "telea-tools"),
        named_inside,
        flattened,
        by_function,
        removes,
        replaces_the_root,
    ],
)
def test_commands_that_are_taken_stay_whose_they_are(commands, registered, capfd):
    plugins = registered(good=Plugin(commands=lambda app: group(app, "telea-tools")), thief=Plugin(commands=commands))
    for command in (["inpaint"], ["check"], ["--version"], ["check", "sub"]):
        run(command)
    assert "stolen" not in capfd.readouterr().out
    assert plugins["thief"].error.startswith("its commands: ValueError: ")
    assert plugins["good"].error is None
    assert run(["telea-tools", "sub"]) == 0
    assert "stolen" in capfd.readouterr().out


def test_a_mask_generator_that_fails_is_named(registered):
    registered(mine=Plugin(masks={"odd": lambda rng, height, width: 1 // 0}))
    with pytest.raises(InpaintxError, match="mask generator 'odd' failed: ZeroDivisionError"):
        parse_mask_spec("odd", size=8, generators=mask_generators)
