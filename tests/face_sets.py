"""Small face sets that tests write themselves, in the layouts of the real ones."""

import os
from pathlib import Path

import numpy as np
import pytest

from inpaintx.io.photo import write_photo

CHECKOUT = Path(__file__).resolve().parents[1]


@pytest.fixture
def shared_faces():
    folder = Path(os.environ.get("INPAINTX_FACES", CHECKOUT.parent / "shared" / "faces"))
    if not folder.is_dir():
        pytest.skip(f"no faces in {folder} (INPAINTX_FACES names another folder)")
    return folder


def picture(seed, height=40, width=40):
    """Smooth colours that differ from one seed to the next."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    waves = [rng.uniform(60, 190) + 50 * np.sin(x / rng.uniform(5, 20) + y / rng.uniform(5, 20)) for _ in range(3)]
    return np.stack(waves, axis=-1).round().astype(np.uint8)


def gray(inside):
    return np.where(inside, 255, 0).astype(np.uint8)


def write(path, pixels):
    path.parent.mkdir(parents=True, exist_ok=True)
    write_photo(path, pixels, overwrite=True)
    return path


def plain(root, names, side=40):
    for number, name in enumerate(names):
        write(root / name, picture(number, side, side))
    return root


def landmarks_csv(path, points):
    """``points``: name -> [N,2]."""
    count = len(next(iter(points.values())))
    header = ",".join(["name", *(f"{axis}{i}" for i in range(count) for axis in "xy")])
    lines = [",".join([name, *(f"{v:g}" for v in np.ravel(p))]) for name, p in points.items()]
    path.write_text("\n".join([header, *lines]) + "\n")


def celeba(root, count=6):
    files = [f"{i + 1:06d}.jpg" for i in range(count)]
    for number, file in enumerate(files):
        write(root / "img_align_celeba" / file, picture(number, 218, 178))
    (root / "list_eval_partition.txt").write_text("".join(f"{f} {min(i // 2, 2)}\n" for i, f in enumerate(files)))
    (root / "identity_CelebA.txt").write_text("".join(f"{f} {100 + i // 2}\n" for i, f in enumerate(files)))
    point_names = "lefteye_x lefteye_y righteye_x righteye_y nose_x nose_y leftmouth_x leftmouth_y rightmouth_x"
    rows = "".join(f"{f}  69 109  106  113   77  142   73  152  108  154\n" for f in files)
    (root / "list_landmarks_align_celeba.txt").write_text(f"{count}\n{point_names} rightmouth_y\n{rows}")
    return root


def celebamask_hq(root):
    """Three images (0, 1, 2001) whose parts are bands of rows; image 2001 has no part at all."""
    for number in (0, 1, 2001):
        write(root / "CelebA-HQ-img" / f"{number}.jpg", picture(number, 64, 64))
    rows = {"skin": (8, 16), "nose": (16, 20), "hair": (0, 8), "neck": (24, 32)}
    for part, (first, last) in rows.items():
        inside = np.zeros((32, 32), bool)
        inside[first:last] = True
        write(root / "CelebAMask-HQ-mask-anno" / "0" / f"00000_{part}.png", gray(inside))
    write(root / "CelebAMask-HQ-mask-anno" / "0" / "00001_hair.png", gray(np.ones((32, 32), bool)))
    (root / "CelebAMask-HQ-mask-anno" / "1").mkdir()
    return root


FACE_POINTS = np.array([[38.0, 44], [60, 44], [49, 57], [40, 70], [58, 70]])


def drawn_face(height=96, width=96):
    """A picture that is drawn, no photo: a skin-coloured oval under dark hair on blue, and its five landmarks."""
    y, x = np.mgrid[:height, :width]
    pixels = picture(1, height, width) // 8 + np.array([20, 60, 150], np.uint8)
    head = ((x - 49) / 31) ** 2 + ((y - 46) / 38) ** 2 < 1
    face = ((x - 49) / 23) ** 2 + ((y - 54) / 31) ** 2 < 1
    pixels[head] = (50, 30, 20)
    pixels[face] = (220, 170, 140)
    for eye in FACE_POINTS[:2]:
        pixels[np.hypot(x - eye[0], y - eye[1]) < 3] = (30, 30, 60)
    pixels[np.hypot((x - 49) / 2, y - 70) < 4] = (180, 60, 60)
    return pixels, face, head | face
