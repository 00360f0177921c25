"""The command line starts fast: what needs neither torch nor OpenCV loads neither."""

import os
import subprocess
import sys
from pathlib import Path

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


def both(arguments, **environment):
    """What the command and the module print, which must be the same."""
    script = Path(sys.executable).with_name("inpaintx")
    ways = [[str(script)]] * script.exists() + [[sys.executable, "-m", "inpaintx"]]
    done = [
        subprocess.run([*way, *arguments], capture_output=True, text=True, env={**os.environ, **environment})
        for way in ways
    ]
    assert len({(d.returncode, d.stdout, d.stderr) for d in done}) == 1
    return done[0]


def test_the_module_is_the_command():
    assert "Fill holes in face photographs" in both([]).stderr  # nothing was asked for
    failed = both(["nosuch"])
    assert failed.returncode == 2
    assert "No such command 'nosuch'" in failed.stderr


def test_the_shell_completes_commands_and_options():
    words = {"_INPAINTX_COMPLETE": "complete_bash", "COMP_CWORD": "1"}
    assert both([], **words, COMP_WORDS="inpaintx eva").stdout.split() == ["evaluate"]
    options = both([], **{**words, "COMP_CWORD": "2"}, COMP_WORDS="inpaintx inpaint --ble").stdout
    assert options.split() == ["--blend"]
