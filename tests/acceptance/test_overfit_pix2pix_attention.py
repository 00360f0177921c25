"""METHODS 3.5 (d): eight faces at 64x64 are learnt by heart."""

import pytest
import torch
from inpaintx_plugins.pix2pix_attention import Pix2PixAttention
from overfit import eight_faces, filled, mean_colour, overfit, psnr, record, tensors

from inpaintx.data.holes import open_holes

pytestmark = pytest.mark.acceptance
HOLES = "box"


@pytest.mark.parametrize("preset", ["tiny", "plain"])
def test_eight_faces(shared_faces, preset):
    method = Pix2PixAttention()
    config = method.config("tiny", attention=preset == "tiny")
    faces = eight_faces(shared_faces, config.size)
    torch.manual_seed(0)
    net = method.network(config).train()
    history = overfit(method.trainer(net, config), faces, HOLES, config.steps, batch=config.batch)
    batch = tensors(faces, open_holes(HOLES, size=config.size))
    ours, floor = (psnr(x, batch["image"], batch["mask"]) for x in (filled(method, net, batch), mean_colour(batch)))
    gammas = [float(a.gamma) for a in (net.attention_down, net.attention_up) if a is not None]
    record(
        f"pix2pix_attention_{preset}",
        holes=HOLES,
        steps=config.steps,
        hole_psnr=ours,
        mean_colour=floor,
        gammas=gammas,
        first_losses=history[0],
        last_losses=history[-1],
    )
    assert ours >= floor + 6
    assert all(gamma != 0 for gamma in gammas)
