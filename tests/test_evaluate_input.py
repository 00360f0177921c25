"""What an evaluation takes and what it refuses, in Python and on the command line."""

from pathlib import Path

import numpy as np
import pytest
from face_sets import write
from small_evaluation import SMALL
from toy_methods import listing

from inpaintx import InpaintxError, evaluate
from inpaintx.cli import run
from inpaintx.evaluation.protocol import expand_masks

BAD = {
    "no such method": ({"methods": ["tela"]}, "unknown method 'tela'; did you mean 'telea'"),
    "no methods": ({"methods": []}, "no methods are named"),
    "a label twice": ({"methods": ["dice", "dice"]}, "'dice' is in the list of methods twice"),
    "a bad label": ({"methods": ["a/b=dice"]}, "cannot be a label"),
    "no such baseline": ({"baseline": "ns"}, "baseline 'ns' is not among the methods: mean_colour, dice"),
    "no such set": ({"data": "nowhere"}, "nowhere"),
    "an empty folder": ({"data": "empty"}, "empty"),
    "no such split": ({"split": "exam"}, "split must be train, val or test, got 'exam'"),
    "no such masks": ({"masks": ["centr"]}, "did you mean 'center'"),
    "no masks": ({"masks": []}, "no masks are named"),
    "masks twice": ({"masks": ["centre", "centre"]}, "'centre' are named twice"),
    "masks that do not fit": ({"masks": ["bins:centre:side=0.9"]}, "no masks are left"),
    "masks that are empty": ({"masks": ["nothing"]}, "nothing"),
    "masks of the set": ({"masks": ["own"]}, "no masks of its own"),
    "small": ({"size": 8}, "8 pixels a side are too small"),
    "limit": ({"limit": 0}, "limit must be 1 or more, got 0"),
    "samples": ({"samples": 0}, "samples must be 1 or more, got 0"),
    "batch": ({"batch_size": 0}, "batch_size must be 1 or more, got 0"),
    "seed": ({"seed": -1}, "seed must be 0 or more"),
    "workers": ({"workers": 0}, "workers must be 1 or more"),
    "weights of another": ({"weights": {"telea": "x"}}, "weights for 'telea', which is not in the list"),
    "no weights": ({"weights": {"dice": "x.safetensors"}}, "x.safetensors"),
    "no blend": ({"blends": {"dice": "alpha"}}, "blend of 'dice' must be none, poisson, poisson_interior, got 'alpha'"),
    "blend of another": ({"blends": {"telea": "none"}}, "a blend for 'telea', which is not in the list"),
    "no preset": ({"presets": {"dice": "huge"}}, "no preset 'huge'"),
    "the result exists": ({"out": "taken"}, "taken exists already"),
    "nowhere to write": ({"out": "missing/out"}, "missing for the result does not exist"),
    "no device": ({"device": "gpu"}, "unknown device 'gpu'"),
    "no features": ({"features": "error"}, "vgg16-397923af.pth"),
}


@pytest.mark.usefixtures("toys")
@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_refused_and_leaves_nothing(name, five_faces, tmp_path):
    for folder in ("empty", "nothing", "taken"):
        (tmp_path / folder).mkdir()
    write(tmp_path / "nothing" / "m.png", np.zeros((32, 32), np.uint8))
    before = listing(tmp_path)
    change, words = BAD[name]
    options = {"data": five_faces, "methods": ["dice"], "out": "out", **SMALL, **change}
    with pytest.raises(InpaintxError, match=words):
        evaluate(options.pop("data"), options.pop("methods"), options.pop("out"), **options)
    assert listing(tmp_path) == before
    assert not (tmp_path / "out").exists()


def test_kinds_of_holes(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("some/masks").mkdir(parents=True)
    specs = [
        g.spec for g in expand_masks(["bins:strokes:most=2+box", "some/masks", "some/masks:ratio=0.1-0.2", "walk"])
    ]
    assert specs[0] == "strokes:most=2,ratio=0.01-0.1+box:ratio=0.01-0.1"
    assert specs[6] == "some/masks:ratio=0.01-0.1"
    assert specs[12:] == ["some/masks:ratio=0.1-0.2", "walk"]
    names = [g.name for g in expand_masks(["some/masks:polarity=black", "discard"])]
    assert names[1] == "masks:polarity=black 10-20%"
    assert names[6:] == ["discard 20%", "discard 40%", "discard 60%", "discard 80%"]


@pytest.mark.usefixtures("toys")
def test_command_line(five_faces, tmp_path, capfd):
    common = ["--size", "32", "--split", "all", "--masks", "centre", "--limit", "3", "-m", "dice,learned"]
    assert run(["evaluate", str(five_faces), *common, "-o", "out", "--baseline", "dice", "--no-gallery"]) == 0
    out, err = capfd.readouterr()
    assert "learned (untrained)" in out
    assert "table.md" in out
    assert "gallery" not in out
    assert err == ""
    assert "gallery.png" not in listing(tmp_path / "out")
    for arguments, words in (
        (["evaluate", str(five_faces), *common, "-o", "out"], "out exists already"),
        (
            ["evaluate", str(five_faces), *common, "-o", "x", "--actors", "2"],
            "--gpus-per-actor are of --ray",
        ),
        (["evaluate", str(five_faces), *common, "-o", "x", "--ray=there"], "--ray takes HOST:PORT or auto"),
        (
            ["evaluate", str(five_faces), *common, "-o", "x", "--weights", "w.safetensors"],
            "--weights takes LABEL=VALUE",
        ),
        (["evaluate", str(five_faces), "-o", "x"], "no methods are named"),
    ):
        assert run(arguments) == 2
        assert words in capfd.readouterr().err
