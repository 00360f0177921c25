"""Choices that options of methods name, and what an option is worth; nothing here loads torch."""

from typing import Any, Literal

__all__ = ["METRICS", "Blend", "Features", "OnMissing", "asked_anew"]

Blend = Literal["none", "poisson", "poisson_interior"]
Features = Literal["error", "random", "skip", "small"]
OnMissing = Literal["error", "random", "skip"]
METRICS = ("mse", "mae", "psnr", "ssim", "lpips", "fid", "diversity")  # names that a plugin's metric cannot take


def asked_anew(config: Any) -> dict[str, Any]:
    """Changes of options for a training that begins from weights, for :meth:`inpaintx.Method.finetune_config`.

    Weights keep no more than the name of the file of features that they were trained with. Another training has to say
    anew which it takes: without a word, it would run on random ones with the weights of real ones.
    """
    return {"vgg_path": "", "vgg": "error"} if config.vgg_path else {}
