"""What the site needs beyond Sphinx's own extensions, in a few handlers."""

import builtins
import pkgutil
import re
from pathlib import Path
from typing import Any

from docutils import nodes
from pydantic import BaseModel
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

LINK = re.compile(r"\[([^\]]+)\]\(([^)#:\s]+)\)")


def folders_are_no_pages(app: Sphinx, docname: str, source: list[str]) -> None:
    """Keep only the words of a link to a folder: GitHub lists folders, the site has no page for them."""
    here = Path(app.env.doc2path(docname)).parent
    source[0] = LINK.sub(lambda link: link[1] if (here / link[2]).is_dir() else link[0], source[0])


def builtins_are_no_links(app: Sphinx, doctree: nodes.document) -> None:
    """Take the links from types such as ``bytes``: Sphinx would find an attribute of that name."""
    for node in list(doctree.findall(pending_xref)):
        if node.get("refdomain") == "py" and hasattr(builtins, node["reftarget"]):
            node.replace_self(node.children)


def names_as_in_python(app: Sphinx, env: BuildEnvironment, node: pending_xref, content: nodes.Element) -> Any:
    """Resolve ``:func:`inpaint```, as a module that imports the name may say it, where one object alone has it.

    What exists and is not in the reference stays without a link. The rest is a reference to nothing, a warning.
    """
    if node.get("refdomain") != "py":
        return None
    domain, target = env.domains.python_domain, node["reftarget"]
    found = {name for name, entry in domain.objects.items() if name.endswith(f".{target}") and not entry.aliased}
    if len(found) == 1:
        return domain.resolve_xref(env, node["refdoc"], app.builder, node["reftype"], found.pop(), node, content)
    inside = [".".join(filter(None, (node.get("py:module"), cls, target))) for cls in (None, node.get("py:class"))]
    return content if any(map(exists, (target, *inside))) else None


def exists(name: str) -> bool:
    """Whether the library has an object of this name."""
    if not name.startswith("inpaintx."):
        return False
    try:
        pkgutil.resolve_name(name)
    except (ImportError, AttributeError, ValueError):
        return False
    return True


WORDS: dict[str, list[str]] = {}


def keep_words(app: Sphinx, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Keep the words of a value from napoleon, which takes what stands before a colon for its type."""
    if what in ("attribute", "data", "property"):
        WORDS[name] = list(lines)


def restore_words(app: Sphinx, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Give them back."""
    if name in WORDS:
        lines[:] = WORDS.pop(name)


def options_of_a_model(app: Sphinx, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """List the fields of a pydantic model with the words that they have in the code."""
    if not (isinstance(obj, type) and issubclass(obj, BaseModel)):
        return
    own = [(key, field) for key, field in obj.model_fields.items() if field.description]
    for key, field in own:
        lines += ["", f".. attribute:: {key}", f"   :value: {field.default!r}", "", f"   {field.description}"]


def setup(app: Sphinx) -> dict[str, Any]:
    """Connect the handlers."""
    app.connect("source-read", folders_are_no_pages)
    app.connect("doctree-read", builtins_are_no_links)
    app.connect("missing-reference", names_as_in_python)
    app.connect("autodoc-process-docstring", keep_words, priority=400)  # napoleon's is 500
    app.connect("autodoc-process-docstring", restore_words, priority=600)
    app.connect("autodoc-process-docstring", options_of_a_model, priority=700)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
