"""Means, intervals and the Fréchet distance, held against SciPy."""

import numpy as np
import pytest
import scipy.linalg
import scipy.stats

from inpaintx.evaluation.frechet import frechet_distance
from inpaintx.evaluation.summary import estimates, per_image


def test_interval_is_that_of_scipy():
    values = np.random.default_rng(0).gamma(2, size=60)
    ours = estimates(values[:, None])[0]
    theirs = scipy.stats.bootstrap((values,), np.mean, n_resamples=9999, method="percentile", rng=1).confidence_interval
    assert ours.mean == pytest.approx(values.mean())
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=0.02)
    assert ours.count == 60
    assert estimates(values[:, None]) == [ours]
    assert estimates(values[:, None], seed=1) != [ours]


def test_columns_are_alone_and_nan_is_left_out():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 50))
    b[::2] = np.nan
    both = estimates(np.stack([a, b, np.full(50, np.nan)], 1))
    alone = estimates(a[:, None])[0]
    assert (both[0].mean, both[0].low, both[0].high) == pytest.approx((alone.mean, alone.low, alone.high))
    assert both[1].mean == pytest.approx(np.nanmean(b))
    assert both[1].count == 25
    assert both[1].low < both[1].mean < both[1].high
    assert both[2] is None


def test_pairs_give_narrower_intervals_than_the_difference_of_means():
    rng = np.random.default_rng(0)
    hard = rng.normal(0, 5, 80)
    a, b = hard + rng.normal(1, 0.1, 80), hard
    pair = estimates((a - b)[:, None])[0]
    assert pair.low > 0.9
    assert estimates(a[:, None])[0].low < estimates(b[:, None])[0].high  # unpaired: nothing to tell them apart by


def test_an_image_with_several_holes_counts_once():
    values = np.array([[1.0, 4.0], [3.0, np.nan], [5.0, np.nan], [7.0, 2.0]])
    np.testing.assert_array_equal(per_image(values, np.array([0, 0, 3, 3])), [[2, 4], [6, 2]])


@pytest.mark.parametrize(("n", "m", "d"), [(40, 30, 8), (40, 5, 8), (6, 5, 20)])
def test_frechet_distance(n, m, d):
    rng = np.random.default_rng(0)
    a = (rng.normal(size=(n, d)) @ rng.normal(size=(d, d))).astype(np.float32)
    b = (rng.normal(size=(m, d)) + 0.5).astype(np.float32)
    root = scipy.linalg.sqrtm(np.cov(a, rowvar=False) @ np.cov(b, rowvar=False)).real
    expected = ((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(np.cov(a, rowvar=False) + np.cov(b, rowvar=False))
    expected -= 2 * np.trace(root)
    assert frechet_distance(a, b) == pytest.approx(expected, rel=1e-3)
    assert frechet_distance(a, a) == pytest.approx(0, abs=1e-4)
    assert frechet_distance(a, a + 2) == pytest.approx(4 * d, rel=1e-4)
