"""METHODS 3.8: eight faces at 64x64 are learnt by heart, in both variants."""

import pytest
from inpaintx_plugins.context_encoder import ContextEncoder
from overfit import learn_by_heart

pytestmark = pytest.mark.acceptance


@pytest.mark.parametrize("bottleneck", ["conv", "cfc"])
@pytest.mark.parametrize("variant", ["center", "random"])
def test_eight_faces(shared_faces, variant, bottleneck):
    method = ContextEncoder()
    config = method.config("tiny", variant=variant, bottleneck=bottleneck, code=500, steps=800)
    holes = "strokes+box" if variant == "random" else "centre:side=0.375"  # 24 of 64 pixels: 32 less the overlap
    _, gain = learn_by_heart(shared_faces, f"context_encoder_{variant}_{bottleneck}", method, config, holes)
    assert gain >= 5
