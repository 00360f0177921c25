"""Loops over threads of csrc/common/parallel.h: the same results whoever does the work, and wherever it is started."""

import os
import subprocess
import sys
import threading

import pytest
import torch

from inpaintx.ops import poisson_blend, spd_map, ssim

SIDE = 300


def call():
    generator = torch.Generator().manual_seed(0)
    fill, image = torch.rand(2, 1, 3, SIDE, SIDE, generator=generator)
    mask = torch.zeros(1, 1, SIDE, SIDE)
    mask[..., 20:-30, 40:-20] = 1
    blended = poisson_blend(fill, image, mask)
    return torch.cat([blended.flatten(), spd_map(mask, 9, 3, kind="improved").flatten(), ssim(blended, fill)])


@pytest.fixture
def expected():
    torch.set_num_threads(1)
    return call()


@pytest.fixture(autouse=True)
def same_threads():
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


@pytest.mark.parametrize("threads", [2, 3, 16])
def test_any_number_of_threads(expected, threads):
    torch.set_num_threads(threads)
    for _ in range(3):
        assert torch.equal(call(), expected)


def test_several_callers_at_once(expected):
    torch.set_num_threads(4)
    results = [None] * 6

    def work(i):
        torch.set_num_threads(2)
        results[i] = call()

    callers = [threading.Thread(target=work, args=(i,)) for i in range(len(results))]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert all(torch.equal(result, expected) for result in results)


def test_between_loops_of_pytorch(expected):
    torch.set_num_threads(2)
    x = torch.rand(64, 64, 64, 64)
    for _ in range(10):  # after each of these PyTorch's threads wait in place, and do our loops
        x = x.sigmoid()
        assert torch.equal(call(), expected)


# One channel of 150 x 150 pixels: PyTorch's own loops stay in one thread, whose pool does not survive a fork.
FORKED = """
import os, torch
from inpaintx.ops import poisson_blend
torch.set_num_threads(2)
fill, image = torch.rand(2, 1, 1, 150, 150, generator=torch.Generator().manual_seed(0))
mask = torch.zeros(1, 1, 150, 150)
mask[..., 5:-5, 5:-5] = 1
before = poisson_blend(fill, image, mask)
child = os.fork()
if child == 0:
    os._exit(0 if torch.equal(poisson_blend(fill, image, mask), before) else 1)
os._exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_child_has_threads_of_its_own():
    assert subprocess.run([sys.executable, "-c", FORKED], timeout=300, check=False).returncode == 0
