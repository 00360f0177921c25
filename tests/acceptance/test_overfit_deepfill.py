"""METHODS 3.9: eight faces at 64x64 are learnt by heart."""

import pytest
import torch
from inpaintx_plugins.deepfill import DeepFill
from overfit import eight_faces, filled, mean_colour, overfit, psnr, record, tensors

from inpaintx.data.holes import open_holes

pytestmark = pytest.mark.acceptance
HOLES = "strokes+box"


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_eight_faces(shared_faces, version):
    method = DeepFill()
    options = {"version": "v1", "adversarial": 1e-3, "l1": 1.2, "coarse": 1.2, "critic_steps": 1}
    config = method.config("tiny", **(options if version == "v1" else {}))
    faces = eight_faces(shared_faces, config.size)
    torch.manual_seed(0)
    net = method.network(config).train()
    history = overfit(method.trainer(net, config), faces, HOLES, config.steps, batch=config.batch)
    batch = tensors(faces, open_holes(HOLES, size=config.size))
    ours, floor = (psnr(x, batch["image"], batch["mask"]) for x in (filled(method, net, batch), mean_colour(batch)))
    record(
        f"deepfill_{version}",
        holes=HOLES,
        steps=config.steps,
        hole_psnr=ours,
        mean_colour=floor,
        first_losses=history[0],
        last_losses=history[-1],
    )
    assert ours >= floor + 5
