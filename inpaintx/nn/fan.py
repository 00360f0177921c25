"""FAN: a network that finds the landmarks of a face, one heatmap each; weights have the names of face-alignment."""

from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from inpaintx.errors import InpaintxError
from inpaintx.io.atomic import atomic_write
from inpaintx.io.weight_files import check_shapes
from inpaintx.nn.official import WeightFile
from inpaintx.nn.options import OnMissing
from inpaintx.nn.pretrained import frozen
from inpaintx.ops import WinogradConv2d

__all__ = [
    "FAN",
    "check_width",
    "heatmap_loss",
    "landmarks_of",
    "load_fan",
    "save_fan",
    "target_heatmaps",
]

FILE = WeightFile(
    "2DFAN4-11f355bf06.pth.tar",
    "11f355bf06",
    "https://www.adrianbulat.com/downloads/python-fan/2DFAN4-11f355bf06.pth.tar",
)
DEPTH = 4
SIZES = ("stacks", "points", "width", "size")


class Block(nn.Module):
    """Pre-activation block: 3×3 convolutions to a half, a quarter and a quarter of the channels, concatenated."""

    def __init__(self, into: int, out: int) -> None:
        super().__init__()
        self.bn1, self.conv1 = nn.BatchNorm2d(into), WinogradConv2d(into, out // 2, 3, padding=1, bias=False)
        self.bn2, self.conv2 = nn.BatchNorm2d(out // 2), WinogradConv2d(out // 2, out // 4, 3, padding=1, bias=False)
        self.bn3, self.conv3 = nn.BatchNorm2d(out // 4), WinogradConv2d(out // 4, out // 4, 3, padding=1, bias=False)
        self.downsample = None
        if into != out:
            self.downsample = nn.Sequential(nn.BatchNorm2d(into), nn.ReLU(), nn.Conv2d(into, out, 1, bias=False))

    def forward(self, x: Tensor) -> Tensor:
        a = self.conv1(F.relu(self.bn1(x)))
        b = self.conv2(F.relu(self.bn2(a)))
        c = self.conv3(F.relu(self.bn3(b)))
        return torch.cat([a, b, c], 1) + (x if self.downsample is None else self.downsample(x))


class Hourglass(nn.Module):
    """Down four times and up again, with a block beside each level."""

    def __init__(self, width: int) -> None:
        super().__init__()
        for level in range(1, DEPTH + 1):
            for name in ("b1", "b2", "b3"):
                self.add_module(f"{name}_{level}", Block(width, width))
        self.b2_plus_1 = Block(width, width)

    def forward(self, x: Tensor, level: int = DEPTH) -> Tensor:
        beside = self.get_submodule(f"b1_{level}")(x)
        low = self.get_submodule(f"b2_{level}")(F.avg_pool2d(x, 2))
        low = self(low, level - 1) if level > 1 else self.b2_plus_1(low)
        return beside + F.interpolate(self.get_submodule(f"b3_{level}")(low), scale_factor=2.0)


class FAN(nn.Module):
    """Stacked hourglasses; each stack gives a heatmap of a quarter of the side for every landmark.

    Parameters
    ----------
    stacks, points, width, size
        Hourglasses, landmarks, channels, side of the images: 4, 68, 256, 256 in the released 2DFAN4.

    References
    ----------
    Bulat and Tzimiropoulos, "How far are we from solving the 2D & 3D Face Alignment problem?", ICCV 2017.

    Examples
    --------
    >>> fan = FAN(stacks=1, points=49, width=32).eval()
    >>> [list(m.shape) for m in fan(torch.rand(1, 3, 64, 64))]
    [[1, 49, 16, 16]]
    """

    def __init__(self, stacks: int = 4, points: int = 68, width: int = 256, size: int = 256) -> None:
        super().__init__()
        check_width(width)
        self.stacks, self.points, self.width, self.size = stacks, points, width, size
        self.conv1, self.bn1 = nn.Conv2d(3, width // 4, 7, 2, 3), nn.BatchNorm2d(width // 4)
        self.conv2, self.conv3 = Block(width // 4, width // 2), Block(width // 2, width // 2)
        self.conv4 = Block(width // 2, width)
        for i in range(stacks):
            self.add_module(f"m{i}", Hourglass(width))
            self.add_module(f"top_m_{i}", Block(width, width))
            self.add_module(f"conv_last{i}", nn.Conv2d(width, width, 1))
            self.add_module(f"bn_end{i}", nn.BatchNorm2d(width))
            self.add_module(f"l{i}", nn.Conv2d(width, points, 1))
            if i < stacks - 1:
                self.add_module(f"bl{i}", nn.Conv2d(width, width, 1))
                self.add_module(f"al{i}", nn.Conv2d(points, width, 1))

    def forward(self, image: Tensor) -> list[Tensor]:
        """``[B,3,S,S]`` RGB in [0,1], S a multiple of 64 (256 for the released weights), to a map a stack."""
        x = F.relu(self.bn1(self.conv1(image)))
        x = self.conv4(self.conv3(F.avg_pool2d(self.conv2(x), 2)))
        maps = []
        for i in range(self.stacks):
            one = self.get_submodule
            y = one(f"top_m_{i}")(one(f"m{i}")(x))
            y = F.relu(one(f"bn_end{i}")(one(f"conv_last{i}")(y)))
            maps.append(one(f"l{i}")(y))
            if i < self.stacks - 1:
                x = x + one(f"bl{i}")(y) + one(f"al{i}")(maps[-1])
        return maps


def check_width(width: int) -> None:
    """Refuse channels that a block cannot cut into a half and two quarters, twice.

    Raises
    ------
    InpaintxError
        Says what came.
    """
    if width < 8 or width % 8:
        raise InpaintxError(f"FAN's width must be a multiple of 8, got {width}")


def save_fan(path: Path, fan: FAN, trained_on: str, **more: str) -> None:
    """Write a FAN of one's own, with its sizes, what it was trained on, and what ``more`` there is to say."""
    sizes = {key: str(getattr(fan, key)) for key in SIZES}
    meta = {"inpaintx.fan": trained_on, **sizes, **more}
    state = {key: value.detach().cpu().contiguous() for key, value in fan.state_dict().items()}
    with atomic_write(path) as part:
        save_file(state, part, meta)


def load_fan(on_missing: OnMissing = "error", *, path: str = "") -> tuple[FAN | None, str]:
    """Make a frozen :class:`FAN`, and say where its weights came from.

    Parameters
    ----------
    on_missing
        See :func:`inpaintx.nn.pretrained.frozen`.
    path
        A file of :func:`save_fan`, or the official one under another name.

    Returns
    -------
    tuple
        The FAN (None where the terms are left out) and its outcome; that of a FAN of one's own is ``"set:NAME"``, the
        set that it was trained on.
    """
    meta = _metadata(path) if path.endswith(".safetensors") else {}
    if "inpaintx.fan" not in meta:
        return frozen(FAN, FILE, on_missing, path=path, option="fan")
    try:
        sizes = {key: int(meta[key]) for key in SIZES}
        with torch.device("meta"):
            wanted = FAN(**sizes).state_dict()
    except (KeyError, ValueError, RuntimeError) as error:
        raise InpaintxError(
            f"weight file {path} holds no FAN: its sizes in the metadata do not fit ({error})"
        ) from None
    check_shapes(Path(path), wanted, "a FAN of these sizes")
    fan, _ = frozen(lambda: FAN(**sizes), FILE, path=path)
    return fan, f"set:{meta['inpaintx.fan']}"


def _metadata(path: str) -> dict[str, str]:
    try:
        with safe_open(path, "pt") as file:
            return file.metadata() or {}
    except (OSError, SafetensorError) as error:
        raise InpaintxError(f"weight file {path} cannot be read: {error}") from None


def target_heatmaps(landmarks: Tensor, size: int, side: int, sigma: float = 1.0) -> Tensor:
    """Gaussians of height 1 at the landmarks.

    Parameters
    ----------
    landmarks
        ``[B,N,2]`` x and y in pixels of the image (centre of the first = 0); NaN where unknown.
    size, side
        Sides in pixels of the image and of the maps.
    sigma
        In pixels of the maps.

    Returns
    -------
    Tensor
        ``[B,N,side,side]`` float32; a map of NaN where the landmark is unknown.
    """
    at = (landmarks.float() + 0.5) * (side / size) - 0.5
    grid = torch.arange(side, device=landmarks.device, dtype=torch.float32)
    across = torch.exp(-((grid - at[..., :1]) ** 2) / (2 * sigma**2))
    down = torch.exp(-((grid - at[..., 1:]) ** 2) / (2 * sigma**2))
    return down[..., :, None] * across[..., None, :]


def landmarks_of(heatmaps: Tensor, size: int) -> Tensor:
    """Where the maps are highest, in pixels of an image of side ``size``: ``[B,N,h,h]`` to ``[B,N,2]`` (x, y).

    Between the maps' pixels, by the parabola through the logarithms of the highest and its two neighbours in either
    direction: exact for a Gaussian. At the maps' edge the pixel itself.

    References
    ----------
    Zhang et al., "Distribution-Aware Coordinate Representation for Human Pose Estimation", CVPR 2020, eq. 7, with
    the second derivatives along the axes alone.
    """
    side = heatmaps.shape[-1]
    logs = heatmaps.float().clamp_min(1e-6).log()
    best = heatmaps.flatten(2).argmax(-1)
    at = torch.stack([best % side, best // side], -1)

    def value(axis: int, step: int) -> Tensor:
        near = at.clone()
        near[..., axis] = (near[..., axis] + step).clamp(0, side - 1)
        return logs.flatten(2).gather(2, (near[..., 1] * side + near[..., 0]).unsqueeze(-1)).squeeze(-1)

    shift = torch.zeros(at.shape, device=at.device)
    for axis in (0, 1):
        before, here, after = (value(axis, step) for step in (-1, 0, 1))
        bend = 2 * here - before - after
        inner = (at[..., axis] > 0) & (at[..., axis] < side - 1) & (bend > 0)
        shift[..., axis] = torch.where(inner, (after - before) / (2 * bend.clamp_min(1e-6)), 0.0).clamp(-0.5, 0.5)
    return (at + shift + 0.5) * (size / side) - 0.5


def heatmap_loss(maps: Tensor, target: Tensor, emphasis: float = 0.0) -> Tensor:
    """Squared difference, summed over a map, averaged over landmarks and batch; maps of NaN in the target left out.

    ``emphasis``: pixels count 1 + emphasis·target.
    """
    known = target.isfinite().all(-1).all(-1)
    target = target.nan_to_num()
    squares = ((maps.float() - target).square() * (1 + emphasis * target)).sum((2, 3)) * known
    return squares.sum() / known.sum().clamp_min(1)
