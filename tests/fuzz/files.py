"""Damaged photos, masks and weight files through the command line.

    python tests/fuzz/files.py photos [FILES] [SEED]
    python tests/fuzz/files.py weights [FILES] [SEED]

Each file is a good one with some of its bytes changed. It is filled or refused: exit code 0 with a result that can be
read, or exit code 2 with one sentence and no result. A traceback, another exit code, a signal, a hang, more than
``MEMORY`` bytes or a file that is left behind is a fault.
"""

import argparse
import io
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import traceback
from pathlib import Path

import numpy as np
import torch
from PIL import Image

import inpaintx.inference.files  # noqa: F401 - loaded once, and not in each child
from inpaintx import cli
from inpaintx.errors import InpaintxError
from inpaintx.io import tiff
from inpaintx.io.opencv import import_cv2
from inpaintx.nn.pretrained import read_state
from inpaintx.plugin.registry import registry
from inpaintx.plugin.weights import save

SECONDS = 60
MEMORY = 6 << 30
cv2 = import_cv2()


def camera():
    """EXIF data of a picture that lies on its side."""
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "Maker"
    exif.get_ifd(0x8769).update({0x9003: "2026:01:02 03:04:05", 0xA002: 64, 0xA003: 48})
    exif.get_ifd(0x8825).update({1: "N", 2: (52.0, 31.0, 12.5)})
    return exif


def photos():
    """Good pictures by name."""
    y, x = np.mgrid[0:48, 0:64]
    rgb = np.stack([4 * x, 5 * y, 128 + 60 * np.sin(x / 5)], -1).clip(0, 255).astype(np.uint8)
    alpha = np.dstack([rgb, np.where(x < 20, 0, 255)]).astype(np.uint8)
    deep = rgb[..., ::-1].astype(np.uint16) * 257
    good = {}
    for name, form, picture, options in (
        ("rgb.png", "PNG", rgb, {}),
        ("alpha.png", "PNG", alpha, {}),
        ("grey.png", "PNG", rgb[..., 0], {"dpi": (300, 300)}),
        ("base.jpg", "JPEG", rgb, {"quality": 90}),
        ("progressive.jpg", "JPEG", rgb, {"progressive": True, "exif": b"Exif\0\0MM\0*\0\0\0\x08\0\0\0\0\0\0"}),
        ("lossy.webp", "WEBP", rgb, {}),
        ("lossless.webp", "WEBP", alpha, {"lossless": True}),
        ("plain.tif", "TIFF", rgb, {}),
        ("lzw.tif", "TIFF", alpha, {"compression": "tiff_lzw"}),
        ("deflate.tif", "TIFF", rgb, {"compression": "tiff_adobe_deflate"}),
        ("palette.png", "PNG", None, {}),
        ("small.bmp", "BMP", rgb, {}),
        ("small.gif", "GIF", None, {}),
        ("restarts.jpg", "JPEG", rgb, {"restart_marker_blocks": 4, "dpi": (300, 300)}),
        ("camera.jpg", "JPEG", rgb, {"exif": camera(), "icc_profile": bytes(16) + b"RGB " + bytes(380)}),
        ("camera.webp", "WEBP", rgb, {"lossless": True, "exif": camera()}),
        ("small.avif", "AVIF", rgb, {"exif": camera()}),
        ("small.jp2", "JPEG2000", rgb, {}),
        ("seen.tif", "TIFF", rgb[..., 0], {"compression": "jpeg"}),
    ):
        image = Image.fromarray(rgb).quantize(16) if picture is None else Image.fromarray(picture)
        out = io.BytesIO()
        image.save(out, form, **options)
        good[name] = out.getvalue()
    for name in ("deep.png", "deep.tif"):
        good[name] = cv2.imencode(Path(name).suffix, deep)[1].tobytes()
    good["planes.tif"] = planes(deep)
    return good


def planes(pixels):
    """A 16-bit TIFF whose channels lie one after the other."""
    height, width, count = pixels.shape
    data = pixels.transpose(2, 0, 1).astype("<u2").tobytes()
    size = len(data) // count
    tags = {256: (width,), 257: (height,), 258: (16,) * count, 259: (1,), 262: (2,), 277: (count,), 284: (2,)}
    tags |= {273: tuple(8 + i * size for i in range(count)), 278: (height,), 279: (size,) * count}
    start = b"II*\0\0\0\0\0" + data
    return tiff.with_tags(start, {number: tiff.Tag.of(tiff.LONG, *values) for number, values in tags.items()})


def weights():
    """Good weight files by name: of a small network, and a state dict saved by torch."""
    method = registry().method("context_encoder")
    config = method.config("tiny")
    net = method.network(config)
    good = {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "small.safetensors"
        save(path, method, config, net)
        good[path.name] = path.read_bytes()
    for name, legacy in (("zip.pth", False), ("legacy.pth", True)):
        out = io.BytesIO()
        state = {key: value[:2].clone() if value.dim() else value for key, value in net.state_dict().items()}
        torch.save(state, out, _use_new_zipfile_serialization=not legacy)
        good[name] = out.getvalue()
    return good


def damaged(r, data):
    """The file with some bytes changed."""
    data = bytearray(data)
    for _ in range(r.choice((1, 1, 1, 2, 5))):
        size = len(data)
        # headers say more than pixels do, so that half of the changes are made there
        at = r.randrange(min(size, 200)) if r.random() < 0.5 else r.randrange(size)
        match r.randrange(9):
            case 0:
                data[at] ^= 1 << r.randrange(8)
            case 1:
                data[at] = r.randrange(256)
            case 2:
                del data[max(at, 1) :]
            case 3:
                data[at : at + 64] = bytes(min(64, size - at))
            case 4:
                data[at:at] = r.randbytes(r.choice((1, 4, 100)))
            case 5:
                width = r.choice((2, 4, 8))
                data[at : at + width] = r.choice((0, 1, 255, 2**15, 2**31, 2**32 - 1, 2**63)).to_bytes(8, "big")[
                    -width:
                ]
            case 6:
                data[at:at] = data[at : at + r.choice((4, 12, 100))]
            case 7:
                del data[at : at + r.choice((1, 4, 12))]
            case 8:
                data += r.randbytes(r.choice((1, 100)))
        if not data:
            data = bytearray(b"\0")
    return bytes(data)


def in_a_child(folder, work):
    """Do ``work`` in a process of its own; its exit code (minus the signal that ended it), and what it printed."""
    log = folder / "log"
    pid = os.fork()
    if pid == 0:
        out = os.open(log, os.O_WRONLY | os.O_CREAT)
        os.dup2(out, 1)
        os.dup2(out, 2)
        sys.stdout, sys.stderr = os.fdopen(1, "w"), os.fdopen(2, "w")
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        signal.alarm(SECONDS)
        code = 99
        try:
            code = work()
        except BaseException:
            traceback.print_exc()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    status = os.waitpid(pid, 0)[1]
    words = log.read_text(errors="replace")
    log.unlink()
    return os.waitstatus_to_exitcode(status), words


def photo_fault(r, folder, good):
    """Fill with one damaged file, the photo or the mask; what is wrong, or None."""
    name = r.choice(sorted(good))
    (folder / name).write_bytes(damaged(r, good[name]))
    out = "out" + r.choice((".png", ".jpg", ".webp", ".tif"))
    arguments = [name, "hole.png"] if r.random() < 0.75 else ["photo.png", name]
    arguments += ["-o", out, "-m", "harmonic"]
    return name, fault_of(folder, lambda: cli.run(["inpaint", *arguments]), {name}, out)


def weights_fault(r, folder, good):
    """Load one damaged weight file; what is wrong, or None."""
    name = r.choice(sorted(good))
    (folder / name).write_bytes(damaged(r, good[name]))

    def read():
        try:
            read_state(Path(name))
        except InpaintxError as error:
            print(error)
            return 2
        return 0

    if name.endswith(".pth") and r.random() < 0.7:
        return name, fault_of(folder, read, {name}, None)
    arguments = ["inpaint", "photo.png", "hole.png", "-o", "out.png", "-m", "context_encoder", "--weights", name]
    return name, fault_of(folder, lambda: cli.run(arguments), {name}, "out.png")


def fault_of(folder, work, given, out):
    code, words = in_a_child(folder, work)
    left = {path.name for path in folder.iterdir()} - given - {"photo.png", "hole.png"}
    if "Traceback" in words or code not in (0, 2):
        return f"exit code {code}: {words[-1500:]}"
    if code == 2 and len(words.strip()) < 10:
        return f"refused without a word: {words!r}"
    if left != ({out} if code == 0 and out else set()):
        return f"exit code {code}, and these files are left: {sorted(left)}"
    if code == 0 and out and cv2.imread(str(folder / out), cv2.IMREAD_UNCHANGED) is None:
        return "the result cannot be read"
    return None


def main():
    cli.make_app()  # loads the plugins, for all children
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=("photos", "weights"))
    parser.add_argument("files", nargs="?", type=int, default=500)
    parser.add_argument("seed", nargs="?", type=int, default=0)
    parser.add_argument("--keep", type=Path, help="a folder for files that show a fault")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    make, fault = (photos, photo_fault) if chosen.kind == "photos" else (weights, weights_fault)
    good = make()
    faults = 0
    for number in range(chosen.files):
        r = random.Random(f"{chosen.kind} {chosen.seed} {number}")
        with tempfile.TemporaryDirectory() as folder:
            os.chdir(folder)
            here = Path(folder)
            (here / "photo.png").write_bytes(PHOTO)
            (here / "hole.png").write_bytes(HOLE)
            name, words = fault(r, here, good)
            if words:
                faults += 1
                print(f"FAULT: file {number} of seed {chosen.seed} ({name}): {words}\n", file=sys.stderr)
                if chosen.keep:
                    chosen.keep.mkdir(parents=True, exist_ok=True)
                    shutil.copy(here / name, chosen.keep / f"{number}-{name}")
            os.chdir("/")
    print(
        f"{chosen.kind}: {chosen.files} damaged files from {len(good)} good ones, seed {chosen.seed}: {faults} faults"
    )
    return 1 if faults else 0


def png(pixels):
    return cv2.imencode(".png", pixels)[1].tobytes()


PHOTO = png(np.full((48, 64, 3), 120, np.uint8))
HOLE = png(np.pad(np.full((12, 16), 255, np.uint8), ((10, 26), (20, 28))))

if __name__ == "__main__":
    sys.exit(main())
