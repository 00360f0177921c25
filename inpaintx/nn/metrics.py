"""Errors of fills, image by image: MSE, MAE, PSNR and SSIM over the whole image, the hole, and the foreground."""

import math

import torch
from torch import Tensor

from inpaintx.errors import InpaintxError

__all__ = ["MOST_PSNR", "check_consistent", "diversity", "measure", "sharpness"]

#: dB; what a fill without any error counts as, so that means stay finite
MOST_PSNR = 100.0


def measure(result: Tensor, truth: Tensor, mask: Tensor, foreground: Tensor | None = None) -> dict[str, Tensor]:
    """Compare fills with the truth.

    Parameters
    ----------
    result, truth
        ``[B,3,H,W]``, floating, RGB in [0,1]; both sides at least 11 pixels.
    mask
        ``[B,1,H,W]``, 1 = hole.
    foreground
        ``[B,1,H,W]``, 1 = inside; None: no values for it.

    Returns
    -------
    dict
        ``"region/metric"`` to ``[B]`` float64. Regions: ``full``; ``hole`` (mean over its pixels; of SSIM's map, too);
        ``foreground`` (mean over its pixels, for SSIM the background is set to 0 in both images). MSE and MAE on the
        0-255 scale; PSNR in dB with peak 255, at most :data:`MOST_PSNR`. NaN where the region is empty, and where no
        hole touches the foreground.
    """
    result, truth = result.double(), truth.double()
    hole = (mask > 0.5).double()
    values = _errors("full", result, truth, torch.ones_like(hole)) | _errors("hole", result, truth, hole)
    values["full/ssim"], similarity = _ssim(result, truth)
    values["hole/ssim"] = (similarity.mean(1, keepdim=True) * hole).sum((1, 2, 3)) / hole.sum((1, 2, 3))
    if foreground is not None:
        inside = (foreground > 0.5).double()
        values |= _errors("foreground", result, truth, inside)
        values["foreground/ssim"] = _ssim(result * inside, truth * inside)[0]
        untouched = (inside * hole).sum((1, 2, 3)) == 0
        for metric in ("mse", "mae", "psnr", "ssim"):
            values[f"foreground/{metric}"] = values[f"foreground/{metric}"].masked_fill(untouched, math.nan)
    return values


def _errors(region: str, result: Tensor, truth: Tensor, weight: Tensor) -> dict[str, Tensor]:
    error = (result - truth) * 255
    count = weight.sum((1, 2, 3)) * 3
    mse = (error**2 * weight).sum((1, 2, 3)) / count
    psnr = (10 * torch.log10(255**2 / mse)).clamp(max=MOST_PSNR)
    return {
        f"{region}/mse": mse,
        f"{region}/mae": (error.abs() * weight).sum((1, 2, 3)) / count,
        f"{region}/psnr": psnr,
    }


def _ssim(result: Tensor, truth: Tensor) -> tuple[Tensor, Tensor]:
    """SSIM of each image ``[B]``, and its map ``[B,3,H,W]``: 11x11 Gaussian windows, sigma 1.5, by torchmetrics."""
    from torchmetrics.functional.image import structural_similarity_index_measure

    # float64 would take 20 times as long on a CPU; on a GPU, float32 convolutions may be rounded to TF32
    dtype = torch.float64 if result.is_cuda else torch.float32
    found = structural_similarity_index_measure(
        result.to(dtype), truth.to(dtype), data_range=1.0, reduction="none", return_full_image=True
    )
    return found[0].double(), found[1].double()


def diversity(fills: Tensor, mask: Tensor) -> Tensor:
    """Mean absolute difference in the hole between two of several fills, over all pairs, on the 0-255 scale.

    Parameters
    ----------
    fills
        ``[K,B,3,H,W]``, floating, in [0,1], K at least 2.
    mask
        ``[B,1,H,W]``, 1 = hole.

    Returns
    -------
    Tensor
        ``[B]`` float64.
    """
    hole = (mask > 0.5).double()
    pairs = torch.combinations(torch.arange(len(fills)))
    differences = [((fills[i].double() - fills[j].double()).abs() * hole).sum((1, 2, 3)) for i, j in pairs]
    return torch.stack(differences).mean(0) * 255 / (hole.sum((1, 2, 3)) * 3)


def sharpness(result: Tensor, truth: Tensor, mask: Tensor) -> Tensor:
    """Absolute differences of neighbours in the hole, summed, as a share of the truth's: 1 is as sharp as the truth.

    Parameters
    ----------
    result, truth
        ``[B,3,H,W]``, floating, in [0,1].
    mask
        ``[B,1,H,W]``, 1 = hole. The differences counted are those from a pixel of the hole to its left and upper
        neighbours, known ones among them.

    Returns
    -------
    Tensor
        ``[B]`` float64; NaN where the truth has none.
    """
    inside = (mask[..., 1:, 1:] > 0.5).double()

    def differences(x: Tensor) -> Tensor:
        here = x[..., 1:, 1:]
        steps = (x[..., :-1, 1:] - here).abs() + (x[..., 1:, :-1] - here).abs()
        return (steps * inside).sum((1, 2, 3))

    whole = differences(truth.double())
    return differences(result.double()) / whole.masked_fill(whole < 1e-6, math.nan)


def check_consistent(values: dict[str, float], where: str) -> None:
    """Hold a row of means against what must be true of any: MAE <= RMSE in each region.

    Parameters
    ----------
    values
        ``".../mse"`` and ``".../mae"`` of the same images on the same scale; other keys are passed over.
    where
        Names the row in the error.

    Raises
    ------
    InpaintxError
        The figures cannot come from one measurement.
    """
    for key, mse in values.items():
        region, _, metric = key.rpartition("/")
        if metric != "mse":
            continue
        mae, rmse = values[f"{region}/mae"], math.sqrt(mse)
        if mae > rmse * (1 + 1e-9):
            raise InpaintxError(
                f"{where}, {region}: MAE {mae:g} is above RMSE {rmse:g}, which no set of errors gives; the measured "
                "values are damaged, so nothing is reported"
            )
