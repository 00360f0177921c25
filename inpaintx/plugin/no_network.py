"""What stands for a network where a method has none."""

from typing import Generic

from pydantic import BaseModel
from torch import nn
from typing_extensions import TypeVar

__all__ = ["NoNetwork"]


ConfigT = TypeVar("ConfigT", bound=BaseModel)


class NoNetwork(nn.Module, Generic[ConfigT]):
    """The network of a method that has none: it only carries the options."""

    def __init__(self, config: ConfigT) -> None:
        super().__init__()
        self.config = config
