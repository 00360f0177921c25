"""The order of an image tensor's memory in which a device's convolutions are fastest."""

import torch

__all__ = ["layout_on"]


def layout_on(device: torch.device) -> torch.memory_format:
    """Channels last on CUDA, where cuDNN would turn half-precision images and back; planes on other devices."""
    return torch.channels_last if device.type == "cuda" else torch.contiguous_format
