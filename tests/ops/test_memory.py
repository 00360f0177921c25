"""Memory kept between calls: results that live in it, and giving it back."""

import gc
import io
import os
import subprocess
import sys

import pytest
import torch
from torch.profiler import ProfilerActivity, profile

from inpaintx.ops import empty_cache, poisson_blend, spd_map, spd_map_ref

SIDE = 1024  # four megabytes a plane
pytestmark = pytest.mark.skipif(
    os.environ.get("INPAINTX_SANITIZE") == "1" or "INPAINTX_CACHE_MB" in os.environ, reason="less or nothing is kept"
)
MASK = torch.ones(1, 1, SIDE, SIDE).triu()
KEPT = 4 * SIDE * SIDE


@pytest.fixture(autouse=True)
def _nothing_kept():
    gc.collect()
    empty_cache()
    yield
    empty_cache()


def test_a_result_is_kept_when_its_last_tensor_goes():
    result = spd_map(MASK, 7)
    row = result[0, 0, 5]
    assert empty_cache() == 0
    del result
    assert empty_cache() == 0, "a view still needs it"
    torch.testing.assert_close(row, spd_map_ref(MASK[..., :16, :], 7)[0, 0, 5])
    del row
    assert empty_cache() >= KEPT
    assert empty_cache() == 0


def test_the_next_result_takes_its_place_but_never_that_of_a_living_one():
    first, second = spd_map(MASK, 7), spd_map(1 - MASK, 7)
    assert first.data_ptr() != second.data_ptr()
    want, place = first.clone(), second.data_ptr()
    del second
    third = spd_map(1 - MASK, 3)
    assert third.data_ptr() == place
    assert torch.equal(first, want)


def test_results_are_tensors_like_others():
    result = spd_map(MASK, 7)
    want = result.clone()
    assert result.is_contiguous()
    assert result.untyped_storage().resizable()
    file = io.BytesIO()
    torch.save(result, file)
    file.seek(0)
    assert torch.equal(torch.load(file), want)
    assert torch.equal(result.share_memory_(), want)
    grown = spd_map(MASK, 7).resize_(1, 1, 2 * SIDE, SIDE)
    assert torch.equal(grown[:, :, :SIDE], want)


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="asks Linux")
def test_results_take_no_more_than_they_hold():
    """Two megabytes and a few bytes are not rounded up to four."""
    resident = "import os; f = open('/proc/self/statm'); pages = int(f.read().split()[1]); f.close()"
    script = f"""
import torch
from inpaintx.ops import spd_map
mask = torch.ones(1, 1, 512, 1028).triu()
spd_map(mask, 3)
{resident}
before = pages
results = [spd_map(mask, 3) for _ in range(50)]
{resident}
print((pages - before) * os.sysconf("SC_PAGE_SIZE") / sum(r.nbytes for r in results))
"""
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert float(run.stdout) < 1.1


def test_poisson_blend_on_what_others_left():
    """Results and work arrays that earlier calls left full of other numbers, and a hole that thins grids out."""
    fill, image = torch.rand(2, 1, 3, 1000, 1000)
    mask, other = torch.zeros(2, 1, 1, 1000, 1000)
    mask[..., 30:970, 40:960] = 1
    other[...] = 1
    other[:, :, ::37] = 0
    want = poisson_blend(fill, image, mask).clone()
    empty_cache()
    poisson_blend(fill, torch.full_like(image, torch.nan), other)
    assert torch.equal(poisson_blend(fill, image, mask), want)
    assert empty_cache() > 0


def test_memory_that_cannot_be_had_is_named():
    script = """
import torch
from inpaintx.ops import poisson_blend
image = torch.zeros(1, 1, 64, 64).expand(1, 1 << 46, 64, 64)
poisson_blend(image, image, torch.zeros(1, 1, 64, 64))
"""  # in a process of its own: malloc goes other ways after a failure
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert f"RuntimeError: not enough memory: tried to allocate {1 << 60} bytes" in run.stderr


def test_the_profiler_sees_results():
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as run:
        result = spd_map(MASK, 7)
    op = next(event for event in run.key_averages() if event.key == "inpaintx::spd_map")
    assert op.self_cpu_memory_usage == result.nbytes


def with_limit(megabytes):
    script = """
import torch
from inpaintx.ops import empty_cache, spd_map
mask = torch.ones(1, 1, 1024, 1024).triu()
results = [spd_map(mask, n) for n in range(3)]
del results
print(empty_cache() // (4 << 20))
"""
    environment = {**os.environ, "INPAINTX_CACHE_MB": megabytes}
    return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=environment)


@pytest.mark.parametrize(("megabytes", "kept"), [("0", 0), ("5", 1), ("9", 2), ("", 3)])
def test_the_limit_is_a_setting(megabytes, kept):
    assert int(with_limit(megabytes).stdout) == kept


@pytest.mark.parametrize("megabytes", ["-3", " ", "256MB", "many", "1048576", "99999999999999999999"])
def test_a_limit_that_is_none_is_an_error(megabytes):
    run = with_limit(megabytes)
    assert "ValueError: the environment variable INPAINTX_CACHE_MB must be a whole number of megabytes" in run.stderr
    assert f'got "{megabytes}"' in run.stderr
