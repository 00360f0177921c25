"""``inpaintx doctor``: what people paste into a bug report."""

import importlib.metadata
import json
import os
import platform
import re
import sys
from typing import Annotated, Any

import typer

from inpaintx.cli.console import say, stdout_for_results
from inpaintx.cli.plugins import GIVEN
from inpaintx.errors import InpaintxError
from inpaintx.io.digest import sha256
from inpaintx.io.opencv import import_cv2
from inpaintx.plugin.registry import registry
from inpaintx.plugin.weight_lookup import find

__all__ = ["doctor", "examine"]

NOT_INSTALLED = "not installed"
FOR_DEVELOPERS = {"bench", "test", "dev", "docs"}
PACKAGES = (
    "torch",
    "numpy",
    "pluggy",
    "pydantic",
    "typer",
    "rich",
    "safetensors",
    "torchmetrics",
    "lightning-fabric",
    "tensorboard",
)


def doctor(as_json: Annotated[bool, typer.Option("--json", help="The same in JSON.")] = False) -> None:
    """Show versions, build, devices, threads, plugins and weights: paste it into a bug report."""
    if as_json:
        with stdout_for_results() as out:
            out.say(json.dumps(examine(), indent=2))
        return
    for section, content in examine().items():
        say(f"{section}:")
        rows = content.items() if isinstance(content, dict) else enumerate(content, 1)
        for key, value in rows:
            say(f"  {key}: {_words(value)}")
        if not content:
            say("  none")


def examine() -> dict[str, Any]:
    """Gather the findings, as plain values."""
    import torch

    import inpaintx

    try:
        cv2 = import_cv2().__version__
    except InpaintxError as error:
        cv2 = str(error)
    try:
        build = inpaintx.build_info()
    except Exception as error:  # doctor is what one runs when things are broken
        build = {"error": f"{type(error).__name__}: {error}"}
    devices = {"cpu": platform.processor() or platform.machine()}
    for i in range(torch.cuda.device_count() if torch.cuda.is_available() else 0):
        seen = torch.cuda.get_device_properties(i)
        devices[f"cuda:{i}"] = (
            f"{seen.name}, {seen.total_memory / 2**30:.1f} GiB, compute capability {seen.major}.{seen.minor}"
        )
    if not torch.cuda.is_available():
        devices["cuda"] = "none" if torch.version.cuda else "none (torch was built without CUDA)"
    return {
        "versions": {
            "inpaintx": inpaintx.__version__,
            "python": platform.python_version(),
            "platform": platform.platform(),
            **{name: _version(name) for name in PACKAGES},
            "cv2": cv2,
        },
        "extras": _extras(),
        "build": build,
        "devices": devices,
        "threads": {
            "cores": os.cpu_count(),
            "usable cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
            "torch": torch.get_num_threads(),
            "torch between ops": torch.get_num_interop_threads(),
            "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "not set"),
        },
        "memory": {name: os.environ.get(name, "not set") for name in ("GLIBC_TUNABLES", "INPAINTX_CACHE_MB")},
        "plugins": {plugin.name: _plugin(plugin) for plugin in registry().plugins},
        "weights": _weights(),
        "folders": {
            "inpaintx": str(os.path.dirname(inpaintx.__file__)),
            "python": sys.executable,
            "INPAINTX_WEIGHTS": os.environ.get("INPAINTX_WEIGHTS", "not set"),
            "INPAINTX_LOAD_PLUGINS": os.environ.get("INPAINTX_LOAD_PLUGINS", "not set"),
        },
    }


def _extras() -> dict[str, str]:
    """What each extra lacks, and the command that brings it."""
    lacking: dict[str, list[str]] = {}
    for line in importlib.metadata.requires("inpaintx") or ():
        found = re.match(r"""([\w.-]+)(?:\[[^\]]*\])?[^;]*;\s*extra\s*==\s*["'](\w+)["']""", line)
        if found and found[1] != "inpaintx" and found[2] not in FOR_DEVELOPERS:
            lacking.setdefault(found[2], []).extend([found[1]] * (_version(found[1]) == NOT_INSTALLED))
    return {
        extra: f"{', '.join(missing)} missing: pip install 'inpaintx[{extra}]'" if missing else "installed"
        for extra, missing in lacking.items()
    }


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return NOT_INSTALLED


def _plugin(plugin: Any) -> dict[str, Any]:
    return {
        "package": plugin.package,
        "version": plugin.version,
        **{kind: getattr(plugin, kind) for kind in GIVEN if getattr(plugin, kind)},
        "error": plugin.error,
    }


def _weights() -> dict[str, Any]:
    """Every tag of every method: the file, and whether it is the one that was published."""
    found: dict[str, Any] = {}
    for name, method in sorted(registry().methods.items()):
        for tag, entry in method.weights.items():
            path = find(method, tag)
            state = "not found"
            if path is not None:
                state = "SHA-256 not published" if not entry.sha256 else "SHA-256 differs: damaged or another version"
                if entry.sha256 and sha256(path) == entry.sha256:
                    state = "SHA-256 matches"
            found[f"{name}/{tag}"] = {"file": str(path or entry.file), "state": state}
    return found


def _words(value: Any) -> str:
    if isinstance(value, dict):
        return "; ".join(f"{key} {_words(v)}" for key, v in value.items() if v is not None)
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    return str(value)
