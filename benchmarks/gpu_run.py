"""Everything that needs a GPU, in nine minutes: `make gpu`, or `python benchmarks/gpu_run.py [SECONDS]`.

For a machine with an NVIDIA GPU, nvcc and a torch built with CUDA that may be at hand for minutes only, without a
network: the Python that runs this is used as it is. Packages that it lacks are taken from wheels in the folder .gpu.
Each step has a limit of its own and writes into build/gpu as it goes, so that a stopped run leaves what it had;
steps.json there tells how each ended.
"""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
OUT = Path(os.environ.get("OUT", ROOT / "build" / "gpu"))
SITE = OUT / "site"
LEAST = 15  # seconds: what is left after the others' is not worth a step
SMOKE = """
import torch, inpaintx
from inpaintx.ops import spd_map
assert inpaintx.build_info()["with_cuda"], "the extension was built without CUDA"
print(torch.__version__, torch.cuda.get_device_name(), spd_map(torch.ones(1, 1, 8, 8, device="cuda"), 2).sum().item())
"""
FUSED = "tests/ops/test_partial_conv_fused.py"
TESTS = ["tests/ops", "tests/test_devices.py", "tests/test_cuda_graph.py", f"--ignore={FUSED}"]
PYTEST = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-o", "addopts=--strict-markers"]
BENCH = [*PYTEST, "benchmarks", "--benchmark-only", "-o", "python_files=bench_*.py"]


def cuda_home() -> str | None:
    """The toolkit's folder; nvcc on the path may be a wrapper that lies elsewhere."""
    nvcc = shutil.which("nvcc")
    places = [os.environ.get("CUDA_HOME"), "/usr/local/cuda", nvcc and Path(nvcc).resolve().parents[1]]
    return next((str(p) for p in places if p and (Path(p) / "include" / "cuda_runtime_api.h").exists()), None)


def environment() -> dict[str, str]:
    env = {
        **os.environ,
        "PYTHONUNBUFFERED": "1",
        "PYTHONPATH": f"{ROOT}{os.pathsep}{SITE}",
        "FORCE_CUDA": "1",
        "MAX_JOBS": str(len(os.sched_getaffinity(0))),
        "INPAINTX_BENCH_THREADS": str(len(os.sched_getaffinity(0))),
    }
    if home := cuda_home():
        env["CUDA_HOME"] = home
    return env


class Run:
    """Steps one after the other, until the time is used up."""

    def __init__(self, seconds: float) -> None:
        self.end = time.monotonic() + seconds
        self.env = environment()
        self.steps: list[dict[str, object]] = []

    def step(self, name: str, most: int, command: list[str], **more: str) -> bool:
        """Run a command for at most so many seconds; whether it ended well."""
        left = int(self.end - time.monotonic())
        if left < LEAST:
            return self._note(name, "left out for time", 0.0)
        begun = time.monotonic()
        print(f"== {name}: at most {min(most, left)} s", flush=True)
        with (OUT / f"{name}.log").open("w") as log:
            try:
                done = subprocess.run(
                    command, cwd=ROOT, env={**self.env, **more}, stdout=log, stderr=log, timeout=min(most, left)
                )
                ended = "passed" if done.returncode == 0 else f"exit {done.returncode}"
            except subprocess.TimeoutExpired:
                ended = "stopped at its limit"
            except OSError as error:
                ended = str(error)
        return self._note(name, ended, time.monotonic() - begun)

    def _note(self, name: str, ended: str, seconds: float) -> bool:
        self.steps.append({"step": name, "ended": ended, "seconds": round(seconds, 1)})
        (OUT / "steps.json").write_text(json.dumps(self.steps, indent=1) + "\n")
        print(f"== {name}: {ended}, {seconds:.0f} s", flush=True)
        if ended != "passed" and (OUT / f"{name}.log").exists():
            print("\n".join((OUT / f"{name}.log").read_text(errors="replace").splitlines()[-15:]), flush=True)
        return ended == "passed"


def prepare(run: Run) -> bool:
    """The packages in .gpu, the plugins under their name, and an extension that runs on this GPU."""
    SITE.mkdir(parents=True, exist_ok=True)
    (SITE / "inpaintx_plugins").unlink(missing_ok=True)
    (SITE / "inpaintx_plugins").symlink_to(ROOT / "plugins")
    wheels = sorted(map(str, (ROOT / ".gpu").glob("*.whl")))
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-index", "--no-deps", "--upgrade", "--target", str(SITE)]
    if wheels and not run.step("wheels", 40, [*pip, *wheels]):
        return False
    run.step("metadata", 20, [sys.executable, "setup.py", "-q", "egg_info", "--egg-base", str(SITE)])
    smoke = [sys.executable, "-c", SMOKE]
    if any((ROOT / "inpaintx").glob("_C*.so")) and run.step("carried_build", 60, smoke):
        return True
    built = run.step("build", 240, [sys.executable, "setup.py", "-q", "build_ext", "--inplace"])
    return built and run.step("smoke", 60, smoke)


def main(seconds: float = 540) -> int:
    OUT.mkdir(parents=True, exist_ok=True)
    run = Run(seconds)
    if not prepare(run):
        return 1
    touch = [sys.executable, "tests/touch_ops.py"]
    run.step("touch", 60, touch)
    several = ["-n", "4"] if _has("xdist") else []
    run.step(
        "tests",
        120,
        [
            *[*PYTEST, *TESTS, "-m", "gpu", *several],
            f"--junitxml={OUT}/tests.xml",
        ],
    )
    if _has("triton"):  # which compiles some thirty kernels
        run.step("tests_fused", 60, [*PYTEST, FUSED, "-m", "gpu", *several, f"--junitxml={OUT}/tests_fused.xml"])
    for name, most, chosen in (
        ("bench_pdgan", 90, "bench_training and pdgan"),
        ("bench_pconv", 60, "bench_training and (pconv or prior)"),
        ("bench_conv", 110, "bench_cuda and partial"),
        ("bench_ops", 60, "bench_cuda and not partial"),
    ):
        if _has("pytest_benchmark"):
            run.step(name, most, [*BENCH, "-k", chosen, f"--benchmark-json={OUT}/{name}.json"])
    for tool in ("memcheck", "racecheck", "initcheck", "synccheck"):
        sanitizer = ["compute-sanitizer", "--tool", tool, "--error-exitcode", "9"]
        run.step(tool, 45, [*sanitizer, *touch], PYTORCH_NO_CUDA_MEMORY_CACHING="1")
    print(f"steps and results are in {OUT}")
    return int(any(step["ended"] != "passed" for step in run.steps if step["step"] != "carried_build"))


def _has(module: str) -> bool:
    code = f"import {module}"
    return subprocess.run([sys.executable, "-c", code], env=environment(), capture_output=True).returncode == 0


if __name__ == "__main__":
    sys.exit(main(*map(float, sys.argv[1:])))
