"""METHODS 3.6 (e) and an overfit run: foreground-guided losses against losses over every pixel, at equal steps."""

import pytest
import torch
from inpaintx_plugins.foreground import Foreground
from overfit import eight_faces, filled, mean_color, overfit, psnr, record, tensors

from inpaintx.data.dataset import open_dataset
from inpaintx.data.sampler import parse_mask_spec

pytestmark = pytest.mark.acceptance
HOLES = "strokes+box"
FACES, STEPS = 240, 1000


def fitted(faces, steps, **options):
    method = Foreground()
    config = method.config("tiny", steps=steps, **options)
    torch.manual_seed(0)
    net = method.network(config).train()
    history = overfit(method.trainer(net, config), faces, HOLES, steps, batch=config.batch_size)
    return method, net, history


def test_eight_faces(shared_faces):
    faces = eight_faces(shared_faces, 64, frozenset({"foreground"}))
    method, net, history = fitted(faces, 800)
    batch = tensors(faces, parse_mask_spec(HOLES, size=64))
    fills = filled(method, net, batch), mean_color(batch)
    ours, floor = (psnr(x, batch["image"], batch["mask"] * batch["foreground"]) for x in fills)
    everywhere, everywhere_floor = (psnr(x, batch["image"], batch["mask"]) for x in fills)
    record(
        "foreground",
        holes=HOLES,
        steps=800,
        foreground_in_hole_psnr=ours,
        foreground_mean_color=floor,
        hole_psnr=everywhere,
        mean_color=everywhere_floor,
        last_losses=history[-1],
        notes=faces.notes,
    )
    assert ours >= floor + 5


def test_guidance_lowers_the_error_of_the_foreground(shared_faces):
    """Trained on 240 faces, measured on 240 others of the validation split."""
    wants = frozenset({"foreground"})
    train, val = (open_dataset(shared_faces / "faces", size=64, split=s, wants=wants) for s in ("train", "val"))
    train.faces, val.faces = train.faces[:FACES], val.faces[:FACES]
    errors = {}
    batch = tensors(val, parse_mask_spec(HOLES, size=64))
    where = batch["mask"] * batch["foreground"]
    for name, guided in (("guided", True), ("unguided", False)):
        method, net, _ = fitted(train, STEPS, guided=guided)
        difference = 255 * (filled(method, net, batch) - batch["image"]) * where
        errors[name] = difference.square().sum((1, 2, 3)) / (3 * where.sum((1, 2, 3))).clamp_min(1)
    paired = errors["unguided"] - errors["guided"]
    record(
        "foreground_guidance",
        holes=HOLES,
        steps=STEPS,
        faces=FACES,
        foreground_mse_guided=float(errors["guided"].mean()),
        foreground_mse_unguided=float(errors["unguided"].mean()),
        paired_difference=float(paired.mean()),
        standard_error=float(paired.std() / FACES**0.5),
        notes=val.notes,
    )
    assert paired.mean() > 0
