"""Plugin latent_search: networks, losses, search, training, and the parts of the acceptance list that need no faces."""

import pytest
import torch
from inpaintx_plugins.latent_search import Qiang, Yeh
from inpaintx_plugins.latent_search.network import DCGAN, Generator, Spread
from inpaintx_plugins.latent_search.objectives import Limits, QiangLoss, YehLoss, prior
from inpaintx_plugins.latent_search.search import Frozen, closest, draw, search

from inpaintx.errors import InpaintxError
from inpaintx.inference.run import run_method
from inpaintx.nn.discriminators import DCGANDiscriminator
from inpaintx.ops import ssim
from inpaintx.plugin import weights
from inpaintx.testing import run_rules

PAPER = {"kernel_size": 7, "alpha": 2.0, "context_weight": 0.2, "structure_weight": 0.797}


@pytest.fixture
def net():
    """A small DCGAN whose norms have statistics of their own."""
    torch.manual_seed(0)
    net = DCGAN(16, 4, 4)
    for module in net.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 2)
            module.weight.data.mul_(3)
    net.generator.layers[-2].weight.data.mul_(10)
    return net.eval()


@pytest.fixture
def center():
    mask = torch.zeros(1, 1, 64, 64)
    mask[..., 16:48, 16:48] = 1
    return mask


def faces(net, count, seed=1):
    """Pictures of the generator in [0,1]."""
    z = draw(count, 16, torch.Generator().manual_seed(seed), torch.device("cpu"))
    with torch.no_grad():
        return z, net.generator(z) / 2 + 0.5


def count(module):
    return sum(p.numel() for p in module.parameters())


@pytest.mark.parametrize("method", [Yeh, Qiang])
def test_contract(method):
    assert not [r for r in run_rules(method) if r.error]


def test_parameters():
    assert (count(Generator(100, 128)), count(DCGANDiscriminator(64, 128))) == (12_658_432, 11_036_160)
    assert (count(Generator(100, 64)), count(DCGANDiscriminator(64, 64))) == (3_576_704, 2_765_568)
    paper = Yeh().config("paper")
    assert (paper.z, paper.width, paper.discriminator_width, paper.iterations, paper.starts) == (100, 128, 128, 1500, 1)


def test_folding_changes_no_value_and_not_the_network(net):
    state = {k: v.clone() for k, v in net.state_dict().items()}
    z, pictures = faces(net, 3)
    frozen = Frozen(net)
    assert torch.allclose(frozen.picture(z), 2 * pictures - 1, atol=1e-5)
    assert torch.allclose(frozen.logits(pictures), net.discriminator(pictures), atol=1e-4)
    assert all(torch.equal(state[k], v) for k, v in net.state_dict().items())
    assert all(p.requires_grad for p in net.parameters())


def test_search_takes_no_gradient_but_that_to_z(net, center, monkeypatch):
    _, image = faces(net, 1)
    frozen, seen = Frozen(net), []
    grad = torch.autograd.grad
    monkeypatch.setattr(torch.autograd, "grad", lambda y, x: seen.append((x.shape, x.is_leaf)) or grad(y, x))
    options = {"iterations": 3, "rate": 0.01, "decay": False, "prior_form": "saturating"}
    starts = draw(2, 16, torch.Generator().manual_seed(3), torch.device("cpu"))[:, None]
    search(frozen, starts, YehLoss(image, center, 7), prior_weight=0.1, **options)
    assert seen == [((2, 16), True)] * 3
    assert not any(p.requires_grad for part in (frozen.generator, frozen.discriminator) for p in part.parameters())
    monkeypatch.setattr(frozen, "logits", lambda pictures: pytest.fail("the discriminator was run for nothing"))
    search(frozen, starts, YehLoss(image, center, 7), prior_weight=0.0, **options)


@pytest.mark.parametrize("decay", [True, False])
@pytest.mark.parametrize("kind", ["yeh", "qiang"])
def test_search_comes_closer_and_keeps_the_best(net, center, kind, decay):
    _, image = faces(net, 2)
    mask = center.expand(2, -1, -1, -1)
    loss = (
        YehLoss(image, mask, 7) if kind == "yeh" else QiangLoss(image, mask, structure="window", clamped=False, **PAPER)
    )
    starts = draw(3, 16, torch.Generator().manual_seed(5), torch.device("cpu"))
    found = search(
        Frozen(net),
        starts[:, None].expand(-1, 2, -1),
        loss,
        iterations=80,
        rate=0.05,
        decay=decay,
        prior_weight=0.003,
        prior_form="saturating",
    )
    assert found.z.shape == (3, 2, 16)
    assert bool((found.z.abs() <= 1).all())
    assert bool((found.best.diff(dim=0) <= 0).all())
    with torch.no_grad():
        pictures = net.generator(torch.cat([starts, found.choice()])).unflatten(0, (5, 1)).expand(-1, 2, -1, -1, -1)
        context = YehLoss(image, mask, 7)(pictures)
    assert torch.allclose(
        loss(net.generator(found.z.flatten(0, 1)).view(3, 2, 3, 64, 64)), found.known, rtol=1e-3, atol=1e-4
    )
    for b in range(2):
        assert torch.equal(found.choice()[b], found.z[found.known[:, b].argmin(), b])
        assert context[3 + b, b] < 0.6 * context[:3, b].mean()


def test_the_search_starts_from_the_closest_of_the_candidates(net, center):
    _, image = faces(net, 2)
    loss, frozen = YehLoss(image, center.expand(2, -1, -1, -1), 7), Frozen(net)
    drawn = draw(40, 16, torch.Generator().manual_seed(5), torch.device("cpu"))
    with torch.no_grad():
        apart = torch.stack([loss(net.generator(z[None])[None].expand(-1, 2, -1, -1, -1))[0] for z in drawn])
    starts = closest(drawn, frozen.pictures(drawn), 2, loss, 3)
    assert torch.equal(starts, drawn[apart.argsort(0)[:3]])
    alone = closest(drawn[:3], frozen.pictures(drawn[:3]), 2, loss, 3)
    assert torch.equal(alone, drawn[:3, None].expand(-1, 2, -1))


@pytest.mark.parametrize("method", [Yeh(), Qiang()], ids=lambda m: m.name)
def test_preset_paper_starts_from_the_first_vector_of_the_seed(net, center, method, monkeypatch):
    from inpaintx_plugins.latent_search import search as module

    begun = []
    run = module.search

    def spied(net, starts, *rest, **options):
        begun.append((starts, options))
        return run(net, starts, *rest, **options)

    monkeypatch.setattr(module, "search", spied)
    net.config = method.config("paper", z=16, width=4, discriminator_width=4, iterations=2)
    _, image = faces(net, 2)
    run_method(method, net, image, center, generator=torch.Generator().manual_seed(2))
    ((starts, options),) = begun
    first = draw(1, 16, torch.Generator().manual_seed(2), torch.device("cpu"))
    assert torch.equal(starts, first[:, None].expand(-1, 2, -1))
    assert (options["rate"], options["decay"]) == (0.01, False)
    assert method.config("paper").iterations == {"yeh": 1500, "qiang": 1000}[method.name]


def test_four_together_equal_four_alone(net, center):
    method = Qiang()
    net.config = method.config("tiny", z=16, width=4, discriminator_width=4, iterations=20, limits="mask")
    _, image = faces(net, 4)
    mask = torch.cat([center.roll(4 * i, 3) for i in range(4)])

    def filled(i):
        return run_method(method, net, image[i], mask[i], generator=torch.Generator().manual_seed(2)).image

    together = filled(slice(0, 4))
    for i in range(4):
        assert (filled(slice(i, i + 1)) - together[i]).abs().max() < 1e-4


def test_blending_lessens_the_jump_at_the_rim(net, center):
    method = Yeh()
    net.config = method.config("tiny", z=16, width=4, discriminator_width=4)
    image = torch.linspace(0.2, 0.9, 64).expand(1, 3, 64, 64)
    blended, pasted = (
        run_method(method, net, image, center, generator=torch.Generator().manual_seed(0), blend=blend)
        for blend in (None, "none")
    )

    def jump(x):
        """Across the rim on the left, beyond what the generator's picture does there."""
        return (x[..., 16:48, 15:17] - blended.raw[..., 16:48, 15:17]).diff(dim=-1).abs().mean()

    assert jump(blended.image) < 0.5 * jump(pasted.image)
    assert torch.equal(pasted.raw, blended.raw)
    known = center.expand(1, 3, -1, -1) == 0
    assert torch.equal(blended.image[known], image[known])


def literal(image, mask):
    return QiangLoss(image, mask, structure="global", clamped=True, **PAPER)


def test_the_printed_losses_have_no_gradient_where_predicted(center):
    """The weighted sum falls below 739 at a mean error of 739 / (12288 · mean(W·M)): 0.075 for the centre hole."""
    image = torch.full((1, 3, 64, 64), 0.5)
    loss = literal(image, center)
    assert float(loss.weight.mean()) == pytest.approx(0.80, abs=0.01)
    edge = 739 / float(3 * loss.weight.sum())
    assert edge == pytest.approx(0.075, abs=0.001)
    for error, alive in ((0.98 * edge, False), (1.02 * edge, True)):
        picture = (2 * (image + error) - 1)[None].requires_grad_()
        (gradient,) = torch.autograd.grad(loss(picture).sum(), picture)
        assert bool(gradient.any()) == alive  # the structural part is clamped here: s > s_max


def test_equation_6_jumps_and_the_straight_line_does_not(center):
    image = torch.zeros(1, 3, 64, 64)
    options = {**PAPER, "structure_weight": 0.0, "context_weight": 1.0, "structure": "global"}
    weight = literal(image, center).weight.sum() * 3
    values = {}
    for clamped in (True, False):
        loss = QiangLoss(image, center, clamped=clamped, **options)
        values[clamped] = [float(loss((2 * c / weight - 1).expand(1, 1, 3, 64, 64))) for c in (738, 740, 4860, 4862)]
    assert values[True] == pytest.approx([0, 740 / 4122, 4860 / 4122, 1], abs=1e-3)
    assert values[False] == pytest.approx([-1 / 4122, 1 / 4122, 1 - 1 / 4122, 1 + 1 / 4122], abs=1e-3)


def test_limits_are_three_deviations_under_each_mask(net, center):
    masks = torch.cat([center, torch.zeros_like(center), torch.ones_like(center)])
    image = torch.zeros(3, 3, 64, 64)
    loss = QiangLoss(image, masks, structure="window", clamped=False, **PAPER)
    _, some = faces(net, 16)
    loss.calibrate(2 * some - 1)
    for b in range(2):
        pairs = (some, some.roll(1, 0))
        c = ((pairs[0] - pairs[1]).abs() * loss.weight[b]).sum((1, 2, 3))
        s = ssim(*pairs, loss.weight[b : b + 1].expand(16, -1, -1, -1))
        for k, x in enumerate((s, c)):
            assert float(loss.limits.low[k, b]) == pytest.approx(float(x.mean() - 3 * x.std()), rel=1e-3, abs=1e-4)
            assert float(loss.limits.high[k, b]) == pytest.approx(float(x.mean() + 3 * x.std()), rel=1e-3, abs=1e-4)
    assert bool(torch.isfinite(loss((2 * some - 1)[:, None].expand(-1, 3, -1, -1, -1))).all())  # the third is all hole
    assert float(Limits.printed(image.device).low[0]) == pytest.approx(0.1198)


def test_prior_is_lower_where_a_face_looks_real():
    logits = torch.tensor([-2.0, 0.0, 3.0])
    assert torch.allclose(prior(logits, "saturating"), torch.log(1 - logits.sigmoid()))
    assert torch.allclose(prior(logits, "nonsaturating"), -torch.log(logits.sigmoid()))


def test_training_ignores_masks_and_measures_the_spread(center):
    def trained(mask):
        method = Qiang()
        config = method.config("tiny")
        torch.manual_seed(4)
        net = method.network(config).train()
        trainer = method.trainer(net, config)
        trainer.step({"image": torch.rand(4, 3, 64, 64, generator=torch.Generator().manual_seed(0)), "mask": mask})
        return net

    one, other = trained(center), trained(1 - center)
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))
    assert not torch.equal(one.spread.mean, torch.tensor([0.4836, 2800.0]))


def test_the_running_spread_comes_to_that_of_the_samples():
    torch.manual_seed(0)
    spread = Spread()
    for _ in range(2000):
        spread.follow(0.3 + 0.05 * torch.randn(32), 2000 + 400 * torch.randn(32))
    assert spread.mean.tolist() == pytest.approx([0.3, 2000], rel=0.02)
    assert spread.deviation.tolist() == pytest.approx([0.05, 400], rel=0.05)


def test_both_methods_take_the_same_file(tmp_path):
    yeh, qiang = Yeh(), Qiang()
    config = yeh.config("tiny", iterations=7)
    path = tmp_path / "dcgan.safetensors"
    weights.save(path, yeh, config, yeh.network(config))
    loaded = weights.load(qiang, qiang.config("paper"), str(path), torch.device("cpu"))
    assert (loaded.config.width, loaded.config.iterations, loaded.config.clamped) == (8, 1000, True)


def test_an_even_window_is_refused():
    with pytest.raises(InpaintxError, match=r"kernel_size: .*must be odd, got 6"):
        Yeh().config(kernel_size=6)
