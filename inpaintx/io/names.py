"""One printable form of a name: of files, plugins, methods, and of whatever else a stranger may have chosen."""

import os
import unicodedata
from typing import Any

__all__ = ["is_unicode", "printable", "split_suffix"]

# what turns the direction of the text that follows: a name could pass for another one
_TURNS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def split_suffix(path: str) -> tuple[str, str]:
    """Part a path and its suffix as :mod:`pathlib` does, without making a path, which costs far more.

    Examples
    --------
    >>> split_suffix("a/b.c.png"), split_suffix("a/b."), split_suffix(".b")
    (('a/b.c', '.png'), ('a/b.', ''), ('.b', ''))
    """
    root, suffix = os.path.splitext(path)
    return (path, "") if suffix == "." else (root, suffix)


def printable(name: Any, *, keep: str = "") -> str:
    r"""Spell a name so that a terminal shows it and any file takes it.

    Parameters
    ----------
    name
        Text or a path; anything else by its ``str()``.
    keep
        Characters that stay as they are: ``"\n"`` for a text of several lines.

    Returns
    -------
    str
        The name with control characters (escape sequences, line breaks), marks that turn the direction of text, and
        bytes that are not UTF-8 as ``\x1b``, ``\u202e`` and ``\xff``. All other names are as they were, and the
        result is valid Unicode. A second call changes nothing.

    Examples
    --------
    >>> printable("caf\udce9.png")
    'caf\\xe9.png'
    """
    text = os.fsdecode(name) if isinstance(name, (bytes, os.PathLike)) else str(name)
    if text.isprintable():
        return text
    return "".join(c if c in keep else _spelt(c) for c in text)


def is_unicode(path: os.PathLike[str]) -> bool:
    """Whether a path is valid Unicode, as Linux does not ask of it and some libraries do."""
    try:
        os.fspath(path).encode()
    except UnicodeEncodeError:
        return False
    return True


def _spelt(c: str) -> str:
    code = ord(c)
    if 0xDC80 <= code <= 0xDCFF:  # Python's stand-in for a byte that is not UTF-8
        return f"\\x{code - 0xDC00:02x}"
    if c in _TURNS or unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp"):
        return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
    return c
