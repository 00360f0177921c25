"""METHODS 3.1 (d): eight faces at 64x64 are learnt by heart."""

import pytest
from inpaintx_plugins.pconv import PConv
from inpaintx_plugins.pconv_prior import PConvPrior
from overfit import learn_by_heart

pytestmark = pytest.mark.acceptance


@pytest.mark.parametrize("vgg", ["skip", "small"])
@pytest.mark.parametrize("arch", ["unet", "prior"])
def test_eight_faces(shared_faces, arch, vgg):
    method = {"unet": PConv, "prior": PConvPrior}[arch]()
    config = method.config("tiny", width=16, steps=800, vgg=vgg)
    name, features = f"pconv_{arch}_{vgg}", lambda trainer: trainer.frozen["vgg"]
    _, gain = learn_by_heart(shared_faces, name, method, config, "strokes+box", vgg=features)
    assert gain >= 5
