"""State dicts of the public implementations, by their own names."""

import re
from collections.abc import Mapping

from torch import Tensor

from inpaintx.errors import InpaintxError

from .network import PConvUNet

__all__ = ["load_official", "unet_state"]

State = Mapping[str, Tensor]


def unet_state(state: State, levels: int) -> dict[str, Tensor]:
    """Names of naoto0804/pytorch-inpainting-with-partial-conv's ``PConvUNet`` (or of it with NVIDIA's layers) to ours.

    ``enc_1`` … ``enc_7`` and ``dec_7`` … ``dec_1``, each with ``conv`` and ``bn``.
    """
    named = {}
    for key, value in state.items():
        found = re.fullmatch(r"(enc|dec)_(\d+)\.(conv|bn)\.(.+)", key)
        if not found:
            raise InpaintxError(f"not a weight of PConvUNet: {key!r} (expected enc_1.conv.… to dec_1.bn.…)")
        part, number, layer, rest = found.groups()
        place = f"encoder.{int(number) - 1}" if part == "enc" else f"decoder.{levels - int(number)}"
        named[f"{place}.{'norm' if layer == 'bn' else 'conv'}.{rest}"] = value
    return named


def load_official(net: PConvUNet, state: State) -> None:
    """Load a published state dict.

    The network must be built with ``scale="sum"`` for naoto0804's weights, with ``"window"`` for those of NVIDIA's
    layers: that is how they divide.

    Raises
    ------
    InpaintxError
        A name or shape that does not fit.
    """
    try:
        net.load_state_dict(unet_state(state, len(net.encoder)))
    except RuntimeError as error:
        raise InpaintxError(f"the state dict does not fit: {'; '.join(str(error).splitlines()[1:4])}") from None
