"""Build of the one extension, inpaintx._C: CPU always, CUDA when torch has it and a toolkit is found.

Environment: FORCE_CUDA=1|0 overrides the choice, TORCH_CUDA_ARCH_LIST names the architectures,
MAX_JOBS the parallel compilers, INPAINTX_OPENCV=opencv-python-headless the cv2 to depend on,
INPAINTX_SANITIZE=1 builds with AddressSanitizer and UBSan, INPAINTX_EMULATE_CUDA=1 with the CUDA kernels compiled as
C++ in place of the CPU's (for tests where there is no GPU; slow), =race with a detector of data races in them besides.
"""

import json
import os
import platform
import re
import subprocess
import sys
from pathlib import Path

from setuptools import Extension, setup

ROOT = Path(__file__).parent.resolve()
EMULATION = ROOT / "tests" / "cuda_emulation"
MINIMUM_TORCH = (2, 9)

try:
    import torch
    from torch.utils import cpp_extension
except ModuleNotFoundError:
    sys.exit(
        "\ninpaintx is compiled against the torch of the environment that it is installed into, "
        "and this one has no torch.\nInstall torch first (https://pytorch.org/get-started), then inpaintx:\n\n"
        "    pip install 'torch>=2.9' 'setuptools>=77' wheel ninja\n"
        "    pip install --no-build-isolation .\n"
    )

TORCH_MINOR = tuple(int(n) for n in re.findall(r"\d+", torch.__version__)[:2])
if TORCH_MINOR < MINIMUM_TORCH:
    sys.exit(
        f"\ninpaintx needs torch 2.9 or newer, and this environment has torch {torch.__version__}.\n"
        "Update it (pip install 'torch>=2.9') and install inpaintx again.\n"
    )


def with_cuda() -> bool:
    """CUDA is built when torch was built with it and nvcc is found; FORCE_CUDA decides otherwise."""
    force = os.environ.get("FORCE_CUDA", "")
    if force not in ("", "0", "1"):
        sys.exit(f"FORCE_CUDA must be 0, 1 or unset, got {force!r}.")
    if force == "0":
        return False
    missing = None
    if torch.version.cuda is None:
        missing = f"torch {torch.__version__} was built without CUDA"
    elif cpp_extension.CUDA_HOME is None:
        missing = f"no CUDA toolkit was found (torch wants {torch.version.cuda}; set CUDA_HOME)"
    if missing and force == "1":
        sys.exit(f"\nFORCE_CUDA=1 was asked for, but {missing}.\n")
    print(f"inpaintx: building {'for the CPU only: ' + missing if missing else 'with CUDA'}", file=sys.stderr)
    return missing is None


def cap_jobs() -> None:
    """A compiler of torch's headers takes up to 2 GB; more jobs than memory carries end in a swap storm."""
    if "MAX_JOBS" in os.environ:
        return
    jobs = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if hasattr(os, "sysconf") and "SC_AVPHYS_PAGES" in os.sysconf_names:
        free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        jobs = min(jobs, int(free / 2e9))
    os.environ["MAX_JOBS"] = str(max(1, jobs))


def commit() -> str:
    try:
        git = subprocess.run(["git", "rev-parse", "--short=12", "HEAD"], cwd=ROOT, capture_output=True, text=True)
    except OSError:  # no git on PATH
        return "unknown"
    return git.stdout.strip() or "unknown"


EMULATE = os.environ.get("INPAINTX_EMULATE_CUDA", "") in ("1", "race")
RACE = os.environ.get("INPAINTX_EMULATE_CUDA") == "race"
CUDA = False if EMULATE else with_cuda()
SANITIZE = os.environ.get("INPAINTX_SANITIZE") == "1"
cap_jobs()


def emulated_kernels() -> list[Path]:
    """The CUDA sources as C++ for the CPU."""
    sys.path.insert(0, str(EMULATION))
    from translate import translate_all

    return translate_all(ROOT / "csrc", ROOT / "build" / "emulation")


def instrumented(source: Path, flags: list[str], include: list[str]) -> str:
    """Compile one file so that each access to memory is a call, which tests/cuda_emulation/race.cpp answers."""
    target = source.with_suffix(".race.o")
    paths = [f"-I{path}" for path in [*include, *cpp_extension.include_paths()]]
    command = [os.environ.get("CXX", "c++"), *flags, "-fPIC", "-O1", "-fsanitize=thread", *paths]
    subprocess.run([*command, "-c", str(source), "-o", str(target)], check=True)
    return str(target)


def extension() -> Extension:
    sources = sorted(str(p.relative_to(ROOT)) for p in (ROOT / "csrc").rglob("*.cpp"))
    # torch 2.12 and older build extensions as C++17 unless they are told otherwise; csrc is C++20.
    cxx = ["-std=c++20", "-O3", "-fopenmp-simd", "-fno-math-errno", "-fno-trapping-math", "-fvisibility=hidden"]
    # Python's own -fwrapv would hide overflows, and row[i - 1] need not lie beside row[i] then: loops become gathers.
    cxx += ["-fno-wrapv", "-Wall", "-Wno-unknown-pragmas", "-g0"]
    link = ["-Wl,--strip-debug"] if sys.platform == "linux" else []
    if torch.backends.openmp.is_available() and sys.platform != "darwin":
        cxx.append("-fopenmp")  # ATen's parallel_for is a header: it must see the OpenMP that torch was built with
    if SANITIZE:
        cxx += ["-fsanitize=address,undefined", "-fno-sanitize-recover=undefined", "-fno-omit-frame-pointer", "-g1"]
        cxx += ["-D_GLIBCXX_ASSERTIONS"]
        link = ["-fsanitize=address,undefined"]
    include = [str(ROOT / "csrc")]
    objects = []
    if EMULATE:
        cxx += ["-DINPAINTX_WITH_CUDA", "-DINPAINTX_EMULATE_CUDA"] + ["-DINPAINTX_CUDA_RACE"] * RACE
        include.insert(0, str(EMULATION))  # its cuda_runtime.h
        sources += [f"{EMULATION.relative_to(ROOT)}/{name}.cpp" for name in ["emulation"] + ["race", "traffic"] * RACE]
        kernels = emulated_kernels()
        if RACE:
            objects = [instrumented(kernel, cxx, include) for kernel in kernels]
        else:
            sources += [str(kernel.relative_to(ROOT)) for kernel in kernels]
    args = {"cxx": cxx}
    kind = cpp_extension.CppExtension
    if CUDA:
        if "TORCH_CUDA_ARCH_LIST" not in os.environ and not torch.cuda.is_available():
            os.environ["TORCH_CUDA_ARCH_LIST"] = "8.0;9.0+PTX"
        sources += sorted(str(p.relative_to(ROOT)) for p in (ROOT / "csrc").rglob("*.cu"))
        args = {"cxx": [*cxx, "-DINPAINTX_WITH_CUDA"], "nvcc": ["-std=c++20", "-O3", "--expt-relaxed-constexpr"]}
        kind = cpp_extension.CUDAExtension
    return kind(
        "inpaintx._C",
        sources,
        include_dirs=include,
        extra_compile_args=args,
        extra_link_args=link,
        extra_objects=objects,
    )


class BuildExtension(cpp_extension.BuildExtension):
    """Keeps object files per torch version, and leaves a stamp that Python reads before it loads the library."""

    def finalize_options(self):
        super().finalize_options()
        kind = ("cuda" if CUDA else "cpu") + "-emulated" * EMULATE + "-race" * RACE + "-sanitize" * SANITIZE
        self.build_temp = str(ROOT / "build" / f"torch-{torch.__version__}-{sys.implementation.cache_tag}-{kind}")

    def run(self):
        super().run()
        stamp = {
            "torch": torch.__version__,
            "cuda": torch.version.cuda if CUDA else None,
            "cuda_archs": os.environ.get("TORCH_CUDA_ARCH_LIST") if CUDA else None,
            "python": platform.python_version(),
            "platform": platform.platform(),
            "commit": commit(),
            "sanitize": SANITIZE,
            "emulated": EMULATE,
        }
        library = Path(self.get_ext_fullpath("inpaintx._C"))
        library.parent.mkdir(parents=True, exist_ok=True)
        (library.parent / "_build_stamp.json").write_text(json.dumps(stamp, indent=1) + "\n")


setup(
    ext_modules=[extension()],
    cmdclass={"build_ext": BuildExtension},
    install_requires=[
        f"torch=={TORCH_MINOR[0]}.{TORCH_MINOR[1]}.*",  # the ABI that the extension was compiled against
        "filelock>=3.12",
        "numpy",
        # opencv-python-headless is the same cv2 without libGL; 4.10 is the first that NumPy 2 loads
        os.environ.get("INPAINTX_OPENCV", "opencv-python") + ">=4.10",
        "pluggy>=1.5",
        "pydantic>=2.7",
        "rich>=13",
        "safetensors>=0.4",
        "typer>=0.12",
        "typing-extensions>=4.12",  # defaults of type variables; torch and pydantic bring it
    ],
)
