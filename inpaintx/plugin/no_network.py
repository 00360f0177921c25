"""What stands for a network where a method has none."""

from pydantic import BaseModel
from torch import nn

__all__ = ["NoNetwork"]


class NoNetwork(nn.Module):
    """The network of a method that has none: it only carries the options."""

    def __init__(self, config: BaseModel) -> None:
        super().__init__()
        self.config = config
