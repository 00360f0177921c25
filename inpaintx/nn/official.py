"""Files that others publish and inpaintx can use: where their makers keep them, and their digests. No torch here."""

from dataclasses import dataclass

__all__ = ["FETCHED", "INCEPTION", "LPIPS_VGG", "VGG16", "VGG19", "YUNET", "WeightFile"]


@dataclass(frozen=True)
class WeightFile:
    """An official file: its name, its SHA-256 (or the first digits of it), and where its makers keep it.

    Attributes
    ----------
    fetched_as
        What ``inpaintx fetch`` calls it; empty: it does not fetch it.
    """

    name: str
    sha256: str
    url: str
    fetched_as: str = ""

    @property
    def how_to_get(self) -> str:
        """The way to the file, in words."""
        return f"fetch it by 'inpaintx fetch {self.fetched_as}'" if self.fetched_as else f"fetch it from {self.url}"


_TORCH = "https://download.pytorch.org/models/"
VGG16 = WeightFile(
    "vgg16-397923af.pth",
    "397923af8e79cdbb6a7127f12361acd7a2f83e06b05044ddf496e83de57a5bf0",
    _TORCH + "vgg16-397923af.pth",
    "vgg16",
)
VGG19 = WeightFile("vgg19-dcbb9e9d.pth", "dcbb9e9d", _TORCH + "vgg19-dcbb9e9d.pth")
LPIPS_VGG = WeightFile(
    "lpips_v0.1_vgg.pth",  # there, simply vgg.pth
    "a78928a0af1e5f0fcb1f3b9e8f8c3a2a5a3de244d830ad5c1feddc79b8432868",
    "https://raw.githubusercontent.com/richzhang/PerceptualSimilarity/master/lpips/weights/v0.1/vgg.pth",
    "lpips",
)
INCEPTION = WeightFile(
    "pt_inception-2015-12-05-6726825d.pth",
    "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2",
    "https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/pt_inception-2015-12-05-6726825d.pth",
    "fid",
)
YUNET = WeightFile(
    "face_detection_yunet_2023mar.onnx",
    "8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4",
    "https://media.githubusercontent.com/media/opencv/opencv_zoo/main/models/face_detection_yunet/"
    "face_detection_yunet_2023mar.onnx",
    "yunet",
)
FETCHED = {"lpips": (VGG16, LPIPS_VGG), "fid": (INCEPTION,), "vgg16": (VGG16,), "yunet": (YUNET,)}
