"""State dicts of KumapowerLIU/PD-GAN, by their own names."""

import re
from collections.abc import Mapping

from torch import Tensor, nn

from inpaintx.errors import InpaintxError

from ..pconv_prior.official import prior_state
from .network import PDGANNet

__all__ = ["discriminator_state", "generator_state", "load_official"]

State = Mapping[str, Tensor]
UNUSED = re.compile(r"\.block\.(v$|mask_conv\.)")  # a parameter without use, and a convolution of ones
RENAMED = (
    (r"^fc\.", "first."),
    (r"^conv_img\.", "last."),
    (r"^generated\.", "units."),
    (r"\.mlp_activate\.0\.", ".shared."),
    (r"\.mlp_(gamma|beta)\.", r".\1."),
    (r"\.conv_to_f\.", ".prior_features."),
)
SPECTRAL = (
    (r"\.weight_orig$", ".parametrizations.weight.original"),
    (r"\.weight_([uv])$", r".parametrizations.weight.0._\1"),
)


def _renamed(state: State, rules: tuple[tuple[str, str], ...]) -> dict[str, Tensor]:
    named = {}
    for key, value in state.items():
        for pattern, new in rules:
            key = re.sub(pattern, new, key)
        named[key] = value
    return named


def generator_state(state: State) -> dict[str, Tensor]:
    """Names of ``SPDNormGenerator`` (``…_net_PDGAN.pth``) to those of :class:`Generator`."""
    return _renamed({k: v for k, v in state.items() if not UNUSED.search(k)}, RENAMED + SPECTRAL)


def discriminator_state(state: State) -> dict[str, Tensor]:
    """Names of ``MultiscaleDiscriminator`` (``…_net_D.pth``) to those of :func:`.trainer.discriminator`."""
    middle = (r"\.model([123])\.0\.0\.", r".layers.\1.0.")
    rules = ((r"^discriminator_(\d)\.", r"discriminators.\1."), middle, (r"\.model([04])\.0\.", r".layers.\1.0."))
    return _renamed(state, rules + SPECTRAL)


def load_official(net: PDGANNet, encoder: State, decoder: State, generator: State) -> None:
    """Load the published state dicts of prior encoder, prior decoder and generator.

    The network must be built with ``scale="sum"``, ``upsample="deconv"`` and ``z=256``, as the preset ``paper`` is.

    Raises
    ------
    InpaintxError
        A name or shape that does not fit.
    """
    parts: tuple[tuple[str, nn.Module, dict[str, Tensor]], ...] = (
        ("prior", net.prior, prior_state(encoder, decoder)),
        ("generator", net.generator, generator_state(generator)),
    )
    for name, part, state in parts:
        try:
            part.load_state_dict(state)
        except RuntimeError as error:
            detail = "; ".join(str(error).splitlines()[1:4])
            raise InpaintxError(f"the state dict of the {name} does not fit: {detail}") from None
