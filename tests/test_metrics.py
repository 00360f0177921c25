"""Errors of fills, held against values worked out by hand and against scikit-image."""

import math

import numpy as np
import pytest
import torch
from skimage.metrics import structural_similarity

from inpaintx import InpaintxError
from inpaintx.nn import metrics


def case(seed=0):
    generator = torch.Generator().manual_seed(seed)
    truth = torch.rand(2, 3, 24, 30, generator=generator)
    mask = torch.zeros(2, 1, 24, 30)
    mask[0, :, 4:10, 5:20] = 1
    mask[1, :, 12:, :7] = 1
    result = torch.where(mask > 0, torch.rand(truth.shape, generator=generator), truth)
    return result, truth, mask


def test_regions_weigh_their_own_pixels():
    _, truth, mask = case()
    truth = truth * 0.5
    result = torch.where(mask > 0, truth + 10 / 255, truth + 2 / 255)
    foreground = torch.zeros_like(mask)
    foreground[..., 2:7] = 1  # has hole and known pixels in both images
    values = metrics.measure(result, truth, mask, foreground)
    for region, weight in (("full", torch.ones_like(mask)), ("hole", mask), ("foreground", foreground)):
        share = (mask * weight).sum((1, 2, 3)) / weight.sum((1, 2, 3))
        mse, mae = share * 100 + (1 - share) * 4, share * 10 + (1 - share) * 2
        torch.testing.assert_close(values[f"{region}/mse"], mse.double(), rtol=1e-5, atol=0)
        torch.testing.assert_close(values[f"{region}/mae"], mae.double(), rtol=1e-5, atol=0)
        torch.testing.assert_close(values[f"{region}/psnr"], 10 * torch.log10(255**2 / mse.double()), rtol=1e-5, atol=0)
    assert values["hole/mse"].dtype == torch.float64


def test_ssim():
    result, truth, mask = case()
    foreground = torch.ones_like(mask)
    foreground[..., :3] = 0
    values = metrics.measure(result, truth, mask, foreground)
    for i in range(2):
        a, b = (x[i].permute(1, 2, 0).double().numpy() for x in (result, truth))
        options = {"channel_axis": 2, "data_range": 1, "gaussian_weights": True, "sigma": 1.5, "full": True}
        _, similarity = structural_similarity(a, b, use_sample_covariance=False, **options)
        # at the border the two libraries pad differently
        inner = (slice(5, -5), slice(5, -5))
        hole = mask[i, 0].numpy()[inner] > 0
        ours = metrics._ssim(result.double(), truth.double())[1][i].permute(1, 2, 0).numpy()
        np.testing.assert_allclose(ours[inner], similarity[inner], atol=1e-5)
        assert values["full/ssim"][i] == pytest.approx(ours.mean(), abs=1e-6)
        assert values["hole/ssim"][i] == pytest.approx(ours[mask[i, 0].numpy() > 0].mean(), abs=1e-6)
        assert hole.any()
    black = metrics.measure(result * foreground, truth * foreground, mask)["full/ssim"]
    torch.testing.assert_close(values["foreground/ssim"], black)


def test_what_is_not_defined_is_nan_and_what_is_exact_is_finite():
    result, truth, mask = case()
    foreground = torch.zeros_like(mask)
    foreground[:, :, 5:9, 6:9] = 1  # the second image's hole does not touch it
    values = metrics.measure(result, truth, mask, foreground)
    assert values["foreground/psnr"].isnan().tolist() == [False, True]
    assert values["foreground/ssim"].isnan().tolist() == [False, True]
    exact = metrics.measure(truth, truth, mask)
    assert exact["hole/psnr"].tolist() == [metrics.MOST_PSNR] * 2
    assert exact["hole/ssim"].tolist() == pytest.approx([1, 1])


def test_diversity():
    _, truth, mask = case()
    fills = torch.stack([torch.where(mask > 0, truth * 0 + level, truth) for level in (0.1, 0.2, 0.5)])
    mean = (0.1 + 0.4 + 0.3) / 3 * 255
    torch.testing.assert_close(metrics.diversity(fills, mask), torch.tensor([mean, mean]).double(), rtol=1e-5, atol=0)


def test_a_row_that_cannot_be_is_refused():
    result, truth, mask = case()
    means = {key: float(value.mean()) for key, value in metrics.measure(result, truth, mask).items()}
    metrics.check_consistent(means, "row")
    # Table 1 of the foreground-guided paper: MAE 57.38 with MSE 194.86
    with pytest.raises(InpaintxError, match=r"ours, test, full: MAE 57\.38 is above RMSE 13\.9592"):
        metrics.check_consistent(means | {"full/mse": 194.86, "full/mae": 57.38}, "ours, test")
    metrics.check_consistent({"full/mse": 4.0, "full/mae": 2.0}, "equal errors")
    assert math.sqrt(means["hole/mse"]) >= means["hole/mae"]
