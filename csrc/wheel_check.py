"""A wheel in an environment without its sources: ``python csrc/wheel_check.py dist/inpaintx-*.whl``.

Says its size and what it needs (auditwheel), installs it into a new environment beside the torch of this one, and
fills a photo there. With ``--installed`` it fills the photo with the inpaintx that is installed here.
"""

import os
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

FILL = """
import numpy as np
import inpaintx, torch
from inpaintx.demo import __path__ as folders
from pathlib import Path
from inpaintx.io.photo import read_photo

demo = Path(folders[0])
photo = read_photo(demo / "eileen_collins.png").pixels
hole = read_photo(demo / "eileen_collins_mask.png").pixels > 127
hole = hole if hole.ndim == 2 else hole[..., 0]
whole = inpaintx.inpaint(photo, hole, "harmonic")
assert (whole[~hole] == photo[~hole]).all(), "known pixels were changed"
assert (whole[hole] != photo[hole]).any(), "the hole was not filled"
print(f"{inpaintx.__file__}: inpaintx {inpaintx.__version__}, torch {torch.__version__}: {hole.sum()} pixels filled")
"""


def fill(python, where):
    """Fill a portrait with an environment's inpaintx, away from the sources."""
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    subprocess.run([python, "-c", FILL], cwd=where, env=environment, check=True)


def main(arguments):
    with tempfile.TemporaryDirectory() as folder:
        if arguments == ["--installed"]:
            fill(sys.executable, folder)
            return
        (name,) = arguments
        wheel = Path(name).resolve()
        print(f"{wheel.name}: {wheel.stat().st_size / 1e6:.1f} MB", flush=True)
        subprocess.run([sys.executable, "-m", "auditwheel", "show", str(wheel)], check=True)
        venv.create(folder, with_pip=True)
        python = Path(folder) / "bin" / "python"
        import torch

        beside = Path(torch.__file__).parents[1]
        packages = subprocess.check_output(
            [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], text=True
        )
        Path(packages.strip(), "torch_of_another.pth").write_text(f"{beside}\n")
        subprocess.run([python, "-m", "pip", "install", "-q", "--no-deps", str(wheel)], check=True)
        fill(python, folder)


if __name__ == "__main__":
    main(sys.argv[1:])
