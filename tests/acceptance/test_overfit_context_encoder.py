"""METHODS 3.8: eight faces at 64x64 are learnt by heart, in both variants."""

import pytest
import torch
from face_sets import shared_faces  # noqa: F401 - fixture
from inpaintx_plugins.context_encoder import ContextEncoder
from overfit import eight_faces, filled, mean_colour, overfit, psnr, record, tensors

from inpaintx.data.holes import open_holes

pytestmark = pytest.mark.acceptance


@pytest.mark.parametrize("bottleneck", ["conv", "cfc"])
@pytest.mark.parametrize("variant", ["centre", "random"])
def test_eight_faces(shared_faces, variant, bottleneck):  # noqa: F811
    method = ContextEncoder()
    config = method.config("tiny", variant=variant, bottleneck=bottleneck, code=500, steps=800)
    holes = "strokes+box" if variant == "random" else "centre:side=0.375"  # 24 of 64 pixels: 32 less the overlap
    faces = eight_faces(shared_faces, config.size)
    torch.manual_seed(0)
    net = method.network(config).train()
    trainer = method.trainer(net, config)
    history = overfit(trainer, faces, holes, config.steps, batch=config.batch)
    batch = tensors(faces, open_holes(holes, size=config.size))
    ours, floor = (psnr(x, batch["image"], batch["mask"]) for x in (filled(method, net, batch), mean_colour(batch)))
    record(
        f"context_encoder_{variant}_{bottleneck}",
        holes=holes,
        steps=config.steps,
        hole_psnr=ours,
        mean_colour=floor,
        first_losses=history[0],
        last_losses=history[-1],
    )
    assert ours >= floor + 5
