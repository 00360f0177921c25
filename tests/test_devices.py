"""Whole methods on each device and in each layout: fills and training steps, on CUDA held against the CPU."""

import copy

import numpy as np
import pytest
import torch
from inpaintx_plugins.pdgan.network import SPDNorm

import inpaintx
from inpaintx import testing
from inpaintx.nn.layout import layout_on
from inpaintx.plugin.registry import registry
from inpaintx.plugin.weights import seeded

TRAINED = [name for name in inpaintx.methods() if registry().method(name).is_trainable()]
# Their fills follow from a choice among patches, which rounding changes.
CHOOSING = {"patchmatch", "efros_leung"}
QUICK = ["pconv", "pdgan", "deepfill"]  # on the CPU, where tests/test_testing.py runs all of them


def on_devices(names, quick):
    return [pytest.param(name, "cpu") for name in quick] + [
        pytest.param(name, "cuda", marks=pytest.mark.gpu) for name in names
    ]


@pytest.fixture(autouse=True)
def needs_cuda(request):
    if request.node.get_closest_marker("gpu") and not torch.cuda.is_available():
        pytest.skip("no CUDA device")


def case_of(name, device, layout):
    case = testing.Case(registry().method(name), device, 3)
    case.net.to(memory_format=layout)
    return case


@pytest.mark.parametrize(("name", "device"), on_devices(inpaintx.methods(), QUICK))
def test_a_fill_is_the_cpus(name, device):
    here, cpu = case_of(name, device, torch.channels_last), case_of(name, "cpu", torch.contiguous_format)
    image, mask = cpu.picture(cpu.side, cpu.side, 2)
    got = here.fill(image.to(device), mask.to(device)).cpu()
    known = (mask == 0).expand_as(image)
    assert torch.equal(got[known], image[known])
    if name in CHOOSING or (device == "cuda" and here.method.is_stochastic):
        assert bool(torch.isfinite(got).all())
        assert testing.in_range(got)
    else:
        torch.testing.assert_close(got, cpu.fill(image, mask), atol=2e-3, rtol=0)


@pytest.mark.parametrize(("name", "device"), on_devices(TRAINED, QUICK))
def test_a_training_step_is_that_of_planes(name, device):
    """With channels last in networks and images, losses and parameters are those of the other layout."""
    case = case_of(name, device, torch.contiguous_format)
    image, mask = case.picture(case.side, case.side, 2)
    steps = []
    for layout in (torch.contiguous_format, torch.channels_last):
        net = copy.deepcopy(case.net).train().to(memory_format=layout)
        with seeded(5):
            trainer = case.method.trainer(net, case.config)
        for part in trainer.networks.values():
            part.to(memory_format=layout)
        batch = case.batch(image, mask)
        batch = {k: v.contiguous(memory_format=layout) if v.dim() == 4 else v for k, v in batch.items()}
        torch.manual_seed(7)
        losses = trainer.step(batch)
        moved = any(not torch.equal(a, b) for a, b in zip(net.parameters(), case.net.parameters(), strict=True))
        assert moved
        steps.append({key: float(value) for key, value in losses.items()})
    assert steps[0] == pytest.approx(steps[1], rel=5e-3, abs=1e-4)


@pytest.mark.gpu
def test_spdnorm_is_the_cpus():
    norm = SPDNorm(24, 32)
    x, prior, p = torch.randn(4, 24, 20, 20), torch.rand(2, 3, 20, 20), torch.rand(2, 1, 20, 20)
    expected = norm(x, prior, p)
    torch.testing.assert_close(norm.cuda()(x.cuda(), prior.cuda(), p.cuda()).cpu(), expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(("name", "device"), on_devices(["pconv_prior", "harmonic"], ["harmonic"]))
@pytest.mark.filterwarnings("ignore::inpaintx.errors.UntrainedWarning")
def test_a_photo(name, device):
    photo = np.random.default_rng(0).integers(0, 256, (70, 90, 3), dtype=np.uint8)
    mask = np.zeros((70, 90), np.uint8)
    mask[20:40, 30:60] = 255
    filled = np.asarray(inpaintx.inpaint(photo, mask, name, device=device))
    assert filled.dtype == np.uint8
    assert np.array_equal(filled[mask == 0], photo[mask == 0])
    assert not np.array_equal(filled[mask > 0], photo[mask > 0])


def test_the_layout_of_a_device():
    assert layout_on(torch.device("cuda")) == torch.channels_last
    assert layout_on(torch.device("cpu")) == torch.contiguous_format
