"""A server of the page in a process of its own, for the tests."""

import os
import re
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DEMO = ROOT / "inpaintx" / "demo"


@contextmanager
def serving(*options, log):
    """Run ``inpaintx web``; gives its address and its process."""
    pytest.importorskip("gradio", reason="the extra [web] is not installed")
    private = Path(log).parent / "private"
    private.mkdir()
    environment = {
        **os.environ,
        "TMPDIR": str(private),
        "PYTHONUNBUFFERED": "1",
        "OMP_NUM_THREADS": "1",
        "GRADIO_ANALYTICS_ENABLED": "False",
    }
    with open(log, "w") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "inpaintx", "web", *options], stdout=out, stderr=out, env=environment, cwd=ROOT
        )
    try:
        for _ in range(1800):
            found = re.search(r"is at (http://\S+?)/? ", Path(log).read_text())
            if found:
                break
            assert process.poll() is None, Path(log).read_text()
            time.sleep(0.1)
        yield found[1], process
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    assert not list(private.glob("inpaintx-web-*"))  # what was uploaded goes with the server
