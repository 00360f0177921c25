import importlib.metadata
import sys
import types

import pytest

import inpaintx
from inpaintx.errors import InpaintxError
from inpaintx.plugin.registry import Registry


class Gray(inpaintx.Method):
    name = "grey"
    paper = "none"

    def inpaint(self, net, image, mask, *, generator=None):
        return image * 0 + 0.5


@pytest.fixture
def plugin(monkeypatch):
    """Makes an importable module that is a plugin, and its entry point."""

    def make(name, **members):
        module = types.ModuleType(f"plugin_{name}")
        for key, value in members.items():
            setattr(module, key, value)
        monkeypatch.setitem(sys.modules, module.__name__, module)
        return importlib.metadata.EntryPoint(name, module.__name__, "inpaintx")

    return make


def registers(*methods):
    @inpaintx.hookimpl
    def inpaintx_register_methods(register):
        for method in methods:
            register(method)

    return {"inpaintx_register_methods": inpaintx_register_methods}


def test_a_plugin_brings_its_method(plugin):
    registry = Registry([plugin("one", **registers(Gray))])
    assert isinstance(registry.method("grey"), Gray)
    assert registry.plugins[0].methods == ["grey"]
    assert registry.plugins[0].error is None
    assert registry.plugin_of("grey").module == "plugin_one"


def test_the_other_hooks(plugin):
    @inpaintx.hookimpl
    def inpaintx_register_masks(register):
        register("spot", len)

    @inpaintx.hookimpl
    def inpaintx_register_metrics(register):
        register("worst", abs)

    hooks = {"inpaintx_register_masks": inpaintx_register_masks, "inpaintx_register_metrics": inpaintx_register_metrics}
    registry = Registry([plugin("one", **hooks)])
    assert registry.masks["spot"] is len
    assert {"center", "strokes", "discard"} < set(registry.masks)
    assert registry.metrics == {"worst": abs}


def test_a_plugin_that_fails_to_import_harms_no_other(plugin):
    missing = importlib.metadata.EntryPoint("broken", "no_such_module_here", "inpaintx")
    registry = Registry([missing, plugin("one", **registers(Gray))])
    assert "no_such_module_here" in {p.name: p for p in registry.plugins}["broken"].error
    assert list(registry.methods) == ["grey"]
    with pytest.raises(InpaintxError, match=r"unknown method 'x'.*failed to load: broken"):
        registry.method("x")


@pytest.mark.parametrize("error", [SystemExit(3), RuntimeError("bad luck")])
def test_a_hook_that_raises_is_recorded_and_gives_nothing(plugin, error):
    @inpaintx.hookimpl
    def inpaintx_register_methods(register):
        register(Gray)
        raise error

    registry = Registry([plugin("one", inpaintx_register_methods=inpaintx_register_methods)])
    assert type(error).__name__ in registry.plugins[0].error
    assert not registry.methods
    assert not registry.plugins[0].methods


def test_a_misspelt_hook_is_an_error(plugin):
    @inpaintx.hookimpl
    def inpaintx_register_metods(register):
        register(Gray)

    registry = Registry([plugin("one", inpaintx_register_metods=inpaintx_register_metods), plugin("two")])
    assert "no hook 'inpaintx_register_metods'; did you mean 'inpaintx_register_methods'" in registry.plugins[0].error
    assert registry.plugins[1].error is None


def test_a_forgotten_mark_is_an_error(plugin):
    def inpaintx_register_methods(register):
        register(Gray)

    registry = Registry([plugin("one", inpaintx_register_methods=inpaintx_register_methods)])
    assert "write @inpaintx.hookimpl above it" in registry.plugins[0].error


def test_where_a_plugin_raised_is_said(plugin):
    @inpaintx.hookimpl
    def inpaintx_register_methods(register):
        raise RuntimeError("bad luck")

    registry = Registry([plugin("one", inpaintx_register_methods=inpaintx_register_methods)])
    assert f"bad luck ({__file__}:" in registry.plugins[0].error


def test_a_duplicate_name_names_both(plugin):
    registry = Registry([plugin("a", **registers(Gray)), plugin("b", **registers(Gray))])
    assert registry.plugins[0].error is None
    assert "plugin_a" in registry.plugins[1].error
    assert "plugin_b" in registry.plugins[1].error
    assert registry.plugin_of("grey").name == "a"


def test_a_duplicate_entry_point_names_the_first(plugin):
    registry = Registry([plugin("a", **registers(Gray)), importlib.metadata.EntryPoint("a", "zzz", "inpaintx")])
    assert "plugin_a" in registry.plugins[1].error


@pytest.mark.parametrize(
    "thing",
    [
        Gray(),
        int,
        type("NoPaper", (Gray,), {"name": "x", "paper": None}),
        type("Idle", (inpaintx.Method,), {"name": "x", "paper": ""}),
    ],
)
def test_what_is_not_a_method_is_refused(plugin, thing):
    registry = Registry([plugin("one", **registers(thing))])
    assert registry.plugins[0].error.startswith("TypeError")


def test_load_plugins_narrows(plugin, monkeypatch):
    monkeypatch.setenv("INPAINTX_LOAD_PLUGINS", "two, three")
    registry = Registry([plugin("one", **registers(Gray)), plugin("two")])
    assert {p.name: bool(p.error) for p in registry.plugins} == {"two": False, "three": True}
    assert not registry.methods


def test_unknown_method_names_the_nearest():
    with pytest.raises(InpaintxError, match="unknown method 'tela'; did you mean 'telea'"):
        inpaintx.plugin.registry.registry().method("tela")
    with pytest.raises(InpaintxError, match=r"a weight file goes beside its method: weights='a\.safetensors'"):
        inpaintx.load("a.safetensors")
    assert "telea" in inpaintx.methods()
