"""Whole training steps with the native ops against the same steps with plain PyTorch ops (the ops' references).

On the CPU small networks at 128 x 128 in float32; on a GPU PConv's U-Net (batch 16) and the improved PD-GAN (batch 8)
at 256 x 256 in bfloat16, channels last as the training loop has them. ``memory`` in a GPU's results is the peak of a
step in bytes, ours and the peer's.
"""

from contextlib import ExitStack
from unittest import mock

import pytest
import torch
from gpu_timer import DEVICE, GPU, Timer, peaks, warm_up

from inpaintx.ops import conv3x3_ref, partial_conv2d_ref, spd_map_ref, spd_norm_ref
from inpaintx.plugin.registry import registry

SMALL = {} if GPU else {"size": 128, "width": 16, "batch": 4}
VGG = "random" if GPU else "small"
STEPS = {
    "pconv": {"vgg": "skip", "levels": 6, "batch": 16, **SMALL},
    "prior": {"method": "pconv_prior", "vgg": "skip", "batch": 16, **SMALL},
    "pdgan": {
        "preset": "full",
        "vgg": VGG,
        "fan": "skip",
        "prior_steps": 0,
        "batch": 8,
        **SMALL,
    },
}
GOALS = {"pconv": 1 / 1.4, "pdgan": 1 / 1.5} if GPU else {}


def plain_ops():
    """Every native op of the networks replaced by its reference."""
    stack = ExitStack()
    for module, name, reference in (
        ("inpaintx.ops.partial_conv", "partial_conv2d", partial_conv2d_ref),
        ("inpaintx.ops.conv3x3", "conv3x3", conv3x3_ref),
        ("inpaintx_plugins.pdgan.network", "conv3x3", conv3x3_ref),
        ("inpaintx_plugins.pdgan.network", "spd_norm", spd_norm_ref),
        ("inpaintx_plugins.pdgan.network", "spd_map", spd_map_ref),
    ):
        stack.enter_context(mock.patch(f"{module}.{name}", reference))
    return stack


if GPU:

    @pytest.fixture
    def threads():
        """One run: a GPU's steps do not depend on the CPU's threads."""


@pytest.mark.parametrize("name", STEPS)
def test_step(versus, threads, benchmark, monkeypatch, name):
    monkeypatch.setattr(torch.backends.cudnn, "benchmark", True)
    options = dict(STEPS[name])
    method = registry().method(options.pop("method", name))
    config = method.config(options.pop("preset", "default"), **options)
    torch.manual_seed(0)
    layout = torch.channels_last if GPU else torch.contiguous_format
    trainer = method.trainer(method.network(config).to(DEVICE, memory_format=layout).train(), config)
    image = torch.rand(config.batch_size, 3, config.size, config.size, device=DEVICE)
    mask = torch.zeros_like(image[:, :1])
    mask[..., config.size // 4 : -config.size // 4, config.size // 3 :] = 1
    image, mask = (t.contiguous(memory_format=layout) for t in (image, mask))
    batch = {"image": image, "mask": mask, "skin": 1 - mask}

    def ours():
        with torch.autocast(DEVICE, torch.bfloat16, enabled=GPU):
            trainer.step(batch)

    def plain():
        with plain_ops():
            ours()

    goal = {"plain ops": GOALS[name]} if name in GOALS else {}
    timer = Timer() if GPU else None
    if GPU:
        warm_up({"ours": ours, "plain ops": plain})
    versus(ours, {"plain ops": plain}, goal=goal, rounds=5, size=image.numel(), timer=timer, op="training")
    if GPU:
        benchmark.extra_info["memory"] = peaks({"ours": ours, "plain ops": plain})
