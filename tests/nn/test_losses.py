import math

import pytest
import torch

from inpaintx.nn import losses

X, Y = torch.rand(2, 2, 3, 5, 4, generator=torch.Generator().manual_seed(0))


def test_l1_counts_all_elements():
    weight = torch.zeros(2, 1, 5, 4)
    weight[0, :, 0, 0] = 2
    expected = sum(2 * abs(X[0, c, 0, 0] - Y[0, c, 0, 0]) for c in range(3)) / X.numel()
    assert losses.l1_loss(X, Y, weight) == pytest.approx(float(expected))
    assert losses.l1_loss(X.half(), X.half() + 1).dtype == torch.float32


def test_perceptual_weighs_layers():
    a, b = {"p": X, "q": X[:1]}, {"p": Y, "q": Y[:1]}
    p, q = float((X - Y).abs().mean()), float((X[:1] - Y[:1]).abs().mean())
    assert float(losses.perceptual_loss(a, b, ["p", "q"])) == pytest.approx(p + q)
    assert float(losses.perceptual_loss(a, b, {"p": 3.0, "q": 0.0})) == pytest.approx(3 * p)


def test_style_by_loops():
    g = losses.gram(X)
    by_hand = sum(X[1, 0, i, j] * X[1, 2, i, j] for i in range(5) for j in range(4)) / (3 * 5 * 4)
    assert g[1, 0, 2] == pytest.approx(float(by_hand), rel=1e-5)
    assert float(losses.style_loss({"p": X}, {"p": Y}, ["p"])) == pytest.approx(
        float((g - losses.gram(Y)).abs().mean()), rel=1e-5
    )
    shuffled = X.flatten(2)[:, :, torch.randperm(20)].view_as(X)
    assert float(losses.style_loss({"p": X}, {"p": shuffled}, ["p"])) < 1e-6


def test_tv_by_loops_over_the_widened_hole():
    mask = torch.zeros(2, 1, 5, 4)
    mask[0, 0, 1, 1] = 1
    mask[1, 0, 4, 3] = 1
    near = [{(i, j) for i in range(3) for j in range(3)}, {(i, j) for i in (3, 4) for j in (2, 3)}]
    across = down = 0.0
    for b in range(2):
        for c in range(3):
            for i, j in near[b]:
                if (i, j + 1) in near[b]:
                    across += float(abs(X[b, c, i, j] - X[b, c, i, j + 1]))
                if (i + 1, j) in near[b]:
                    down += float(abs(X[b, c, i, j] - X[b, c, i + 1, j]))
    expected = across / (2 * 3 * 5 * 3) + down / (2 * 3 * 4 * 4)
    assert float(losses.tv_loss(X, mask)) == pytest.approx(expected, rel=1e-5)
    assert losses.tv_loss(X, torch.zeros(2, 1, 5, 4)) == 0


@pytest.mark.parametrize(
    ("mode", "d", "g"),
    [
        ("nsgan", lambda r, f: math.log1p(math.exp(-r)) + math.log1p(math.exp(f)), lambda f: math.log1p(math.exp(-f))),
        ("hinge", lambda r, f: max(0, 1 - r) + max(0, 1 + f), lambda f: -f),
        ("wgan", lambda r, f: f - r, lambda f: -f),
        ("lsgan", lambda r, f: (r - 1) ** 2 + f**2, lambda f: (f - 1) ** 2),
    ],
)
def test_gan_modes(mode, d, g):
    for r, f in ((0.3, -2.0), (1.5, 0.4)):
        real, fake = torch.tensor([[r]]), torch.tensor([f])
        assert float(losses.discriminator_loss(real, fake, mode)) == pytest.approx(d(r, f))
        assert float(losses.generator_loss(fake, mode)) == pytest.approx(g(f))


def test_discriminators_of_several_scales_count_alike():
    small, large = torch.tensor([1.0]), torch.full((9, 9), 3.0)
    assert float(losses.generator_loss([small, large], "wgan")) == pytest.approx(-2)


def test_gradient_penalty_of_a_linear_critic():
    weight = torch.full((3, 5, 4), 0.5)

    def critic(x):
        return (x * weight).flatten(1).sum(1)

    norm = math.sqrt(60 * 0.25)
    assert float(losses.gradient_penalty(critic, X, Y)) == pytest.approx((norm - 1) ** 2, rel=1e-4)
    mask = torch.zeros(2, 1, 5, 4)
    mask[..., :2, :] = 1
    norm = math.sqrt(24 * 0.25)
    assert float(losses.gradient_penalty(critic, X, Y, mask)) == pytest.approx((norm - 1) ** 2, rel=1e-4)


def test_gradient_penalty_trains_the_critic_and_not_the_generator():
    critic = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(60, 1))
    fake = Y.clone().requires_grad_()
    losses.gradient_penalty(critic, X, fake).backward()
    assert critic[1].weight.grad.abs().sum() > 0
    assert fake.grad is None


def test_feature_matching_leaves_out_logits_and_real():
    real = [X.clone().requires_grad_(), X + 1, torch.tensor([9.0])]
    fake = [Y.clone().requires_grad_(), X, torch.tensor([0.0])]
    loss = losses.feature_matching_loss([real, real], [fake, fake])
    assert float(loss) == pytest.approx(float((X - Y).abs().mean()) + 1, rel=1e-5)
    loss.backward()
    assert real[0].grad is None
    assert fake[0].grad is not None
