"""METHODS 3.1 (d): eight faces at 64x64 are learnt by heart."""

import pytest
from inpaintx_plugins.pconv import PConv
from overfit import learn_by_heart

pytestmark = pytest.mark.acceptance


@pytest.mark.parametrize("vgg", ["skip", "small"])
@pytest.mark.parametrize("arch", ["unet", "prior"])
def test_eight_faces(shared_faces, arch, vgg):
    method = PConv()
    levels = {"unet": 5, "prior": 4}[arch]
    config = method.config("tiny", arch=arch, levels=levels, width=16, steps=800, vgg=vgg)
    name, features = f"pconv_{arch}_{vgg}", lambda trainer: trainer.frozen["vgg"]
    _, gain = learn_by_heart(shared_faces, name, method, config, "strokes+box", vgg=features)
    assert gain >= 5
