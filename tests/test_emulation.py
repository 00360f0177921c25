"""The emulation of CUDA on the CPU; the project's kernels are tested by `make cuda-emulate` and `make cuda-race`."""

import importlib.util
import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture
def translation():
    spec = importlib.util.spec_from_file_location("translate", ROOT / "tests" / "cuda_emulation" / "translate.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_launches_and_dynamic_shared_memory(translation):
    source = "extern __shared__ float row[];\n__shared__ T sums[kRows][2];\n"
    source += "fold<float, 3><<<blocks(n), 256, 4 * n, stream_of(q)>>>(a, b(1));"
    assert translation.translate(source) == (
        "float* row = static_cast<float*>(::inpaintx::emulate::dynamic_shared());\n"
        "auto& sums = ::inpaintx::emulate::static_shared<T[kRows][2]>(__LINE__);\n"
        '::inpaintx::emulate::launch("fold<float, 3>", {blocks(n), 256, 4 * n, stream_of(q)}, '
        "[](auto... a) { fold<float, 3>(a...); }, a, b(1));"
    )


def test_no_launch_of_the_project_is_left(translation, tmp_path):
    written = translation.translate_all(ROOT / "csrc", tmp_path)
    assert {p.name for p in written} >= {"partial_conv_cuda.cpp", "spd_map_cuda.cpp"}
    for path in written:
        assert "<<<" not in path.read_text(), path.name


def test_an_unchanged_source_is_not_written_again(translation, tmp_path):
    first = {p: p.stat().st_mtime_ns for p in translation.translate_all(ROOT / "csrc", tmp_path)}
    assert {p: p.stat().st_mtime_ns for p in translation.translate_all(ROOT / "csrc", tmp_path)} == first


# what a build of faults.cu says of each kernel: plain, and with the detector of races
FAULTS = {
    "sound": ("nothing, out[0] = 4034", "nothing, out[0] = 4034"),
    "bits": ("nothing, out[0] = 1",) * 2,
    "unwritten": ("nothing, out[0] = -4", "unwritten: a thread reads what nobody has written in shared memory"),
    "carried_over": ("out[127] = -4", "carried_over<64>: a thread reads what nobody has written in shared memory"),
    "both_arms": ("threads of a block wait at different __syncthreads, line",) * 2,
    "left_out": ("left_out: threads wait for others that never come: thread 0 at line",) * 2,
    "without_itself": ("calls with a mask without itself, line",) * 2,
    "from_outside": ("from_outside: a shuffle reads from lane 20, which takes no part, line",) * 2,
    "plain_sum": ("nothing, out[0] = 128", "plain_sum: a thread reads what another writes in global memory"),
    "missing_barrier": ("nothing", "missing_barrier: a thread reads what"),
    "large_shared": ("invalid configuration",) * 2,
}


needs_compiler = pytest.mark.skipif(shutil.which("c++") is None, reason="no C++ compiler")


def build_faults(translation, folder, race):
    place = ROOT / "tests" / "cuda_emulation"
    (folder / "faults.cpp").write_text(translation.translate((place / "faults.cu").read_text()))
    flags = ["-std=c++20", "-O1", f"-I{place}"] + ["-DINPAINTX_CUDA_RACE"] * race
    objects = []
    more = [place / "race.cpp", place / "traffic.cpp"] * race
    for source in (folder / "faults.cpp", place / "emulation.cpp", *more):
        objects.append(folder / f"{source.stem}.o")
        instrument = ["-fsanitize=thread"] * (race and source.stem == "faults")
        subprocess.run(["c++", *flags, *instrument, "-c", source, "-o", objects[-1]], check=True)
    subprocess.run(["c++", *objects, "-o", folder / "faults"], check=True)
    return folder / "faults"


def run_faults(program, *faults, **env):
    done = subprocess.run(
        [program, *faults], capture_output=True, text=True, check=True, env={**os.environ, **env}
    ).stdout
    return dict(line.split("|", 1) for line in done.splitlines())


@needs_compiler
@pytest.mark.parametrize("race", [False, True], ids=["plain", "race"])
def test_each_fault_is_found(translation, tmp_path, race):
    program = build_faults(translation, tmp_path, race)
    for order in ("forward", "reverse"):
        said = run_faults(program, *FAULTS, INPAINTX_EMULATE_ORDER=order)
        for fault, expected in FAULTS.items():
            assert expected[race] in said[fault], (order, fault, said[fault])


@needs_compiler
def test_bytes_of_global_memory_are_counted(translation, tmp_path):
    trace = tmp_path / "trace"
    names = ["plain_sum", "missing_barrier", "sound"]
    run_faults(build_faults(translation, tmp_path, True), *names, INPAINTX_EMULATE_TRAFFIC=str(trace))
    launches = [json.loads(line) for line in trace.read_text().splitlines()]
    assert [launch["kernel"] for launch in launches] == names
    assert all(launch["blocks"] == 2 and launch["threads"] == 64 for launch in launches)
    counted = [(launch["read"], launch["write"], launch["requested"]) for launch in launches]
    # one float by 128 threads; 128 floats, and shared memory beside; an atomic and shared memory, which do not count
    assert counted == [(32, 32, 2 * 4 * 128), (0, 512, 512), (0, 0, 0)]
