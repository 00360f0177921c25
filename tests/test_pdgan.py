"""Plugin pdgan: sizes, the acceptance lines that need no training, losses."""

import math

import pytest
import torch
from inpaintx_plugins.pconv_prior import PConvPrior
from inpaintx_plugins.pdgan import PDGAN
from inpaintx_plugins.pdgan.network import UNITS, Generator, SPDNorm
from inpaintx_plugins.pdgan.trainer import discriminator, diversity_loss, skin_loss
from torch import nn

from inpaintx import InpaintxError, inpaint
from inpaintx.inference.run import run_method
from inpaintx.nn.fan import FAN, save_fan
from inpaintx.ops import poisson_blend, spd_map
from inpaintx.plugin import weights
from inpaintx.testing import run_rules
from inpaintx.training.config import resolve_settings

TINY = {"size": 32, "width": 4, "prior_steps": 0, "steps": 10, "batch": 2}


def make(preset="tiny", **options):
    method = PDGAN()
    config = method.config(preset, **{**TINY, "vgg": "small", "vgg_normalize": True, **options})
    torch.manual_seed(0)
    net = method.network(config).train()
    return net, method.trainer(net, config)


def batch(size=32, count=2):
    torch.manual_seed(3)
    mask = torch.zeros(count, 1, size, size)
    mask[..., 8:24, 8:24] = 1
    skin = torch.zeros(count, 1, size, size)
    skin[..., :16, :] = 1
    return {"image": torch.rand(count, 3, size, size), "mask": mask, "skin": skin}


def test_contract():
    assert not [r for r in run_rules(PDGAN()) if r.error]


@pytest.mark.parametrize(("preset", "expected"), [("paper", 186_007_171), ("full", 254_836_099)])
def test_parameter_counts(preset, expected):
    with torch.device("meta"):
        net = PDGAN().network(PDGAN().config(preset))
    assert sum(p.numel() for p in net.generator.parameters()) == expected


def test_discriminator_has_as_many_parameters_as_the_paper_s():
    with torch.device("meta"):
        assert sum(p.numel() for p in discriminator(64).parameters()) == 5_533_826


def test_a_training_from_the_shipped_weights_keeps_their_prior_and_wants_no_file():
    settings = resolve_settings(PDGAN(), None, {"init": "default", "steps": 3, "vgg": "skip"})
    assert (settings.config.prior, settings.config.prior_steps) == ("", 0)
    net = PDGAN().network(settings.config)
    assert PDGAN().trainer(net, settings.config).frozen["prior"] == "what the run began from"


def test_the_mean_of_two_draws_is_refused():
    net, _ = make(mirrored=True)
    with pytest.raises(InpaintxError, match="draws its fills at random"):
        run_method(PDGAN(), net.eval(), batch()["image"], batch()["mask"])


def test_rows_of_the_table_are_presets():
    rows = {name: PDGAN().config(name) for name in ("paper", "fan_only", "mask_only", "full")}
    assert {n: (c.alpha, c.beta) for n, c in rows.items()} == {
        "paper": (0, 0),
        "fan_only": (0, 10),
        "mask_only": (0.5, 0),
        "full": (0.5, 10),
    }
    assert (rows["paper"].map, rows["paper"].upsample, rows["paper"].z) == ("hard", "deconv", 256)
    assert {(c.map, c.upsample, c.z) for n, c in rows.items() if n != "paper"} == {("improved", "pixelshuffle", 128)}
    assert "paper" in PConvPrior.presets


def test_without_probability_the_prior_has_no_say():
    """3.2 (b)."""
    norm = SPDNorm(6, 8)
    x, zero = torch.randn(2, 6, 5, 5), torch.zeros(2, 1, 5, 5)
    y = norm(x, torch.rand(2, 3, 5, 5), zero)
    torch.testing.assert_close(y, norm(x, torch.rand(2, 3, 5, 5), zero))
    torch.testing.assert_close(y, (x - x.mean(1, keepdim=True)) / (x.var(1, keepdim=True) + 1e-5).sqrt())
    assert not torch.allclose(y, norm(x, torch.rand(2, 3, 5, 5), zero + 1))


def test_map_for_each_channel_equals_one_for_all_where_it_is_the_same():
    norm = SPDNorm(6, 8)
    x, prior, p = torch.randn(2, 6, 5, 5), torch.rand(2, 3, 5, 5), torch.rand(2, 1, 5, 5)
    torch.testing.assert_close(norm(x, prior, p.expand(-1, 6, -1, -1)), norm(x, prior, p))


def test_gamma_and_beta_at_once_are_those_of_two_convolutions():
    """What CUDA takes: values, and gradients of each of the two convolutions' parameters and of the features."""
    norm = SPDNorm(24, 32).double()
    code = torch.rand(2, 32, 20, 20, dtype=torch.float64, requires_grad=True)
    weights_of_sums = [torch.randn(2, 24, 20, 20, dtype=torch.float64) for _ in range(2)]
    leaves = [code, *norm.gamma.parameters(), *norm.beta.parameters()]
    once, twice = norm.modulation_at_once(code), (norm.gamma(code), norm.beta(code))
    torch.testing.assert_close(once, twice, atol=1e-12, rtol=1e-12)
    gradients = [torch.autograd.grad(pair, leaves, weights_of_sums) for pair in (once, twice)]
    torch.testing.assert_close(*gradients, atol=1e-12, rtol=1e-12)


def center_hole(size=64):
    mask = torch.zeros(1, 1, size, size)
    mask[..., size // 4 : -size // 4, size // 4 : -size // 4] = 1
    return mask


def levels(p, mask):
    return len(p[mask > 0].unique())


@pytest.mark.parametrize("unit", range(len(UNITS)))
def test_levels_of_the_maps(unit):
    """3.2 (d) and 3.3 (a): the hard map has at most n levels in the hole; the improved one over five times as many."""
    _, n, window = UNITS[unit]
    mask = torch.nn.functional.interpolate(_strokes(), (4 << unit, 4 << unit))
    hard, improved = (spd_map(mask, n, window, kind=kind) for kind in ("hard", "improved"))
    assert levels(hard, mask) <= n
    if 4 << unit >= 32:
        assert levels(improved, mask) > 5 * levels(hard, mask)


def _strokes():
    """A hole of discs and bars at 256x256."""
    y, x = torch.meshgrid(torch.arange(256), torch.arange(256), indexing="ij")
    hole = ((x - 90) ** 2 + (y - 150) ** 2 < 70**2) | ((x + y > 280) & (x + y < 330)) | (abs(y - 40) < 14)
    return hole[None, None].float()


def test_improved_map_falls_from_a_straight_rim_and_begins_higher():
    """3.3 (a) and (b)."""
    mask = torch.zeros(1, 1, 41, 41)
    mask[..., 20:] = 1
    for _, n, window in UNITS:
        improved, hard = (spd_map(mask, n, window, kind=kind)[0, 0, 20, 20:] for kind in ("improved", "hard"))
        assert (improved.diff() <= 0).all()
        assert 1 - improved[0] < 1 - hard[0] == pytest.approx(1 - math.exp(-1))


@torch.no_grad()
def test_upsampling_without_checkerboard():
    """3.3 (c): in the generator, as it is initialised."""
    for upsample, smooth in (("pixelshuffle", True), ("deconv", False)):
        up = Generator(32, 4, 8, upsample=upsample).units[0].up
        flat = torch.full((1, 64, 8, 8), 0.7)
        ripple = float(up(flat)[..., 4:-4, 4:-4].std((2, 3)).max())
        assert (ripple < 1e-6) == smooth


def test_floor_and_area_are_options():
    block = Generator(32, 4, 8, kind="improved", floor=True).units[0].block
    full = torch.ones(1, 1, 16, 16)
    assert float(block.probability(full).min()) == pytest.approx(math.exp(-2))
    thin = torch.zeros(1, 1, 32, 32)
    thin[..., 0] = 1  # the nearest pixel sees it at every size; it is half of a pixel at most
    nets = [Generator(32, 4, 8, resize=resize).eval() for resize in ("nearest", "area")]
    nets[1].load_state_dict(nets[0].state_dict())
    z, prior = torch.randn(1, 8), torch.rand(1, 3, 32, 32)
    assert not torch.equal(nets[0](z, prior, thin), nets[1](z, prior, thin))


def test_several_vectors_for_each_image():
    net = Generator(32, 4, 8).eval()
    z, prior, mask = torch.randn(4, 8), torch.rand(2, 3, 32, 32), batch()["mask"]
    together = net(z, prior, mask)
    torch.testing.assert_close(together[2:], net(z[2:], prior, mask), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(together[1:2], net(z[1:2], prior[1:], mask[1:]), rtol=1e-4, atol=1e-5)


def test_two_samples_differ_in_the_hole_alone():
    net, _ = make()
    one = batch()
    nn.init.normal_(net.generator.last.weight, 0, 1)  # at the start the fills hardly differ
    fills = [PDGAN().inpaint(net.eval(), **_shown(one), generator=torch.Generator().manual_seed(i)) for i in (1, 2)]
    assert float((fills[0] - fills[1]).abs().mean()) > 1e-3
    a = inpaint(one["image"], one["mask"], method="pdgan", preset="tiny", size=32, width=4, seed=0, samples=2)
    assert len(a) == 2
    assert not torch.equal(a[0], a[1])
    known = (one["mask"] == 0).expand_as(one["image"])
    assert torch.equal(a[0][known], one["image"][known])
    assert torch.equal(a[1][known], one["image"][known])


def _shown(one):
    return {"image": one["image"] * (1 - one["mask"]), "mask": one["mask"]}


def test_terms_of_each_row(tmp_path):
    save_fan(tmp_path / "fan.safetensors", FAN(1, 5, 16, 64), "toys")
    always = {"gan", "feature_matching", "tv", "perceptual", "diversity", "discriminator"}
    for row, extra in (("paper", set()), ("mask_only", {"skin"}), ("full", {"skin", "heatmap"})):
        net, trainer = make(row, fan_path=str(tmp_path / "fan.safetensors"))
        before = {k: v.clone() for k, v in net.state_dict().items()}
        losses = trainer.step(batch())
        assert set(losses) == always | extra
        assert all(torch.isfinite(v) for v in losses.values())
        moved = {k.split(".")[0] for k, v in net.state_dict().items() if not torch.equal(v, before[k])}
        assert moved == {"generator"}  # the prior stays as it is
        assert trainer.frozen["vgg"] == "random, a quarter of the width"
        if "heatmap" in extra:
            assert trainer.frozen["fan"] == "set:toys"


def test_skin_loss_has_no_gradient_outside_the_skin():
    """3.3 (d)."""
    _, trainer = make("mask_only", vgg="skip", skin="mean")
    one = batch()
    fake = torch.rand(4, 3, 32, 32, requires_grad=True)
    trainer._image_terms(fake, 2 * one["image"] - 1, one["mask"], one["skin"])["skin"].backward()
    assert (fake.grad[:, :, 16:] == 0).all()
    assert (fake.grad[:, :, :16] != 0).all()
    expected = (
        0.5 * 2 * float(((fake - (2 * one["image"] - 1).repeat(2, 1, 1, 1)).abs()[:, :, :16]).detach().mean()) / 2
    )
    again = trainer._image_terms(fake.detach(), 2 * one["image"] - 1, one["mask"], one["skin"])["skin"]
    assert float(again) == pytest.approx(expected, rel=1e-4)


def test_the_skin_losses_forms():
    """As the face paper prints it, a sum; as a mean over all elements; over the skin's pixels in the hole."""
    difference = torch.rand(2, 3, 8, 8)
    skin, hole = torch.zeros(2, 1, 8, 8), torch.zeros(2, 1, 8, 8)
    skin[:, :, :4], hole[0, :, 2:6], hole[1, :, 3:5] = 1, 1, 1
    inside = (difference * skin).double()
    assert float(skin_loss(difference, skin, hole, "sum")) == pytest.approx(float(inside.sum()) / 2, rel=1e-5)
    assert float(skin_loss(difference, skin, hole, "mean")) == pytest.approx(float(inside.mean()), rel=1e-5)
    hidden = torch.cat([difference[0, :, 2:4].flatten(), difference[1, :, 3:4].flatten()])
    assert float(skin_loss(difference, skin, hole, "hole")) == pytest.approx(float(hidden.mean()), rel=1e-5)
    assert float(skin_loss(difference, skin, torch.zeros_like(hole), "hole")) == 0
    rows = {name: PDGAN().config(name).skin for name in ("mask_only", "full", "default")}
    assert rows == {"mask_only": "sum", "full": "sum", "default": "hole"}


def test_a_capped_map_falls_into_the_hole_as_the_holes_does():
    """With the learnt map at 1 everywhere, the shortcut's is the hole's map, and without the cap 1."""
    mask, prior = center_hole(32), torch.rand(1, 3, 32, 32)
    seen = {}
    for capped in (False, True):
        block = Generator(64, 4, 8, kind="improved", capped=capped).units[3].block
        nn.init.zeros_(block.attention[0].weight)
        nn.init.constant_(block.attention[0].bias, 50.0)
        block.norm_s.register_forward_hook(lambda module, args, out, capped=capped: seen.update({capped: args[2]}))
        block(torch.randn(1, 32, 32, 32), prior, mask)
    assert torch.equal(seen[False], torch.ones_like(seen[False]))
    expected = block.probability(mask).expand_as(seen[True])
    torch.testing.assert_close(seen[True], torch.where(mask > 0.5, expected, 1.0))
    assert float(seen[True][..., 16, 16].max()) < 0.1


def test_the_middle_of_holes_is_free_of_the_truth_as_far_as_asked():
    one = batch()
    one["mask"] = torch.zeros_like(one["mask"])
    one["mask"][:, :, :, 2:] = 1  # a map of 32 pixels reaches no further than half of it
    image = 2 * one["image"] - 1
    rim, deep = torch.zeros(4, 3, 32, 32), torch.zeros(4, 3, 32, 32)
    rim[..., 2], deep[..., 30] = 1, 1
    truth = image.repeat(2, 1, 1, 1)
    found = {}
    for free in (0.0, 0.75):
        _, trainer = make("mask_only", vgg="small", skin="mean", blended=1.0, free=free)
        found[free] = [
            trainer._image_terms(truth + error, image, one["mask"], torch.ones_like(one["mask"]))
            for error in (rim, deep)
        ]
    (near, far), (near_free, far_free) = found.values()
    assert float(near["skin"]) == pytest.approx(float(far["skin"]))
    assert float(far_free["skin"]) == pytest.approx(0.25 * float(far["skin"]), rel=1e-2)
    assert float(near_free["skin"]) > 0.6 * float(near["skin"])
    for name in ("perceptual", "blended"):
        assert float(far_free[name]) < 0.5 * float(far[name])


def test_diversity_counts_less_as_training_goes_on():
    _, trainer = make(diversity=2.0, diversity_fall=0.01, steps=5)
    one = batch()
    image = 2 * one["image"] - 1
    fake = torch.rand(4, 3, 32, 32)
    found = []
    for _ in range(3):
        found.append(float(trainer._image_terms(fake, image, one["mask"], one["skin"])["diversity"]))
        trainer.advance()
        trainer.advance()
    length = trainer.config.steps
    assert length == 5
    assert found[1] == pytest.approx(found[0] * 0.01 ** (2 / 5), rel=1e-4)
    assert found[2] == pytest.approx(found[0] * 0.01 ** (4 / 5), rel=1e-4)
    _, resumed = make(diversity=2.0, diversity_fall=0.01, steps=5)
    resumed.load_state_dict(trainer.state_dict())
    assert float(resumed.diversity) == pytest.approx(2 * 0.01 ** (6 / 5), rel=1e-4)


def test_blended_term_forgives_a_constant_offset_alone():
    _, trainer = make("mask_only", vgg="skip", blended=50.0)
    one = batch()
    truth = (2 * one["image"] - 1).repeat(2, 1, 1, 1)

    def term(fake):
        return float(trainer._image_terms(fake, truth[:2], one["mask"], one["skin"])["blended"])

    assert term(truth + 0.2) == pytest.approx(0, abs=0.05)
    other = torch.rand_like(truth)
    assert term(other) > 1
    joined = poisson_blend(other, truth, one["mask"].repeat(2, 1, 1, 1), tol=1e-6)
    assert term(other) == pytest.approx(2 * 50 * float((joined - truth).abs().mean()), rel=1e-2)


def test_the_fan_that_ships_goes_by_a_name():
    _, trainer = make("fan_only", vgg="skip", fan_path="fan128")
    assert trainer.frozen["fan"] == "set:all_age_faces"


def test_heatmap_gradient_reaches_the_generator_and_not_fan(tmp_path):
    save_fan(tmp_path / "fan.safetensors", FAN(1, 5, 16, 64), "toys")
    _, trainer = make("fan_only", vgg="skip", fan_path=str(tmp_path / "fan.safetensors"))
    one = batch()
    fake = torch.rand(4, 3, 32, 32, requires_grad=True)
    image = 2 * one["image"] - 1
    trainer._image_terms(fake, image, one["mask"], None)["heatmap"].backward()
    assert fake.grad.abs().sum() > 0
    assert all(p.grad is None for p in trainer.fan.parameters())
    same = trainer._image_terms(image.repeat(2, 1, 1, 1), image, one["mask"], None)["heatmap"]
    assert float(same) == pytest.approx(0, abs=1e-6)


def test_missing_fan_is_dropped_and_said_or_an_error(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.delenv("INPAINTX_WEIGHTS", raising=False)
    _, trainer = make("tiny", beta=10.0)
    assert trainer.frozen["fan"] == "skip"
    assert "heatmap" not in trainer.step(batch())
    with pytest.raises(InpaintxError, match="2DFAN4"):
        make("fan_only")


def test_diversity_loss_is_bounded():
    a = torch.rand(3, 4)
    assert float(diversity_loss(a, a, 1e-2)) == pytest.approx(100)
    assert float(diversity_loss(a, a + 1, 1e-2)) == pytest.approx(1 / 1.01, rel=1e-4)


def test_prior_is_trained_first_then_left_alone():
    net, trainer = make(prior_steps=1)
    before = {k: v.clone() for k, v in net.state_dict().items()}
    losses = trainer.step(batch())
    trainer.advance()
    assert set(losses) == {f"prior_{n}" for n in ("valid", "hole", "tv", "perceptual", "style")}
    moved = {k.split(".")[0] for k, v in net.state_dict().items() if not torch.equal(v, before[k])}
    assert moved == {"prior"}
    rate = trainer.optimizers["generator"].param_groups[0]["lr"]
    assert rate == pytest.approx(trainer.config.lr / 2)
    prior = {k: v.clone() for k, v in net.prior.state_dict().items()}
    assert "gan" in trainer.step(batch())
    assert all(torch.equal(v, prior[k]) for k, v in net.prior.state_dict().items())


def test_prior_from_a_run(tmp_path):
    method = PConvPrior()
    config = method.config("tiny", width=4, levels=3, size=32)
    weights.save(tmp_path / "prior.safetensors", method, config, prior := method.network(config))
    net, trainer = make(prior=str(tmp_path / "prior.safetensors"))
    assert torch.equal(net.prior.encoder[1].conv.weight, prior.encoder[1].conv.weight)
    assert trainer.frozen["prior"].startswith("file prior.safetensors@")
    with pytest.raises(InpaintxError, match="width=4; these options need width=8"):
        make(prior=str(tmp_path / "prior.safetensors"), width=8)


def test_the_prior_may_be_the_default_and_reach_deeper_than_the_generator():
    config = PDGAN().config("tiny", size=64, prior="default", prior_width=24, prior_levels=5, width=4, vgg="skip")
    net = PDGAN().network(config)
    trainer = PDGAN().trainer(net, config)
    shipped = weights.load(PConvPrior(), PConvPrior().config(), "default", torch.device("cpu")).net
    assert torch.equal(net.prior.decoder[-1][1].weight, shipped.decoder[-1][1].weight)
    assert trainer.frozen["prior"].startswith("file features128.safetensors@")
    with pytest.raises(InpaintxError, match="too many for pdgan's size 32"):
        PDGAN().network(config.model_copy(update={"size": 32}))


def test_sizes():
    for size in (48, 512):
        with pytest.raises(InpaintxError, match=f"must be 16, 32, 64, 128 or 256, got {size}"):
            PDGAN().network(PDGAN().config("tiny", size=size))
