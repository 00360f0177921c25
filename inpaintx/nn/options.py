"""Choices that options of methods name, and what an option is worth; nothing here loads torch."""

from typing import Any, Literal

__all__ = ["METRICS", "Blend", "Features", "OnMissing", "asked_anew"]

#: How a fill is joined to the photo (:attr:`inpaintx.Method.blend`).
Blend = Literal["none", "poisson", "poisson_interior"]
#: What a loss on a feature network does without its weights (stop, draw them at random, leave the term out, or take a
#: small random network).
Features = Literal["error", "random", "skip", "small"]
#: The same without the small network.
OnMissing = Literal["error", "random", "skip"]
#: Names that a plugin's metric cannot take.
METRICS = ("mse", "mae", "psnr", "ssim", "lpips", "fid", "diversity", "sharpness")


def asked_anew(config: Any) -> dict[str, Any]:
    """Changes of options for a training that begins from weights, for :meth:`inpaintx.Method.finetune_config`.

    Weights keep no more than the name of the file of features that they were trained with. Another training has to say
    anew which it takes: without a word, it would run on random ones with the weights of real ones.
    """
    return {"vgg_path": "", "vgg": "error"} if config.vgg_path else {}
