"""What a run reads: the part of a set that is trained on, and the one that is validated on."""

from pathlib import Path

from inpaintx.data.dataset import Faces, open_dataset
from inpaintx.data.given import Dataset, GivenDataset
from inpaintx.data.sampler import MaskSampler, parse_mask_spec
from inpaintx.errors import InpaintxError
from inpaintx.nn.distance import FeatureDistance
from inpaintx.plugin.registry import mask_generators, registry
from inpaintx.training.config import TrainConfig
from inpaintx.training.validate import Validation

__all__ = ["open_part", "open_validation"]


def open_part(
    data: Path | Dataset, split: str, holes: str, size: int, wants: frozenset[str], limit: int = 0
) -> tuple[Faces, MaskSampler | None]:
    """Open a split of a folder, or a dataset as it is, and its holes; None: those that the set itself has.

    ``limit``: the first so many images; 0: all.
    """
    own = frozenset({"mask"}) if holes == "own" else frozenset()
    faces: Faces
    if isinstance(data, Path):
        faces = open_dataset(data, size=size, split=split, wants=wants | own, limit=limit or None)
    else:
        faces = GivenDataset(data, size=size, wants=wants | own, limit=limit or None)
    return faces, None if own else parse_mask_spec(holes, size=size, generators=mask_generators)


def open_validation(data: Path | Dataset | None, options: TrainConfig, size: int) -> Validation | None:
    """Open what is validated on; None: nothing is."""
    if data is None or not options.validate_every:
        return None
    try:
        faces, holes = open_part(data, options.val_split, options.val_holes or options.holes, size, frozenset())
    except InpaintxError as error:
        hint = "; validate on another part (val_split=...), or never (validate_every=0)"
        raise InpaintxError(f"{error}{hint if isinstance(data, Path) else ''}") from None
    distance = FeatureDistance(options.val_vgg) if options.val_vgg else None
    best = options.best.removeprefix("full/")
    return Validation(faces, holes, options.val_images, distance, {best} & registry().metrics.keys())
