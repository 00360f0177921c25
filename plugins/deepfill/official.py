"""State dicts of a public PyTorch port of v2, by its own names."""

import re
from collections.abc import Mapping

from torch import Tensor

from inpaintx.errors import InpaintxError

from .network import DeepFillNet

__all__ = ["load_official"]

UP = ["up_block1.conv1_upsample.conv", "up_block1.conv2", "up_block2.conv1_upsample.conv", "up_block2.conv2"]


def _down(prefix: str = "") -> list[str]:
    blocks = (f"{prefix}down_block{i}.{name}" for i in (1, 2) for name in ("conv1_downsample", "conv2"))
    return [f"{prefix}conv1", *blocks]


# Our sequences, and the port's layers in their order.
LAYERS = {
    "coarse": ["stage1." + n for n in (*_down(), *(f"conv_bn{i}" for i in range(1, 8)), *UP, "conv_to_rgb")],
    "hallucinate": ["stage2." + n for n in (*_down("b1_"), *(f"b1_conv_bn{i}" for i in range(1, 6)))],
    "attend": ["stage2." + n for n in (*_down("b2_"), "b2_conv_bn1")],
    "copied": ["stage2.b2_conv_bn4", "stage2.b2_conv_bn5"],
    "merge": ["stage2." + n for n in ("conv_bn6", "conv_bn7", *UP, "conv_to_rgb")],
}


def load_official(net: DeepFillNet, state: Mapping[str, Tensor]) -> None:
    """Load a state dict with the names of nipponjo/deepfillv2-pytorch's ``Generator`` (width 48, v2).

    Raises
    ------
    InpaintxError
        A name or shape that does not fit.
    """
    place = {}
    for part, names in LAYERS.items():
        for i, name in enumerate(names):
            ours = f"{part}.{i}"
            if name.endswith("conv1_upsample.conv"):
                ours += ".layer"
            place[name] = ours if name.endswith("conv_to_rgb") else f"{ours}.conv"
    named = {}
    for key, value in state.items():
        found = re.fullmatch(r"(.+)\.conv\.(weight|bias)", key)
        if not found or found[1] not in place:
            raise InpaintxError(f"not a weight of deepfillv2-pytorch's Generator: {key!r}")
        named[f"{place[found[1]]}.{found[2]}"] = value
    try:
        net.load_state_dict(named)
    except RuntimeError as error:
        raise InpaintxError(f"the state dict does not fit: {'; '.join(str(error).splitlines()[1:4])}") from None
