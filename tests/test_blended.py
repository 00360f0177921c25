"""The loss of the blended fill, in every method that has it."""

import pytest
import torch

from inpaintx.nn.losses import blended_loss
from inpaintx.plugin.registry import registry


def batch(size):
    draw = torch.Generator().manual_seed(0)
    mask = torch.zeros(2, 1, size, size)
    mask[..., size // 4 : size // 2, size // 4 : size // 2] = 1
    return {"image": torch.rand(2, 3, size, size, generator=draw), "mask": mask, "foreground": torch.ones_like(mask)}


def test_only_the_tone_of_a_fill_is_free():
    image, mask = (batch(16)[key] for key in ("image", "mask"))
    assert float(blended_loss(image + 0.25, image, mask)) < 1e-4
    assert float(blended_loss(image.flip(3), image, mask)) > 0.01
    assert float(blended_loss(image.flip(3), image, torch.zeros_like(mask))) == 0


def test_the_interior_alone_says_nothing_of_what_the_network_gives_around_the_hole():
    image, mask = (batch(16)[key] for key in ("image", "mask"))
    other = torch.where(mask > 0.5, image.flip(3), torch.zeros(()))
    (fill, all_of_it), (cut, all_cut) = (
        [float(blended_loss(x, image, mask, interior=interior)) for interior in (True, False)]
        for x in (image.flip(3), other)
    )
    assert fill == pytest.approx(cut, abs=1e-6)
    assert all_of_it != pytest.approx(all_cut, rel=0.05)
    output = torch.rand(image.shape, requires_grad=True)
    blended_loss(output, image, mask, interior=True).backward()
    inside = (mask > 0.5).expand_as(output)
    assert output.grad[inside].ne(0).all()
    assert not output.grad[~inside].any()


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("pconv", {"width": 8, "levels": 4}),
        ("hog_guided", {"shape_steps": 1, "true_guidance_steps": 0}),
        ("foreground", {}),
        ("pix2pix_attention", {}),
        ("context_encoder", {}),
        ("deepfill", {"version": "v1"}),
        ("deepfill", {"version": "v2"}),
    ],
)
def test_the_term_is_there_when_asked_for(name, options):
    method = registry().method(name)
    for weight in (0.0, 2.0):
        config = method.config("tiny", **options, blended=weight)
        torch.manual_seed(0)
        net = method.network(config).train()
        trainer = method.trainer(net, config)
        steps = 2 if name == "hog_guided" else 1  # the first is of the map alone
        for _ in range(steps):
            terms = trainer.step(batch(config.size))
            trainer.advance()
        assert ("blended" in terms) == (weight > 0)
        assert weight == 0 or float(terms["blended"]) > 0
