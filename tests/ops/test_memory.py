"""Memory kept between calls: results that live in it, and giving it back."""

import gc
import io
import os
import subprocess
import sys

import pytest
import torch
from torch.profiler import ProfilerActivity, profile

from inpaintx.ops import empty_cache, poisson_blend, poisson_blend_ref, spd_map, spd_map_ref

SIDE = 1024  # four megabytes a plane
pytestmark = pytest.mark.skipif(os.environ.get("INPAINTX_SANITIZE") == "1", reason="nothing is kept there")
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


@pytest.mark.parametrize("batch", [1, 2])
def test_poisson_blend_on_what_others_left(batch):
    """Images and work arrays that earlier calls left full of other numbers."""
    fill, image = torch.rand(2, batch, 3, 384, 512)
    mask = torch.zeros(batch, 1, 384, 512)
    mask[..., 20:70, 30:90] = 1
    poisson_blend(1e3 + fill, image, (torch.rand(mask.shape) > 0.5).float())
    result = poisson_blend(fill, image, mask)
    torch.testing.assert_close(result, poisson_blend_ref(fill, image, mask), atol=2e-5, rtol=0)
    assert empty_cache() > 0


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


@pytest.mark.parametrize(("megabytes", "kept"), [("0", 0), ("5", 1), ("9", 2)])
def test_the_limit_is_a_setting(megabytes, kept):
    assert int(with_limit(megabytes).stdout) == kept


@pytest.mark.parametrize("megabytes", ["-3", "", "256MB"])
def test_a_limit_that_is_none_is_an_error(megabytes):
    run = with_limit(megabytes)
    assert "ValueError: the environment variable INPAINTX_CACHE_MB must be a whole number of megabytes" in run.stderr
    assert f'got "{megabytes}"' in run.stderr
