"""Means over images, and their bootstrap intervals."""

import functools
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["RESAMPLES", "Estimate", "estimates", "per_image"]

Values = npt.NDArray[np.float64]
RESAMPLES = 2000
BLOCK = 100  # resamples that are worked on at once


@dataclass(frozen=True)
class Estimate:
    """A mean over ``count`` images and the 95 % interval of its bootstrap."""

    mean: float
    low: float
    high: float
    count: int


def per_image(values: Values, image: npt.NDArray[np.int64]) -> Values:
    """Mean of the values of each image, so that an image with several holes counts once in a bootstrap.

    Parameters
    ----------
    values
        ``[N,M]``, a column a metric; NaN: not defined there.
    image
        ``[N]``, the image of each row.

    Returns
    -------
    ndarray
        One row an image, in the order of their numbers; NaN where none is defined.
    """
    numbers, row = np.unique(image, return_inverse=True)
    count, total = np.zeros((2, len(numbers), values.shape[1]))
    np.add.at(count, row, ~np.isnan(values))
    np.add.at(total, row, np.nan_to_num(values))
    return np.divide(total, count, out=np.full_like(total, np.nan), where=count > 0)


def estimates(values: Values, *, seed: int = 0) -> list[Estimate | None]:
    """Mean and percentile bootstrap interval over images, of each column.

    Parameters
    ----------
    values
        ``[N,M]``, a row an image; for a paired comparison the differences, image by image. NaN: left out.
    seed
        Of the resamples: the same images are drawn for all columns, and for every call with as many images.

    Returns
    -------
    list of Estimate or None
        None for a column where no image has a value.

    References
    ----------
    Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 13 (percentile interval).
    """
    valid, values = ~np.isnan(values), np.nan_to_num(values)
    drawn = _draws(len(values), seed)
    means = []
    for first in range(0, RESAMPLES, BLOCK):
        times = drawn[first : first + BLOCK].astype(np.float64)
        count = times @ valid
        means.append(np.divide(times @ values, count, out=np.full(count.shape, np.nan), where=count > 0))
    resampled = np.concatenate(means)
    result: list[Estimate | None] = []
    for column, count in enumerate(valid.sum(0)):
        if not count:
            result.append(None)
            continue
        low, high = np.nanpercentile(resampled[:, column], [2.5, 97.5])
        result.append(Estimate(float(values[:, column].sum() / count), float(low), float(high), int(count)))
    return result


@functools.lru_cache(maxsize=1)
def _draws(count: int, seed: int) -> npt.NDArray[np.uint16]:
    """How often each of ``count`` images is drawn in each resample: ``[RESAMPLES,count]``."""
    rng = np.random.default_rng(seed)
    return rng.multinomial(count, np.full(count, 1 / count), RESAMPLES).astype(np.uint16)
