"""Optional dependencies: what a command needs beyond the core, and how it is got."""

import importlib.util

from inpaintx.errors import InpaintxError

__all__ = ["require"]


def require(extra: str, purpose: str, *modules: str) -> None:
    """Check that the modules of an extra can be imported, before any work begins.

    Raises
    ------
    InpaintxError
        One is missing; the message names the extra to install.
    """
    missing = [name for name in modules if importlib.util.find_spec(name) is None]
    if missing:
        raise InpaintxError(
            f"{purpose} needs {' and '.join(missing)}, which the core does without: pip install 'inpaintx[{extra}]'"
        )
