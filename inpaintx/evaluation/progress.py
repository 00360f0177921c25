"""A progress bar for terminals and notebooks."""

import importlib.util
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["Progress", "bar", "in_notebook"]

#: Is told what is done, how much there is, and in words what comes next.
Progress = Callable[[int, int, str], None]


def in_notebook() -> bool:
    """Whether this is Jupyter, where a progress bar is wanted without asking."""
    from rich.console import Console

    return Console().is_jupyter


@contextmanager
def bar(console: Any = None) -> Iterator[Progress]:
    """Show a bar while the block runs, if a person is looking; yields what moves it.

    Parameters
    ----------
    console
        A ``rich.console.Console``; None: rich's own, on stdout.
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = console or Console()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    widgets = console.is_jupyter and importlib.util.find_spec("ipywidgets")  # without them rich warns and draws no bar
    with Progress(*columns, console=console, disable=not (console.is_terminal or widgets)) as shown:
        task = shown.add_task("images and holes", total=None)
        yield lambda done, total, what: shown.update(task, completed=done, total=total, description=what)
