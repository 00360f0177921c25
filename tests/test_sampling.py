"""What several fills of the same images share is computed once, and changes no fill."""

import threading

import numpy as np
import pytest
import torch

import inpaintx
from inpaintx.plugin import sampling
from inpaintx.plugin.sampling import compute_once, shared_samples


class Doubled:
    def __init__(self):
        self.calls = 0

    def __call__(self, *inputs):
        self.calls += 1
        return 2 * sum(inputs)


def test_equal_inputs_are_computed_once_in_the_block_alone():
    double, x = Doubled(), torch.rand(3)
    with shared_samples():
        first = compute_once(double, x)
        assert compute_once(double, x.clone()) is first
        for other in (x + 1, x.double(), x[None], torch.rand(3)):
            torch.testing.assert_close(compute_once(double, other), 2 * other)
        assert compute_once(double, x, x).equal(4 * x)
        assert double.calls == 6
        assert compute_once(Doubled(), x) is not first
    compute_once(double, x)
    assert double.calls == 7
    with shared_samples():
        compute_once(double, x)
    assert double.calls == 8


def test_inputs_that_are_written_to_are_other_inputs():
    double, x = Doubled(), torch.ones(3)
    with shared_samples():
        for value in (1, 5, 1):
            x.fill_(value)
            assert compute_once(double, x).equal(torch.full((3,), 2.0 * value))
    assert double.calls == 2


def test_an_error_ends_the_block():
    with pytest.raises(RuntimeError), shared_samples():
        raise RuntimeError
    double = Doubled()
    for calls in (1, 2):
        compute_once(double, torch.ones(1))
        assert double.calls == calls


def test_threads_share_nothing():
    double, x = Doubled(), torch.rand(3)
    with shared_samples():
        compute_once(double, x)
        other = threading.Thread(target=compute_once, args=(double, x))
        other.start()
        other.join()
    assert double.calls == 2


def test_what_is_kept_is_bounded(monkeypatch):
    monkeypatch.setattr(sampling, "MOST", 100)
    double, small, large = Doubled(), torch.ones(2), torch.ones(20)
    with shared_samples():
        for x in (small, large, small, large):
            assert compute_once(double, x).equal(2 * x)
    assert double.calls == 3  # large twice


@pytest.fixture(scope="module")
def pdgan():
    with pytest.warns(UserWarning, match="random"):
        model = inpaintx.load("pdgan", preset="tiny", faces="none", width=4, prior_width=4)
    calls = []
    model.net.prior.register_forward_hook(lambda *_: calls.append(1))
    return model, calls


def test_pdgan_s_prior_is_computed_once_for_the_samples_of_tensors(pdgan):
    model, calls = pdgan
    image, mask = torch.rand(2, 3, 70, 80), torch.zeros(2, 1, 70, 80)
    mask[..., 20:40, 30:50] = 1
    calls.clear()
    samples = model(image, mask, seed=5, samples=3)
    assert len(calls) == 1
    for k, sample in enumerate(samples):
        assert torch.equal(sample, model(image, mask, seed=5 + k))
    assert len(calls) == 4
    assert not torch.equal(samples[0], samples[1])


def test_pdgan_s_prior_is_computed_once_for_the_samples_of_a_file(pdgan, tmp_path):
    model, calls = pdgan
    photo, hole = np.random.default_rng(0).integers(0, 255, (70, 90, 3), np.uint8), np.zeros((70, 90), np.uint8)
    hole[20:40, 30:50] = 255
    calls.clear()
    samples = model(photo, hole, samples=2)
    assert len(calls) == 1
    for k, sample in enumerate(samples):
        assert np.array_equal(sample, model(photo, hole, seed=k))
