"""Fitting a face aligner on sets of aligned faces."""

import hashlib
import math
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from inpaintx.data.center_crop import UnreadableFileError
from inpaintx.data.dataset import FaceDataset, open_dataset
from inpaintx.data.face_windows import POINTS, FaceWindows
from inpaintx.data.sampler import parse_mask_spec
from inpaintx.errors import InpaintxError
from inpaintx.io.photo import read_photo
from inpaintx.nn.aligner import FaceAligner, points_of, save_aligner
from inpaintx.nn.progress import check_result, load_progress, save_progress
from inpaintx.plugin.weights import seeded
from inpaintx.training.ema import EMA

__all__ = ["Aligned", "AlignerFit", "fit_aligner", "read_scenes"]

Array = npt.NDArray[Any]
EVERY = 200
CLEARLY = 0.75  # of the error of squares that stay where they are: what an aligner must stay under
VALIDATED = 1024  # windows
LARGEST_SCENE = 640  # pixels of the longer side


@dataclass(frozen=True)
class AlignerFit:
    """How a face aligner is fitted.

    Parameters
    ----------
    width
        Channels of the network's first layer.
    steps, batch, seed, lr
        Of the training; AdamW's rate rises for a fiftieth of the steps, and falls along half a cosine to a thousandth.
    holes
        The holes over the faces, as ``inpaintx train --set holes=...`` takes them.
    half_precision
        Whether forward passes are in bfloat16.
    """

    width: int = 24
    steps: int = 15_000
    batch: int = 64
    seed: int = 0
    lr: float = 2e-3
    holes: str = "strokes:ratio=0.1-0.65+walk:ratio=0.1-0.65+strokes:ratio=0.3-0.7+box:low=0.3,high=0.8"
    half_precision: bool = False


@dataclass(frozen=True)
class Aligned:
    """What an aligner does on windows around faces that it has not seen.

    Attributes
    ----------
    error
        Mean distance of eyes and mouth from their places, in sides of the square.
    stayed
        The same where squares stay where they are.
    told
        Share of the windows of which it says rightly whether they hold a face to be found.
    """

    error: float
    stayed: float
    told: float


def read_scenes(folder: Path) -> list[Array]:
    """Read the .jpg, .jpeg and .png photos of a folder, ``[H,W,3]`` uint8, reduced to 640 pixels.

    Raises
    ------
    InpaintxError
        No such folder, no photo in it, or one that cannot be read.
    """
    from inpaintx.io.opencv import import_cv2

    cv2 = import_cv2()
    if not folder.is_dir():
        raise InpaintxError(f"there is no folder {folder}; expected one of photos without faces")
    scenes = []
    for path in sorted(p for p in folder.glob("*") if p.suffix.lower() in (".jpg", ".jpeg", ".png")):
        pixels = read_photo(path).pixels
        pixels = np.dstack([pixels] * 3) if pixels.ndim == 2 else pixels[..., :3]
        if pixels.dtype != np.uint8:
            raise InpaintxError(f"{path}: photos for surroundings are of 8 bits, got {pixels.dtype}")
        scale = LARGEST_SCENE / max(pixels.shape[:2])
        size = [max(8, round(side * scale)) for side in pixels.shape[1::-1]]
        scenes.append(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA) if scale < 1 else pixels)
    if not scenes:
        raise InpaintxError(f"no .jpg, .jpeg or .png file in {folder}; expected photos without faces")
    return scenes


def fit_aligner(
    sets: Sequence[Path],
    out: Path,
    fit: AlignerFit,
    *,
    scenes: Sequence[Array] = (),
    overwrite: bool = False,
    device: torch.device | None = None,
    report: Callable[[int, float, Aligned], None] = lambda step, loss, aligned: None,
) -> Aligned:
    """Train a face aligner on the training faces of sets and write its weights, the running average.

    A run that was stopped goes on from ``OUT.progress``, which is written every 200 steps.

    Parameters
    ----------
    sets
        Folders of sets with aligned faces (:func:`inpaintx.data.dataset.open_dataset`): eyes and mouth where the
        methods' training has them.
    out
        ``.safetensors`` file to write.
    fit
        How.
    scenes
        ``[H,W,3]`` uint8 without faces, for what lies around.
    overwrite
        Whether a file that exists is replaced.
    device
        Where the network runs; None: the CPU.
    report
        Is told the step, the mean loss since the last report, and what the network does on validation faces.

    Returns
    -------
    Aligned
        What the network does on validation faces.

    Raises
    ------
    InpaintxError
        A set that cannot be read; a file that exists or cannot be written; ``OUT.progress`` of other faces, scenes or
        options; an aligner that hardly moves squares to their faces, which is not written.
    """
    check_result(out, overwrite=overwrite)
    device = device or torch.device("cpu")
    faces, unseen = ([open_dataset(path, size=128, split=split) for path in sets] for split in ("train", "val"))
    train, held_out = (_windows(opened, fit, scenes) for opened in (faces, unseen))
    with seeded(fit.seed):
        net = FaceAligner(fit.width).to(device).to(memory_format=torch.channels_last).train()  # type: ignore[call-overload]
    average = EMA(net, 0.999)
    optimizer = torch.optim.AdamW(net.parameters(), fit.lr, weight_decay=1e-3)
    parts = {"net": net, "average": average.net, "optimizer": optimizer}
    around = hashlib.sha256(b"".join(scene.tobytes() for scene in scenes)).hexdigest()
    made_with = {**asdict(fit), "faces": [opened.content() for opened in faces], "scenes": around}
    progress = out.with_name(out.name + ".progress")
    first = load_progress(progress, made_with, parts)
    checks = [held_out((1, i)) for i in range(VALIDATED)]
    total, reported = torch.zeros((), device=device), first
    for step, (shown, points, face) in enumerate(_batches(train, fit, first, device), first + 1):
        for group in optimizer.param_groups:
            group["lr"] = fit.lr * _rate(step / fit.steps)
        with torch.autocast(device.type, torch.bfloat16, enabled=fit.half_precision):
            placed = net(shown)
        loss = _loss(placed.float(), points, face)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(net.parameters(), 5.0)
        optimizer.step()
        average.update(net, step)
        total += loss.detach()
        if step % EVERY == 0 or step == fit.steps:
            save_progress(progress, step, made_with, parts)
            report(step, float(total) / (step - reported), _measured(average.net, checks, device))
            total.zero_()
            reported = step
    aligned = _measured(average.net, checks, device)
    if not aligned.error < CLEARLY * aligned.stayed:
        raise InpaintxError(
            f"after {fit.steps} steps squares err by {100 * aligned.error:.1f} % of their side on unseen faces, and by "
            f"{100 * aligned.stayed:.1f} % where they stay: no weights were written. Give it more steps; begin anew "
            f"without {progress}"
        )
    names = "+".join(Path(path).resolve().name for path in sets)
    said = {key: f"{value:.4f}" for key, value in asdict(aligned).items()}
    options = {key: str(value) for key, value in asdict(fit).items() if key != "width"}
    assert isinstance(average.net, FaceAligner)
    save_aligner(out, average.net, names, **options, **said)
    progress.unlink()
    return aligned


def _windows(sets: Sequence[FaceDataset], fit: AlignerFit, scenes: Sequence[Array]) -> FaceWindows:
    """Windows on the faces of several sets."""
    faces = [(one, i) for one in sets for i in range(len(one))]

    def read(index: int) -> Array:
        for number in range(index, index + len(faces)):  # the next one, where a file is damaged
            one, i = faces[number % len(faces)]
            try:
                return one.pixels(i)[0]
            except UnreadableFileError:
                continue
        raise InpaintxError(f"none of {len(faces)} images can be read ({'; '.join(sets[0].skipped.values())[:200]})")

    return FaceWindows(read, len(faces), parse_mask_spec(fit.holes, size=128), scenes)


def _batches(
    windows: FaceWindows, fit: AlignerFit, first: int, device: torch.device
) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Batches of the steps after the ``first`` ones: what is shown, points, and whether there is a face.

    Each is drawn while the network is at work on the one before.
    """

    def drawn(step: int) -> tuple[Tensor, ...]:
        samples = [windows((0, fit.seed, step, i)) for i in range(fit.batch)]
        shown, points, face = (torch.from_numpy(np.stack(part)) for part in zip(*samples, strict=True))
        return shown.contiguous(memory_format=torch.channels_last), points, face.float()

    with ThreadPoolExecutor(1) as pool:
        following = pool.submit(drawn, first)
        for step in range(first, fit.steps):
            shown, points, face = (part.to(device) for part in following.result())
            if step + 1 < fit.steps:
                following = pool.submit(drawn, step + 1)
            yield shown, points, face


def _loss(placed: Tensor, points: Tensor, face: Tensor) -> Tensor:
    """Laplace's likelihood of the points' mean error where there is a face, and the cross-entropy of that."""
    error = (points_of(placed) - points).norm(dim=-1).mean(-1)
    expected = placed[:, 4].clamp(-6, 1)
    likelihood = (face * (error * torch.exp(-expected) + expected)).sum() / face.sum().clamp_min(1)
    return likelihood + 2 * F.binary_cross_entropy_with_logits(placed[:, 5], face)


def _rate(done: float) -> float:
    """Warm-up over the first fiftieth, then half a cosine."""
    return min(50 * done, 0.5 + 0.5 * math.cos(math.pi * done)) + 1e-3


@torch.no_grad()
def _measured(net: torch.nn.Module, checks: Sequence[Any], device: torch.device) -> Aligned:
    """What a network does on windows."""
    shown, points, face = (torch.from_numpy(np.stack(part)).to(device) for part in zip(*checks, strict=True))
    placed = torch.cat([net(part) for part in torch.split(shown, 128)])
    unmoved = torch.from_numpy(POINTS).to(device)
    error, stayed = ((at - points).norm(dim=-1).mean(-1)[face].mean() for at in (points_of(placed), unmoved))
    told = ((placed[:, 5] > 0) == face).float().mean()
    return Aligned(float(error), float(stayed), float(told))
