"""Weight files of a VGG16 that was drawn at random."""

import torch
from safetensors.torch import save_file

from inpaintx.nn.vgg import VGG


def vgg_file(path, seed=0):
    """Write one with all layers that a method asks for, in float16, as such files come."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        save_file({key: value.half() for key, value in VGG(16, ["relu5_3"]).state_dict().items()}, path)
    return path
