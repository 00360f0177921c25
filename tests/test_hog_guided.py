"""HOG-guided inpainting: parameters, no leak of hidden pixels into the guidance, three stages in one run."""

import pytest
import torch
from inpaintx_plugins.hog_guided import HOGGuided
from inpaintx_plugins.hog_guided.network import HOGGuidedNet

from inpaintx.nn.discriminators import PatchGAN
from inpaintx.ops import hog_image
from inpaintx.testing import check_method


def count(net):
    return sum(p.numel() for p in net.parameters())


def case(size=64, batch=2):
    torch.manual_seed(0)
    image, mask = torch.rand(batch, 3, size, size), torch.zeros(batch, 1, size, size)
    mask[..., 21:43, 17:39] = 1
    return image, mask


def test_contract():
    check_method("hog_guided")


def test_parameters():
    with torch.device("meta"):
        net, judge = HOGGuidedNet(), PatchGAN(3, norm="spectral", bias=False)
    assert count(net.shape) == 10_761_089
    assert count(net.paint) == 10_774_595
    assert count(judge) == 2_763_776


@pytest.mark.parametrize(("bins", "transform_sqrt"), [(0, False), (9, False), (0, True)])
def test_hidden_pixels_do_not_leak_into_the_guidance(bins, transform_sqrt):
    method, (image, mask) = HOGGuided(), case()
    net = method.network(method.config("tiny", bins=bins, transform_sqrt=transform_sqrt)).eval()
    hole = mask > 0.5
    hidden = hole.expand_as(image)
    for other in (torch.rand_like(image), torch.full_like(image, torch.nan)):
        changed = torch.where(hidden, other, image)
        assert torch.equal(net.known_guidance(image, hole), net.known_guidance(changed, hole))
    changed = torch.where(hidden, torch.rand_like(image), image)
    with torch.no_grad():
        assert torch.equal(net(image, hole), net(changed, hole))
        assert torch.equal(net.complete(image, hole)[1], net.complete(changed, hole)[1])


def test_paper_preset_normalizes_the_image_before_its_gradients():
    method, (image, _) = HOGGuided(), case()
    assert method.config("paper").transform_sqrt
    net = method.network(method.config("tiny", transform_sqrt=True))
    assert torch.equal(net.guidance(image), hog_image(net.gray(image).sqrt(), 4))


def test_completed_map_is_its_own_away_from_the_hole():
    method, (image, mask) = HOGGuided(), case()
    net, hole = method.network(method.config("tiny")).eval(), mask > 0.5
    with torch.no_grad():
        predicted, completed = net.complete(image, hole)
    near = net.near_hole(hole, 1)
    assert near[0, 0, 16:48, 12:44].all()  # cells of 4 pixels: 20..43 and 16..39 are touched, one cell around
    assert not near[0, 0, :16].any()
    assert torch.equal(completed[near], predicted[near])
    # beyond one more cell the map is that of the whole image: no block there reaches a cell that the hole touches
    far = ~net.near_hole(hole, 2)
    torch.testing.assert_close(completed[far], hog_image(net.gray(image), 4)[far])


def test_stages_follow_each_other():
    method, (image, mask) = HOGGuided(), case()
    config = method.config("tiny", width=8, blocks=1, steps=5, shape_steps=2, true_guidance_steps=1, vgg="small")
    net = method.network(config).train()
    trainer = method.trainer(net, config)
    assert "random" in trainer.frozen["vgg"]
    stages = []
    for _ in range(5):
        before = {k: v.clone() for k, v in net.state_dict().items() if k.endswith("weight") or "original" in k}
        stage = trainer.stage
        losses = trainer.step({"image": image, "mask": mask})
        trainer.advance()
        moved = {k.split(".")[0] for k, v in before.items() if not torch.equal(v, net.state_dict()[k])}
        stages.append((stage, moved))
        assert all(torch.isfinite(v) for v in losses.values())
    assert stages == [("shape", {"shape"})] * 2 + [("true", {"paint"})] + [("predicted", {"paint"})] * 2
    again = method.trainer(method.network(config), config)
    again.load_state_dict(trainer.state_dict())
    assert again.stage == "predicted"


@pytest.mark.parametrize("losses", ["paper", "edgeconnect"])
def test_both_sets_of_losses_train(losses):
    method, (image, mask) = HOGGuided(), case()
    options = {"width": 8, "blocks": 1, "shape_steps": 1, "true_guidance_steps": 1, "losses": losses, "vgg": "small"}
    config = method.config("tiny", **options)
    trainer = method.trainer(method.network(config).train(), config)
    seen = set()
    for _ in range(3):
        seen |= set(trainer.step({"image": image, "mask": mask}))
        trainer.advance()
    assert {"l1", "style", "perceptual", "shape_matching" if losses == "edgeconnect" else "shape_l1"} <= seen
