"""The build stamp: written beside the extension when it is built, read before the extension is loaded."""

import importlib.metadata
import json
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
REBUILD = "pip install --no-build-isolation --force-reinstall --no-deps inpaintx"
REBUILD_SOURCE = "in its source folder: pip install --no-build-isolation --force-reinstall --no-deps ."


def stamp() -> dict[str, Any]:
    """Read what the extension was built against.

    Raises
    ------
    ImportError
        The extension has not been built.
    """
    file = HERE / "_build_stamp.json"
    if not file.exists():
        raise ImportError(f"inpaintx's extension is not built ({file} is missing). Build it {REBUILD_SOURCE}")
    result: dict[str, Any] = json.loads(file.read_text())
    return result


def check_torch(built: str, running: str) -> None:
    """Refuse to load an extension beside another torch minor than it was built against.

    Raises
    ------
    ImportError
        The two differ; names both and the command that rebuilds.
    """
    if built.split("+")[0].split(".")[:2] != running.split("+")[0].split(".")[:2]:
        raise ImportError(
            f"this inpaintx was built against torch {built}, but torch {running} is running; the two do not share "
            f"an ABI. Build it again: {REBUILD} (or {REBUILD_SOURCE})"
        )


def build_info() -> dict[str, Any]:
    """What the extension was built from and for: torch, CUDA, compiler, commit, CPU features found at run time."""
    import torch  # noqa: F401 - the extension's libraries are loaded with it

    from inpaintx import _C

    return {**stamp(), **_C.build_info()}


def running_torch() -> str:
    """The version of the torch that is loaded, or would be: loading it takes a second, and its metadata do not."""
    loaded = sys.modules.get("torch")
    try:
        return str(loaded.__version__) if loaded else importlib.metadata.version("torch")
    except importlib.metadata.PackageNotFoundError:
        raise ImportError("inpaintx needs torch, and this environment has none: pip install torch") from None


check_torch(stamp()["torch"], running_torch())
