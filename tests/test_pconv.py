"""Plugins pconv and pconv_prior: sizes, acceptance lines that need no training, published state dicts."""

import json

import pytest
import torch
import torch.nn.functional as F
from inpaintx_plugins.pconv import PConv, load_official
from inpaintx_plugins.pconv.network import PConvUNet
from inpaintx_plugins.pconv.trainer import PConvTrainer, faded
from inpaintx_plugins.pconv_prior import PConvPrior
from inpaintx_plugins.pconv_prior import load_official as load_official_prior
from inpaintx_plugins.pconv_prior.network import PriorNet
from safetensors import safe_open
from torch import nn

import inpaintx
from inpaintx import InpaintxError
from inpaintx.cli import run
from inpaintx.errors import UntrainedWarning
from inpaintx.inference.inpainter import Inpainter
from inpaintx.inference.run import run_method
from inpaintx.ops import partial_conv2d_ref, poisson_blend
from inpaintx.plugin import weights
from inpaintx.plugin.weight_lookup import find
from inpaintx.testing import run_rules
from inpaintx.training.record import RECORD

METHODS = [PConv(), PConvPrior()]


@pytest.mark.parametrize("method", METHODS, ids=lambda m: m.name)
def test_contract(method):
    assert not [r for r in run_rules(method) if r.error]


def test_parameter_counts():
    with torch.device("meta"):
        unet, prior = PConvUNet(), PriorNet()
    assert sum(p.numel() for p in unet.parameters()) == 25_779_796
    assert sum(p.numel() for p in prior.parameters()) == 48_119_875


@pytest.mark.parametrize("method", METHODS, ids=lambda m: m.name)
def test_hidden_pixels_are_not_seen(method):
    """3.1 (a), in the network itself and with values that no image holds."""
    torch.manual_seed(0)
    net = method.network(method.config("tiny", levels=4)).eval()
    mask = (torch.rand(1, 1, 64, 64) > 0.6).float()
    x = torch.rand(1, 3, 64, 64)
    other = torch.where(mask > 0, torch.full_like(x, torch.nan), x)
    assert torch.equal(net(x, mask), net(other, mask))


def test_mask_of_a_center_hole_is_empty_after_seven_levels():
    """3.1 (b)."""
    mask = torch.zeros(1, 1, 64, 64)
    mask[..., 16:48, 16:48] = 1
    net, sums = PConvUNet(4), []
    x = torch.rand(1, 3, 64, 64)
    for block in net.encoder.eval():
        x, mask = block(x, mask)
        sums.append(int(mask.sum()))
    assert len(sums) == 7
    assert sums[0] > 0
    assert sums[-1] == 0


def test_without_a_hole_the_interior_is_an_ordinary_convolution():
    """3.1 (c)."""
    conv = PConvUNet(4).encoder[1].conv
    x = torch.rand(1, 4, 32, 32)
    y, mask = conv(x, torch.zeros(1, 1, 32, 32))
    plain = F.conv2d(x, conv.weight, conv.bias, 2, 2)
    assert not mask.any()
    torch.testing.assert_close(y[..., 1:-1, 1:-1], plain[..., 1:-1, 1:-1])
    assert not torch.allclose(y[..., 0, :], plain[..., 0, :])  # at the edge fewer pixels are seen


class OfficialPConv(nn.Module):
    """Layer of naoto0804's repository: the convolution, and one of ones for the mask."""

    def __init__(self, into, out, kernel, bias):
        super().__init__()
        self.input_conv = nn.Conv2d(into, out, kernel, bias=bias)
        self.mask_conv = nn.Conv2d(into, out, kernel, bias=False)


def official_unet(width, levels, nvidia=False):
    """State dict of ``PConvUNet`` in naoto0804's repository, by its names, drawn at random; or with NVIDIA's layers."""
    widths = [3, *(width * 2 ** min(i, 3) for i in range(levels))]
    net = nn.Module()

    def layer(name, into, out, kernel, bn=True, bias=False):
        block = nn.Module()
        block.conv = nn.Conv2d(into, out, kernel, bias=bias) if nvidia else OfficialPConv(into, out, kernel, bias)
        if bn:
            block.bn = nn.BatchNorm2d(out)
        net.add_module(name, block)

    for i in range(levels):
        layer(f"enc_{i + 1}", widths[i], widths[i + 1], (7, 5, 5, 3, 3, 3, 3)[i], bn=i > 0)
    for i in reversed(range(levels)):
        layer(f"dec_{i + 1}", widths[i + 1] + widths[i], widths[i], 3, bn=i > 0, bias=i == 0)
    return {k: torch.randn(v.shape) if v.is_floating_point() else v for k, v in net.state_dict().items()}


@pytest.mark.parametrize("nvidia", [False, True])
def test_official_unet_loads(nvidia):
    state = official_unet(8, 7, nvidia)
    net = PConvUNet(8, 7, "window" if nvidia else "sum")
    load_official(net, state)
    inner = "" if nvidia else "input_conv."
    assert torch.equal(net.encoder[2].conv.weight, state[f"enc_3.conv.{inner}weight"])
    assert torch.equal(net.decoder[0].norm.running_mean, state["dec_7.bn.running_mean"])
    assert torch.equal(net.decoder[6].conv.bias, state[f"dec_1.conv.{inner}bias"])
    factor = partial_conv2d_ref(torch.ones(1, 8, 8, 8), torch.zeros(1, 1, 8, 8), torch.ones(1, 8, 3, 3))[0][0, 0, 4, 4]
    y, _ = net.encoder[3].conv(torch.ones(1, 32, 8, 8), torch.zeros(1, 1, 8, 8))
    plain = F.conv2d(torch.ones(1, 32, 8, 8), net.encoder[3].conv.weight, stride=2, padding=1)
    divided = 1 if nvidia else 9 * 32
    assert factor == 72
    torch.testing.assert_close(y[..., 1:-1, 1:-1], plain[..., 1:-1, 1:-1] / divided, rtol=1e-4, atol=1e-5)


def official_prior(width, levels):
    """State dicts of ``Encoder`` and ``Decoder`` of KumapowerLIU/PD-GAN, by their names, drawn at random."""
    widths = [3, *(width * 2 ** min(i, 3) for i in range(levels))]
    encoder, decoder = nn.Module(), nn.Module()
    encoder.middle = nn.Sequential(*(nn.Module() for _ in range(4)))
    for block in encoder.middle:
        block.conv_1, block.conv_2 = (OfficialPConv(widths[-1], widths[-1], 3, False) for _ in range(2))
    for i in range(levels):
        block = nn.Module()
        block.conv = OfficialPConv(widths[i], widths[i + 1], 4, False)
        if 0 < i < levels - 1:
            block.norm = nn.InstanceNorm2d(widths[i + 1], affine=True)
        encoder.add_module(f"Encoder_{i + 1}", block)
    for n, i in enumerate(reversed(range(levels)), start=1):
        into = widths[i + 1] * (1 if n == 1 else 2)
        layers = [nn.ReLU(), nn.ConvTranspose2d(into, widths[i], 4, 2, 1)]
        layers.append(nn.InstanceNorm2d(widths[i], affine=True) if i else nn.Tanh())
        block = nn.Module()
        block.model = nn.Sequential(*layers)
        decoder.add_module(f"Decoder_{n}", block)
    return [{k: torch.randn(v.shape) for k, v in net.state_dict().items()} for net in (encoder, decoder)]


def test_official_prior_loads():
    encoder, decoder = official_prior(8, 6)
    net = PriorNet(8, 6, "sum")
    load_official_prior(net, encoder, decoder)
    assert torch.equal(net.encoder[5].conv.weight, encoder["Encoder_6.conv.input_conv.weight"])
    assert torch.equal(net.encoder[1].norm.bias, encoder["Encoder_2.norm.bias"])
    assert torch.equal(net.middle[3].second.conv.weight, encoder["middle.3.conv_2.input_conv.weight"])
    assert torch.equal(net.decoder[5][1].bias, decoder["Decoder_6.model.1.bias"])
    assert torch.equal(net.decoder[0][2].weight, decoder["Decoder_1.model.2.weight"])


def test_state_dicts_that_do_not_fit():
    state = official_unet(8, 5)
    with pytest.raises(InpaintxError, match="not a weight of PConvUNet: 'head"):
        load_official(PConvUNet(8, 5), {**state, "head.weight": torch.zeros(1)})
    with pytest.raises(InpaintxError, match="does not fit"):
        load_official(PConvUNet(8, 6), state)
    with pytest.raises(InpaintxError, match="does not fit"):
        load_official_prior(PriorNet(8, 4, "sum"), *official_prior(8, 5))


def test_import_command(tmp_path):
    torch.save({"model": official_unet(64, 7), "n_iter": 3}, tmp_path / "pconv.pth")
    out = tmp_path / "pconv.safetensors"
    assert run(["import-pconv", str(tmp_path / "pconv.pth"), "--out", str(out)]) == 0
    with safe_open(out, "pt") as file:
        assert file.metadata()["trained_on"] == "imported from pconv.pth"
    loaded = weights.load(PConv(), PConv().config(), str(out), torch.device("cpu"))
    assert loaded.config.scale == "sum"


def batch(size=32, count=2):
    torch.manual_seed(3)
    mask = torch.zeros(count, 1, size, size)
    mask[..., 8:20, 8:20] = 1
    return {"image": torch.rand(count, 3, size, size), "mask": mask}


def test_five_losses_and_what_the_run_says_of_vgg():
    for method in METHODS:
        config = method.config("tiny", levels=3, size=32, vgg="small")
        trainer = method.trainer(method.network(config).train(), config)
        assert set(trainer.step(batch())) == {"valid", "hole", "tv", "perceptual", "style"}
        assert trainer.frozen == {"vgg": "random, a quarter of the width"}
    method = PConv()
    skip = method.config("tiny", levels=3, size=32)
    trainer = method.trainer(method.network(skip).train(), skip)
    assert set(trainer.step(batch())) == {"valid", "hole", "tv"}
    assert trainer.frozen == {"vgg": "skip"}


def test_losses_are_counted_where_they_belong():
    method = PConv()
    config = method.config("tiny", levels=3, size=32)
    net = method.network(config)
    loss = PConvTrainer(net, config).loss
    one = batch()
    image, mask = net.to_net(one["image"]), one["mask"]
    share = float(mask.mean())
    terms = loss(net, image + mask, image, mask)
    assert float(terms["hole"]) == pytest.approx(6 * share, rel=1e-4)
    assert float(terms["valid"]) == 0
    terms = loss(net, image + (1 - mask), image, mask)
    assert float(terms["valid"]) == pytest.approx(1 - share, rel=1e-4)
    assert float(terms["hole"]) == 0


def test_the_blended_fill_counts_without_its_tone():
    """A constant error of the tone costs nothing after blending, and its gradients are those of the blended fill."""
    method = PConv()
    config = method.config("tiny", levels=3, size=32, blended=2.0)
    net = method.network(config)
    loss = PConvTrainer(net, config).loss
    one = batch()
    image, mask = net.to_net(one["image"]), one["mask"]
    assert float(loss(net, image + 0.5, image, mask)["blended"]) < 1e-3
    output = (image + 0.1 * torch.randn(image.shape, generator=torch.Generator().manual_seed(0))).requires_grad_()
    term = loss(net, output, image, mask)["blended"]
    joined = poisson_blend(output, image, mask)
    assert float(term.detach()) == pytest.approx(2 * float(((joined - image).abs() * mask).mean().detach()), rel=1e-3)
    (gradient,) = torch.autograd.grad(term, output)
    assert gradient.abs().sum() > 0
    assert float(gradient.sum()) == pytest.approx(0, abs=1e-3 * float(gradient.abs().sum()))


def test_the_features_terms_may_see_the_blended_fill():
    """A constant error of the tone is seen in the output, and no more after blending."""
    method = PConvPrior()
    one = batch()
    found = {}
    for seen in ("output", "blended"):
        config = method.config("tiny", levels=3, size=32, vgg="small", taps="light", seen=seen)
        net = method.network(config)
        loss = PConvTrainer(net, config).loss
        image = net.to_net(one["image"])
        terms = loss(net, image + 0.5, image, one["mask"])
        assert "blended" not in terms
        found[seen] = float(terms["perceptual"]), float(terms["style"])
        assert list(loss.vgg(one["image"])) == ["relu1_1", "relu2_1", "relu3_1"]
    assert all(blended < 0.05 * output for blended, output in zip(found["blended"], found["output"], strict=True))


@pytest.mark.parametrize("seen", ["output", "blended"])
def test_an_adversary_learns_and_teaches(seen):
    method = PConvPrior()
    config = method.config("tiny", levels=3, size=32, adversarial=0.1, discriminator_width=8, seen=seen)
    torch.manual_seed(0)
    trainer = method.trainer(method.network(config).train(), config)
    before = {k: v.clone() for k, v in trainer.networks["discriminator"].state_dict().items()}
    terms = trainer.step(batch())
    trainer.advance()
    assert set(terms) == {"valid", "hole", "tv", "discriminator", "adversarial"}
    assert 0 < float(terms["discriminator"]) < 4
    after = trainer.networks["discriminator"].state_dict()
    assert any(not torch.equal(after[k], v) for k, v in before.items() if k.endswith("original"))
    quiet = method.config("tiny", levels=3, size=32)
    assert set(method.trainer(method.network(quiet), quiet).networks) == {"net"}


@pytest.mark.parametrize("mirrored", [True, False])
def test_with_both_sides_the_mirror_images_fill_is_the_fill_mirrored(mirrored):
    method = PConv()
    torch.manual_seed(0)
    net = method.network(method.config("tiny", levels=3, size=32, mirrored=mirrored)).eval()
    image, mask = (batch()[key] for key in ("image", "mask"))
    one = run_method(method, net, image, mask).image
    other = run_method(method, net, image.flip(3), mask.flip(3)).image.flip(3)
    assert torch.allclose(one, other, atol=1e-4) == mirrored


def test_fine_tuning_freezes_the_encoders_statistics_and_lowers_the_rate():
    method = PConv()
    config = method.config("tiny", levels=3, size=32, steps=3, finetune_steps=1, lr=4e-4, finetune_lr=1e-4)
    net = method.network(config).train()
    trainer = method.trainer(net, config)

    def statistics(part):
        return torch.cat([m.running_mean for m in part.modules() if isinstance(m, nn.BatchNorm2d)]).clone()

    for frozen in (False, False, True):
        assert trainer.optimizers["net"].param_groups[0]["lr"] == pytest.approx(1e-4 if frozen else 4e-4)
        before = statistics(net.encoder), statistics(net.decoder)
        weight = net.encoder[1].conv.weight.detach().clone()
        net.train()
        trainer.step(batch())
        trainer.advance()
        assert torch.equal(before[0], statistics(net.encoder)) == frozen
        assert not torch.equal(before[1], statistics(net.decoder))
        assert not torch.equal(weight, net.encoder[1].conv.weight)


def test_fading_schedule():
    assert faded(0) == faded(1 / 6) == 1
    assert faded(7 / 12) == pytest.approx(0.5)
    assert faded(1) == faded(2) == 0


def test_paper_preset_wants_official_features(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.delenv("INPAINTX_WEIGHTS", raising=False)
    method = PConv()
    config = method.config("paper", width=4, size=128)
    with pytest.raises(InpaintxError, match="vgg16-397923af"):
        method.trainer(method.network(config), config)


def test_sizes_that_do_not_halve():
    with pytest.raises(InpaintxError, match="32 divides, got 48"):
        PConv().network(PConv().config("tiny", size=48))


def test_the_priors_import_command(tmp_path):
    files = [tmp_path / name for name in ("EN.pth", "DE.pth")]
    for file, state in zip(files, official_prior(64, 6), strict=True):
        torch.save(state, file)
    out = tmp_path / "prior.safetensors"
    assert run(["import-pconv", *map(str, files), "--out", str(out)]) == 2
    assert run(["import-pconv-prior", *map(str, files), "--out", str(out)]) == 0
    loaded = weights.load(PConvPrior(), PConvPrior().config(), str(out), torch.device("cpu"))
    assert loaded.config.scale == "sum"


def test_the_plugins_weights_are_for_the_default_preset():
    assert Inpainter("pconv_prior").loaded.source.endswith("features128.safetensors")
    with pytest.warns(UntrainedWarning):
        assert Inpainter("pconv_prior", preset="tiny").loaded.source == "random"


def test_old_names_of_the_priors_weights(tmp_path):
    """The prior was pconv's arch=prior once: its tags and files still load, and the line names the new method."""
    shipped = find(PConvPrior(), "small")
    for asked in (None, "l1", shipped):
        with pytest.warns(UserWarning, match="of method 'pconv_prior' now"):
            inpainter = Inpainter("pconv", weights=asked)
        assert inpainter.method.name == "pconv_prior"
        assert inpainter.loaded.source != "random"
    with pytest.warns(UntrainedWarning):
        assert Inpainter("pconv", preset="tiny").method.name == "pconv"
    with pytest.raises(InpaintxError, match="took over others"):
        Inpainter("pconv", weights="nosuch")
    with pytest.raises(InpaintxError, match="took over others"):
        PConv().config("prior")
    with pytest.raises(InpaintxError, match="arch=prior is of method 'pconv_prior'"):
        PConv().config(arch="prior")
    assert PConv().config(arch="unet") == PConv().config()
    net = PConv().network(config := PConv().config("tiny"))
    weights.save(tmp_path / "unet.safetensors", PConv(), config, net)
    assert Inpainter("pconv", weights=tmp_path / "unet.safetensors").method.name == "pconv"


def test_old_runs_of_the_prior_go_on_under_its_name(tmp_path, toy_faces):
    options = {"size": 32, "levels": 3, "width": 4, "batch": 2, "finetune_steps": 0}
    inpaintx.train("pconv_prior", toy_faces, tmp_path / "run", preset="tiny", steps=2, options=options)
    new = inpaintx.export(tmp_path / "run", tmp_path / "new.safetensors")
    for path in (tmp_path / "run").rglob(RECORD):
        record = json.loads(path.read_text())
        record["method"], record["config"]["arch"] = "pconv", "prior"
        path.write_text(json.dumps(record))
    for sums in (tmp_path / "run").rglob("SHA256SUMS"):
        sums.unlink()  # as earlier versions wrote them
    old = inpaintx.export(tmp_path / "run", tmp_path / "old.safetensors")
    assert old.sha256 == new.sha256
    inpaintx.train("pconv", toy_faces, tmp_path / "run", steps=3, resume=True)
    assert json.loads((tmp_path / "run" / RECORD).read_text())["method"] == "pconv_prior"
