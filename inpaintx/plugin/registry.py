"""Finding, loading and naming plugins, and what went wrong with which."""

import difflib
import importlib.metadata
import os
import re
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pluggy

from inpaintx.data.generators import GENERATORS
from inpaintx.errors import InpaintxError
from inpaintx.nn.options import METRICS
from inpaintx.plugin import hookspecs
from inpaintx.plugin.method import Method

__all__ = ["Plugin", "Registry", "mask_generators", "methods", "registry"]


@dataclass
class Plugin:
    """One entry point of the group ``inpaintx``: where it came from, what it gave, what went wrong.

    ``commands`` are known once the command line has started.
    """

    name: str
    module: str
    package: str
    version: str
    methods: list[str] = field(default_factory=list)
    masks: list[str] = field(default_factory=list)
    metrics: list[str] = field(default_factory=list)
    error: str | None = None
    commands: list[str] = field(default_factory=list)

    @property
    def words(self) -> str:
        """What errors call it."""
        return f"plugin {self.name!r} ({self.package} {self.version})"


class Registry:
    """All plugins of the environment, loaded once.

    A plugin that fails to import, misspells a hook or takes a name that is taken is recorded with its error and
    takes no part; the others are not disturbed.
    """

    def __init__(self, entry_points: "list[importlib.metadata.EntryPoint] | None" = None) -> None:
        self.plugins: list[Plugin] = []
        self.methods: dict[str, Method] = {}
        self.masks: dict[str, Callable[..., Any]] = {}
        self.metrics: dict[str, Callable[..., Any]] = {}
        self._owner: dict[tuple[str, str], Plugin] = {}
        own = Plugin("inpaintx", "inpaintx.data.generators", "inpaintx", "itself")
        for name, generator in GENERATORS.items():
            self._claim("mask", name, own)
            self.masks[name] = generator
        for name in METRICS:
            self._claim("metric", name, Plugin("inpaintx", "inpaintx.nn.metrics", "inpaintx", "itself"))
        self.manager = pluggy.PluginManager(hookspecs.GROUP)
        self.manager.add_hookspecs(hookspecs)
        if entry_points is None:
            entry_points = list(importlib.metadata.entry_points(group=hookspecs.GROUP))
        # the project's own plugins first, so that a third party's duplicate is the one that is refused
        entry_points.sort(key=lambda e: (not e.value.startswith("inpaintx_plugins."), e.name, e.value))
        for entry_point in self._narrow(entry_points):
            self._load(entry_point)

    def _narrow(self, entry_points: "list[importlib.metadata.EntryPoint]") -> "list[importlib.metadata.EntryPoint]":
        only = os.environ.get("INPAINTX_LOAD_PLUGINS")
        if only is None:
            return entry_points
        wanted = [name.strip() for name in only.split(",") if name.strip()]
        for name in sorted(set(wanted) - {e.name for e in entry_points}):
            error = "named by INPAINTX_LOAD_PLUGINS, but no installed package provides it"
            self.plugins.append(Plugin(name, "", "", "", error=error))
        return [e for e in entry_points if e.name in wanted]

    def _load(self, entry_point: "importlib.metadata.EntryPoint") -> None:
        dist = entry_point.dist
        plugin = Plugin(
            entry_point.name, entry_point.value, dist.name if dist else "unknown", dist.version if dist else "unknown"
        )
        twin = next((p for p in self.plugins if p.name == plugin.name), None)
        self.plugins.append(plugin)
        if twin:
            plugin.error = f"entry point {plugin.name!r} is taken by {twin.module} ({twin.package} {twin.version})"
            return
        try:
            module = entry_point.load()
            self.manager.register(module, name=entry_point.name)
            _check_hooks(module)
            self.manager.check_pending()
            self._collect(plugin, module)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # a plugin may fail in any way, SystemExit among them
            plugin.error = f"{type(error).__name__}: {error}{_where(error)}"
            plugin.methods, plugin.masks, plugin.metrics = [], [], []
            for kind, table in (("method", self.methods), ("mask", self.masks), ("metric", self.metrics)):
                for name in [n for (k, n), owner in self._owner.items() if k == kind and owner is plugin]:
                    del table[name], self._owner[kind, name]
            if self.manager.has_plugin(entry_point.name):
                self.manager.unregister(name=entry_point.name)

    def _collect(self, plugin: Plugin, module: object) -> None:
        def method(cls: type[Method]) -> None:
            if not (isinstance(cls, type) and issubclass(cls, Method)):
                raise TypeError(f"register() takes a subclass of inpaintx.Method, got {cls!r}")
            if cls.inpaint is Method.inpaint:
                raise TypeError(f"{cls.__qualname__} does not define inpaint()")
            for attribute in ("name", "paper"):
                if not isinstance(getattr(cls, attribute, None), str):
                    raise TypeError(f"{cls.__qualname__}.{attribute} must be a string")
            _check_name("method", cls.name)
            self._claim("method", cls.name, plugin)
            self.methods[cls.name] = cls()
            plugin.methods.append(cls.name)

        def mask(name: str, generator: Callable[..., Any]) -> None:
            _check_name("mask generator", name)
            self._claim("mask", name, plugin)
            self.masks[name] = generator
            plugin.masks.append(name)

        def metric(name: str, function: Callable[..., Any]) -> None:
            _check_name("metric", name)
            self._claim("metric", name, plugin)
            self.metrics[name] = function
            plugin.metrics.append(name)

        others = [p for p in self.manager.get_plugins() if p is not module]
        for hook, register in (("methods", method), ("masks", mask), ("metrics", metric)):
            self.manager.subset_hook_caller(f"inpaintx_register_{hook}", others)(register=register)

    def _claim(self, kind: str, name: str, plugin: Plugin) -> None:
        owner = self._owner.get((kind, name))
        if owner:
            raise ValueError(
                f"{kind} {name!r} is registered by both {owner.package} {owner.version} ({owner.module}) and "
                f"{plugin.package} {plugin.version} ({plugin.module})"
            )
        self._owner[kind, name] = plugin

    def plugin_of(self, name: str, kind: str = "method") -> Plugin:
        """The plugin that registered a method, a ``"mask"`` or a ``"metric"``."""
        return self._owner[kind, name]

    def method(self, name: str) -> Method:
        """Find a method by name.

        Raises
        ------
        InpaintxError
            No such method: names the nearest, and the plugins that failed to load.
        """
        if name in self.methods:
            return self.methods[name]
        near = difflib.get_close_matches(name, self.methods, n=3, cutoff=0.4)
        hint = f"did you mean {' or '.join(map(repr, near))}?" if near else f"there are: {', '.join(self.methods)}"
        failed = [p.name for p in self.plugins if p.error]
        if failed:
            hint += f" (plugins that failed to load: {', '.join(failed)}; see 'inpaintx plugins')"
        if name.endswith(".safetensors"):
            hint = f"a weight file goes beside its method: weights={name!r}, or --weights {name}"
        raise InpaintxError(f"unknown method {name!r}; {hint}")


def _check_name(kind: str, name: object) -> None:
    """Refuse names that could not be written in a command, a file's name or a table without harm."""
    if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", name):
        raise ValueError(f"{kind} {name!r:.80} is no name: take up to 64 of the letters a-z, digits, '_' and '-'")


def _check_hooks(module: object) -> None:
    """Catch the two slips that pluggy passes over or leaves unexplained: a misspelt hook, and a forgotten mark."""
    hooks = [name for name in vars(hookspecs) if name.startswith("inpaintx_")]
    for name in [n for n in vars(module) if n.startswith("inpaintx_")]:
        member = getattr(module, name)
        if not callable(member):
            continue
        if name not in hooks:
            near = difflib.get_close_matches(name, hooks, n=1, cutoff=0)[0]
            raise ValueError(f"there is no hook {name!r}; did you mean {near!r}? (hooks: {', '.join(hooks)})")
        if not hasattr(member, f"{hookspecs.GROUP}_impl"):
            raise ValueError(f"{name}() is not marked as a hook; write @inpaintx.hookimpl above it")


def _where(error: BaseException) -> str:
    """File and line of the plugin's code that raised."""
    frames = [f for f in traceback.extract_tb(error.__traceback__) if f.filename not in (__file__, hookspecs.__file__)]
    own = [f for f in frames if "importlib" not in f.filename and "pluggy" not in f.filename]
    return f" ({own[-1].filename}:{own[-1].lineno})" if own else ""


_registry: Registry | None = None


def registry() -> Registry:
    """The environment's plugins, loaded at the first call."""
    global _registry
    if _registry is None:
        _registry = Registry()
    return _registry


def mask_generators() -> Mapping[str, Callable[..., Any]]:
    """All generators of masks by name, those of plugins among them."""
    return registry().masks


def methods() -> list[str]:
    """Names of all methods that are registered, sorted."""
    return sorted(registry().methods)
