"""``inpaintx new-plugin``: a package with one method that keeps the contract, to begin from."""

import keyword
import re
from pathlib import Path
from string import Template

from inpaintx.errors import InpaintxError
from inpaintx.io.atomic import atomic_folder
from inpaintx.plugin.registry import registry

__all__ = ["new_plugin"]

TEMPLATES = Path(__file__).parent / "template"
FURTHER = """
    inpaintx train $name faces/ -o run --preset tiny
    inpaintx export run -o weights.safetensors
    inpaintx evaluate faces/ -m telea,$name --weights $name=weights.safetensors -o result
"""


def new_plugin(name: str, folder: Path | None = None, *, trained: bool = False) -> Path:
    """Write the package of a plugin with one method.

    Parameters
    ----------
    name
        The method's name: lower case letters, digits and ``_``.
    folder
        Where the package goes; it must not exist. Default: ``inpaintx-NAME`` in the working directory.
    trained
        Whether the method is a network with a trainer, or ten lines without one.

    Returns
    -------
    Path
        The package's folder.

    Raises
    ------
    InpaintxError
        Not a name, one that is taken, or a folder that exists.
    """
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,62}", name) or keyword.iskeyword(name):
        raise InpaintxError(f"a method's name is of the letters a-z, digits and '_', like soft_fill; got {name!r}")
    if name in registry().methods:
        owner = registry().plugin_of(name)
        raise InpaintxError(f"method {name!r} exists already (of {owner.package}); take another name")
    dashed = name.replace("_", "-")
    folder = folder or Path(f"inpaintx-{dashed}")
    if folder.exists():
        raise InpaintxError(f"{folder} exists; give another folder with -o")
    words = {"name": name, "dashed": dashed, "cls": "".join(part.capitalize() for part in name.split("_"))}
    words["further"] = Template(FURTHER).substitute(words) if trained else ""
    files = {
        "pyproject.toml": "pyproject.toml.txt",
        "README.md": "README.md.txt",
        f"inpaintx_{name}.py": "trained.py.txt" if trained else "plain.py.txt",
        f"test_{name}.py": "test_plugin.py.txt",
    }
    with atomic_folder(folder) as part:
        for file, template in files.items():
            text = Template((TEMPLATES / template).read_text(encoding="utf-8")).substitute(words)
            (part / file).write_text(text, encoding="utf-8")
    return folder
