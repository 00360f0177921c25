"""DeepFill v1 and v2: parameters, attention that copies known patches, per-image masks, a public port's weights."""

import pytest
import torch
from inpaintx_plugins.deepfill import DeepFill, load_official
from inpaintx_plugins.deepfill.network import DeepFillNet
from inpaintx_plugins.deepfill.official import LAYERS
from inpaintx_plugins.deepfill.trainer import cut, discounts, hole_boxes

from inpaintx import InpaintxError
from inpaintx.ops import contextual_attention
from inpaintx.testing import check_method


def case(size=64, batch=2):
    torch.manual_seed(0)
    image, mask = torch.rand(batch, 3, size, size), torch.zeros(batch, 1, size, size)
    for i in range(batch):
        mask[i, :, 16 + 8 * i : 40, 8 : 32 + 4 * i] = 1
    return image, mask


def test_contract():
    check_method("deepfill")


def test_parameters():
    with torch.device("meta"):
        v1, v2 = DeepFillNet("v1", 32), DeepFillNet("v2", 48)
    assert sum(p.numel() for p in v1.parameters()) == 3_601_542
    assert sum(p.numel() for p in v2.parameters()) == 4_052_478


def test_attention_copies_an_exactly_repeated_texture_and_never_from_the_hole():
    torch.manual_seed(2)
    texture = torch.randn(1, 8, 8, 8).repeat(1, 1, 8, 8)
    mask = torch.zeros(1, 1, 64, 64)
    mask[..., 24:40, 24:40] = 1
    out, offsets = contextual_attention(texture, texture, mask, scale=200.0, return_offsets=True)
    inner = (slice(None), slice(None), slice(16, -16), slice(16, -16))
    assert (out[inner] - texture[inner]).abs().max() < 1e-3
    rows, columns = 2 * offsets[0, ..., 0], 2 * offsets[0, ..., 1]
    assert not mask[0, 0][rows, columns].any()


@pytest.mark.parametrize("preset", ["v1", "default"])
def test_batch_with_different_masks_equals_singles(preset):
    method, (image, mask) = DeepFill(), case(batch=3)
    torch.manual_seed(0)
    net = method.network(method.config(preset, size=64, width=16)).eval()
    with torch.no_grad():
        together = method.inpaint(net, image, mask)
        for i in range(3):
            one = slice(i, i + 1)
            torch.testing.assert_close(method.inpaint(net, image[one], mask[one]), together[one], atol=1e-5, rtol=0)


@pytest.mark.parametrize("preset", ["v1", "tiny"])
def test_training_moves_both_stages(preset):
    method, (image, mask) = DeepFill(), case()
    config = method.config(preset, size=64, width=8, discriminator_width=4, critic_steps=2)
    net = method.network(config).train()
    before = {k: v.clone() for k, v in net.named_parameters()}
    trainer = method.trainer(net, config)
    names = []
    for _ in range(3):
        losses = trainer.step({"image": image, "mask": mask})
        trainer.advance()
        assert all(torch.isfinite(v) for v in losses.values())
        names.append(set(losses))
    still = [k for k, v in net.named_parameters() if torch.equal(v, before[k])]
    assert not still
    if preset == "v1":  # the network learns at every second step
        assert ["known" in n for n in names] == [True, False, True]


def test_discount_falls_with_the_distance_from_known_pixels():
    hole = torch.zeros(1, 1, 9, 9, dtype=torch.bool)
    hole[..., 2:7, 2:7] = True
    weight = discounts(hole, 0.9)
    assert weight[0, 0, 4, 4] == pytest.approx(0.9**2)
    assert weight[0, 0, 2, 4] == 1
    assert (weight[~hole] == 0).all()


def test_boxes_hold_the_hole_and_are_cut_out():
    holes = torch.zeros(2, 1, 32, 32, dtype=torch.bool)
    holes[0, :, 4:12, 8:24] = True  # 8 by 16: widened to a square
    boxes = hole_boxes(holes)
    assert ((boxes[0] + 1) * 16).tolist() == [8, 0, 24, 16]
    assert boxes[1].tolist() == [-1, -1, 1, 1]  # no hole: the whole image
    image = torch.rand(2, 3, 32, 32)
    torch.testing.assert_close(cut(image, boxes, 16)[0], image[0, :, :16, 8:24])


def test_public_ports_names_load():
    """A state dict with the port's names and shapes, drawn at random."""
    torch.manual_seed(1)
    net = DeepFillNet("v2", 48)
    ours = {**net.state_dict()}
    state = {}
    for part, names in LAYERS.items():
        for i, name in enumerate(names):
            for kind in ("weight", "bias"):
                key = next(k for k in ours if k.startswith(f"{part}.{i}.") and k.endswith(kind))
                state[f"{name}.conv.{kind}"] = torch.randn_like(ours[key])
    assert len(state) == len(ours)
    assert state["stage2.b1_down_block1.conv1_downsample.conv.weight"].shape == (48, 24, 3, 3)
    assert state["stage1.up_block2.conv1_upsample.conv.conv.weight"].shape == (48, 48, 3, 3)
    load_official(net, state)
    assert torch.equal(net.merge[0].conv.weight, state["stage2.conv_bn6.conv.weight"])
    with pytest.raises(InpaintxError, match="not a weight of"):
        load_official(net, {"stage3.conv.weight": torch.zeros(1)})
    with pytest.raises(InpaintxError, match="does not fit"):
        load_official(net, {k: v for k, v in state.items() if "stage1" in k})
