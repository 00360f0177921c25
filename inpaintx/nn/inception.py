"""InceptionV3 as the Fréchet inception distance needs it: 2048 features of an image, by the original's weights."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from inpaintx.nn.official import INCEPTION
from inpaintx.nn.options import OnMissing
from inpaintx.nn.pretrained import frozen

__all__ = ["InceptionFID", "load_inception"]


class Conv(nn.Module):
    """Convolution without bias, batch norm, ReLU."""

    def __init__(self, channels: int, out: int, kernel: int | tuple[int, int], stride: int = 1, padding: bool = True):
        super().__init__()
        height, width = (kernel, kernel) if isinstance(kernel, int) else kernel
        around = (height // 2, width // 2) if padding else 0
        self.conv = nn.Conv2d(channels, out, (height, width), stride, around, bias=False)
        self.bn = nn.BatchNorm2d(out, eps=0.001)

    def forward(self, x: Tensor) -> Tensor:
        """``[B,channels,H,W]`` to ``[B,out,H',W']``."""
        return F.relu(self.bn(self.conv(x)))


def _mean(x: Tensor) -> Tensor:
    """Mean of 3x3, of the pixels inside the image only: the original network's own way at the border."""
    return F.avg_pool2d(x, 3, stride=1, padding=1, count_include_pad=False)


class A(nn.Module):
    """Figure 5 of the paper: two 3x3 in place of a 5x5."""

    def __init__(self, channels: int, pooled: int) -> None:
        super().__init__()
        self.branch1x1 = Conv(channels, 64, 1)
        self.branch5x5_1 = Conv(channels, 48, 1)
        self.branch5x5_2 = Conv(48, 64, 5)
        self.branch3x3dbl_1 = Conv(channels, 64, 1)
        self.branch3x3dbl_2 = Conv(64, 96, 3)
        self.branch3x3dbl_3 = Conv(96, 96, 3)
        self.branch_pool = Conv(channels, pooled, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Four branches, concatenated."""
        five = self.branch5x5_2(self.branch5x5_1(x))
        double = self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(x)))
        return torch.cat([self.branch1x1(x), five, double, self.branch_pool(_mean(x))], 1)


class B(nn.Module):
    """Halves the grid, 35 to 17."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.branch3x3 = Conv(channels, 384, 3, 2, padding=False)
        self.branch3x3dbl_1 = Conv(channels, 64, 1)
        self.branch3x3dbl_2 = Conv(64, 96, 3)
        self.branch3x3dbl_3 = Conv(96, 96, 3, 2, padding=False)

    def forward(self, x: Tensor) -> Tensor:
        """Three branches, concatenated."""
        double = self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(x)))
        return torch.cat([self.branch3x3(x), double, F.max_pool2d(x, 3, 2)], 1)


class C(nn.Module):
    """Figure 6 of the paper: 7x7 as 1x7 and 7x1."""

    def __init__(self, channels: int, inner: int) -> None:
        super().__init__()
        self.branch1x1 = Conv(channels, 192, 1)
        self.branch7x7_1 = Conv(channels, inner, 1)
        self.branch7x7_2 = Conv(inner, inner, (1, 7))
        self.branch7x7_3 = Conv(inner, 192, (7, 1))
        self.branch7x7dbl_1 = Conv(channels, inner, 1)
        self.branch7x7dbl_2 = Conv(inner, inner, (7, 1))
        self.branch7x7dbl_3 = Conv(inner, inner, (1, 7))
        self.branch7x7dbl_4 = Conv(inner, inner, (7, 1))
        self.branch7x7dbl_5 = Conv(inner, 192, (1, 7))
        self.branch_pool = Conv(channels, 192, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Four branches, concatenated."""
        seven = self.branch7x7_3(self.branch7x7_2(self.branch7x7_1(x)))
        double = self.branch7x7dbl_3(self.branch7x7dbl_2(self.branch7x7dbl_1(x)))
        double = self.branch7x7dbl_5(self.branch7x7dbl_4(double))
        return torch.cat([self.branch1x1(x), seven, double, self.branch_pool(_mean(x))], 1)


class D(nn.Module):
    """Halves the grid, 17 to 8."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.branch3x3_1 = Conv(channels, 192, 1)
        self.branch3x3_2 = Conv(192, 320, 3, 2, padding=False)
        self.branch7x7x3_1 = Conv(channels, 192, 1)
        self.branch7x7x3_2 = Conv(192, 192, (1, 7))
        self.branch7x7x3_3 = Conv(192, 192, (7, 1))
        self.branch7x7x3_4 = Conv(192, 192, 3, 2, padding=False)

    def forward(self, x: Tensor) -> Tensor:
        """Three branches, concatenated."""
        seven = self.branch7x7x3_4(self.branch7x7x3_3(self.branch7x7x3_2(self.branch7x7x3_1(x))))
        return torch.cat([self.branch3x3_2(self.branch3x3_1(x)), seven, F.max_pool2d(x, 3, 2)], 1)


class E(nn.Module):
    """Figure 7 of the paper: 3x3 as 1x3 beside 3x1. The original's last one pools by the maximum."""

    def __init__(self, channels: int, *, maximum: bool) -> None:
        super().__init__()
        self.branch1x1 = Conv(channels, 320, 1)
        self.branch3x3_1 = Conv(channels, 384, 1)
        self.branch3x3_2a = Conv(384, 384, (1, 3))
        self.branch3x3_2b = Conv(384, 384, (3, 1))
        self.branch3x3dbl_1 = Conv(channels, 448, 1)
        self.branch3x3dbl_2 = Conv(448, 384, 3)
        self.branch3x3dbl_3a = Conv(384, 384, (1, 3))
        self.branch3x3dbl_3b = Conv(384, 384, (3, 1))
        self.branch_pool = Conv(channels, 192, 1)
        self.maximum = maximum

    def forward(self, x: Tensor) -> Tensor:
        """Six branches, concatenated."""
        one, double = self.branch3x3_1(x), self.branch3x3dbl_2(self.branch3x3dbl_1(x))
        pooled = self.branch_pool(F.max_pool2d(x, 3, 1, 1) if self.maximum else _mean(x))
        threes = [self.branch3x3_2a(one), self.branch3x3_2b(one)]
        doubles = [self.branch3x3dbl_3a(double), self.branch3x3dbl_3b(double)]
        return torch.cat([self.branch1x1(x), *threes, *doubles, pooled], 1)


class InceptionFID(nn.Module):
    """The network of the Fréchet inception distance up to its last pooling.

    Notes
    -----
    The names of the weights are torchvision's and those of the file that every PyTorch FID uses, which was converted
    from the TensorFlow graph of 2015-12-05. Of that file the classifier is left out.

    References
    ----------
    Szegedy et al., "Rethinking the Inception Architecture for Computer Vision", CVPR 2016. Heusel et al., 2017.
    """

    def __init__(self) -> None:
        super().__init__()
        self.Conv2d_1a_3x3 = Conv(3, 32, 3, 2, padding=False)
        self.Conv2d_2a_3x3 = Conv(32, 32, 3, padding=False)
        self.Conv2d_2b_3x3 = Conv(32, 64, 3)
        self.Conv2d_3b_1x1 = Conv(64, 80, 1)
        self.Conv2d_4a_3x3 = Conv(80, 192, 3, padding=False)
        self.Mixed_5b, self.Mixed_5c, self.Mixed_5d = A(192, 32), A(256, 64), A(288, 64)
        self.Mixed_6a = B(288)
        self.Mixed_6b, self.Mixed_6c, self.Mixed_6d, self.Mixed_6e = C(768, 128), C(768, 160), C(768, 160), C(768, 192)
        self.Mixed_7a = D(768)
        self.Mixed_7b, self.Mixed_7c = E(1280, maximum=False), E(2048, maximum=True)

    def forward(self, image: Tensor) -> Tensor:
        """``[B,3,H,W]`` RGB in [0,1] to ``[B,2048]``; resized to 299 by plain bilinear interpolation, as FID is."""
        x = F.interpolate(image.float(), (299, 299), mode="bilinear", align_corners=False) * 2 - 1
        x = self.Conv2d_2b_3x3(self.Conv2d_2a_3x3(self.Conv2d_1a_3x3(x)))
        x = self.Conv2d_4a_3x3(self.Conv2d_3b_1x1(F.max_pool2d(x, 3, 2)))
        x = self.Mixed_5d(self.Mixed_5c(self.Mixed_5b(F.max_pool2d(x, 3, 2))))
        x = self.Mixed_6e(self.Mixed_6d(self.Mixed_6c(self.Mixed_6b(self.Mixed_6a(x)))))
        x = self.Mixed_7c(self.Mixed_7b(self.Mixed_7a(x)))
        return x.mean((2, 3))


def load_inception(on_missing: OnMissing = "error") -> tuple[InceptionFID | None, str]:
    """Make a frozen :class:`InceptionFID`; see :func:`inpaintx.nn.pretrained.frozen`."""
    return frozen(InceptionFID, INCEPTION, on_missing, option="features")
