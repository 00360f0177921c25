"""Compile and link every CUDA source and its glue where there is no GPU: python csrc/cuda_check.py NVCC.

Kernels are compiled for sm_80, sm_90 and PTX with warnings as errors; what uses torch is compiled against the
headers of any torch build; the link must leave no symbol of inpaintx open. Nothing is run.
"""

import os
import subprocess
import sys
import sysconfig
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from torch.utils import cpp_extension

SOURCE = Path(__file__).parent
OUT = SOURCE.parent / "build" / "cuda-check"
ARCHS = ["arch=compute_80,code=sm_80", "arch=compute_90,code=[sm_90,compute_90]"]


def compile_one(nvcc: str, source: Path) -> tuple[Path, float]:
    started = time.monotonic()
    target = OUT / ("_".join(source.relative_to(SOURCE).parts) + ".o")
    toolkit = Path(nvcc).resolve().parents[1] / "include"
    toolkit = toolkit if (toolkit / "cuda_runtime.h").exists() else Path("/usr/local/cuda/include")
    foreign = [*cpp_extension.include_paths(), str(toolkit), sysconfig.get_path("include")]
    flags = [f"-I{SOURCE}", "-std=c++20", "-DINPAINTX_WITH_CUDA"] + [f for p in foreign for f in ("-isystem", p)]
    if source.suffix == ".cu":
        archs = [f"-gencode={a}" for a in ARCHS]
        command = [nvcc, *flags, *archs, "-O3", "-Werror=all-warnings", "-Xcompiler=-fPIC", "--expt-relaxed-constexpr"]
    else:
        # torch's CPU build lacks one generated header of c10/cuda; the define leaves it out. Not optimised: this is a
        # check, and the build proper has compiled the same files
        flags += ["-DC10_USING_CUSTOM_GENERATED_MACROS", "-DTORCH_EXTENSION_NAME=_C", "-fPIC", "-fopenmp"]
        command = ["c++", *flags, "-O0", "-Wall", "-Werror", "-Wno-unknown-pragmas"]
    subprocess.run([*command, "-c", str(source), "-o", str(target)], check=True)
    return target, time.monotonic() - started


def main(nvcc: str) -> int:
    OUT.mkdir(parents=True, exist_ok=True)
    sources = sorted([*SOURCE.rglob("*.cu"), *SOURCE.rglob("*.cpp")])
    started = time.monotonic()
    with ThreadPoolExecutor(int(os.environ.get("MAX_JOBS", len(os.sched_getaffinity(0))))) as pool:
        try:
            built = list(pool.map(lambda s: compile_one(nvcc, s), sources))
        except subprocess.CalledProcessError as error:
            print(f"cuda-check: does not compile: {error.cmd[-3]}", file=sys.stderr)
            return 1
    library = OUT / "_C.so"
    objects = [str(target) for target, _ in built]
    subprocess.run([nvcc, "-shared", *objects, "-o", str(library), "-lcudart"], check=True)
    names = subprocess.run(
        ["nm", "-D", "-C", "--undefined-only", str(library)], capture_output=True, text=True, check=True
    )
    missing = [line.split(None, 1)[-1] for line in names.stdout.splitlines() if " inpaintx::" in line]
    if missing:
        print("cuda-check: declared but nowhere defined:", *missing, sep="\n  ", file=sys.stderr)
        return 1
    kernels = sum(s.suffix == ".cu" for s in sources)
    print(
        f"cuda-check: {kernels} CUDA sources (sm_80, sm_90, PTX) and {len(sources) - kernels} C++ sources compiled "
        f"and linked in {time.monotonic() - started:.0f} s, {library.stat().st_size / 1e6:.1f} MB; nothing was run"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
