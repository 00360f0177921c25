"""Networks with native ops leave for ONNX in plain ops, and compute the same there."""

import warnings

import pytest
import torch
from torch import nn

from inpaintx import ops

pytest.importorskip("onnx")
pytest.importorskip("onnxscript")
MASK = torch.zeros(1, 1, 32, 32)
MASK[..., 9:20, 11:24] = 1


class Calls(nn.Module):
    """A function of an image and a mask, as a network."""

    def __init__(self, function):
        super().__init__()
        self.function = function
        self.partial = ops.PartialConv2d(3, 4, 3, padding=1, scale="sum")
        self.conv = ops.WinogradConv2d(3, 4, 3, padding=1)
        self.hog = ops.HOG()

    def forward(self, x, mask):
        return self.function(self, x, mask)


CALLS = {
    "partial_conv2d": lambda net, x, m: net.partial(x, m),
    "conv3x3": lambda net, x, m: net.conv(x) + ops.conv3x3(x, net.conv.weight),
    "spd_map": lambda net, x, m: (ops.spd_map(m, 3), ops.spd_map(m, 3, 5, kind="improved", update="freeze")),
    "spd_norm": lambda net, x, m: ops.spd_norm(x, x.flip(2), x.flip(3), ops.spd_map(m, 2)),
    "ssim": lambda net, x, m: (ops.ssim(x, x.flip(3)), ops.ssim(x, x.flip(3), 1 - m, "global")),
    "hog": lambda net, x, m: (net.hog(x), ops.hog_image(x)),
    "self_attention": lambda net, x, m: ops.self_attention(x[:, :2].flatten(2), x[:, 1:].flatten(2), x.flatten(2)),
    "contextual_attention": lambda net, x, m: ops.contextual_attention(x, x, m),
    "boundary_weight": lambda net, x, m: ops.boundary_weight(m) * x,
}


@pytest.mark.slow
@pytest.mark.parametrize("dynamo", [False, True])
@pytest.mark.parametrize("name", CALLS)
def test_export_equals_eager(name, dynamo, tmp_path):
    runtime = pytest.importorskip("onnxruntime")
    if name == "contextual_attention" and not dynamo:
        pytest.skip("the exporter from traces mistakes its shapes")
    torch.manual_seed(0)
    net, x, path = Calls(CALLS[name]).eval(), torch.rand(1, 3, 32, 32), tmp_path / "net.onnx"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporters' own
        torch.onnx.export(net, (x, MASK), path, input_names=["x", "mask"], dynamo=dynamo, verbose=False)
    session = runtime.InferenceSession(path, providers=["CPUExecutionProvider"])
    other = torch.rand(1, 3, 32, 32)
    mask = MASK.roll(3, 2)
    given = {i.name: {"x": other, "mask": mask}[i.name].numpy() for i in session.get_inputs()}
    with torch.no_grad():
        wanted = net(other, mask)
    wanted = wanted if isinstance(wanted, tuple) else (wanted,)
    for ours, theirs in zip(session.run(None, given), wanted, strict=True):
        torch.testing.assert_close(torch.from_numpy(ours), theirs, atol=1e-4, rtol=1e-4)


def test_other_exports_keep_the_ops():
    for strict in (False, True):
        program = torch.export.export(Calls(CALLS["partial_conv2d"]), (torch.rand(1, 3, 32, 32), MASK), strict=strict)
        assert "inpaintx.partial_conv2d" in str(program.graph)
