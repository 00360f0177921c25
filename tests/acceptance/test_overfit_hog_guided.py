"""METHODS 3.4 (c) and (d): eight faces at 64x64, the map first, then the colours."""

import pytest
import torch
from inpaintx_plugins.hog_guided import HOGGuided
from overfit import eight_faces, filled, mean_color, overfit, psnr, record, tensors

from inpaintx.data.sampler import parse_mask_spec

pytestmark = pytest.mark.acceptance
HOLES = "box"


def test_eight_faces(shared_faces):
    method = HOGGuided()
    config = method.config("tiny")
    faces = eight_faces(shared_faces, config.size)
    torch.manual_seed(0)
    net = method.network(config).train()
    trainer = method.trainer(net, config)
    batch = tensors(faces, parse_mask_spec(HOLES, size=config.size))
    image, mask, hole = batch["image"], batch["mask"], batch["mask"] > 0.5
    history = overfit(trainer, faces, HOLES, config.shape_steps, batch=config.batch_size)
    net.eval()
    with torch.no_grad():
        true, (predicted, _) = net.guidance(image), net.complete(image, hole)
        errors = [float(((m - true).abs() * mask).sum() / mask.sum()) for m in (predicted, torch.zeros_like(true))]
    net.train()
    history += overfit(trainer, faces, HOLES, config.steps - config.shape_steps, batch=config.batch_size)
    net.eval()
    with torch.no_grad():
        guided = {
            "true": net.color(image, hole, net.guidance(image)),
            "predicted": net(image, hole),
            "zero": net.color(image, hole, torch.zeros_like(true)),
        }
    figures = {name: psnr(x, image, mask) for name, x in guided.items()}
    record(
        "hog_guided",
        holes=HOLES,
        steps=config.steps,
        shape_steps=config.shape_steps,
        map_error_in_hole=errors[0],
        map_error_of_zero=errors[1],
        hole_psnr=psnr(filled(method, net, batch), image, mask),
        hole_psnr_by_guidance=figures,
        mean_color=psnr(mean_color(batch), image, mask),
        first_losses=history[0],
        last_losses=history[-1],
    )
    assert errors[0] < errors[1] / 2
    assert figures["true"] > figures["zero"]
