"""Plugin pdgan: published state dicts."""

import pytest
import torch
from inpaintx_plugins.pdgan import PDGAN, load_official
from inpaintx_plugins.pdgan.official import discriminator_state
from inpaintx_plugins.pdgan.trainer import discriminator
from test_pconv import official_prior

from inpaintx import InpaintxError


def official_generator(net):
    """State dict of ``SPDNormGenerator`` by its names and shapes, drawn at random: those of ``net``, turned round."""
    state = {"fc.weight": net.first.weight, "fc.bias": net.first.bias}
    for i, unit in enumerate(net.units):
        place, block = f"generated.{i}", unit.block
        for name in ("conv_0", "conv_1", "conv_s"):
            conv = getattr(block, name)
            original = conv.parametrizations.weight.original
            state[f"{place}.block.{name}.weight_orig"] = original
            state[f"{place}.block.{name}.weight_u"] = original[:, 0, 0, 0]
            state[f"{place}.block.{name}.weight_v"] = original[0].flatten()
            if conv.bias is not None:
                state[f"{place}.block.{name}.bias"] = conv.bias
        for name in ("norm_0", "norm_1", "norm_s"):
            norm = getattr(block, name)
            for official, ours in (("mlp_activate.0", norm.shared), ("mlp_gamma", norm.gamma), ("mlp_beta", norm.beta)):
                state |= {f"{place}.block.{name}.{official}.{k}": v for k, v in ours.state_dict().items()}
        for official, ours in (("conv_to_f", block.prior_features), ("attention", block.attention)):
            state |= {f"{place}.block.{official}.{k}": v for k, v in ours.state_dict().items()}
        state[f"{place}.block.v"] = torch.zeros(1)
        state[f"{place}.block.mask_conv.mask_conv.weight"] = torch.ones(1, 1, block.window, block.window)
        state |= {f"{place}.up.{k}": v for k, v in unit.up.state_dict().items()}
    state |= {f"conv_img.{k}": v for k, v in net.last.state_dict().items()}
    return {k: torch.randn(v.shape) for k, v in state.items()}


def test_official_state_dicts_load():
    method = PDGAN()
    net = method.network(method.config("paper", width=4))
    generator = official_generator(net.generator)
    encoder, decoder = official_prior(4, 6)
    load_official(net, encoder, decoder, generator)
    ours = net.generator
    assert torch.equal(ours.units[5].block.norm_1.gamma.bias, generator["generated.5.block.norm_1.mlp_gamma.bias"])
    original = ours.units[2].block.conv_0.parametrizations.weight.original
    assert torch.equal(original, generator["generated.2.block.conv_0.weight_orig"])
    assert torch.equal(ours.last.weight, generator["conv_img.weight"])
    assert net.prior.encoder[0].conv.scale == "sum"
    with pytest.raises(InpaintxError, match="generator does not fit"):
        load_official(net, encoder, decoder, {**generator, "fc.weight": torch.zeros(2, 2)})


def test_official_discriminator_loads():
    ours = discriminator(4)
    state = {}
    for d, net in enumerate(ours.discriminators):
        for i, layer in enumerate(net.layers):
            place = f"discriminator_{d}.model{i}.0" + (".0" if 0 < i < 4 else "")
            if 0 < i < 4:
                original = layer[0].parametrizations.weight.original
                state[f"{place}.weight_orig"] = torch.randn(original.shape)
                state[f"{place}.weight_u"] = torch.randn(original.shape[0])
                state[f"{place}.weight_v"] = torch.randn(original[0].numel())
            else:
                state |= {f"{place}.{k}": torch.randn(v.shape) for k, v in layer[0].state_dict().items()}
    ours.load_state_dict(discriminator_state(state))
    assert torch.equal(ours.discriminators[1].layers[4][0].bias, state["discriminator_1.model4.0.bias"])
