"""First weights of networks that are not as wide as those that N(0, 0.02) is from."""

import pytest
import torch
from torch import nn

from inpaintx.nn.blocks import first_std
from inpaintx.plugin.registry import methods, registry

WITH = [name for name in methods() if "init_std" in type(registry().method(name).config()).model_fields]


def convolutions(name, **options):
    """First weights of a method's convolutions, its network's and its discriminators'."""
    method = registry().method(name)
    if name in ("pconv", "pconv_prior"):
        options |= {"adversarial": 1.0}
    torch.manual_seed(0)
    config = method.config("tiny", **options)
    networks = dict(method.trainer(method.network(config), config).networks)
    if name == "pconv":
        del networks["net"]  # of He's weights
    found = {}
    for part, network in networks.items():
        for key, weight in network.state_dict().items():
            if weight.dim() == 4 and min(weight.shape[:2]) > 1:
                found[f"{part}.{key}"] = weight
    return found


def test_the_methods_that_have_it():
    assert set(WITH) == {
        "context_encoder", "deepfill", "foreground", "hog_guided", "pconv", "pconv_prior", "pdgan", "pix2pix_attention",
    }  # fmt: skip


def test_the_usual_deviation_belongs_to_64_channels():
    assert first_std(64) == 0.02
    assert first_std(16) == pytest.approx(0.04)
    assert first_std(16, 0.02) == 0.02


@pytest.mark.parametrize("name", WITH)
def test_narrow_networks_begin_with_larger_weights(name):
    """The same draws, scaled; with init_std=0.02 they are what they were."""
    new, old = convolutions(name), convolutions(name, init_std=0.02)
    assert new.keys() == old.keys()
    ratios = {}
    for key, weight in new.items():
        ratio = float(weight.norm() / old[key].norm())
        torch.testing.assert_close(weight, old[key] * ratio, rtol=1e-4, atol=1e-7)
        ratios[key] = ratio
    drawn = {key: ratio for key, ratio in ratios.items() if ratio != pytest.approx(1, rel=1e-4)}
    parts = {key.partition(".")[0] for key in new}
    assert {key.partition(".")[0] for key in drawn} >= (parts - {"net"} if name == "deepfill" else parts)
    for key in drawn:
        if new[key].numel() > 5000 and "attention" not in key:
            assert float(old[key].std()) == pytest.approx(0.02, rel=0.05), key


def test_norms_begin_as_they_did():
    from inpaintx.nn.blocks import init_weights

    torch.manual_seed(0)
    norm = nn.BatchNorm2d(4000)
    init_weights(norm, 0.1)
    assert float(norm.weight.detach().std()) == pytest.approx(0.02, rel=0.1)
