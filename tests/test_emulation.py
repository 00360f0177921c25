"""The translation of CUDA sources for the emulated build; the kernels themselves are tested by `make cuda-emulate`."""

import importlib.util
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture
def translation():
    spec = importlib.util.spec_from_file_location("translate", ROOT / "csrc" / "emulation" / "translate.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_launches_and_dynamic_shared_memory(translation):
    source = "extern __shared__ float row[];\nfold<float, 3><<<blocks(n), 256, 4 * n, stream_of(q)>>>(a, b(1));"
    assert translation.translate(source) == (
        "float* row = static_cast<float*>(::inpaintx::emulate::dynamic_shared());\n"
        "::inpaintx::emulate::launch({blocks(n), 256, 4 * n, stream_of(q)}, "
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
