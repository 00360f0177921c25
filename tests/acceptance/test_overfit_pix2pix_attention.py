"""METHODS 3.5 (d): eight faces at 64x64 are learnt by heart."""

import pytest
from inpaintx_plugins.pix2pix_attention import Pix2PixAttention
from overfit import learn_by_heart

pytestmark = pytest.mark.acceptance


def gammas(net):
    return [float(a.gamma) for a in (net.attention_down, net.attention_up) if a is not None]


@pytest.mark.parametrize("preset", ["tiny", "plain"])
def test_eight_faces(shared_faces, preset):
    method = Pix2PixAttention()
    config = method.config("tiny", attention=preset == "tiny")
    name, found = f"pix2pix_attention_{preset}", lambda trainer: gammas(trainer.networks["net"])
    net, gain = learn_by_heart(shared_faces, name, method, config, "box", gammas=found)
    assert gain >= 6
    assert all(gamma != 0 for gamma in gammas(net))
