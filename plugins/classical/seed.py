"""The one draw of randomness that a call makes."""

import torch

__all__ = ["draw_seed"]


def draw_seed(generator: torch.Generator | None) -> int:
    """One seed for the whole call, shared by the images of a batch, so that each is filled as it would be alone."""
    device = generator.device if generator is not None else "cpu"
    return int(torch.randint(2**31, (), generator=generator, device=device))
