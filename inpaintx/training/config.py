"""What a run is made of: the options of the loop beside those of the method, and the record of both."""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast

import torch
from pydantic import BaseModel, ConfigDict, Field

from inpaintx.errors import InpaintxError
from inpaintx.plugin import weights
from inpaintx.plugin.method import Config, LearnedConfig, Method, with_options

__all__ = ["FREE", "Metric", "Settings", "TrainConfig", "check_same", "resolve_settings"]

Metric = Literal[
    "hole/psnr", "hole/ssim", "hole/mse", "hole/mae", "full/psnr", "full/ssim", "full/mse", "full/mae", "distance"
]


class TrainConfig(BaseModel):
    """Options of the training loop; learning rates, losses, ``size``, ``batch`` and ``steps`` are the method's.

    Parameters
    ----------
    seed
        Of the first weights, of the order, flips and holes of the images, and of what the method draws.
    init
        What the network begins from, to train it further or on other faces: a tag of the method's weights
        (``"default"``) or a ``.safetensors`` file; empty: random weights. Discriminators begin from random ones. Unless
        a preset is named, the method's options are those of the weights.
    split, val_split
        Parts of the data that are trained on and validated on.
    holes, val_holes
        Where holes come from (:func:`inpaintx.data.sampler.parse_mask_spec`); ``"own"``: the masks that the set itself
        has; ``val_holes`` empty: as ``holes``.
    flip
        Whether images are mirrored at random.
    jitter, jitter_angle, jitter_part
        By how much crops are moved (a share of the side) and scaled, and turned (degrees), at most, at random
        (:class:`inpaintx.data.jitter.Jitter`), so that the network learns faces that are not cut as exactly as the
        set's; 0: not. ``jitter_part`` is the share of the crops that this is done to.
    extra, extra_share
        Folder of a second set, and the share of each batch that comes from it; empty: none. Validation is on the first
        alone.
    val_images
        Images that are validated on, spread over the split; always the same ones with the same holes.
    val_vgg
        A weight file of VGG16 to measure each fill's distance to the truth in its features
        (:class:`inpaintx.nn.distance.FeatureDistance`), as ``distance``; empty: it is not measured.
    workers
        Threads that read images ahead; 0: none.
    precision
        ``"32-true"``, or mixed precision: ``"bf16-mixed"``, ``"16-mixed"`` (GPU).
    accumulate
        Parts that a batch is cut into to save memory; the update follows the last.
    ema
        Decay of the running average of the network's weights, e.g. 0.999; 0: none.
    clip
        Largest norm of the gradient of an update; 0: no limit.
    checkpoint_every, validate_every, log_every
        Steps between two; 0: never. The last step has all three, but no validation if that is never.
    best
        The metric by which the best checkpoint is kept.
    channels_last, compile
        Memory format, and ``torch.compile`` of the networks.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    seed: int = Field(0, ge=0, lt=2**63)
    init: str = ""
    split: str = "train"
    val_split: str = "val"
    holes: str = "strokes"
    val_holes: str = ""
    flip: bool = True
    jitter: float = Field(0.0, ge=0, lt=0.5)
    jitter_angle: float = Field(0.0, ge=0, le=180)
    jitter_part: float = Field(1.0, gt=0, le=1)
    extra: str = ""
    extra_share: float = Field(0.25, gt=0, lt=1)
    val_images: int = Field(64, ge=1)
    val_vgg: str = ""
    workers: int = Field(2, ge=0)
    precision: Literal["32-true", "bf16-mixed", "16-mixed"] = "32-true"
    accumulate: int = Field(1, ge=1)
    ema: float = Field(0.0, ge=0, lt=1)
    clip: float = Field(0.0, ge=0)
    checkpoint_every: int = Field(1000, ge=0)
    validate_every: int = Field(1000, ge=0)
    log_every: int = Field(50, ge=0)
    best: Metric = "hole/psnr"
    channels_last: bool = False
    compile: bool = False


# what may differ between a run and its resumption, because it changes no weight; what a run began from, and the files
# and the second set that it reads, are compared by their content
FREE = {"workers", "checkpoint_every", "log_every", "mirrored", "init", "vgg_path", "fan_path", "extra", "val_vgg"}


@dataclass(frozen=True)
class Settings:
    """All options of a run, checked."""

    method: Method
    preset: str
    config: LearnedConfig
    train: TrainConfig

    def record(self) -> dict[str, Any]:
        """Plain values, for the run's record."""
        return {
            "method": self.method.name,
            "preset": self.preset,
            "config": self.config.model_dump(mode="json"),
            "train": self.train.model_dump(mode="json"),
        }


def resolve_settings(
    method: Method, preset: str | None, options: Mapping[str, Any], earlier: dict[str, Any] | None = None
) -> Settings:
    """Give each option to the method or to the loop, and check it.

    Parameters
    ----------
    preset
        None: the earlier run's, else those of the weights that it begins from, else ``"default"``.
    options
        By name; a name that method and loop both have is written ``method.NAME`` or ``run.NAME``. Stages that are not
        given (:attr:`LearnedConfig.stages`) scale with ``steps``.
    earlier
        The record of the run that is resumed: what is not given is taken from it, and what is given must agree, but
        for more ``steps`` and for options that change no weight.

    Raises
    ------
    InpaintxError
        The method cannot be trained; an unknown option, or one that does not fit; a resumed run of other options.
    """
    if not method.is_trainable():
        raise InpaintxError(f"method {method.name!r} has nothing to train")
    base = method.config(preset or (earlier or {}).get("preset", "default"))
    if not isinstance(base, LearnedConfig):
        raise InpaintxError(
            f"method {method.name!r} defines trainer(), but its Config does not derive from inpaintx.LearnedConfig"
        )
    own, loop = _divide(method, base, options)
    if earlier is None and preset is None and loop.get("init"):
        loaded = weights.load(method, base, str(loop["init"]), torch.device("cpu"))
        base = cast(LearnedConfig, method.finetune_config(loaded.config))
    train = TrainConfig.model_validate({})
    if earlier is not None:
        check_same("method", earlier["method"], method.name)
        check_same("preset", earlier["preset"], preset or earlier["preset"])
        base = with_options(base, earlier["config"], f"method {method.name!r} as the run recorded them")
        train = with_options(train, earlier["train"], "the training loop as the run recorded them")
    if earlier is None:
        own = {**_scaled(base, own), **own}
    config = with_options(base, own, f"method {method.name!r}")
    settled = with_options(train, loop, "the training loop")
    if earlier is not None:
        _check_continued(base, config)
        _check_continued(train, settled)
    if settled.best == "distance" and not settled.val_vgg:
        raise InpaintxError("best=distance needs the weight file of a VGG16 to measure it: val_vgg=FILE")
    if config.batch_size % settled.accumulate:
        raise InpaintxError(
            f"batch_size={config.batch_size} cannot be cut into accumulate={settled.accumulate} equal parts"
        )
    return Settings(method, preset or (earlier or {}).get("preset", "default"), config, settled)


def _scaled(base: LearnedConfig, own: dict[str, Any]) -> dict[str, int]:
    """Stages that the preset counts in its own steps, brought to the number of steps that is asked for."""
    try:
        share = int(own.get("steps", base.steps)) / base.steps
    except (TypeError, ValueError):  # said when the options are checked
        return {}
    before = {name: getattr(base, name) for name in sorted(type(base).stages)}
    return {name: max(1, round(share * steps)) for name, steps in before.items() if steps and share != 1}


def _divide(method: Method, config: BaseModel, options: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The options that are the method's, and those that are the loop's."""
    own, loop = set(type(config).model_fields), set(TrainConfig.model_fields)
    earlier = type(config).earlier_names().keys() - loop if isinstance(config, Config) else set()
    given: tuple[dict[str, Any], dict[str, Any]] = {}, {}
    for key, value in options.items():
        owner, _, name = key.rpartition(".")
        if owner == "method" or (not owner and name in (own | earlier) - loop):
            given[0][name] = value
        elif owner == "run" or (not owner and name in loop - own):
            given[1][name] = value
        elif not owner and name in own & loop:
            raise InpaintxError(
                f"method {method.name!r} and the training loop both have an option {name!r}; "
                f"write method.{name} or run.{name}"
            )
        else:
            near = difflib.get_close_matches(key, own | loop, n=1, cutoff=0.5)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise InpaintxError(
                f"there is no option {key!r}{hint} (of method {method.name!r}: {', '.join(sorted(own))}; of the loop: "
                f"{', '.join(sorted(loop))})"
            )
    return given


def _check_continued(before: BaseModel, now: BaseModel) -> None:
    for key, old in before:
        new = getattr(now, key)
        if key not in FREE and not (key == "steps" and new >= old):
            check_same(key, old, new)


def check_same(key: str, old: Any, new: Any) -> None:
    """Refuse to go on with another value of ``key`` than the run was made with."""
    if old != new:
        hint = ": steps may only grow" if key == "steps" else ""
        raise InpaintxError(f"the run was made with {key}={old} and cannot go on with {key}={new}{hint}")
