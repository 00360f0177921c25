"""The demo: two portraits in the public domain, each with a hole, filled by every method that can run.

``eileen_collins.png`` is NASA's portrait of the astronaut Eileen Collins, ``grace_hopper.jpg`` the US Navy's portrait
of Rear Admiral Grace Hopper, both works of the United States government. The holes were drawn for this demo; what is
under them is known, so that each fill can be measured.
"""

import math
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from inpaintx.errors import InpaintxError, UntrainedWarning
from inpaintx.inference.inpainter import AUTO
from inpaintx.inference.pipeline import inpaint
from inpaintx.io.atomic import make_folder
from inpaintx.io.masks import read_mask
from inpaintx.io.photo import check_output, read_photo, write_photo
from inpaintx.ops.ssim import ssim
from inpaintx.plugin.method import Method
from inpaintx.plugin.registry import registry
from inpaintx.viz.contact_sheet import Cell, contact_sheet, show_hole

__all__ = ["Demo", "run", "score"]

HERE = Path(__file__).parent
PORTRAITS = {"eileen_collins": ".png", "grace_hopper": ".jpg"}
COLUMNS = 4


@dataclass
class Demo:
    """What a run wrote: the sheet, the single results, and the methods that could not run with the reason."""

    sheet: Path
    results: list[Path] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)


def score(result: npt.NDArray[Any], truth: npt.NDArray[Any], hole: npt.NDArray[np.bool_]) -> tuple[float, float]:
    """PSNR over the pixels in the hole, in dB with peak 255, and SSIM (11x11 Gaussian windows) of the whole photo.

    Parameters
    ----------
    result, truth
        ``[H,W,3]`` uint8.
    hole
        ``[H,W]``, True = hole.
    """
    error = (result[hole].astype(np.float64) - truth[hole]) ** 2
    psnr = 10 * math.log10(255**2 / error.mean()) if error.any() else math.inf
    ours, theirs = (torch.from_numpy(p.astype(np.float32)).permute(2, 0, 1)[None] for p in (result, truth))
    return psnr, float(ssim(ours, theirs, data_range=255.0))


def _only_moved(method: Method) -> bool:
    """Whether all weights of a method are another one's now, which is shown in its place."""
    return bool(method.successor) and not method.weights


def run(
    out: Path, *, slow: bool = False, overwrite: bool = False, say: Callable[[str], None] = lambda words: None
) -> Demo:
    """Fill the portraits with every method and write the results and a contact sheet.

    Parameters
    ----------
    out
        Folder; made if missing.
    slow
        Whether methods that take tens of seconds for a fill (:attr:`Method.is_slow`) are shown as well.
    say
        Gets a line a method as the work goes on.

    Raises
    ------
    InpaintxError
        A result exists and ``overwrite`` is not given, or cannot be written.
    """
    make_folder(out)
    demo = Demo(out / "contact_sheet.png")
    methods = [
        AUTO,
        *(
            name
            for name, method in sorted(registry().methods.items())
            if (slow or not method.is_slow) and not _only_moved(method)
        ),
    ]
    targets = {(p, m): out / f"{p}-{m}.png" for p in PORTRAITS for m in methods}
    for path in (demo.sheet, *targets.values()):
        check_output(path, overwrite=overwrite)
    rows: list[list[Cell]] = []
    for portrait, suffix in PORTRAITS.items():
        truth = read_photo(HERE / f"{portrait}{suffix}").pixels
        hole = read_mask(HERE / f"{portrait}_mask.png", size=truth.shape[:2]).hole
        cells = [
            Cell(show_hole(truth, hole), [portrait.replace("_", " "), f"hole {hole.mean():.1%}"]),
            Cell(truth, ["truth"]),
        ]
        for name in methods:
            if name in demo.skipped:
                continue
            started = time.monotonic()
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore", UserWarning)
                    warnings.simplefilter("error", UntrainedWarning)
                    result = inpaint(truth, hole, name)
            except (InpaintxError, UntrainedWarning) as reason:
                demo.skipped[name] = str(reason)
                say(f"{name}: not run: {reason}")
                continue
            seconds = time.monotonic() - started
            psnr, similarity = score(result, truth, hole)
            say(f"{portrait}, {name}: hole PSNR {psnr:.2f} dB, SSIM {similarity:.4f}, {seconds:.1f} s")
            write_photo(targets[portrait, name], result, overwrite=overwrite)
            demo.results.append(targets[portrait, name])
            cells.append(Cell(result, [name, f"hole PSNR {psnr:.2f} dB, SSIM {similarity:.4f}"]))
        rows += [cells[i : i + COLUMNS] for i in range(0, len(cells), COLUMNS)]
    write_photo(demo.sheet, contact_sheet(rows, tile=320, title="inpaintx: the demo portraits"), overwrite=overwrite)
    return demo
