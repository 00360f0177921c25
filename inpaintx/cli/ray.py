"""``--ray``: a command's work in a pool of Ray's actors."""

import json
import re
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from inpaintx.cli.console import say, stdout_for_results
from inpaintx.errors import InpaintxError

if TYPE_CHECKING:
    from inpaintx.cluster.fill import Filling
    from inpaintx.cluster.pool import Cluster

__all__ = ["Actors", "Address", "Gpus", "cluster_of", "inpaint_on", "spell_address", "told"]

ADDRESS = re.compile(r"auto|local|\S+:\d+")
EVERY = 10.0  # seconds between two lines of progress in a log
LEAST = 1.0  # seconds after which a rate is one
NAMED = 10  # failures that are named; the report has all

Address = Annotated[
    str | None,
    typer.Option(
        "--ray",
        metavar="[ADDRESS]",
        help="Share the work among Ray's actors: of this machine, or of a cluster: HOST:PORT, or auto.",
    ),
]
Actors = Annotated[int | None, typer.Option(metavar="N", min=1, help="With --ray: actors, each with its own model.")]
Gpus = Annotated[float, typer.Option("--gpus-per-actor", metavar="F", min=0, help="With --ray: share of a GPU each.")]


def spell_address(arguments: list[str]) -> list[str]:
    """Give ``--ray`` its value where none follows: an option with an optional value; typer has none."""
    following = [*arguments, ""][1:]
    return [
        f"{word}=local" if word == "--ray" and not ADDRESS.fullmatch(after) else word
        for word, after in zip(arguments, following, strict=True)
    ]


def cluster_of(
    address: str | None, actors: int | None, gpus_per_actor: float, device: str = "auto"
) -> "Cluster | None":
    """Read the options; None without ``--ray``."""
    if address is None:
        if actors is not None or gpus_per_actor:
            raise InpaintxError("--actors and --gpus-per-actor are of --ray: add it")
        return None
    if device not in ("auto", "cpu"):
        raise InpaintxError(f"--device {device} is of one process; actors of --ray take --gpus-per-actor, or the CPU")
    if not ADDRESS.fullmatch(address):
        raise InpaintxError(f"--ray takes HOST:PORT or auto, or nothing for this machine; got {address!r}")
    from inpaintx.cluster.pool import Cluster

    return Cluster(None if address == "local" else address, actors, gpus_per_actor)


class Told:
    """Says how far a long work is: in a bar where a person is looking, else in a line every ten seconds."""

    def __init__(self, what: str, bar: Any = None) -> None:
        self.what, self.bar = what, bar
        self.task = bar.add_task(what, total=None) if bar else None
        self.first: int | None = None  # what was done when the clock started: with the first row, after Ray's start
        self.begun = self.last = 0.0
        self.rate = 0.0  # a second, or not known

    def at(self, done: int, total: int, failed: int = 0) -> None:
        """Say that ``done`` of ``total`` are done, ``failed`` among them."""
        now = time.monotonic()
        if self.first is None:
            self.first, self.begun, self.last = done, now, now
        took = now - self.begun
        self.rate = (done - self.first) / took if took >= LEAST else 0.0
        words = ", ".join([f"{self.rate:.3g} a second"] * bool(self.rate) + [f"{failed} failed"] * bool(failed))
        if self.bar:
            self.bar.update(
                self.task, completed=done, total=total, description=": ".join(filter(None, [self.what, words]))
            )
        elif now >= self.last + EVERY or done == total:
            left = (total - done) / self.rate if self.rate else 0.0
            ends = f"{left / 60:.0f} min left" if left >= 90 else f"{left:.0f} s left"
            parts = [f"{done} of {total} {self.what}", words, ends if self.rate or done == total else ""]
            say(", ".join(filter(None, parts)), "stderr")
            self.last = now


@contextmanager
def told(what: str) -> Iterator[Told]:
    """Make a :class:`Told`."""
    if not (sys.stderr and sys.stderr.isatty()):
        yield Told(what)
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        yield Told(what, bar)


def inpaint_on(
    cluster: "Cluster",
    filling: "Filling",
    photos: str,
    mask: str | None,
    out: str,
    *,
    beside: bool,
    recursive: bool,
    overwrite: bool,
    as_json: bool,
) -> None:
    """Fill the photos that a user names, with their masks, into a folder: on a cluster, with a report of a row each.

    Raises
    ------
    InpaintxError
        As :func:`inpaintx.cluster.fill.fill_photos`.
    typer.Exit
        With code 1: some were not done.
    """
    from inpaintx.cluster.fill import REPORT, fill_photos, find, report

    work = find(photos, mask, out, filling, beside=beside, recursive=recursive, overwrite=overwrite)
    for note in work.notes:
        say(note, "stderr")
    done, failed = 0, 0
    named: list[dict[str, Any]] = []
    with ExitStack() as stack:
        results = stack.enter_context(stdout_for_results())  # Ray itself writes to standard output
        lines = stack.enter_context(report(out, work))
        progress = stack.enter_context(told("photos"))
        for row in fill_photos(work, cluster, lambda words: say(words, "stderr")):
            done, failed = done + (not row["error"]), failed + bool(row["error"])
            progress.at(done + failed, work.count, failed)
            lines.write(json.dumps(row) + "\n")
            lines.flush()
            if row["error"] and failed <= NAMED:
                named.append(row)
        if as_json:
            counts = {"done": done, "failed": failed, "skipped": len(work.skipped)}
            results.say(
                json.dumps({**counts, "report": REPORT, "photos_per_second": round(progress.rate, 3)}, indent=2)
            )
        else:
            results.say(f"{done} done, {failed} failed; results, and {REPORT} with a row for each photo, are in {out}")
    for row in named:
        say(f"failed: {row['photo']}: {row['error']}", "stderr")
    if failed > NAMED:
        say(f"failed: {failed - NAMED} more, which {REPORT} names", "stderr")
    if failed:
        raise typer.Exit(1)
