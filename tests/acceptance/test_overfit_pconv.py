"""METHODS 3.1 (d): eight faces at 64x64 are learnt by heart."""

import pytest
import torch
from inpaintx_plugins.pconv import PConv
from overfit import eight_faces, filled, mean_colour, overfit, psnr, record, tensors

from inpaintx.data.holes import open_holes

pytestmark = pytest.mark.acceptance
HOLES = "strokes+box"


@pytest.mark.parametrize("vgg", ["skip", "small"])
@pytest.mark.parametrize("arch", ["unet", "prior"])
def test_eight_faces(shared_faces, arch, vgg):
    method = PConv()
    levels = {"unet": 5, "prior": 4}[arch]
    config = method.config("tiny", arch=arch, levels=levels, width=16, steps=800, vgg=vgg)
    faces = eight_faces(shared_faces, config.size)
    torch.manual_seed(0)
    net = method.network(config).train()
    trainer = method.trainer(net, config)
    history = overfit(trainer, faces, HOLES, config.steps, batch=config.batch)
    batch = tensors(faces, open_holes(HOLES, size=config.size))
    ours, floor = (psnr(x, batch["image"], batch["mask"]) for x in (filled(method, net, batch), mean_colour(batch)))
    record(
        f"pconv_{arch}_{vgg}",
        holes=HOLES,
        steps=config.steps,
        vgg=trainer.frozen["vgg"],
        hole_psnr=ours,
        mean_colour=floor,
        first_losses=history[0],
        last_losses=history[-1],
    )
    assert ours >= floor + 5
