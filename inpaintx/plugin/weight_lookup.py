"""Where weight files lie: beside the plugin, in packages of weights, in folders of the user's."""

import importlib.metadata
import importlib.resources
import os
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from inpaintx.plugin.method import Method

__all__ = ["GROUP", "HOW_TO_GET", "download_folder", "find", "find_file"]

#: Group of entry points of packages that bring weights.
GROUP = "inpaintx.weights"
#: What errors say of weights that were not found.
HOW_TO_GET = "install the package inpaintx-weights (in a checkout: pip install ./weights), or see 'inpaintx weights -h'"


def find(method: Method, tag: str) -> Path | None:
    """Look for a tag's file.

    It is looked for beside the plugin, in the packages of the entry points ``inpaintx.weights``, in
    ``$INPAINTX_WEIGHTS`` and in torch's hub cache: in the folder itself, or in a folder in it.
    """
    module = getattr(sys.modules[type(method).__module__], "__file__", None)
    return find_file(method.weights[tag].file, *([Path(module).parent] if module else []))


def find_file(file: str, *first: Path) -> Path | None:
    """Look for a file of that name in some folders, and then where :func:`find` looks."""
    return next((path for folder in (*first, *_folders()) for path in _in(folder, file)), None)


def download_folder() -> Path:
    """Where fetched weights go: ``$INPAINTX_WEIGHTS``, else torch's hub cache."""
    return Path(os.environ["INPAINTX_WEIGHTS"]) if os.environ.get("INPAINTX_WEIGHTS") else _hub()


def _hub() -> Path:
    """Torch's hub cache."""
    if "torch" in sys.modules:
        return Path(sys.modules["torch"].hub.get_dir()) / "checkpoints"
    # as torch.hub.get_dir() has it, which would load all of torch
    home = os.environ.get("TORCH_HOME") or Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache", "torch")
    return Path(home).expanduser() / "hub" / "checkpoints"


def _in(folder: Path, file: str) -> Iterator[Path]:
    if (folder / file).is_file():
        yield folder / file
    else:
        yield from sorted(folder.glob(f"*/{file}"))


def _folders() -> Iterator[Path]:
    yield from _packages()
    if os.environ.get("INPAINTX_WEIGHTS"):
        yield Path(os.environ["INPAINTX_WEIGHTS"])
    yield _hub()


@cache
def _packages() -> list[Path]:
    """Folders of the packages of weights that are installed; one that cannot be found is passed over."""
    folders = []
    for entry in importlib.metadata.entry_points(group=GROUP):
        try:
            folders.append(Path(str(importlib.resources.files(entry.module))))
        except Exception:  # somebody's package that is broken must not take the library down
            continue
    return folders
