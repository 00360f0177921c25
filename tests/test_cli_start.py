"""The command line starts fast: what needs neither torch nor OpenCV loads neither."""

import subprocess
import sys

import pytest

START = """
import sys
from inpaintx.cli import run
code = run(sys.argv[1:])
print("loaded:", *sorted({"torch", "cv2", "safetensors.torch", "ray", "pyarrow"} & sys.modules.keys()), file=sys.stderr)
sys.exit(code)
"""


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["inpaint", "--help"],
        ["evaluate", "--help"],
        ["train", "--help"],
        ["--version"],
        ["methods"],
        ["methods", "--json"],
        ["plugins"],
        ["fetch", "--help"],
        ["export", "--help"],
    ],
    ids=" ".join,
)
def test_nothing_heavy_is_loaded(arguments):
    done = subprocess.run([sys.executable, "-c", START, *arguments], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()
    assert done.stderr.splitlines()[-1].split() == ["loaded:"]


def test_a_method_can_be_described_without_torch():
    code = (
        "import sys, inpaintx; from inpaintx.plugin.registry import registry\n"
        "for name in inpaintx.methods(): method = registry().method(name); method.config(); method.is_trainable()\n"
        "assert 'torch' not in sys.modules, 'torch is loaded'"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=300)
