"""Digests of what the native ops return on fixed seeds: op x dtype x threads, for a comparison bit for bit.

``python benchmarks/bits.py write FILE`` runs every op of the inpaintx that is imported; ``compare NOW THEN`` prints the
table and ends with status 1 where a digest differs. ``make bits-against REV=...`` does both for the working tree and a
commit. Arguments are passed by position, so that a commit before a renaming can be held against one after it.
"""

import hashlib
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from torch import Tensor

from inpaintx import build_info, ops

HALF, SINGLE, DOUBLE = (torch.float16, torch.bfloat16), (torch.float32,), (torch.float64,)
ALL = (*HALF, *SINGLE, *DOUBLE)
LAYOUTS = {"nchw": torch.contiguous_format, "nhwc": torch.channels_last}


def rand(*shape: int, dtype: torch.dtype = torch.float32, seed: int = 0) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


def mask_of(kind: str, batch: int, height: int, width: int, channels: int = 1) -> Tensor:
    mask = torch.zeros(batch, channels, height, width)
    if kind == "box":
        mask[..., height // 8 : -(height // 6), width // 5 : -(width // 7)] = 1
    elif kind == "strokes":
        for i in range(batch * channels):
            plane = mask.view(-1, height, width)[i]
            for k in range(8):
                y = (37 * (i + k)) % height
                plane[y : y + 5, (13 * k) % width :] = 1
                plane[:, (29 * k + i) % width] = 1
    else:  # "dots"
        mask = (rand(batch, channels, height, width, seed=7) > 0.6).float()
    return mask


def with_gradients(function: Callable[..., Tensor], *inputs: Tensor) -> list[Tensor]:
    leaves = [x.detach().requires_grad_() for x in inputs]
    result = function(*leaves)
    weight = rand(*result.shape, dtype=result.dtype, seed=99)
    return [result.detach(), *torch.autograd.grad((result * weight).sum(), leaves)]


# (batch, Cin, height, width, Cout, kernel, stride, padding, dilation): Winograd, direct, tiles and ATen among them
CONVOLUTIONS = [
    (2, 16, 40, 37, 24, 3, 1, 1, 1),
    (1, 64, 64, 64, 32, 3, 1, 1, 1),
    (2, 3, 96, 80, 20, 7, 2, 3, 1),
    (1, 20, 48, 50, 18, 5, 2, 2, 1),
    (1, 33, 24, 24, 17, 3, 2, 1, 1),
    (1, 5, 40, 70, 9, 3, 1, 2, 2),
    (3, 8, 20, 20, 4, 1, 1, 0, 1),
    (1, 12, 90, 90, 6, 4, 3, 1, 1),
]


def convolutions() -> Iterator[tuple[str, torch.dtype, str, Callable[[], list[Tensor]]]]:
    for dtype in ALL:
        for name, layout in LAYOUTS.items():
            for shape in CONVOLUTIONS:
                b, cin, h, w, cout, k, stride, padding, dilation = shape
                x = rand(b, cin, h, w, dtype=dtype).contiguous(memory_format=layout)
                weight = (rand(cout, cin, k, k, seed=1) - 0.5).to(dtype)
                bias = rand(cout, dtype=dtype, seed=2)
                for kind, channels in (("box", 1), ("strokes", 1), ("dots", cin)):
                    mask = mask_of(kind, b, h, w, channels)

                    def partial(x=x, weight=weight, bias=bias, mask=mask, stride=stride, padding=padding, d=dilation):
                        new = ops.partial_conv2d(x, mask, weight, bias, stride, padding, d)[1]
                        return [
                            *with_gradients(
                                lambda *a: ops.partial_conv2d(a[0], mask, *a[1:], stride, padding, d)[0],
                                x,
                                weight,
                                bias,
                            ),
                            new,
                        ]

                    yield "partial_conv2d", dtype, f"{name} {shape} {kind}", partial
                if (k, stride, dilation) == (3, 1, 1):

                    def plain(x=x, weight=weight, bias=bias):
                        return with_gradients(ops.conv3x3, x, weight, bias)

                    yield "conv3x3", dtype, f"{name} {shape}", plain


def others() -> Iterator[tuple[str, torch.dtype, str, Callable[[], list[Tensor]]]]:
    for dtype in ALL:
        x, y, z = (rand(2, 24, 30, 41, dtype=dtype, seed=s) for s in (1, 2, 3))
        p = rand(2, 1, 30, 41, seed=4).to(dtype)
        for name, layout in LAYOUTS.items():
            args = [t.contiguous(memory_format=layout) for t in (x, y, z)]
            yield "spd_norm", dtype, name, lambda args=args, p=p: with_gradients(ops.spd_norm, *args, p)
        for shape in ((2, 3, 64, 80), (1, 1, 200, 33)):
            a, b = rand(*shape, dtype=dtype), rand(*shape, dtype=dtype, seed=5)
            weight = 1 - mask_of("box", shape[0], *shape[2:])
            for given in (None, weight):
                yield (
                    "ssim",
                    dtype,
                    f"{shape} {given is not None}",
                    lambda a=a, b=b, given=given: with_gradients(lambda u, v: ops.ssim(u, v, given), a, b),
                )
            yield "hog", dtype, f"{shape}", lambda a=a: [ops.hog(a), ops.hog(a, return_blocks=True)]
        for size in ((33, 40), (256, 250), (700, 640)):
            for kind in ("box", "strokes", "dots"):
                mask = mask_of(kind, 2, *size)
                fill, image = rand(2, 3, *size, dtype=dtype), rand(2, 3, *size, dtype=dtype, seed=6)
                yield (
                    "poisson_blend",
                    dtype,
                    f"{size} {kind}",
                    lambda m=mask, f=fill, i=image: with_gradients(lambda u, v: ops.poisson_blend(u, v, m), f, i),
                )
                few = {"tol": 1e-3, "max_iter": 2}
                yield (
                    "poisson_blend",
                    dtype,
                    f"{size} {kind} few cycles",
                    lambda m=mask, f=fill, i=image, few=few: [ops.poisson_blend(f, i, m, **few)],
                )
        small, hole = rand(2, 3, 24, 28, dtype=dtype), mask_of("box", 2, 24, 28)
        yield "tv_inpaint", dtype, "", lambda s=small, h=hole: [ops.tv_inpaint(s, h, 1e-3, 200)]
        yield "efros_leung", dtype, "", lambda s=small, h=hole: [ops.efros_leung(s, h, 7)]
        valid = 1 - mask_of("box", 2, 40, 36)
        source, target = rand(2, 3, 40, 36, dtype=dtype), rand(2, 3, 33, 45, dtype=dtype, seed=8)
        yield "patchmatch", dtype, "", lambda s=source, t=target, v=valid: list(ops.patchmatch(s, t, v, 5, 3))
        for height in (48, 150):  # within a strip of the search, and over several
            photo, detail = rand(2, 3, height, 40, dtype=dtype), rand(2, 2, height, 40, dtype=dtype, seed=9)
            m = mask_of("box", 2, height, 40)
            yield (
                "detail_transfer",
                dtype,
                f"{height}",
                lambda p=photo, r=detail, m=m: [ops.detail_transfer(p, p, r, 1 - m, m, 5, 3)],
            )
    for dtype in (torch.float32, torch.bool):
        for size in ((1, 7, 300), (3, 120, 97), (1, 400, 420)):
            for kind in ("box", "strokes", "dots"):
                m = mask_of(kind, size[0], *size[1:]).to(dtype)
                for n, k in ((5, 3), (300, 5)):
                    yield "spd_map", dtype, f"{size} {kind} {n} hard", lambda m=m, n=n, k=k: [ops.spd_map(m, n, k)]
                yield "spd_map", dtype, f"{size} {kind} soft", lambda m=m: [ops.spd_map(m, 9, 3, kind="improved")]


def digest(tensors: list[Tensor]) -> str:
    sha = hashlib.sha256()
    for t in tensors:
        sha.update(f"{t.dtype} {tuple(t.shape)} {t.stride()}".encode())
        sha.update(t.reshape(-1).view(torch.uint8).numpy().tobytes() if t.numel() else b"")
    return sha.hexdigest()[:16]


def write(path: Path) -> None:
    found: dict[str, str] = {}
    for threads in (1, 2):
        torch.set_num_threads(threads)
        for source in (convolutions(), others()):
            for op, dtype, case, run in source:
                found[f"{op}|{str(dtype)[6:]}|{threads}|{case}"] = digest(run())
    path.write_text(json.dumps({"commit": build_info()["commit"], "digests": found}, indent=0) + "\n")


def compare(now: Path, then: Path) -> int:
    mine, other = json.loads(now.read_text()), json.loads(then.read_text())
    print(f"built from {mine['commit']}, against {other['commit']}")
    a, b = mine["digests"], other["digests"]
    rows: dict[str, list[int]] = {}
    for key in a.keys() & b.keys():
        row = rows.setdefault(key.rsplit("|", 1)[0], [0, 0])
        row[0] += a[key] == b[key]
        row[1] += 1
    for name, (equal, total) in sorted(rows.items()):
        op, dtype, threads = name.split("|")
        print(f"{op:15} {dtype:9} {threads} thread(s)  {equal:4} of {total:4} equal{'' if equal == total else '  <--'}")
    differ = sorted(key for key in a.keys() & b.keys() if a[key] != b[key])
    print(*differ[:20], sep="\n")
    print(f"{len(differ)} of {len(a.keys() & b.keys())} differ, {len(a.keys() ^ b.keys())} in one only")
    return bool(differ)


if __name__ == "__main__":
    command, *paths = sys.argv[1:]
    sys.exit(write(Path(paths[0])) if command == "write" else compare(*map(Path, paths)))
