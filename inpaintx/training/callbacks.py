"""What is seen of a run while it goes: a bar or plain lines, pictures in a notebook, TensorBoard and PNG files."""

import importlib.util
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy.typing as npt
from torch import Tensor
from typing_extensions import Self

from inpaintx.io.atomic import atomic_write, make_folder
from inpaintx.io.names import printable
from inpaintx.io.photo import encode

__all__ = ["Bar", "Callback", "Callbacks", "Meter", "TensorBoardLogger"]

Pixels = npt.NDArray[Any]


class Callback:
    """Is told what happens in a run; this one does nothing. A subclass overrides what it wants to know.

    It is a context: entered before anything is told, left when the run ends, in whatever way.
    """

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        return None

    def note(self, words: str) -> None:
        """Something worth saying once."""

    def begin(self, step: int, steps: int) -> None:
        """Training begins after ``step`` of ``steps`` steps."""

    def step(self, step: int) -> None:
        """A step is done."""

    def log(self, step: int, losses: Mapping[str, float], speed: Mapping[str, float]) -> None:
        """Means since the last time: the loss terms; ``images_per_second``; ``waiting``, the share of time for data."""

    def rates(self, step: int, rates: Mapping[str, float]) -> None:
        """Learning rate of each optimiser in this step (of its first group of parameters), as often as :meth:`log`."""

    def validated(self, step: int, metrics: Mapping[str, float], best: bool) -> None:
        """Metrics on the validation images, and whether they are the best so far."""

    def picture(self, step: int, pixels: Pixels) -> None:
        """``[H,W,3]`` uint8: hole, fill, composite and truth of a few validation images."""


class Callbacks(Callback):
    """Several callbacks as one; each is told in turn."""

    def __init__(self, callbacks: Sequence[Callback] = ()) -> None:
        self.callbacks = callbacks

    def note(self, words: str) -> None:
        """Pass it on."""
        for callback in self.callbacks:
            callback.note(words)

    def begin(self, step: int, steps: int) -> None:
        """Pass it on."""
        for callback in self.callbacks:
            callback.begin(step, steps)

    def step(self, step: int) -> None:
        """Pass it on."""
        for callback in self.callbacks:
            callback.step(step)

    def log(self, step: int, losses: Mapping[str, float], speed: Mapping[str, float]) -> None:
        """Pass it on."""
        for callback in self.callbacks:
            callback.log(step, losses, speed)

    def rates(self, step: int, rates: Mapping[str, float]) -> None:
        """Pass it on."""
        for callback in self.callbacks:
            callback.rates(step, rates)

    def validated(self, step: int, metrics: Mapping[str, float], best: bool) -> None:
        """Pass it on."""
        for callback in self.callbacks:
            callback.validated(step, metrics, best)

    def picture(self, step: int, pixels: Pixels) -> None:
        """Pass it on."""
        for callback in self.callbacks:
            callback.picture(step, pixels)


class TensorBoardLogger(Callback):
    """TensorBoard's scalars and pictures in ``RUN/tensorboard``, and the pictures as files in ``RUN/pictures``.

    Parameters
    ----------
    run
        The run's folder.
    step
        Where the run goes on: what an earlier session wrote after it is hidden.
    """

    def __init__(self, run: Path, step: int) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self.pictures = run / "pictures"
        make_folder(self.pictures)
        purge = step + 1 if step else None
        self.writer: Any = SummaryWriter(str(run / "tensorboard"), purge_step=purge)

    def __exit__(self, *error: object) -> None:
        self.writer.close()

    def log(self, step: int, losses: Mapping[str, float], speed: Mapping[str, float]) -> None:
        """Write scalars."""
        for group, values in (("loss", losses), ("speed", speed)):
            for name, value in values.items():
                self.writer.add_scalar(f"{group}/{name}", value, step)

    def rates(self, step: int, rates: Mapping[str, float]) -> None:
        """Write scalars."""
        for name, value in rates.items():
            self.writer.add_scalar(f"rate/{name}", value, step)

    def validated(self, step: int, metrics: Mapping[str, float], best: bool) -> None:
        """Write scalars, and bring them to the disk."""
        for name, value in metrics.items():
            self.writer.add_scalar(f"validation/{name}", value, step)
        self.writer.flush()

    def picture(self, step: int, pixels: Pixels) -> None:
        """Write the picture to both places."""
        self.writer.add_image("fills", pixels, step, dataformats="HWC")
        with atomic_write(self.pictures / f"step-{step:08d}.png") as part:
            part.write_bytes(encode(pixels, "PNG")[0])


class Bar(Callback):
    """A progress bar with images/s and time left in a terminal or a notebook (there with pictures), else plain lines.

    Parameters
    ----------
    console
        Where to; default: rich's own, on stdout.
    """

    def __init__(self, console: Any = None) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        self.console = console or Console(highlight=False, soft_wrap=True)
        widgets = self.console.is_jupyter and importlib.util.find_spec("ipywidgets")  # without them rich draws no bar
        self.live = bool(self.console.is_terminal or widgets)
        columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[words]}"), TimeRemainingColumn())
        self.progress = Progress(*columns, console=self.console, disable=not self.live)
        self.task = self.progress.add_task("", words="", visible=False)
        self.steps = 0
        self.clock = (0, 0.0)

    def __enter__(self) -> Self:
        self.progress.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.progress.stop()

    def note(self, words: str) -> None:
        """Print a line, above the bar."""
        self.console.print(printable(words), markup=False)

    def begin(self, step: int, steps: int) -> None:
        """Start the clock."""
        self.steps, self.clock = steps, (step, time.monotonic())
        self.progress.update(self.task, total=steps, completed=step, visible=True)
        self.progress.reset(self.task, total=steps, completed=step, visible=True)

    def step(self, step: int) -> None:
        """Move the bar."""
        self.progress.update(self.task, completed=step)

    def log(self, step: int, losses: Mapping[str, float], speed: Mapping[str, float]) -> None:
        """Show losses and speed."""
        words = "  ".join(f"{name} {value:.4g}" for name, value in losses.items())
        words += f"  {speed['images_per_second']:.1f} images/s"
        if speed["waiting"] > 0.1:
            words += f" ({speed['waiting']:.0%} waiting for data)"
        if self.live:
            self.progress.update(self.task, words=words)
            return
        begun, at = self.clock
        left = int((time.monotonic() - at) / max(1, step - begun) * (self.steps - step))
        self.note(f"step {step}/{self.steps}  {words}  {left // 3600}:{left // 60 % 60:02}:{left % 60:02} left")

    def validated(self, step: int, metrics: Mapping[str, float], best: bool) -> None:
        """Print the metrics."""
        shown = [
            name for name in ("hole/psnr", "hole/ssim", "hole/mae", "hole/sharpness", "distance") if name in metrics
        ]
        words = "  ".join(f"{name} {metrics[name]:.4g}" for name in shown)
        self.note(f"step {step}/{self.steps}  validation: {words}{'  (the best so far)' * best}")

    def picture(self, step: int, pixels: Pixels) -> None:
        """Show the picture in a notebook."""
        if self.console.is_jupyter:
            from IPython.display import Image, display

            display(Image(encode(pixels, "PNG")[0]))


class Meter:
    """Loss terms and speed since it was last read; ``images`` are those of a step, over all processes."""

    def __init__(self, images: int) -> None:
        self.images = images
        self.reset()

    def reset(self) -> None:
        """Begin anew."""
        self.sums: dict[str, Tensor] = {}
        self.counts: Counter[str] = Counter()
        self.steps, self.waited, self.begun = 0, 0.0, time.perf_counter()

    def add(self, parts: list[dict[str, Tensor]]) -> None:
        """Take in the loss terms of a step."""
        self.steps += 1
        for terms in parts:
            for name, value in terms.items():
                self.sums[name] = self.sums.get(name, 0) + value.float()
                self.counts[name] += 1

    def read(self) -> tuple[dict[str, float], dict[str, float]]:
        """Means of the loss terms (of this process), and the speed."""
        losses = {name: float(value) / self.counts[name] for name, value in self.sums.items()}
        seconds = time.perf_counter() - self.begun
        speed = {"images_per_second": self.steps * self.images / seconds, "waiting": self.waited / seconds}
        self.reset()
        return losses, speed
