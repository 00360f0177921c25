"""What the page says: errors in one sentence, the hole's share, what was done."""

import functools
import logging
from collections.abc import Callable, Sequence
from typing import Any, ParamSpec, TypeVar

import gradio as gr
import numpy as np
import numpy.typing as npt

from inpaintx.errors import InpaintxError
from inpaintx.io.memory import ran_out
from inpaintx.web.work import MethodInfo

__all__ = ["about_hole", "about_method", "about_missing", "about_result", "in_words", "plain"]

P = ParamSpec("P")
R = TypeVar("R")
log = logging.getLogger(__name__)
MUCH = 0.6  # of the photo: a hole that covers more may be the wrong way round
ESCAPED = str.maketrans({c: f"\\{c}" for c in "\\`*_{}[]<>()#+!|~$&"})


def in_words(action: Callable[P, R]) -> Callable[P, R]:
    """Turn what goes wrong into one sentence for the page; a fault of the program is told in the log alone."""

    @functools.wraps(action)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return action(*args, **kwargs)
        except gr.Error:
            raise
        except InpaintxError as error:
            raise gr.Error(str(error), duration=15, print_exception=False) from None
        except MemoryError:
            raise gr.Error("there is not enough memory: take a smaller photo", print_exception=False) from None
        except Exception as error:
            if ran_out(error):
                raise gr.Error("there is not enough memory: take a smaller photo", print_exception=False) from None
            log.exception("an action of the page failed")
            raise gr.Error(
                "this failed by a fault of the program, see the server's log", print_exception=False
            ) from None

    return wrapped


def plain(words: str) -> str:
    """Words that Markdown shows as they are."""
    return words.translate(ESCAPED)


def about_hole(size: tuple[int, int], hole: npt.NDArray[np.bool_], notes: Sequence[str] = ()) -> str:
    """Say how much of the photo the hole covers, before it is filled."""
    height, width = size
    share = np.count_nonzero(hole) / hole.size
    words = [f"**Hole: {share:.2%}** of {width} x {height} pixels."]
    if not share:
        words = [f"Photo: {width} x {height} pixels. **No hole yet**: paint over what is to be filled."]
    elif share > MUCH:
        words.append("That is most of the photo: if you painted what is to stay, press *Invert*.")
    return "  \n".join(words + [plain(note) for note in notes])


def about_method(method: MethodInfo) -> str:
    """Say what a method is, its paper, and what its weights were trained on."""
    words = plain(method.what)
    if method.paper:
        words += f" [Paper]({method.paper})." if method.paper.startswith("http") else f" {plain(method.paper)}."
    return words + (f"  \nWeights: trained on {plain(method.trained_on)}." if method.trained_on else "")


def about_missing(methods: Sequence[MethodInfo]) -> str:
    """Name the methods that cannot be taken, and why."""
    return "  \n".join(f"*{plain(method.name)}*: {plain(method.missing)}" for method in methods if method.missing)


def about_result(report: dict[str, Any]) -> str:
    """Say what was done, as the command line does."""
    lines = [
        f"**Filled {report['hole_pixels']} pixels** ({report['hole_ratio']:.2%}) in {report['seconds']:.1f} s by "
        f"{plain(report['method'])}, weights: {plain(report['weights'])}, seed {report['seed']}."
    ]
    return "  \n".join(lines + [plain(note) for note in report["notes"]])
