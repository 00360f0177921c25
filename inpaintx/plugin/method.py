"""The contract of a method. It loads no torch: what a method is can be told before its network is needed."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import InitVar, dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Generic, cast

from pydantic import BaseModel, ConfigDict, Field, model_validator
from typing_extensions import TypeVar

from inpaintx.errors import InpaintxError, warn_renamed
from inpaintx.io.memory import LARGEST_SQUARE
from inpaintx.nn.options import Blend
from inpaintx.plugin.renamed import RenamedAttribute, adopt

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from inpaintx.plugin.trainer import Trainer

__all__ = ["Config", "LearnedConfig", "Method", "Weights"]

Options = TypeVar("Options", bound=BaseModel)
ConfigT = TypeVar("ConfigT", bound=BaseModel, default=Any)
NetT = TypeVar("NetT", bound="nn.Module", default=Any)


class Config(BaseModel):
    """Base of a method's options: frozen, and an unknown name is an error.

    Attributes
    ----------
    renamed_options
        Options by the names that files of earlier versions have, and their present names.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    renamed_options: ClassVar[dict[str, str]] = {}

    @classmethod
    def current_names(cls, options: Mapping[str, Any]) -> dict[str, Any]:
        """Give options their present names."""
        names = cls.earlier_names()
        return {names.get(key, key): value for key, value in options.items()}

    @classmethod
    def earlier_names(cls) -> dict[str, str]:
        """All :attr:`renamed_options`, those of base classes among them."""
        return {k: v for base in reversed(cls.__mro__) for k, v in vars(base).get("renamed_options", {}).items()}

    @model_validator(mode="before")
    @classmethod
    def _names(cls, options: Any) -> Any:
        return cls.current_names(options) if isinstance(options, dict) else options


class LearnedConfig(Config):
    """What every trained method's options have: the square that it works on, and how it is trained by default.

    Attributes
    ----------
    stages
        Names of further options that count steps: those that are not given scale with ``steps``.
    """

    stages: ClassVar[frozenset[str]] = frozenset()

    renamed_options: ClassVar[dict[str, str]] = {"batch": "batch_size"}

    size: int = Field(
        default=256,
        ge=8,
        le=LARGEST_SQUARE,
        description="side in pixels of the images, and of the crops that are filled",
    )
    batch_size: int = Field(default=8, ge=1, description="images of one update")
    steps: int = Field(default=100_000, ge=1, description="number of updates")
    mirrored: bool = Field(
        default=False,
        description="fill the mirror image too and take the mean of both: twice the time, somewhat nearer to the "
        "truth; not for methods that draw their fills at random",
    )

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        """Take ``batch``, as a plugin for version 0.1 may set it, for :attr:`batch_size`."""
        super().__pydantic_init_subclass__(**kwargs)
        if "batch" in cls.__pydantic_fields__:
            warn_renamed(f"{cls.__name__}.batch", "batch_size", 4)
            cls.__pydantic_fields__["batch_size"] = cls.__pydantic_fields__.pop("batch")
            cls.model_rebuild(force=True)

    @property
    def batch(self) -> int:
        """:attr:`batch_size` by its name in version 0.1."""
        warn_renamed(f"{type(self).__name__}.batch", "batch_size")
        return self.batch_size


@dataclass(frozen=True)
class Weights:
    """Where trained weights are and what they are.

    Parameters
    ----------
    file
        Path beside the plugin, or a file name looked up in packages of weights, in ``$INPAINTX_WEIGHTS`` and in torch's
        hub cache.
    sha256
        Of the whole file, in hexadecimal; ``""`` if unknown.
    preset
        The preset of the method that they fit.
    license, trained_on
        Terms of the weights, and the data, steps and hardware in words.
    url
        Where a person can fetch them; inpaintx itself downloads nothing unless told to.
    """

    file: str
    sha256: str = ""
    preset: str = "default"
    license: str = ""
    trained_on: str = ""
    url: str = ""
    licence: InitVar[str | None] = None

    def __post_init__(self, licence: str | None) -> None:
        if licence is not None:
            warn_renamed("Weights(licence=)", "license=", 4)
            object.__setattr__(self, "license", licence)


setattr(Weights, "licence", RenamedAttribute("license", Weights, "licence"))  # noqa: B010 - of a frozen class


class Method(Generic[ConfigT, NetT]):
    """One way to fill holes; a plugin subclasses it once. ``name``, ``paper`` and :meth:`inpaint` must be given.

    Attributes
    ----------
    name, paper
        A name in lower case, and a link to the paper.
    Config, presets, weights
        Options (a frozen pydantic model), named sets of them, trained weights by tag.
    training_options
        By preset, options of the training loop (:class:`inpaintx.training.config.TrainConfig`) that it brings: how many
        images in which order with which holes a paper trained on. What the user gives goes before them.
    multiple
        Height and width must be multiples of it; others are padded by reflection (marked known) and cropped. Where it
        follows from the options, override :meth:`size_divisor`.
    size
        Side in pixels of the square that the method wants, for which the main job resizes the crop around a
        hole; None: any size. A :class:`LearnedConfig` brings its own.
    fixed_size
        Whether the network takes squares of its size only; other images are resized to it and back.
    max_pixels
        Most pixels of one call, for a method of any size that is slow or hungry on large ones: the main job reduces
        larger crops. None: the main job's own limit (4 megapixels).
    requires_weights
        Whether the method's fills need trained weights.
    importer
        The command that brings published weights of the method into inpaintx's format, where the plugin has one.
    compatible_weights
        Names of other methods whose weight files fit, because they work with the same network.
    successor
        The method that took over some of this one's networks, with their weights and runs (:meth:`superseded`).
    checkpoint_fields
        The options that a weight file brings with it, and that a preset cannot change then; None: all. Name those
        of the network where the others can be chosen anew at each fill.
    blend
        How the fill is joined to the photo unless the user says otherwise: ``"none"``: pasted; ``"poisson"``: by
        Poisson blending; ``"poisson_interior"``: by Poisson blending that takes nothing from the output outside the
        hole, for a method whose output has a seam of its own at the rim.
    softness
        How many times smaller a photo would have to be made to be as soft as a fill that was not reduced: 1 for most.
        ``detail`` makes up for it, and for reduction. 0: the fill is made of copies, and gets no detail.
    is_stochastic
        Whether fills are drawn at random, so that two calls differ.
    is_slow
        Whether one fill takes tens of seconds on a CPU: the demo leaves the method out unless it is asked for all.
    """

    name: ClassVar[str]
    paper: ClassVar[str]
    Config: ClassVar[type[BaseModel]] = Config
    presets: ClassVar[dict[str, BaseModel]] = {}
    weights: ClassVar[dict[str, Weights]] = {}
    training_options: ClassVar[dict[str, dict[str, Any]]] = {}
    multiple: ClassVar[int] = 1
    size: ClassVar[int | None] = None
    fixed_size: ClassVar[bool] = False
    max_pixels: ClassVar[int | None] = None
    requires_weights: ClassVar[bool] = False
    importer: ClassVar[str] = ""
    compatible_weights: ClassVar[frozenset[str]] = frozenset()
    successor: ClassVar[str] = ""
    checkpoint_fields: ClassVar[frozenset[str] | None] = None
    blend: ClassVar[Blend] = "none"
    softness: ClassVar[float] = 1.0
    is_stochastic: ClassVar[bool] = False
    is_slow: ClassVar[bool] = False

    # names of version 0.1
    takes: ClassVar[Any] = RenamedAttribute("compatible_weights")
    stored: ClassVar[Any] = RenamedAttribute("checkpoint_fields")
    draws: ClassVar[Any] = RenamedAttribute("is_stochastic")
    fixed: ClassVar[Any] = RenamedAttribute("fixed_size")
    trained: ClassVar[Any] = RenamedAttribute("requires_weights")
    multiple_of: ClassVar[Any] = RenamedAttribute("size_divisor")
    needs: ClassVar[Any] = RenamedAttribute("required_annotations")
    tuned: ClassVar[Any] = RenamedAttribute("finetune_config")
    side: ClassVar[Any] = RenamedAttribute("input_size")

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        adopt(cls)

    def config(self, preset: str = "default", **options: Any) -> ConfigT:
        """Make the options of a preset with some of them changed.

        Raises
        ------
        InpaintxError
            Unknown preset or option, or a value that does not fit.
        """
        if preset not in self.presets and preset != "default":
            known = ", ".join(sorted({"default", *self.presets}))
            hint = f" (method {self.successor!r} took over others)" if self.successor else ""
            raise InpaintxError(f"method {self.name!r} has no preset {preset!r}; it has: {known}{hint}")
        base = cast(ConfigT, self.presets.get(preset) or self.Config())
        return with_options(base, options, f"method {self.name!r}")

    def build(self, config: ConfigT) -> NetT:
        """Make the network for the options, with random weights; the default carries the options alone."""
        from inpaintx.plugin.no_network import NoNetwork

        return cast(NetT, NoNetwork(config))

    def network(self, config: ConfigT) -> NetT:
        """Call :meth:`build`, and let the network carry its options as ``net.config``."""
        net = self.build(config)
        net.config = config  # type: ignore[assignment]
        return net

    def input_size(self, config: ConfigT) -> int | None:
        """Side in pixels of the square that the method wants with these options; None: any size."""
        return getattr(config, "size", self.size)

    def size_divisor(self, config: ConfigT) -> int:
        """What height and width must be multiples of with these options."""
        return self.multiple

    def superseded(self, options: Mapping[str, Any]) -> bool:
        """Whether options of an old weight file or run are of a network that :attr:`successor` has now."""
        return False

    def required_annotations(self, config: ConfigT) -> frozenset[str]:
        """What its training needs in a batch beside image and mask: of ``{"skin", "foreground", "landmarks"}``."""
        return frozenset()

    def inpaint(self, net: NetT, image: Tensor, mask: Tensor, *, generator: torch.Generator | None = None) -> Tensor:
        """Fill the holes.

        Parameters
        ----------
        net
            What :meth:`build` returned, in eval mode, on the image's device; its options are ``net.config``.
        image
            ``[B,3,H,W]`` float32 RGB in [0,1]. What lies under the hole must not matter.
        mask
            ``[B,1,H,W]`` float32, 1 = hole, 0 = known.
        generator
            Source of randomness. Draw once a call and share the draw among the images of a batch, so that a
            photo's fill does not depend on its neighbours in the batch.

        Returns
        -------
        Tensor
            ``[B,3,H,W]`` in [0,1]; only the pixels in the hole are used (and those at its rim by
            ``blend="poisson"``, for the gradients across it, unless they are the image's own).
        """
        raise NotImplementedError(f"method {self.name!r} does not define inpaint()")

    def finetune_config(self, config: ConfigT) -> ConfigT:
        """Options of a training that begins from weights made with ``config``: without what those began from."""
        return config

    def trainer(self, net: NetT, config: ConfigT) -> Trainer[NetT]:
        """Make what trains the network (:class:`Trainer`); a method that is not trained does not define it."""
        raise InpaintxError(f"method {self.name!r} has nothing to train")

    @classmethod
    def is_trainable(cls) -> bool:
        """Whether the plugin defines :meth:`trainer`."""
        return cls.trainer is not Method.trainer


def with_options(base: Options, options: dict[str, Any], owner: str) -> Options:
    """Make a copy of options with some of them changed; ``owner`` names in errors whose options they are.

    Raises
    ------
    InpaintxError
        Unknown option (with the nearest that there is), or a value that does not fit.
    """
    try:
        return type(base).model_validate({**base.model_dump(), **current_names(type(base), options)})
    except ValueError as error:
        known = ", ".join(type(base).model_fields) or "none"
        detail = "; ".join(_in_words(e, base) for e in getattr(error, "errors", list)())
        raise InpaintxError(f"options of {owner}: {detail or error} (options: {known})") from None


def current_names(config: type[BaseModel], options: Mapping[str, Any]) -> dict[str, Any]:
    """Options by their present names, where the model knows earlier ones (:meth:`Config.current_names`)."""
    return config.current_names(options) if issubclass(config, Config) else dict(options)


def _in_words(error: dict[str, Any], config: BaseModel) -> str:
    """One complaint of pydantic; an unknown name with the nearest one that there is."""
    name = ".".join(map(str, error["loc"]))
    if error["type"] != "extra_forbidden":
        return f"{name}: {error['msg']}"
    near = difflib.get_close_matches(name, type(config).model_fields, n=1, cutoff=0.5)
    return f"there is no option {name!r}" + (f"; did you mean {near[0]!r}?" if near else "")
