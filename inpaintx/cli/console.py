"""What the command line says, and who may write to its standard output."""

import ctypes
import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout, suppress
from typing import Annotated, Any

import typer

from inpaintx.errors import InpaintxError
from inpaintx.io.names import printable

__all__ = [
    "AsJson",
    "Results",
    "any_text",
    "chatter_to_stderr",
    "close_stdout",
    "print_table",
    "say",
    "stdout_for_results",
]

AsJson = Annotated[bool, typer.Option("--json", help="The same in JSON.")]

_carried = False  # whether standard output has carried a result


def say(words: str, stream: str = "stdout") -> None:
    """Print words to ``sys.stdout`` or ``sys.stderr`` as they are now, printable whatever names it holds.

    A progress bar takes the streams' place while it is shown, so they are looked up at every call.
    """
    print(printable(words, keep="\n"), file=getattr(sys, stream), flush=True)


def any_text() -> None:
    """Let the standard streams take every letter: what their encoding lacks is spelt with a backslash."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


class Results:
    """The standard output that a command's result goes to: a picture's bytes or a report's text.

    Unbuffered, so that an error of the pipe or the disk comes while it can still be said in words.
    """

    def __init__(self, handle: int | None, stream: Any) -> None:
        self._handle, self._stream = handle, stream

    def write(self, data: bytes, /) -> int:
        """Write bytes."""
        if self._handle is None:
            getattr(self._stream, "buffer", self._stream).write(data)
            return len(data)
        view = memoryview(data)
        while view:
            view = view[os.write(self._handle, view) :]
        return len(data)

    def flush(self) -> None:
        """Pass on what a stream holds back."""
        if self._handle is None:
            self._stream.flush()

    def say(self, text: str) -> None:
        """Write a line of ASCII text."""
        if self._handle is None:
            print(text, file=self._stream, flush=True)
        else:
            self.write(text.encode() + b"\n")


@contextmanager
def stdout_for_results() -> Iterator[Results]:
    """Keep standard output for a result: whatever else writes there meanwhile goes to standard error.

    That holds for ``print()`` in a plugin as for a C library or a child process that writes to descriptor 1.

    Raises
    ------
    InpaintxError
        Standard output is closed.
    """
    global _carried
    _carried, stream = True, sys.stdout
    if stream is None:
        raise InpaintxError("standard output is closed; the result cannot go there")
    stream.flush()
    try:
        handle = os.dup(stream.fileno())
    except (OSError, io.UnsupportedOperation):  # replaced by a stream in memory
        handle = None
    try:
        with chatter_to_stderr():
            yield Results(handle, stream)
    finally:
        if handle is not None:
            os.close(handle)


@contextmanager
def chatter_to_stderr() -> Iterator[None]:
    """Send to standard error what is meant for standard output, by whatever way."""
    _flush()
    try:
        kept = os.dup(1)
    except OSError:  # closed
        kept = None
    if kept is not None:
        try:
            os.dup2(2, 1)
        except OSError:  # standard error is closed: nobody listens
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, 1)
            os.close(nowhere)
    try:
        with redirect_stdout(sys.stderr):
            yield
    finally:
        _flush()
        if kept is not None:
            os.dup2(kept, 1)
            os.close(kept)


def close_stdout() -> None:
    """At the end of the process: where standard output carried a result, nothing that is still said is added to it."""
    if _carried and sys.stdout is not None:
        with suppress(OSError):
            sys.stdout.flush()
            os.dup2(2, 1)


def _flush() -> None:
    """Write out what Python and the C library hold back for standard output."""
    if sys.stdout is not None:
        sys.stdout.flush()
    with suppress(OSError, AttributeError, TypeError):  # TypeError: Windows gives no handle of the whole process
        ctypes.CDLL(None).fflush(None)


def print_table(head: list[str], rows: list[list[str]]) -> None:
    """Print a table of plain words."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(*head)
    for row in rows:
        table.add_row(*(Text(printable(cell, keep="\n")) for cell in row))  # Text: a plugin's words are not markup
    # in a pipe nothing is cut off; on a terminal its width counts
    Console(width=None if sys.stdout.isatty() else 240).print(table)
