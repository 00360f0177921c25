"""Build inpaintx against several releases of torch and Python: python csrc/build_matrix.py 3.12:2.11.0 ...

Each pair has an environment of its own under build/matrix. There the extension is built, imported and tried by a few
tests of its ops; a table says what came of it. A release of torch of which only a CUDA build is to be had needs
gigabytes of CUDA libraries to be imported: unless --libraries asks for them, torch alone is installed, every source is
compiled against its headers, and the table says so.
"""

import argparse
import os
import shutil
import subprocess
import sys
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
HERE = ROOT / "build" / "matrix"
TESTS = [
    "tests/ops/test_partial_conv.py",
    "tests/ops/test_poisson.py",
    "tests/ops/test_spd_map.py",
    "tests/test_inpaint.py",
]
TORCH_NEEDS = ["filelock", "typing-extensions>=4.10", "sympy", "networkx", "jinja2", "fsspec", "numpy"]


class StepError(Exception):
    """A step of one row failed; its words stand in the table."""


def run(command, log, **more):
    with open(log, "a") as out:
        out.write(f"$ {' '.join(map(str, command))}\n")
        out.flush()
        return subprocess.run(command, stdout=out, stderr=subprocess.STDOUT, cwd=HERE, **more).returncode == 0


def objects(python, log):
    """Compile every C++ source against the headers of a torch that cannot be imported."""
    found = "import importlib.util as u, sysconfig; print(u.find_spec('torch').submodule_search_locations[0]); "
    found += "print(sysconfig.get_path('include'))"
    torch, include = subprocess.run([python, "-c", found], capture_output=True, text=True, check=True).stdout.split()
    headers = [f"{torch}/include", f"{torch}/include/torch/csrc/api/include", include]
    flags = [f"-I{ROOT / 'csrc'}", *(f for h in headers for f in ("-isystem", h)), "-std=c++20", "-O0", "-fPIC"]
    flags += [
        "-fopenmp",
        "-Wall",
        "-Werror",
        "-Wno-unknown-pragmas",
        "-DTORCH_EXTENSION_NAME=_C",
        "-c",
        "-o",
        os.devnull,
    ]
    sources = sorted((ROOT / "csrc").rglob("*.cpp"))
    sources = [s for s in sources if "emulation" not in s.parts]
    jobs = int(os.environ.get("MAX_JOBS", os.cpu_count() or 1))
    with ThreadPoolExecutor(jobs) as pool:
        done = list(pool.map(lambda s: run([os.environ.get("CXX", "c++"), *flags, s], log), sources))
    if not all(done):
        raise StepError(
            f"does not compile: {', '.join(s.name for s, good in zip(sources, done, strict=True) if not good)}"
        )
    return f"{len(sources)} objects compiled against its headers (CUDA build, its libraries not installed)"


@cache
def index():
    """Arguments of pip for the index of torch's CPU builds ($TORCH_INDEX), where it can be reached."""
    try:
        urllib.request.urlopen(os.environ["TORCH_INDEX"] + "/", timeout=10)
    except (KeyError, OSError, ValueError):
        return []
    return ["--extra-index-url", os.environ["TORCH_INDEX"]]


def row(pair, libraries):
    """What came of one pair, in words."""
    version, torch = pair.split(":")
    interpreter = shutil.which(f"python{version}") or (
        sys.executable if version == "{}.{}".format(*sys.version_info) else None
    )
    if interpreter is None:
        raise StepError(f"no python{version} on PATH")
    place, log = HERE / f"python{version}-torch{torch}", HERE / f"python{version}-torch{torch}.log"
    python = place / "bin" / "python"
    log.write_text("")
    if not python.exists() and not run([interpreter, "-m", "venv", place], log):
        raise StepError("no venv")
    pip = [python, "-m", "pip", "install", "-q", "--disable-pip-version-check"]
    wheel = [*pip, *index(), f"torch=={torch}"]
    if not run([*pip, "setuptools>=77", "wheel", "ninja", *TORCH_NEEDS], log) or not run([*wheel, "--no-deps"], log):
        raise StepError("torch cannot be installed")
    imports = [python, "-c", "import torch; print(torch.__version__)"]
    if not run(imports, log):
        if not libraries:
            return objects(python, log)
        if not run(wheel, log) or not run(imports, log):
            raise StepError("torch cannot be imported")
    build = [*pip, "--no-build-isolation", f"{ROOT}[test]", ROOT / "weights"]
    if not run(build, log, env={**os.environ, "FORCE_CUDA": "0", "INPAINTX_OPENCV": "opencv-python-headless"}):
        raise StepError("does not build")
    if not run([python, "-c", "import inpaintx; print(inpaintx.build_info())"], log):
        raise StepError("built, cannot be imported")
    tests = [place / "bin" / "pytest", "-q", "-m", "not slow and not gpu and not acceptance", "-p", "no:cacheprovider"]
    if not run([*tests, "-o", "addopts=--strict-markers", *(ROOT / test for test in TESTS)], log):
        raise StepError("built and imported, tests fail")
    return "built, imported, " + log.read_text().rstrip().splitlines()[-1].strip("= ")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pairs", nargs="+", metavar="PYTHON:TORCH")
    parser.add_argument("--libraries", action="store_true", help="install the CUDA libraries of a CUDA build as well")
    chosen = parser.parse_args()
    HERE.mkdir(parents=True, exist_ok=True)
    failed = 0
    print("| Python | torch | outcome |\n|---|---|---|", flush=True)
    for pair in chosen.pairs:
        try:
            outcome = row(pair, chosen.libraries)
        except StepError as error:
            failed += 1
            outcome = f"**failed**: {error} ({HERE / pair.replace(':', '-torch')}.log)".replace(
                "matrix/", "matrix/python"
            )
        print(f"| {pair.replace(':', ' | ')} | {outcome} |", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
