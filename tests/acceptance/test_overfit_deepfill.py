"""METHODS 3.9: eight faces at 64x64 are learnt by heart."""

import pytest
from inpaintx_plugins.deepfill import DeepFill
from overfit import learn_by_heart

pytestmark = pytest.mark.acceptance


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_eight_faces(shared_faces, version):
    method = DeepFill()
    options = {"version": "v1", "adversarial": 1e-3, "l1": 1.2, "coarse": 1.2, "discriminator_steps": 1}
    config = method.config("tiny", **(options if version == "v1" else {}))
    _, gain = learn_by_heart(shared_faces, f"deepfill_{version}", method, config, "strokes+box")
    assert gain >= 5
