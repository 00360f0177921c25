"""What fills holes that no face has: ``python docs/scenes.py VGG`` prints the table of plugins/classical/README.md.

Eight photos of scikit-image and of the demo, strokes of four widths over 7 % of each. VGG is a weight file of VGG16 for
the distance, which is divided by the share of the hole; sharpness is a share of the truth's.
"""

import argparse
from collections.abc import Iterator

import cv2
import numpy as np
import skimage.data
import torch

import inpaintx
from inpaintx.demo import HERE, PORTRAITS
from inpaintx.io.photo import read_photo
from inpaintx.nn.distance import FeatureDistance
from inpaintx.nn.metrics import sharpness

WIDTHS = (8, 16, 28, 48)
SHARE = 0.07
MOST = 512
METHODS = {
    "harmonic": {"method": "harmonic"},
    "harmonic_texture": {"method": "harmonic_texture"},
    "harmonic_texture with detail": {"method": "harmonic_texture", "detail": "auto"},
}


def scenes() -> Iterator[np.ndarray]:
    """Photos ``[H,W,3]`` uint8."""
    for name in ("coffee", "chelsea", "rocket", "hubble_deep_field", "brick", "grass"):
        photo = getattr(skimage.data, name)()[:MOST, :MOST]
        yield np.ascontiguousarray(photo if photo.ndim == 3 else np.repeat(photo[..., None], 3, 2))
    for name, suffix in PORTRAITS.items():
        yield read_photo(HERE / f"{name}{suffix}").pixels


def strokes(height: int, width: int, thickness: int, seed: int) -> np.ndarray:
    """Lines at random places and turns, ``[H,W]`` bool."""
    rng, hole = np.random.default_rng(seed), np.zeros((height, width), np.uint8)
    while hole.mean() < SHARE:
        points = (rng.uniform(0, 1, (4, 2)) * (width, height)).astype(np.int32)
        cv2.polylines(hole, [points], False, 1, thickness)
    return hole.astype(bool)


def planes(photo: np.ndarray) -> torch.Tensor:
    """``[H,W,C]`` uint8 as ``[1,C,H,W]`` in [0,1]."""
    return torch.from_numpy(photo.copy()).permute(2, 0, 1)[None].float() / 255


def main() -> None:
    """Fill, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("vgg")
    distance = FeatureDistance(parser.parse_args().vgg)
    print("| width of the strokes |", " | ".join(METHODS), "|")
    print("|---" * (len(METHODS) + 1) + "|")
    for width in WIDTHS:
        cells = []
        for options in METHODS.values():
            figures = []
            for seed, photo in enumerate(scenes()):
                hole = strokes(*photo.shape[:2], width, seed)
                fill = inpaintx.inpaint(photo, hole, **options)
                error = np.square((fill[hole].astype(float) - photo[hole]) / 255).mean()
                pair = planes(fill), planes(photo)
                apart = float(distance(*pair)) / hole.mean()
                sharp = float(sharpness(*pair, torch.from_numpy(hole)[None, None]))
                figures.append((-10 * np.log10(error), apart, sharp))
            psnr, apart, sharp = np.mean(figures, 0)
            cells.append(f"{psnr:.1f}, {apart:.2f}, {sharp:.2f}")
        print(f"| {width} pixels |", " | ".join(cells), "|", flush=True)


if __name__ == "__main__":
    main()
