"""State dicts of the public implementation, by their own names."""

import re
from collections.abc import Mapping

from torch import Tensor, nn

from inpaintx.errors import InpaintxError

__all__ = ["load_official", "prior_state"]

State = Mapping[str, Tensor]


def prior_state(encoder: State, decoder: State) -> dict[str, Tensor]:
    """Names of KumapowerLIU/PD-GAN's ``Encoder`` and ``Decoder`` (``…_net_EN.pth``, ``…_net_DE.pth``) to ours."""
    named = {}
    for key, value in encoder.items():
        key = re.sub(r"^Encoder_(\d+)\.", lambda m: f"encoder.{int(m[1]) - 1}.", key)
        named[key.replace("conv_1.", "first.conv.").replace("conv_2.", "second.conv.")] = value
    for key, value in decoder.items():
        named[re.sub(r"^Decoder_(\d+)\.model\.", lambda m: f"decoder.{int(m[1]) - 1}.", key)] = value
    return named


def load_official(net: nn.Module, encoder: State, decoder: State) -> None:
    """Load the published state dicts into a :class:`PriorNet` with ``scale="sum"``, which is how they divide.

    Raises
    ------
    InpaintxError
        A name or shape that does not fit.
    """
    try:
        net.load_state_dict(prior_state(encoder, decoder))
    except RuntimeError as error:
        raise InpaintxError(f"the state dict does not fit: {'; '.join(str(error).splitlines()[1:4])}") from None
