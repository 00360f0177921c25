"""A network that says where a damaged face lies, from the pixels that are known."""

from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from inpaintx.data.face_windows import POINTS, SIDE
from inpaintx.errors import InpaintxError
from inpaintx.io.atomic import atomic_write
from inpaintx.io.weight_files import check_shapes, open_weights

__all__ = ["FaceAligner", "load_aligner", "points_of", "save_aligner"]


WIDEST = 1024  # channels of the first layer


class _Block(nn.Module):
    """Two 3x3 convolutions beside a shortcut; ``stride`` 2 halves the sides."""

    def __init__(self, into: int, out: int, stride: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(into, out, 3, stride, 1, bias=False), nn.BatchNorm2d(out)
        self.conv2, self.bn2 = nn.Conv2d(out, out, 3, 1, 1, bias=False), nn.BatchNorm2d(out)
        self.shortcut: nn.Module = nn.Identity()
        if stride == 2:
            self.shortcut = nn.Sequential(nn.AvgPool2d(2), nn.Conv2d(into, out, 1, bias=False))

    def forward(self, x: Tensor) -> Tensor:
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        return F.relu(self.shortcut(x) + y)


class FaceAligner(nn.Module):
    """Where the face of a window lies, how far off that may be, and whether there is one.

    A residual network with batch norm, and a linear head over all places of its last map. It sees known pixels alone,
    where detectors want a whole face and landmark networks one that was filled.

    Parameters
    ----------
    width
        Channels of the first layer; the last has eight times as many.

    Examples
    --------
    >>> FaceAligner(8).eval()(torch.zeros(2, 4, 96, 96)).shape
    torch.Size([2, 6])
    """

    def __init__(self, width: int = 24) -> None:
        super().__init__()
        self.width = width
        self.stem = nn.Sequential(nn.Conv2d(4, width, 5, 2, 2, bias=False), nn.BatchNorm2d(width), nn.ReLU())
        sizes = ((1, 2, 2), (2, 4, 2), (4, 4, 1), (4, 8, 2), (8, 8, 1))
        self.body = nn.Sequential(*(_Block(a * width, b * width, stride) for a, b, stride in sizes))
        self.head = nn.Sequential(
            nn.Conv2d(8 * width, 2 * width, 1),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(2 * width * (SIDE // 16) ** 2, 128),
            nn.ReLU(),
            nn.Linear(128, 6),
        )

    def forward(self, window: Tensor) -> Tensor:
        """Place the face.

        Parameters
        ----------
        window
            ``[B,4,96,96]``: RGB in [-1,1], 0 where hidden, and 1 where known, -1 where hidden.

        Returns
        -------
        Tensor
            ``[B,6]``: a, b, x, y of the similarity z → (1 + a + ib) z + (x + iy), which takes the square in the
            window's middle to the face's, in sides of the former (x to the right, y down); the logarithm of the error
            that eyes and mouth are expected to have, in the same unit; the logit of there being a face.
        """
        out: Tensor = self.head(self.body(self.stem(window)))
        return out


def points_of(placed: Tensor) -> Tensor:
    """Where a network's ``[B,6]`` has :data:`POINTS`: ``[B,3,2]`` in sides of the square in the window's middle."""
    x, y = torch.from_numpy(POINTS).to(placed.device).T
    a, b = 1 + placed[:, 0:1], placed[:, 1:2]
    return torch.stack([a * x - b * y + placed[:, 2:3], b * x + a * y + placed[:, 3:4]], -1)


def save_aligner(path: Path, net: FaceAligner, trained_on: str, **more: str) -> None:
    """Write an aligner in float16, with what it was trained on and what ``more`` there is to say."""
    meta = {"inpaintx.aligner": trained_on, "width": str(net.width), **more}
    state = {key: value.detach().cpu().contiguous() for key, value in net.state_dict().items()}
    half = {key: value.half() if value.is_floating_point() else value for key, value in state.items()}
    with atomic_write(path) as part:
        save_file(half, part, meta)


def load_aligner(path: Path) -> FaceAligner:
    """Read an aligner, ready to be asked.

    Raises
    ------
    InpaintxError
        The file cannot be read, or holds no aligner, or one with numbers that are not finite.
    """
    way_out = "remove it, or write one with 'inpaintx train-aligner'"
    try:
        meta, _ = open_weights(path)
    except InpaintxError:
        raise InpaintxError(f"the face aligner {path} cannot be read; {way_out}") from None
    if "inpaintx.aligner" not in meta or meta.get("width", "") not in map(str, range(1, WIDEST + 1)):
        raise InpaintxError(f"weight file {path} holds no face aligner; {way_out}")
    with torch.device("meta"):
        net = FaceAligner(int(meta["width"]))
    check_shapes(path, net.state_dict(), "a face aligner of its width")
    state = load_file(path)
    if not all(value.isfinite().all() for value in state.values()):
        raise InpaintxError(f"the face aligner {path} has numbers that are not finite; {way_out}")
    net.load_state_dict(
        {key: value.float() if value.is_floating_point() else value for key, value in state.items()}, assign=True
    )
    return net.eval().requires_grad_(False)
