"""The Fréchet distance between two sets of features."""

import numpy as np
import numpy.typing as npt

__all__ = ["frechet_distance"]

Features = npt.NDArray[np.floating]


def frechet_distance(a: Features, b: Features) -> float:
    """Squared Fréchet distance between the normal distributions fitted to two sets of features.

    Parameters
    ----------
    a, b
        ``[N,D]`` and ``[M,D]``, at least two rows each.

    Returns
    -------
    float
        ``|mean a - mean b|^2 + tr(A + B - 2 (A B)^(1/2))``, A and B the unbiased covariances.

    Notes
    -----
    The usual way takes the square root of a D x D matrix that is singular where there are fewer images than features.
    With A = X^T X the last trace is the sum of the singular values of X Y^T, which has no such trouble, and with few
    images is small. The value is biased upwards for few images, whatever the way; compare sets of one size only.

    References
    ----------
    Heusel et al., "GANs Trained by a Two Time-Scale Update Rule Converge to a Local Nash Equilibrium", 2017, eq. 6.
    """
    (mean_a, x), (mean_b, y) = _centered(a), _centered(b)
    common = np.linalg.svd(x @ y.T, compute_uv=False).sum()
    distance = ((mean_a - mean_b) ** 2).sum() + (x**2).sum() + (y**2).sum() - 2 * common
    return max(0.0, float(distance))


def _centered(features: Features) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """The mean, and X with X^T X the covariance, of at most D rows."""
    features = features.astype(np.float64)
    mean = features.mean(0)
    x = (features - mean) / np.sqrt(len(features) - 1)
    if x.shape[0] > x.shape[1]:
        x = np.asarray(np.linalg.qr(x, mode="r"))
    return mean, x
