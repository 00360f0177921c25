"""Fitting a small FAN on the landmarks of a set."""

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from inpaintx.data.holes import open_holes
from inpaintx.data.sets import FaceSet, open_set
from inpaintx.data.stream import batches
from inpaintx.errors import InpaintxError
from inpaintx.nn.fan import FAN, check_width, heatmap_loss, landmarks_of, save_fan, target_heatmaps
from inpaintx.weights import seeded

__all__ = ["fit_fan", "landmark_error"]

EVERY = 100


def fit_fan(
    data: Path,
    out: Path,
    *,
    size: int = 128,
    width: int = 64,
    steps: int = 3000,
    batch: int = 16,
    seed: int = 0,
    device: torch.device | None = None,
    report: Callable[[int, float], None] = lambda step, loss: None,
) -> float:
    """Train one stack of hourglass on a set's training faces and write its weights.

    Parameters
    ----------
    data
        Folder of a set with landmarks (:func:`inpaintx.data.sets.open_set`).
    out
        ``.safetensors`` file to write.
    size, width
        Side of the images that it sees, a multiple of 64; channels.
    report
        Is told the step and the mean loss since the last report.

    Returns
    -------
    float
        Mean distance between found and given landmarks of the validation faces, in units of the geometric mean of
        the sides of the landmarks' box.

    Raises
    ------
    InpaintxError
        A set without landmarks, or a size that does not fit.
    """
    if size % 64:
        raise InpaintxError(f"FAN's images need a side that is a multiple of 64, got {size}")
    check_width(width)
    wants = frozenset({"landmarks"})
    faces = open_set(data, size=size, split="train", wants=wants)
    if "landmarks" not in faces.has:
        raise InpaintxError(f"{data} has no landmarks to fit FAN on ({'; '.join(faces.notes)})")
    held_out = open_set(data, size=size, split="val", wants=wants)
    device = device or torch.device("cpu")
    with seeded(seed):
        fan = FAN(1, faces[0]["landmarks"].shape[0], width, size).to(device).train()
    optimizer = torch.optim.Adam(fan.parameters(), 1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-3, steps + 1)
    total = torch.zeros((), device=device)
    stream = batches(faces, open_holes("centre", size=size), batch=batch, seed=seed)
    for step in range(1, steps + 1):
        sample = next(stream)
        target = target_heatmaps(sample["landmarks"].to(device), size, size // 4)
        loss = heatmap_loss(fan(sample["image"].to(device))[-1], target)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
        total += loss.detach()
        if step % EVERY == 0:
            report(step, float(total) / EVERY)
            total.zero_()
    error = landmark_error(fan.eval(), held_out)
    save_fan(out, fan, Path(data).resolve().name, steps=str(steps), seed=str(seed), error=f"{error:.4f}")
    return error


@torch.no_grad()
def landmark_error(fan: FAN, faces: FaceSet) -> float:
    """Mean landmark error of a set, see :func:`fit_fan`."""
    device = next(fan.parameters()).device
    errors: list[Tensor] = []
    for i in range(len(faces)):
        sample = faces[i]
        given = sample["landmarks"]
        known = given.isfinite().all(-1)
        if known.sum() < 2:
            continue
        found = landmarks_of(fan(sample["image"][None].to(device))[-1], fan.size)[0].cpu()
        box = given[known].amax(0) - given[known].amin(0)
        errors.append((found[known] - given[known]).norm(dim=1).mean() / box.prod().sqrt())
    if not errors:
        raise InpaintxError("no face of the set has landmarks to measure against")
    return float(torch.stack(errors).mean())
