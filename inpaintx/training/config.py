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
from inpaintx.plugin.registry import registry

__all__ = ["FREE", "Settings", "TrainConfig", "check_same", "resolve_settings"]

METRICS = tuple(f"{region}/{name}" for region in ("hole", "full") for name in ("psnr", "ssim", "mse", "mae"))


class TrainConfig(BaseModel):
    """Options of the training loop; learning rates, losses, ``size``, ``batch_size`` and ``steps`` are the method's.

    ``inpaintx methods NAME`` prints them with their descriptions.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    seed: int = Field(
        0, ge=0, lt=2**63, description="of the first weights, of order, flips and holes, and of what the method draws"
    )
    init: str = Field(
        "",
        description="what the network begins from: a tag of the method's weights (default) or a .safetensors file; "
        "empty: random weights. Discriminators begin from random ones; unless a preset is named, the method's options "
        "are those of the weights",
    )
    split: str = Field("train", description="part of the data that is trained on")
    limit: int = Field(0, ge=0, description="images of that part that are trained on, the first so many; 0: all")
    order: Literal["shuffled", "fixed"] = Field(
        "shuffled", description="order of the images: drawn anew for each epoch, or the set's own in every one"
    )
    val_split: str = Field("val", description="part of the data that is validated on")
    holes: str = Field(
        "strokes", description="where holes come from (inpaintx.data.sampler.parse_mask_spec); own: the set's own masks"
    )
    val_holes: str = Field("", description="holes of the validation; empty: as holes")
    flip: bool = Field(True, description="mirror images at random")
    jitter: float = Field(
        0.0, ge=0, lt=0.5, description="most by which crops are moved (a share of the side) and scaled; 0: not at all"
    )
    jitter_angle: float = Field(0.0, ge=0, le=180, description="most by which crops are turned, in degrees")
    jitter_part: float = Field(1.0, gt=0, le=1, description="share of the crops that jitter changes")
    extra: str = Field("", description="folder of a second set; validation is on the first alone; empty: none")
    extra_share: float = Field(0.25, gt=0, lt=1, description="share of each batch that comes from the second set")
    val_images: int = Field(
        64, ge=1, description="images of a validation, spread over the split; always the same, with the same holes"
    )
    val_vgg: str = Field(
        "",
        description="weight file of VGG16, in whose features the distance to the truth is measured as distance; empty: "
        "it is not measured",
    )
    workers: int = Field(2, ge=0, description="threads that read images ahead; 0: none")
    precision: Literal["32-true", "bf16-mixed", "16-mixed"] = Field(
        "32-true", description="of the computation: single, or mixed with bfloat16 or float16 (GPU)"
    )
    accumulate: int = Field(1, ge=1, description="parts that a batch is cut into to save memory")
    ema: float = Field(
        0.0, ge=0, lt=1, description="decay of the running average of the network's weights, e.g. 0.999; 0: none"
    )
    clip: float = Field(0.0, ge=0, description="largest norm of the gradient of an update; 0: no limit")
    checkpoint_every: int = Field(
        1000, ge=0, description="steps between two checkpoints; the last step has one too; 0: only that"
    )
    validate_every: int = Field(
        1000, ge=0, description="steps between two validations; the last step has one too; 0: never"
    )
    log_every: int = Field(50, ge=0, description="steps between two lines of figures; 0: only the last step's")
    best: str = Field(
        "hole/psnr",
        description="metric by which the best checkpoint is kept: hole or full, and /psnr, /ssim, /mse or /mae; "
        "distance; or full/NAME of a plugin's metric",
    )
    channels_last: bool | None = Field(
        None, description="whether channels lie last in the memory of networks and images; if not given, on CUDA"
    )
    compile: bool = Field(False, description="torch.compile of the networks")
    cuda_graph: bool = Field(
        False,
        description="capture the training step in a CUDA graph and replay it: pdgan, on one GPU, with accumulate=1, "
        "without 16-mixed and compile",
    )


#: What may differ between a run and its resumption, because it changes no weight; what a run began from, and the files
#: and the second set that it reads, are compared by their content
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
        None: the earlier run's, else those of the weights that it begins from, else ``"default"``. It brings options of
        the loop as well, where the method has some for it (:attr:`Method.training_options`).
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
    of_preset = method.training_options.get(preset or "default", {}) if earlier is None else {}
    train = with_options(TrainConfig.model_validate({}), of_preset, f"the training loop by preset {preset!r}")
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
    known = [*METRICS, "distance", *(f"full/{name}" for name in registry().metrics)]
    if settled.best not in known:
        raise InpaintxError(f"best={settled.best} is no metric of the validation; there are: {', '.join(known)}")
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
