"""Fitting a small FAN on the landmarks of a set."""

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from inpaintx.data.dataset import FaceDataset, open_dataset
from inpaintx.data.jitter import Jitter
from inpaintx.data.loader import make_loader
from inpaintx.data.sampler import parse_mask_spec
from inpaintx.errors import InpaintxError
from inpaintx.nn.fan import FAN, check_width, heatmap_loss, landmarks_of, save_fan, target_heatmaps
from inpaintx.nn.progress import check_result, load_progress, save_progress
from inpaintx.plugin.weights import seeded

__all__ = ["CLEARLY", "Fit", "Fitted", "fit_fan", "landmark_error", "mean_shape"]

EVERY = 100
CLEARLY = 0.75  # of the mean shape's error: what a FAN that looks at the face must stay under


@dataclass(frozen=True)
class Fit:
    """How a FAN of one hourglass is fitted.

    Parameters
    ----------
    size, width
        Side of the images that it sees, a multiple of 64; channels.
    steps, batch, seed
        Of the training.
    jitter, jitter_angle
        By how much faces are moved and scaled (a share of the side) and turned (degrees), at most; they are mirrored,
        too. Without it, faces of an aligned set are learnt as their mean shape.
    """

    size: int = 128
    width: int = 64
    steps: int = 6000
    batch: int = 16
    seed: int = 0
    jitter: float = 0.12
    jitter_angle: float = 15.0


@dataclass(frozen=True)
class Fitted:
    """Error of a FAN on validation faces, and of the training faces' mean shape on the same; see :func:`fit_fan`."""

    error: float
    mean_error: float


def fit_fan(
    data: Path,
    out: Path,
    fit: Fit,
    *,
    overwrite: bool = False,
    device: torch.device | None = None,
    report: Callable[[int, float], None] = lambda step, loss: None,
) -> Fitted:
    """Train one stack of hourglass on a set's training faces and write its weights.

    A run that was stopped goes on from ``OUT.progress``, which is written every 100 steps; one that was refused goes on
    with more steps.

    Parameters
    ----------
    data
        Folder of a set with landmarks (:func:`inpaintx.data.dataset.open_dataset`).
    out
        ``.safetensors`` file to write.
    overwrite
        Whether a file that exists is replaced.
    report
        Is told the step and the mean loss since the last report.

    Returns
    -------
    Fitted
        Mean distances between found and given landmarks of the validation faces, in units of the geometric mean of the
        sides of the landmarks' box.

    Raises
    ------
    InpaintxError
        A set without landmarks, or a size that does not fit; a file that exists or cannot be written; a FAN that is
        not clearly nearer than the mean shape, which is not written.
    """
    check_result(out, overwrite=overwrite)
    if fit.size % 64:
        raise InpaintxError(f"FAN's images need a side that is a multiple of 64, got {fit.size}")
    check_width(fit.width)
    wants = frozenset({"landmarks"})
    faces = open_dataset(data, size=fit.size, split="train", wants=wants)
    if "landmarks" not in faces.has:
        raise InpaintxError(f"{data} has no landmarks to fit FAN on ({'; '.join(faces.notes)})")
    held_out = open_dataset(data, size=fit.size, split="val", wants=wants)
    device = device or torch.device("cpu")
    progress = out.with_name(out.name + ".progress")
    fan = _trained(faces, progress, fit, device, report).eval()
    shape = mean_shape(faces)
    fitted = Fitted(
        landmark_error(lambda image: landmarks_of(fan(image.to(device))[-1], fan.size)[0].cpu(), held_out),
        landmark_error(lambda image: shape, held_out),
    )
    if not fitted.error < CLEARLY * fitted.mean_error:
        raise InpaintxError(
            f"after {fit.steps} steps FAN errs by {100 * fitted.error:.2f} % of the landmarks' box on unseen faces, "
            f"and the mean shape of the training faces by {100 * fitted.mean_error:.2f} %: it knows little more than "
            "where faces lie, so no weights were written. Give it more steps (it goes on where it is), or more width"
        )
    said = {"error": fitted.error, "mean_error": fitted.mean_error}
    options = {key: str(value) for key, value in asdict(fit).items() if key not in ("size", "width")}
    name = Path(data).resolve().name
    save_fan(out, fan, name, **options, **{key: f"{value:.4f}" for key, value in said.items()})
    progress.unlink()
    return fitted


def _trained(
    faces: FaceDataset, progress: Path, fit: Fit, device: torch.device, report: Callable[[int, float], None]
) -> FAN:
    with seeded(fit.seed):
        fan = FAN(1, faces.count, fit.width, fit.size).to(device).train()
    optimizer = torch.optim.Adam(fan.parameters(), 2e-3)
    state: dict[str, Any] = {"fan": fan, "optimizer": optimizer}
    made_with = {**asdict(fit), "faces": faces.fingerprint}
    first = load_progress(progress, made_with, state)
    stream = make_loader(
        faces,
        parse_mask_spec("center", size=fit.size),
        batch=fit.batch,
        seed=fit.seed,
        start=first,
        jitter=Jitter(fit.jitter, fit.jitter_angle, power=1),
    )
    total, reported = torch.zeros((), device=device), first
    for step in range(first + 1, fit.steps + 1):
        for group in optimizer.param_groups:
            group["lr"] = 2e-3 * _rate(step / fit.steps)
        sample = next(stream)
        loss = _loss(fan(sample["image"].to(device))[-1], sample["landmarks"].to(device), fit.size, step / fit.steps)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        total += loss.detach()
        if step % EVERY == 0 or step == fit.steps:
            report(step, float(total) / (step - reported))
            total.zero_()
            reported = step
            save_progress(progress, step, made_with, state)
    return fan


def _loss(maps: Tensor, landmarks: Tensor, size: int, done: float) -> Tensor:
    """Maps of zeros are a valley that plain squares hardly leave: the spots count ten times, and begin wide."""
    sigma = max(1.0, 3 - 5 * done)
    target = target_heatmaps(landmarks, size, maps.shape[-1], sigma)
    return heatmap_loss(maps, target, emphasis=10.0) / sigma**2


def _rate(done: float) -> float:
    """Warm-up over the first twentieth, then half a cosine to a hundredth."""
    return min(20 * done, 0.505 + 0.495 * math.cos(math.pi * done))


def mean_shape(faces: FaceDataset) -> Tensor:
    """Mean of the landmarks of a set, ``[N,2]`` in pixels of its samples: what a guess without a look at a face is."""
    return torch.stack([faces[i]["landmarks"] for i in range(len(faces))]).nanmean(0)


@torch.no_grad()
def landmark_error(find: Callable[[Tensor], Tensor], faces: FaceDataset) -> float:
    """Mean landmark error over a set, see :func:`fit_fan`; ``find``: image ``[1,3,S,S]`` to points ``[N,2]``."""
    errors: list[Tensor] = []
    for i in range(len(faces)):
        sample = faces[i]
        given = sample["landmarks"]
        known = given.isfinite().all(-1)
        if known.sum() < 2:
            continue
        found = find(sample["image"][None])
        box = given[known].amax(0) - given[known].amin(0)
        errors.append((found[known] - given[known]).norm(dim=1).mean() / box.prod().sqrt())
    if not errors:
        raise InpaintxError("no face of the set has landmarks to measure against")
    return float(torch.stack(errors).mean())
