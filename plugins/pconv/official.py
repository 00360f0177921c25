"""State dicts of the public implementations, by their own names."""

import re
from collections.abc import Mapping

from torch import Tensor, nn

from inpaintx.errors import InpaintxError

from .network import PConvUNet
from .prior import PriorNet

__all__ = ["load_official", "prior_state", "unet_state"]

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


def prior_state(encoder: State, decoder: State) -> dict[str, Tensor]:
    """Names of KumapowerLIU/PD-GAN's ``Encoder`` and ``Decoder`` (``…_net_EN.pth``, ``…_net_DE.pth``) to ours."""
    named = {}
    for key, value in encoder.items():
        key = re.sub(r"^Encoder_(\d+)\.", lambda m: f"encoder.{int(m[1]) - 1}.", key)
        named[key.replace("conv_1.", "first.conv.").replace("conv_2.", "second.conv.")] = value
    for key, value in decoder.items():
        named[re.sub(r"^Decoder_(\d+)\.model\.", lambda m: f"decoder.{int(m[1]) - 1}.", key)] = value
    return named


def load_official(net: nn.Module, *states: State) -> None:
    """Load a published state dict (for the prior: that of the encoder, then that of the decoder).

    The network must be built with ``scale="sum"`` for those two repositories' weights, with ``"window"`` for those of
    NVIDIA's layers: that is how they divide.

    Raises
    ------
    InpaintxError
        A name or shape that does not fit.
    """
    if isinstance(net, PConvUNet) and len(states) == 1:
        named = unet_state(states[0], len(net.encoder))
    elif isinstance(net, PriorNet) and len(states) == 2:
        named = prior_state(*states)
    else:
        raise InpaintxError("PConvUNet takes one state dict, PriorNet two: the encoder's and the decoder's")
    try:
        net.load_state_dict(named)
    except RuntimeError as error:
        raise InpaintxError(f"the state dict does not fit: {'; '.join(str(error).splitlines()[1:4])}") from None
