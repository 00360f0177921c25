"""Installing: what goes wrong is said in words; a third party's package is installed and used."""

import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import numpy as np
import pytest
import torch

import inpaintx
from inpaintx import _build

ROOT = Path(__file__).parents[1]


def setup_py(*arguments, without_torch=False, **env):
    code = "import runpy, sys; sys.argv = ['setup.py', *sys.argv[1:]]; "
    code += "sys.modules['torch'] = None; " * without_torch + "runpy.run_path('setup.py', run_name='__main__')"
    return subprocess.run(
        [sys.executable, "-c", code, *arguments], cwd=ROOT, env={**os.environ, **env}, capture_output=True, text=True
    )


def test_without_torch_the_build_says_what_to_run():
    done = setup_py("--version", without_torch=True)
    assert done.returncode == 1
    assert "pip install 'torch>=2.9'" in done.stderr
    assert "--no-build-isolation" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("words", ["inpaintx.build_info()", "inpaintx.ops.memory", "inpaintx.ops.hog_image"])
def test_whatever_is_asked_for_first_loads(words):
    code = f"import inpaintx; {words}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.stderr == ""


def test_force_cuda():
    if torch.version.cuda is None:
        done = setup_py("--version", FORCE_CUDA="1")
        assert done.returncode == 1
        assert "was built without CUDA" in done.stderr
    assert setup_py("--version", FORCE_CUDA="0").returncode == 0
    assert "FORCE_CUDA must be 0, 1 or unset, got 'yes'" in setup_py("--version", FORCE_CUDA="yes").stderr


def test_the_pinned_torch_of_isolated_builds_is_exact():
    requires = re.search(r"requires = \[(.*)\]", (ROOT / "pyproject.toml").read_text())[1]
    assert re.search(r'"torch==\d+\.\d+\.\d+"', requires)


@pytest.mark.parametrize(
    ("built", "running", "fits"),
    [
        ("2.13.0+cpu", "2.13.1+cu130", True),
        ("2.13.0", "2.12.0", False),
        ("2.9.1+cpu", "2.10.0+cpu", False),
    ],
)
def test_another_torch_is_refused_in_words(built, running, fits):
    if fits:
        _build.check_torch(built, running)
        return
    with pytest.raises(ImportError, match=re.escape(f"built against torch {built}, but torch {running}")) as error:
        _build.check_torch(built, running)
    assert "pip install --no-build-isolation" in str(error.value)


def test_another_torch_is_refused_before_the_library_is_loaded(tmp_path):
    package = tmp_path / "inpaintx"
    shutil.copytree(Path(inpaintx.__file__).parent, package, ignore=shutil.ignore_patterns("*.so", "__pycache__"))
    (package / "_build_stamp.json").write_text(json.dumps({**_build.stamp(), "torch": "2.8.0"}))
    done = subprocess.run([sys.executable, "-c", "import inpaintx"], cwd=tmp_path, capture_output=True, text=True)
    assert "was built against torch 2.8.0" in done.stderr
    (package / "_build_stamp.json").unlink()
    done = subprocess.run([sys.executable, "-c", "import inpaintx"], cwd=tmp_path, capture_output=True, text=True)
    assert "extension is not built" in done.stderr


def test_every_package_is_shipped():
    declared = set(re.findall(r'"((?:inpaintx|inpaintx_plugins)[\w.]*)",', (ROOT / "pyproject.toml").read_text()))
    folders = {p.parent.relative_to(ROOT) for top in ("inpaintx", "plugins") for p in (ROOT / top).rglob("__init__.py")}
    found = {".".join(f.parts).replace("plugins", "inpaintx_plugins") for f in folders}
    assert found <= declared


def test_build_info():
    info = inpaintx.build_info()
    assert info["torch"].split("+")[0].split(".")[:2] == torch.__version__.split("+")[0].split(".")[:2]
    assert {"compiler", "with_cuda", "commit", "cpu"} <= info.keys()


@pytest.fixture(scope="module")
def fresh(tmp_path_factory):
    """A new environment that sees this one's packages, with the example plugin installed by pip."""
    folder = tmp_path_factory.mktemp("third_party")
    source = shutil.copytree(ROOT / "docs" / "example_plugin", folder / "source")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder / "env"], check=True)
    python = folder / "env" / "bin" / "python"
    site = subprocess.check_output([python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], text=True)
    lender = f"import site; site.addsitedir({sysconfig.get_path('purelib')!r})\n"
    lender += f"{ROOT}\n"  # where the package is not installed, only built in place
    Path(site.strip(), "lender.pth").write_text(lender)
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "--no-build-isolation", "--no-deps", "--no-index", str(source)], check=True)
    return lambda *words: subprocess.run(
        [python, "-m", "inpaintx", *map(str, words)], cwd=folder, capture_output=True, text=True
    )


def test_the_example_plugin_is_listed(fresh):
    rows = json.loads(fresh("plugins", "--json").stdout)
    (row,) = [r for r in rows if r["name"] == "mean_colour"]
    assert row["package"] == "inpaintx-mean-colour"
    assert row["version"] == "0.1.0"
    assert row["methods"] == ["mean_colour"]
    assert row["error"] is None


@pytest.mark.parametrize("method", ["mean_colour", "small_unet"])
def test_the_example_plugin_keeps_the_contract(fresh, method):
    done = fresh("check", method)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_example_plugin_fills_a_hole(fresh, tmp_path):
    cv2 = pytest.importorskip("cv2")
    photo = np.full((40, 50, 3), (10, 100, 200), np.uint8)
    mask = np.zeros((40, 50), np.uint8)
    mask[10:20, 10:20] = 255
    photo[mask > 0] = 0
    cv2.imwrite(str(tmp_path / "photo.png"), photo)
    cv2.imwrite(str(tmp_path / "mask.png"), mask)
    done = fresh(
        "inpaint", tmp_path / "photo.png", tmp_path / "mask.png", "-o", tmp_path / "out.png", "-m", "mean_colour"
    )
    assert done.returncode == 0, done.stderr
    assert (cv2.imread(str(tmp_path / "out.png")) == (10, 100, 200)).all()


def in_a_new_process(code):
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_importing_inpaintx_loads_no_torch_until_a_name_is_used():
    code = """
import sys, inpaintx
print("torch" in sys.modules, "numpy" in sys.modules, inpaintx.__version__ > "", "inpaint" in dir(inpaintx))
inpaintx.inpaint
print("torch" in sys.modules, "lightning_fabric" in sys.modules)
"""
    assert in_a_new_process(code) == ["False", "False", "True", "True", "True", "False"]


def test_every_public_name_is_there_and_no_other():
    for name in inpaintx.__all__:
        assert getattr(inpaintx, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'fill_in'"):
        inpaintx.fill_in  # noqa: B018


def test_ops_are_registered_where_torch_is_loaded_first():
    assert in_a_new_process("import torch, inpaintx; print(torch.ops.inpaintx.hog)") == ["inpaintx.hog"]
    assert in_a_new_process("import inpaintx.ops, torch; print(torch.ops.inpaintx.hog)") == ["inpaintx.hog"]
