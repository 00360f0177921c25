"""Detail of known pixels is added to a soft fill."""

import numpy as np
import pytest
import torch
from toy_methods import box

import inpaintx
from inpaintx import InpaintxError
from inpaintx.inference.detail import add_detail, lost_band


def grain(height=96, width=96, seed=0):
    generator = torch.Generator().manual_seed(seed)
    x = torch.linspace(0.3, 0.7, width).expand(3, height, width)
    return (x + 0.08 * torch.randn(3, height, width, generator=generator)).clamp(0, 1)


def test_a_soft_fill_gets_the_grain_around_it():
    truth = grain()
    hole = torch.from_numpy(box(96, 96, top=30, left=30, side=30))
    soft = torch.where(hole, torch.linspace(0.3, 0.7, 96).expand(3, 96, 96), truth)
    result = add_detail(soft, hole, 1.5)
    assert torch.equal(result[:, ~hole], truth[:, ~hole])
    added = (result - soft)[:, hole]
    assert 0.03 < float(added.std()) < 0.1  # the grain's is 0.08, of which 0.07 is in the band
    assert abs(float(added.mean())) < 0.01
    assert torch.equal(result, add_detail(soft, hole, 1.5))


def test_nothing_is_added_where_nothing_is_lost_or_known():
    truth = grain()
    hole = torch.from_numpy(box(96, 96, top=30, left=30, side=30))
    assert lost_band(1.0) == 0
    assert 0 < lost_band(2.0) < lost_band(4.0) <= lost_band(100.0)
    assert torch.equal(add_detail(truth, hole, 0.0), truth)
    sparse = torch.ones(96, 96, dtype=torch.bool)
    sparse[::5, ::5] = False  # no known patch
    for unknown in (sparse, torch.ones_like(sparse)):
        assert torch.equal(add_detail(truth, unknown, 1.5), truth)
    assert torch.equal(add_detail(truth[:, :5, :5], hole[30:35, 30:35], 1.5), truth[:, :5, :5])


def test_flat_surroundings_stay_flat():
    flat = torch.full((3, 64, 64), 0.4)
    hole = torch.from_numpy(box(64, 64, top=20, left=20, side=20))
    torch.testing.assert_close(add_detail(flat, hole, 2.0), flat, atol=1e-6, rtol=0)


@pytest.mark.filterwarnings("ignore::inpaintx.errors.UntrainedWarning")
def test_detail_is_an_option_of_trained_methods():
    photo = (grain(120, 120).permute(1, 2, 0).numpy() * 255).astype(np.uint8)
    hole = box(120, 120, top=50, left=50, side=30)
    network = {"preset": "tiny", "size": 32, "width": 4, "faces": "none"}
    plain, rich = (inpaintx.inpaint(photo, hole, "pconv", detail=d, **network) for d in ("none", "auto"))
    assert (rich[~hole] == photo[~hole]).all()
    assert np.diff(rich[hole].astype(int), axis=0).std() > np.diff(plain[hole].astype(int), axis=0).std()
    same = (inpaintx.inpaint(photo, hole, "harmonic", detail=d) for d in ("none", "auto"))
    assert (next(same) == next(same)).all()
    with pytest.raises(InpaintxError, match="detail must be auto or none"):
        inpaintx.inpaint(photo, hole, detail="much")
