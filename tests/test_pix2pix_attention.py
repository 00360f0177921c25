"""Pix2pix with self-attention: parameters, attention as printed, and what training reaches."""

import pytest
import torch
from inpaintx_plugins.pix2pix_attention import Pix2PixAttention, attention_map
from inpaintx_plugins.pix2pix_attention.network import AttentionUNet, weights_of

from inpaintx import InpaintxError
from inpaintx.nn.blocks import SelfAttention
from inpaintx.testing import check_method


def count(net):
    return sum(p.numel() for p in net.parameters())


def case(size=64, batch=2):
    torch.manual_seed(0)
    image, mask = torch.rand(batch, 3, size, size), torch.zeros(batch, 1, size, size)
    mask[..., 20:44, 16:40] = 1
    return image, mask


def test_contract():
    check_method("pix2pix_attention")


def test_parameters_are_pix2pix_s_and_the_attention_s():
    with torch.device("meta"):
        plain, attending = AttentionUNet(attention=False), AttentionUNet()
    # 54,413,955 without the biases of the outermost and the innermost convolution, as pix2pix's code has it
    assert count(plain) == 54_413_955 + 64 + 512
    assert count(attending) - count(plain) == 2 * (2 * (256 * 32 + 32) + 256 * 256 + 256 + 1)


def test_gamma_zero_is_plain_pix2pix():
    method, (image, mask) = Pix2PixAttention(), case()
    nets = []
    for attention in (True, False):
        net = method.network(method.config("tiny", attention=attention)).eval()
        nets.append(net)
    state = {k: v for k, v in nets[0].state_dict().items() if not k.startswith("attention")}
    nets[1].load_state_dict(state)
    out = [method.inpaint(net, image, mask) for net in nets]
    assert torch.equal(out[0], out[1])
    with torch.no_grad():
        nets[0].attention_down.gamma.fill_(1.0)
    assert not torch.equal(method.inpaint(nets[0], image, mask), out[1])


def test_attention_equals_the_printed_formula_without_scaling():
    torch.manual_seed(1)
    layer, x = SelfAttention(32), 3 * torch.randn(2, 32, 5, 6)
    with torch.no_grad():
        layer.gamma.fill_(0.7)
        f, g, h = (conv(x).flatten(2) for conv in (layer.key, layer.query, layer.value))
        beta = torch.softmax(f.transpose(1, 2) @ g, 1)  # over i, for each j
        assert torch.allclose(beta.sum(1), torch.ones(2, 30), atol=1e-5)
        expected = 0.7 * (h @ beta).reshape(x.shape) + x
        torch.testing.assert_close(layer(x), expected, atol=1e-4, rtol=1e-4)
        row = weights_of(layer, x, 3, 2)
    torch.testing.assert_close(row.flatten(1), beta[:, :, 3 * 6 + 2])


def test_gamma_leaves_zero_in_training():
    method, (image, mask) = Pix2PixAttention(), case()
    config = method.config("tiny", width=8)
    net = method.network(config).train()
    trainer = method.trainer(net, config)
    for _ in range(2):
        trainer.step({"image": image, "mask": mask})
    assert net.attention_down.gamma != 0
    assert net.attention_up.gamma != 0


def test_attention_map_sums_up_and_needs_attention():
    method, (image, mask) = Pix2PixAttention(), case()
    net = method.network(method.config("tiny", width=8)).eval()
    seen = attention_map(net, image, mask, 30, 30)
    assert seen.shape == (2, 1, 64, 64)
    assert seen.amax() == 1
    with pytest.raises(InpaintxError, match="no attention"):
        attention_map(method.network(method.config("tiny", attention=False)), image, mask, 30, 30)


def test_memory_grows_with_the_pixels_not_their_square():
    """The largest tensor that attention makes at 64x64 positions is of their number, not of its square."""
    from torch.utils._python_dispatch import TorchDispatchMode

    class Largest(TorchDispatchMode):
        seen = 0

        def __torch_dispatch__(self, function, types, args=(), kwargs=None):
            out = function(*args, **(kwargs or {}))
            for t in out if isinstance(out, (tuple, list)) else (out,):
                if isinstance(t, torch.Tensor):
                    self.seen = max(self.seen, t.numel())
            return out

    layer, x = SelfAttention(16), torch.randn(1, 16, 64, 64)
    with Largest() as largest, torch.no_grad():
        layer(x)
    assert largest.seen <= 2 * x.numel()


def test_a_size_that_does_not_halve_is_refused():
    method = Pix2PixAttention()
    with pytest.raises(InpaintxError, match="needs a size that 256 divides, got 100"):
        method.network(method.config(size=100))
