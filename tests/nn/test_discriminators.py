import pytest
import torch
from torch import nn

from inpaintx import InpaintxError
from inpaintx.nn.discriminators import Critic, DCGANDiscriminator, GlobalLocalCritics, MultiScale, PatchGAN, SNPatchGAN


def parameters(build):
    with torch.device("meta"):
        return sum(p.numel() for p in build().parameters())


@pytest.mark.parametrize(
    ("build", "expected"),
    [
        (lambda: PatchGAN(3, norm="spectral", bias=False), 2_763_776),  # EdgeConnect
        (lambda: MultiScale(*(PatchGAN(6, norm="spectral_instance", padding=2) for _ in "ab")), 5_533_826),  # PD-GAN
        (lambda: DCGANDiscriminator(), 11_036_160),
        (lambda: DCGANDiscriminator(width=64), 2_765_568),
    ],
)
def test_parameter_counts(build, expected):
    assert parameters(build) == expected


def test_patchgan_sees_70_pixels():
    net = PatchGAN(3, width=4)
    x = torch.rand(1, 3, 256, 256, requires_grad=True)
    logits = net(x)[-1]
    assert logits.shape == (1, 1, 30, 30)
    logits[0, 0, 15, 15].backward()
    seen = x.grad.abs().sum((0, 1)) > 0
    assert int(seen.any(0).sum()) == int(seen.any(1).sum()) == 70


@pytest.mark.parametrize("norm", ["none", "batch", "instance", "spectral", "spectral_instance"])
def test_patchgan_norms(norm):
    net = PatchGAN(3, width=4, norm=norm)
    outputs = net(torch.rand(2, 3, 64, 64))
    assert [o.shape[1] for o in outputs] == [4, 8, 16, 32, 1]
    kinds = [type(m) for m in net.modules()]
    assert kinds.count(nn.BatchNorm2d) == 3 * (norm == "batch")
    assert kinds.count(nn.InstanceNorm2d) == 3 * ("instance" in norm)
    spectral = [hasattr(layer[0], "parametrizations") for layer in net.layers]
    assert spectral == {"spectral": [True] * 5, "spectral_instance": [False, *[True] * 3, False]}.get(norm, [False] * 5)


def test_multi_scale_halves():
    seen = []

    class Watch(nn.Module):
        def forward(self, x):
            seen.append(x)
            return [x]

    x = torch.rand(1, 2, 8, 8)
    MultiScale(Watch(), Watch(), Watch())(x)
    assert [tuple(s.shape[2:]) for s in seen] == [(8, 8), (4, 4), (2, 2)]
    assert seen[1][0, 0, 0, 0] == pytest.approx(float(x[0, 0, :2, :2].mean()))  # padding does not count


def test_sn_patchgan_is_bounded_by_its_norms():
    net = SNPatchGAN(4, width=4)
    for _ in range(30):
        outputs = net(torch.rand(1, 4, 64, 64))
    assert [o.shape[1] for o in outputs] == [4, 8, 16, 16, 16, 16]
    assert outputs[-1].shape[2:] == (1, 1)
    for conv in net.convs:
        assert float(torch.linalg.matrix_norm(conv.weight.detach().flatten(1), 2)) == pytest.approx(1, abs=0.05)


def test_dcgan_and_critics_give_one_number_an_image():
    assert DCGANDiscriminator(32, 4)(torch.rand(3, 3, 32, 32)).shape == (3,)
    assert Critic(32, (4, 8), kernel_size=3, batch_norm=True, dropout=0.25)(torch.rand(3, 3, 32, 32)).shape == (3,)
    whole, local = GlobalLocalCritics(64, 32, width=4)(torch.rand(3, 3, 64, 64), torch.rand(3, 3, 32, 32))
    assert whole.shape == local.shape == (3,)
    with pytest.raises(InpaintxError, match="48"):
        DCGANDiscriminator(48)
    with pytest.raises(InpaintxError, match="40"):
        Critic(40)
