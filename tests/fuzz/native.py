"""Calls of every registered op, backward ones too, with arguments that fit and with some that do not.

    python tests/fuzz/native.py [CALLS] [SEED]

A call may end in an error that Python can catch. It may not end the process, hang, or reach an internal assertion. In
the sanitizer build, where ``make fuzz`` runs it, no byte may be read or written out of bounds either.
"""

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import torch

import inpaintx.ops  # noqa: F401 - registers the ops

CHUNK = 250  # calls in one process
SECONDS = 60  # for one call, in a slow build on a busy machine
NAN, INF = float("nan"), float("inf")
INTS = (-(2**63), -(2**31), -1, 0, 1, 2, 3, 5, 2**31 - 1, 2**31, 2**32 + 1, 536870913, 2**61 + 1, 2**63 - 1)
FLOATS = (NAN, INF, -INF, -1.0, 0.0, 1e-300, 1e-6, 0.5, 1.0, 1e300)
DTYPES = (
    torch.float16,
    torch.bfloat16,
    torch.float32,
    torch.float64,
    torch.int64,
    torch.uint8,
    torch.bool,
    torch.cfloat,
)
LONG = {"max_iter", "iterations", "n"}  # a large number is meant as it stands, and takes as long as it says
OPS = torch.ops.inpaintx
EXPECTED = (RuntimeError, ValueError, TypeError, IndexError, NotImplementedError, MemoryError, OverflowError)


def image(r, channels=3, size=None, batch=None):
    height, width = size or (r.randint(1, 24), r.randint(1, 24))
    return torch.rand(batch or r.randint(1, 3), channels, height, width)


def hole(r, x, channels=1):
    mask = torch.rand(x.shape[0], channels, *x.shape[2:]) < r.choice((0.0, 0.1, 0.5, 0.9, 1.0))
    return mask if r.random() < 0.5 else mask.float()


def partial_conv2d(r):
    into, out, kernel = r.choice((1, 3, 8, 33)), r.choice((1, 4, 16)), r.choice((1, 3, 5, 7))
    x = image(r, into)
    bias = torch.rand(out) if r.random() < 0.5 else None
    weight = torch.rand(out, into, kernel, kernel)
    pair = [r.randint(1, 2)] * 2
    planes = [into - into // 2, into // 2] if into > 1 and r.random() < 0.3 else []
    mask = hole(r, x, len(planes) or r.choice((1, into)))
    return [x, mask, weight, bias, pair, [kernel // 2] * 2, [1, 1], r.random() < 0.2, planes]


def partial_conv2d_backward(r):
    x, mask, weight, bias, stride, padding, dilation, by_sum, planes = partial_conv2d(r)
    y, _, ratio = OPS.partial_conv2d(x, mask, weight, bias, stride, padding, dilation, by_sum, planes)
    return [torch.rand_like(y), x, mask, ratio, weight, stride, padding, dilation, flags(r, 3), planes]


def conv3x3(r):
    into, out = r.choice((1, 3, 32)), r.choice((1, 32))
    return [image(r, into), torch.rand(out, into, 3, 3), torch.rand(out) if r.random() < 0.5 else None, [1, 1]]


def conv3x3_backward(r):
    x, weight, bias, padding = conv3x3(r)
    return [torch.rand_like(OPS.conv3x3(x, weight, bias, padding)), x, weight, padding, flags(r, 3)]


def spd_norm(r):
    x = image(r, r.choice((2, 8)))
    return [x, torch.rand_like(x), torch.rand_like(x), torch.rand(len(x), 1, *x.shape[2:]), 1e-5]


def spd_norm_backward(r):
    x, gamma, beta, probability, eps = spd_norm(r)
    _, mean, rstd = OPS.spd_norm(x, gamma, beta, probability, eps)
    return [torch.rand_like(x), x, gamma, beta, probability, mean, rstd, flags(r, 4)]


def ssim(r):
    x = image(r, size=(r.randint(11, 24), r.randint(11, 24)))
    return [x, torch.rand_like(x), hole(r, x).float() if r.random() < 0.5 else None, 11, 1.5, 1.0]


def ssim_backward(r):
    x, y, weight, *rest = ssim(r)
    value, total = OPS.ssim(x, y, weight, *rest)
    return [torch.rand_like(value), x, y, weight, total, *rest, flags(r, 2)]


def spd_map(r):
    return [hole(r, image(r)), r.randint(0, 6), r.choice((1, 3, 5)), r.random() < 0.5, 2.718, r.random() < 0.3]


def hog(r):
    return [image(r, r.choice((1, 3)), (r.randint(8, 40), r.randint(8, 40))), 8, r.choice((1, 2)), 9, 0.2]


def poisson_blend(r):
    x = image(r)
    return [torch.rand_like(x), x, hole(r, x), 1e-4, r.choice((None, 0, 3))]


def poisson_blend_backward(r):
    x = image(r)
    return [x, hole(r, x), 1e-4, r.choice((None, 3))]


def poisson_hierarchy(r):
    return [hole(r, image(r)), r.random() < 0.5]


def patchmatch(r):
    source, target = image(r, batch=1)[0], image(r, batch=1)[0]
    where = torch.rand(target.shape[1:]) < 0.5 if r.random() < 0.5 else None
    return [source, target, torch.rand(source.shape[1:]) < 0.9, r.choice((1, 3, 5)), 2, r.randint(0, 9), None, where]


def detail_transfer(r):
    source, target = image(r, batch=1), image(r, batch=1)
    valid, residual = torch.rand(1, 1, *source.shape[2:]) < 0.9, torch.rand(1, 2, *source.shape[2:])
    return [source, target, residual, valid, hole(r, target), r.choice((1, 3, 5)), 2, r.randint(0, 9)]


def tv_inpaint(r):
    x = image(r)
    return [x, hole(r, x), 1e-3, 20]


def efros_leung(r):
    x = image(r, batch=1)
    return [x, hole(r, x), r.choice((3, 5)), r.randint(0, 9), r.choice((0, 4))]


FITTING = {make.__name__: make for make in (
    partial_conv2d, partial_conv2d_backward, conv3x3, conv3x3_backward, spd_norm, spd_norm_backward, ssim,
    ssim_backward, spd_map, hog, poisson_blend, poisson_blend_backward, poisson_hierarchy, patchmatch, detail_transfer,
    tv_inpaint, efros_leung,
)}  # fmt: skip


def flags(r, count):
    return [r.random() < 0.7 for _ in range(count)]


def registered():
    """The schemas of all ops by name, but the one whose kernel a GPU's Python registers."""
    schemas = torch._C._jit_get_all_schemas()
    names = {s.name.removeprefix("inpaintx::"): s for s in schemas if s.name.startswith("inpaintx::")}
    return {name: schema for name, schema in names.items() if name != "partial_conv2d_fused"}


def other_tensor(r, x):
    """A tensor that differs from ``x`` in one respect."""
    dim = r.randrange(x.dim()) if x.dim() else 0
    changes = [
        lambda: x.new_empty(0),
        lambda: x.new_empty([0 if i == dim else n for i, n in enumerate(x.shape)]),
        lambda: x.flatten(),
        lambda: x.unsqueeze(dim),
        lambda: x.select(dim, 0),
        lambda: x.narrow(dim, 0, max(1, x.shape[dim] // 2)),
        lambda: x.repeat_interleave(2, dim),
        lambda: x.transpose(0, -1),
        lambda: x.transpose(-1, -2).contiguous().transpose(-1, -2),
        lambda: x.narrow(dim, 0, 1).expand(x.shape),
        lambda: x.contiguous(memory_format=torch.channels_last),
        lambda: x.to(r.choice(DTYPES)),
        lambda: torch.full_like(x, r.choice(FLOATS)),
        lambda: (x != 0).to(torch.uint8).mul(255).view(torch.bool),
        lambda: x.clone().requires_grad_(),
        lambda: x.to("meta"),
    ]
    try:
        return r.choice(changes)()
    except (RuntimeError, IndexError, OverflowError):  # it has no such dimension, layout or value
        return torch.rand(1)


def other(r, name, value):
    """A value that differs from the one that fits."""
    if isinstance(value, torch.Tensor):
        return other_tensor(r, value)
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return r.randint(-2, 40) if name in LONG else r.choice(INTS)
    if isinstance(value, float):
        return r.choice(FLOATS)
    if isinstance(value, list):
        if not value:
            return [r.choice(INTS)]
        if r.random() < 0.2:
            return value[1:] if r.random() < 0.5 else [*value, value[0]]
        at = r.randrange(len(value))
        return [other(r, name, v) if i == at else v for i, v in enumerate(value)]
    return r.choice((torch.rand(3), torch.rand(1, 1, 4, 4), 1))


def call(number, seed):
    """Make call ``number``; its name for a report, and the function that makes it."""
    r = random.Random(f"{seed} {number}")
    torch.manual_seed(r.getrandbits(32))
    name = sorted(FITTING)[number % len(FITTING)]
    arguments = FITTING[name](r)
    schema = registered()[name]
    changed = r.sample(range(len(arguments)), r.choice((0, 1, 1, 1, 2)))
    for at in changed:
        arguments[at] = other(r, schema.arguments[at].name, arguments[at])
    return f"call {number} of seed {seed}: {name}({', '.join(map(shown, arguments))})", getattr(OPS, name), arguments


def shown(value):
    return f"{value.dtype}{list(value.shape)}" if isinstance(value, torch.Tensor) else repr(value)


def child(first, last, seed, note):
    """Make some calls; ``note`` is the file that says which one is under way."""
    torch.set_num_threads(2)
    for number in range(first, last):
        words, op, arguments = call(number, seed)
        Path(note).write_text(words)
        signal.alarm(SECONDS)
        try:
            op(*arguments)
        except EXPECTED as error:
            if "INTERNAL ASSERT" in str(error):
                sys.exit(f"internal assertion: {str(error).splitlines()[0]}")
        signal.alarm(0)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("calls", nargs="?", type=int, default=3000)
    parser.add_argument("seed", nargs="?", type=int, default=0)
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.child:
        return child(int(chosen.child[0]), int(chosen.child[1]), chosen.seed, chosen.child[2])
    missing = registered().keys() ^ FITTING.keys()
    if missing:
        sys.exit(f"fuzz: ops without fitting arguments here, or here without being registered: {sorted(missing)}")
    faults = 0
    with tempfile.TemporaryDirectory() as folder:
        note = Path(folder) / "call"
        first = 0
        while first < chosen.calls:
            last = min(first + CHUNK, chosen.calls)
            command = [
                sys.executable,
                __file__,
                str(chosen.calls),
                str(chosen.seed),
                "--child",
                str(first),
                str(last),
                note,
            ]
            done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "2"})
            first = last
            if done.returncode:
                faults += 1
                words = note.read_text() if note.exists() else "no call was begun"
                ended = f"signal {-done.returncode}" if done.returncode < 0 else f"exit code {done.returncode}"
                report = "\n".join(done.stderr.splitlines()[:25])
                print(f"FAULT: {ended} in {words}\n{report}", file=sys.stderr)
                if words.startswith("call "):
                    first = int(words.split()[1]) + 1  # go on behind it
    print(f"native ops: {chosen.calls} calls of {len(FITTING)} ops, seed {chosen.seed}: {faults} faults")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
