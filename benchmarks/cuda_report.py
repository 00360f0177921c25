"""What the CUDA kernels cost by the compiler's and the emulation's account: `make cuda-report [AGAINST=OLD.json]`.

Registers, spills and shared memory are ptxas's for sm_90; occupancy follows from them. Bytes are counted while the
kernels run emulated on the CPU (tests/cuda_emulation/traffic.cpp): sectors of 32 bytes of global memory, each once a
launch, so that caches within a launch are perfect and none holds anything from one launch to the next. Nothing here is
a time: no GPU is needed, and none was used. Writes results/cuda-report.json and results/cuda-report.md.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path

import torch
from torch import Tensor
from torch.utils import cpp_extension

from inpaintx import build_info
from inpaintx.ops import detail_transfer, hog, partial_conv2d, patchmatch, poisson_blend, spd_map, spd_norm, ssim

HERE = Path(__file__).parent
SOURCE = HERE.parent / "csrc"
RESULT = HERE / "results" / "cuda-report.json"

# --- what ptxas says ---


def compile_one(nvcc: str, source: Path) -> list[dict[str, object]]:
    """Compile one source for sm_90 and read ptxas's account, a row an instance of a kernel."""
    toolkit = Path(nvcc).resolve().parents[1] / "include"
    toolkit = toolkit if (toolkit / "cuda_runtime.h").exists() else Path("/usr/local/cuda/include")
    foreign = [f for path in [*cpp_extension.include_paths(), str(toolkit)] for f in ("-isystem", path)]
    command = [nvcc, f"-I{SOURCE}", *foreign, "-std=c++20", "-DINPAINTX_WITH_CUDA", "-O3", "-arch=sm_90"]
    command += ["--expt-relaxed-constexpr", "-cubin", "--resource-usage", str(source), "-o", os.devnull]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"cuda-report: {source} does not compile:\n{done.stderr}")
    rows = []
    for entry in done.stderr.split("Compiling entry function '")[1:]:
        numbers = {name: sum(map(int, re.findall(rf"(\d+) {words}", entry))) for name, words in PTXAS.items()}
        numbers["registers"] = int(re.search(r"Used (\d+) registers", entry)[1])
        rows.append({"op": source.relative_to(SOURCE).parts[0], "kernel": entry.split("'")[0], **numbers})
    return rows


PTXAS = {
    "stack": "bytes stack frame",
    "spill_stores": "bytes spill stores",
    "spill_loads": "bytes spill loads",
    "shared": "bytes smem",
}


def kernel_name(demangled: str) -> str:
    """``void a::(anonymous namespace)::fold<float>(int)`` to ``fold``."""
    return re.split(r"[<(]", demangled.replace("(anonymous namespace)", ""))[0].split("::")[-1].split()[-1]


def resources(nvcc: str) -> dict[str, dict[str, int]]:
    """``{op/kernel: numbers}``, each the worst of the kernel's instances; the least registers beside the most."""
    jobs = int(os.environ.get("MAX_JOBS", len(os.sched_getaffinity(0))))
    with ThreadPoolExecutor(jobs) as pool:
        sources = sorted(SOURCE.rglob("*.cu"))
        rows = [row for some in pool.map(lambda s: compile_one(nvcc, s), sources) for row in some]
    names = "\n".join(str(row["kernel"]) for row in rows)
    plain = subprocess.run(["c++filt"], input=names, capture_output=True, text=True, check=True).stdout.splitlines()
    kernels: dict[str, dict[str, int]] = {}
    for row, name in zip(rows, plain, strict=True):
        worst = kernels.setdefault(f"{row['op']}/{kernel_name(name)}", {"instances": 0, "fewest": 1 << 30})
        worst["instances"] += 1
        worst["fewest"] = min(worst["fewest"], int(row["registers"]))
        for key in ("registers", *PTXAS):
            worst[key] = max(worst.get(key, 0), int(row[key]))
    if find_spec("triton"):
        import triton_report

        kernels |= triton_report.rows()
    return kernels


def occupancy(registers: int, shared: int, threads: int) -> float:
    """The share of sm_90's 64 warps that fit: 65,536 registers in units of 256 a warp, 228 KB of shared memory of which
    each block takes 1 KB for itself, 32 blocks."""
    warps = -(-threads // 32)
    by_registers = 65536 // (-(-registers * 32 // 256) * 256) // warps
    by_shared = (228 << 10) // (-(-shared // 128) * 128 + 1024)
    return min(by_registers, by_shared, 32, 64 // warps) * warps / 64


# --- what the emulation counts ---


def rand(*shape: int, dtype: torch.dtype = torch.float32, last: bool = False) -> Tensor:
    x = torch.rand(shape, generator=torch.Generator().manual_seed(sum(shape))).to(dtype)
    return x.to(memory_format=torch.channels_last) if last else x


def blob(batch: int, side: int) -> Tensor:
    y, x = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
    mask = ((y - side / 2) ** 2 + (x - side / 2) ** 2 < (0.43 * side) ** 2).float()
    mask[side // 8 : side // 8 + 4] = 1
    return mask.expand(batch, 1, side, side).contiguous()


Run = Callable[[], tuple[list[Tensor], list[Tensor]]]  # runs the op; what it was given and what it gave


def forward(op: Callable[..., object], *given: Tensor) -> Run:
    def run() -> tuple[list[Tensor], list[Tensor]]:
        with torch.no_grad():
            out = op(*given)
        return list(given), list(out) if isinstance(out, tuple) else [out]

    return run


def both(op: Callable[..., object], leaves: list[Tensor], *constants: Tensor) -> Run:
    """Forwards and backwards: the gradient of the first result comes in, those of the leaves go out."""

    def run() -> tuple[list[Tensor], list[Tensor]]:
        own = [leaf.detach().requires_grad_() for leaf in leaves]
        out = op(*own, *constants)
        out = list(out) if isinstance(out, tuple) else [out]
        grad = torch.ones_like(out[0])
        grads = torch.autograd.grad(out[0], own, grad)
        return [*leaves, *constants, grad], [*out, *grads]

    return run


def convolution(cin: int, cout: int, side: int, kernel: int, stride: int, dtype: torch.dtype, last: bool, many: bool):
    x, weight = (
        rand(1, cin, side, side, dtype=dtype, last=last),
        rand(cout, cin, kernel, kernel, dtype=dtype, last=last),
    )
    mask = blob(1, side).expand(1, cin if many else 1, side, side).contiguous()

    def op(x: Tensor, weight: Tensor, bias: Tensor, mask: Tensor) -> tuple[Tensor, ...]:
        return partial_conv2d(x, mask, weight, bias, stride, kernel // 2)

    return op, [x, weight, rand(cout, dtype=dtype)], mask


def cases() -> Iterator[tuple[str, str, Run]]:
    """Op, name with the shapes, and what runs."""
    half, full = torch.bfloat16, torch.float32
    for layer, sizes in {"64-64 k3 @256": (64, 64, 256, 3, 1), "3-64 k7 s2 @256": (3, 64, 256, 7, 2)}.items():
        for dtype, last, many in ((half, True, False), (half, False, False), (full, False, False), (half, True, True)):
            op, leaves, mask = convolution(*sizes, dtype, last, many)
            words = f"{layer} {str(dtype)[6:]} {'channels_last' if last else 'planes'}{', mask a channel' * many}"
            yield "partial_conv", f"{words}, forward", forward(op, *leaves, mask)
            if not many:
                yield "partial_conv", f"{words}, forward and backward", both(op, leaves, mask)
    masks = blob(8, 256)
    yield "spd_map", "8x256x256, hard, n 7, k 5", forward(lambda m: spd_map(m, 7, 5), masks)
    yield "spd_map", "8x256x256, improved, n 50, k 3", forward(lambda m: spd_map(m, 50, 3, kind="improved"), masks)
    for side in (256, 512):
        fill, image, mask = rand(1, 3, side, side), rand(1, 3, side, side).flip(3), blob(1, side)
        blend = lambda f, i, m: poisson_blend(f, i, m, tol=1e-3)  # noqa: E731
        yield "poisson", f"3x{side}x{side}, tol 1e-3, forward", forward(blend, fill, image, mask)
        fill, image, mask = rand(1, 3, 256, 256), rand(1, 3, 256, 256).flip(3), blob(1, 256)
    yield "poisson", "3x256x256, tol 1e-3, forward and backward", both(blend, [fill, image], mask)
    x = rand(8, 3, 256, 256)
    yield "ssim", "8x3x256x256, forward", forward(ssim, x, x.flip(3))
    yield "ssim", "8x3x256x256, forward and backward", both(ssim, [x, x.flip(3)])
    yield "hog", "8x3x256x256", forward(hog, x)
    source, valid = rand(1, 3, 256, 256), torch.ones(1, 1, 256, 256)
    yield (
        "patchmatch",
        "3x256x256, window 7, 5 iterations",
        forward(lambda s, t, v: patchmatch(s, t, v, 7, 5), source, source.flip(3), valid),
    )
    yield (
        "detail_transfer",
        "3x256x256, window 5, 2 iterations",
        forward(
            lambda s, t, r, v, m: detail_transfer(s, t, r, v, m, 5, 2),
            source,
            source.flip(3),
            source,
            valid,
            blob(1, 256),
        ),
    )
    for dtype, last in ((half, True), (half, False), (full, False)):
        maps = [
            rand(1, 64, 128, 128, dtype=dtype, last=last)
            .flip(k)
            .contiguous(memory_format=torch.channels_last if last else torch.contiguous_format)
            for k in (1, 2, 3)
        ]
        words = f"64x128x128 {str(dtype)[6:]} {'channels_last' if last else 'planes'}"
        yield "spd_norm", f"{words}, forward", forward(spd_norm, *maps, rand(1, 1, 128, 128))
        yield "spd_norm", f"{words}, forward and backward", both(spd_norm, maps, rand(1, 1, 128, 128))


def nbytes(tensors: list[Tensor]) -> int:
    return sum(t.nbytes for t in tensors)


def convolved(op: str, given: list[Tensor], gave: list[Tensor]) -> int:
    """What PyTorch's convolution moves at least, between our kernels: forwards x, weights and y; backwards as well the
    gradients of the three."""
    if op != "partial_conv":
        return 0
    x, weight, y = given[0], given[1], gave[0]
    once = nbytes([x, weight, y])
    return once + nbytes([y, x, weight]) + nbytes([x, weight]) if len(gave) > 2 else once


def measure(op: str, run: Run, folder: Path) -> dict[str, object]:
    """Run a case and add up its launches, a row a kernel."""
    trace = folder / "launches"
    trace.unlink(missing_ok=True)
    os.environ["INPAINTX_EMULATE_TRAFFIC"] = str(trace)
    given, gave = run()
    del os.environ["INPAINTX_EMULATE_TRAFFIC"]
    kernels: dict[str, dict[str, int]] = {}
    for line in trace.read_text().splitlines():
        launch = json.loads(line)
        row = kernels.setdefault(launch["kernel"].split("<")[0], dict.fromkeys(("launches", *COUNTED), 0))
        row["launches"] += 1
        for key in COUNTED:
            row[key] += launch[key]
        row["threads"], row["dynamic_shared"] = launch["threads"], launch["dynamic_shared"]
    moved = sum(row["read"] + row["write"] for row in kernels.values())
    return {
        "op": op,
        "kernels": kernels,
        "moved": moved,
        "convolution": convolved(op, given, gave),
        "minimum": nbytes(given) + nbytes(gave),
    }


COUNTED = ("blocks", "read", "write", "requested")

# --- tables ---


def beside(now: str, before: str | None) -> str:
    return now if before in (None, now) else f"{before} → {now}"


def kernel_rows(result: dict, old: dict) -> Iterator[list[str]]:
    """A row a kernel; threads and dynamic shared memory are those of its launches in the cases, else 256."""

    def cells(report: dict, name: str) -> list[str] | None:
        k = report.get("kernels", {}).get(name)
        if k is None:
            return None
        op, kernel = name.split("/")
        launched = [c["kernels"][kernel] for c in report["cases"].values() if kernel in c["kernels"] and c["op"] == op]
        threads = max((row["threads"] for row in launched), default=k.get("threads", 256))
        shared = k["shared"] + max((row["dynamic_shared"] for row in launched), default=0)
        registers = str(k["registers"]) if k["fewest"] == k["registers"] else f"{k['fewest']}–{k['registers']}"
        spills = k["spill_stores"] + k["spill_loads"]
        full = occupancy(k["registers"], shared, threads)
        return [registers, str(k["stack"]), str(spills), str(shared), str(threads), f"{full:.0%}"]

    for name in result["kernels"]:
        before = cells(old, name)
        now = cells(result, name)
        yield [name, *(beside(n, before[i] if before else None) for i, n in enumerate(now))]
    for name in old.get("kernels", {}).keys() - result["kernels"].keys():
        yield [f"{name} (gone)", *cells(old, name)]


def case_rows(result: dict, old: dict) -> Iterator[list[str]]:
    for name, case in result["cases"].items():
        was = old.get("cases", {}).get(name)

        def cells(case: dict) -> list[str]:
            rows, total = case["kernels"].values(), case["moved"] + case["convolution"]
            return [
                str(sum(row["launches"] for row in rows)),
                f"{case['moved'] / 1e6:.2f}",
                f"{sum(row['requested'] for row in rows) / 1e6:.1f}",
                f"{total / case['minimum']:.2f}",
            ]

        now, before = cells(case), cells(was) if was else [None] * 4
        least, convolution = f"{case['minimum'] / 1e6:.2f}", f"{case['convolution'] / 1e6:.2f}"
        launches, moved, requested, ratio = (beside(n, b) for n, b in zip(now, before, strict=True))
        yield [name, launches, moved, requested, convolution, least, ratio]


def launch_rows(result: dict) -> Iterator[list[str]]:
    for name, case in result["cases"].items():
        for kernel, row in case["kernels"].items():
            yield [
                name,
                kernel,
                str(row["launches"]),
                f"{row['blocks'] / row['launches']:.0f}",
                *(f"{row[key] / 1e6:.2f}" for key in ("read", "write", "requested")),
            ]


def table(head: list[str], rows: Iterator[list[str]]) -> str:
    lines = [head, ["---"] + ["---:"] * (len(head) - 1), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


WORDS_KERNELS = """## Kernels

ptxas for sm_90, the worst over each kernel's instances (dtypes, masks, widths); registers as fewest–most. Stack, spills
and shared memory in bytes, occupancy as the share of the 64 warps of a multiprocessor. `triton` is the kernel of
`partial_conv_kernel("fused")` in bfloat16, a row a tile (pixels x output channels x input channels)."""
WORDS_OPS = """## Ops

MB. *Moved*: sectors of 32 bytes of global memory that our kernels read and write, each once a launch, counted while
they run emulated; copies and casts by PyTorch are not seen. *Requested*: every access, which the caches serve.
*Convolution*: what PyTorch's between them moves at least. *Minimum*: the op's inputs read once and its results written
once. The last column is (moved + convolution) / minimum."""


def markdown(result: dict, old: dict) -> str:
    words = " Where a figure changed, the one of the report it is held against comes first." if old else ""
    return "\n\n".join(
        [
            "# What the CUDA kernels cost, counted without a GPU",
            "Written by `make cuda-report`. No figure here is a time, and none was taken on a GPU." + words,
            WORDS_KERNELS,
            table(
                ["kernel", "registers", "stack", "spills", "shared", "threads", "occupancy"], kernel_rows(result, old)
            ),
            WORDS_OPS,
            table(
                ["case", "launches", "moved", "requested", "convolution", "minimum", "ratio"], case_rows(result, old)
            ),
            "## Launches\n\nMB, summed over a kernel's launches in a case.",
            table(["case", "kernel", "launches", "blocks", "read", "written", "requested"], launch_rows(result)),
            "",
        ]
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("nvcc", help="the compiler")
    parser.add_argument("--against", type=Path, help="the JSON of an earlier report, whose figures stand beside")
    parser.add_argument("-k", default="", help="run only cases whose op or name holds this; the rest is kept")
    chosen = parser.parse_args()
    if not build_info().get("emulated"):
        sys.exit("cuda-report: this is not the emulated build; run make cuda-report")
    old = json.loads(chosen.against.read_text()) if chosen.against else {}
    result = {"kernels": resources(chosen.nvcc), "cases": {}}
    if chosen.k and RESULT.exists():
        result["cases"] = json.loads(RESULT.read_text())["cases"]
    with tempfile.TemporaryDirectory() as folder:
        for op, name, run in cases():
            if chosen.k in f"{op} {name}":
                print(f"{op}: {name}", file=sys.stderr, flush=True)
                result["cases"][f"{op}: {name}"] = measure(op, run, Path(folder))
    RESULT.write_text(json.dumps(result, indent=1) + "\n")
    text = markdown(result, old)
    RESULT.with_suffix(".md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
