"""Training of the prior: the losses and the loop of Liu's U-Net, on other layers and with a rate that fades."""

from ..pconv.trainer import PConvLoss, PConvTrainer, faded

__all__ = ["PConvLoss", "PConvTrainer", "faded"]
