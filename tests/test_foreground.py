"""Foreground-guided inpainting: parameters, losses as printed and as repaired, critics that learn and that do not."""

import torch
from inpaintx_plugins.foreground import Foreground
from inpaintx_plugins.foreground.network import ForegroundNet
from inpaintx_plugins.foreground.trainer import foreground_losses

from inpaintx.nn.blocks import network_input
from inpaintx.testing import check_method


def case(size=64, batch=2):
    torch.manual_seed(0)
    image, mask = torch.rand(batch, 3, size, size), torch.zeros(batch, 1, size, size)
    mask[..., 20:44, 16:40] = 1
    foreground = torch.zeros_like(mask)
    foreground[..., 10:60, 24:50] = 1
    return {"image": image, "mask": mask, "foreground": foreground}


def test_contract():
    check_method("foreground")


def test_parameters():
    with torch.device("meta"):
        net = ForegroundNet()
    assert sum(p.numel() for p in net.parameters()) == 5_998_467


def test_the_foreground_never_enters_the_network():
    method, batch = Foreground(), case()
    assert method.required_annotations(method.config()) == {"foreground"}
    assert not method.required_annotations(method.config("unguided"))
    config = method.config("tiny")
    nets = []
    for _ in range(2):
        torch.manual_seed(3)
        nets.append(method.network(config).eval())
    fills = [method.inpaint(net, batch["image"], batch["mask"]) for net in nets]
    assert torch.equal(*fills)  # nothing but image and mask is asked for


def gradient_of_output(preset, terms=None):
    method, batch = Foreground(), case()
    config = method.config(preset)
    image = 2 * batch["image"] - 1
    output = torch.tanh(torch.randn_like(image)).requires_grad_()
    losses = foreground_losses(config, output, image, batch["mask"] > 0.5, batch["foreground"])
    sum(v for k, v in losses.items() if terms is None or k in terms).backward()
    return output.grad, batch


def test_paper_preset_gives_known_background_no_gradient():
    grad, batch = gradient_of_output("paper")
    known_background = ((1 - batch["mask"]) * (1 - batch["foreground"])).expand_as(grad) > 0
    hidden_background = (batch["mask"] * (1 - batch["foreground"])).expand_as(grad) > 0
    assert (grad[known_background] == 0).all()
    assert (grad[hidden_background] == 0).all()  # iv: nor a hidden one, which is what is repaired
    assert (grad[(batch["foreground"] > 0).expand_as(grad)] != 0).any()
    grad, _ = gradient_of_output("default")
    assert (grad[known_background] == 0).all()
    assert (grad[hidden_background] != 0).all()


def test_repaired_first_term_is_zero_for_a_perfect_known_region():
    method, batch = Foreground(), case()
    image = 2 * batch["image"] - 1
    perfect = torch.where(batch["mask"] > 0.5, torch.tanh(torch.randn_like(image)), image)
    values = {
        preset: foreground_losses(method.config(preset), perfect, image, batch["mask"] > 0.5, batch["foreground"])
        for preset in ("default", "paper")
    }
    assert values["default"]["corrupted"] == 0
    assert values["paper"]["corrupted"] > 0.01  # i: it draws the hole to the colour that fills it


def test_literal_norm_scales_with_the_root_of_the_size():
    """iii: of twice the side, the literal term is half as large for the same error; the repaired one is as large."""
    method = Foreground()
    values = {}
    for preset in ("default", "paper"):
        for size in (16, 32):
            image, foreground = torch.zeros(1, 3, size, size), torch.ones(1, 1, size, size)
            output, hole = image + 0.5, torch.zeros(1, 1, size, size, dtype=torch.bool)
            terms = foreground_losses(method.config(preset), output, image, hole, foreground)
            values[preset, size] = float(terms["foreground"])
    assert abs(values["default", 16] - values["default", 32]) < 1e-5
    assert abs(values["paper", 16] / values["paper", 32] - 2) < 1e-4


def step_of(preset, judged):
    """One step with a network that predicts ``judged``, one batch; the losses, the trainer and the batch."""
    method, batch = Foreground(), case()
    config = method.config(preset, size=64, width=4, discriminator_width=4, discriminator_norm=False, vgg="small")
    torch.manual_seed(0)
    trainer = method.trainer(method.network(config).train(), config)
    offset = torch.zeros(1, requires_grad=True)
    trainer.networks["net"].forward = lambda x, mask: judged + offset
    trainer.update = lambda name, loss: None
    trainer.networks["critic"].eval()  # without dropout
    return trainer.step(batch), trainer, batch


def test_literal_equations_3_and_4_are_of_the_prediction():
    """As printed: eq. 3 is ||M_F (phi(M_I) - phi(I_pred))||_2 / N with N of the image, eq. 4 judges I_pred."""
    torch.manual_seed(5)
    judged = torch.rand(2, 3, 64, 64) * 2 - 1
    losses, trainer, batch = step_of("paper", judged)
    c, image = trainer.config, 2 * batch["image"] - 1
    given = image.masked_fill(batch["mask"] > 0.5, 0.0)
    features = [trainer.vgg((x + 1) / 2)["relu3_3"] for x in (given, judged)]
    weight = torch.nn.functional.interpolate(batch["foreground"], features[0].shape[2:], mode="area")
    norms = (weight * (features[0] - features[1])).flatten(1).norm(dim=1)
    torch.testing.assert_close(losses["perceptual"], c.perceptual * (norms / (3 * 64 * 64)).mean())
    critic = trainer.networks["critic"]
    torch.testing.assert_close(losses["critic"], (critic(judged).mean() - critic(image).mean()).detach())
    torch.testing.assert_close(losses["adversarial"], -c.adversarial * critic(judged).mean().detach())


def test_repaired_equations_3_and_4_are_of_the_composite():
    torch.manual_seed(5)
    judged = torch.rand(2, 3, 64, 64) * 2 - 1
    losses, trainer, batch = step_of("default", judged)
    c, image = trainer.config, 2 * batch["image"] - 1
    composite = torch.where(batch["mask"] > 0.5, judged, image)
    features = [trainer.vgg((x + 1) / 2)["relu3_3"] for x in (image, composite)]
    weight = torch.nn.functional.interpolate(batch["foreground"], features[0].shape[2:], mode="area")
    squares = (weight * (features[0] - features[1]) ** 2).mean()
    torch.testing.assert_close(losses["perceptual"], c.perceptual * squares)
    critic = trainer.networks["critic"]
    torch.testing.assert_close(losses["adversarial"], -c.adversarial * critic(composite).mean().detach())


def test_default_critic_learns_and_the_papers_does_not():
    moved = {}
    for preset in ("default", "paper"):
        method, batch = Foreground(), case()
        config = method.config(preset, size=64, width=4, critic_width=4, vgg="skip")
        torch.manual_seed(0)
        trainer = method.trainer(method.network(config).train(), config)
        critic = trainer.networks["critic"]
        before = [p.detach().clone() for p in critic.parameters()]
        for _ in range(10):
            losses = trainer.step(batch)
        assert all(torch.isfinite(v) for v in losses.values())
        moved[preset] = max(
            float((a - b).detach().abs().max()) for a, b in zip(before, critic.parameters(), strict=True)
        )
    assert moved["default"] > 1e-4
    assert moved["paper"] < 1e-6


def test_holes_are_gray_at_the_input():
    batch = case()
    given = network_input(batch["image"], batch["mask"] > 0.5)
    assert (given[batch["mask"].expand_as(given) > 0] == 0).all()
    known = batch["mask"].expand_as(given) == 0
    assert torch.equal(given[known], (2 * batch["image"] - 1)[known])
