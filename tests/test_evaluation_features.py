"""Distances in the features of a VGG16 that a file brings, and sharpness, among the figures of an evaluation."""

import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from small_evaluation import NAMES, SMALL
from vgg_files import vgg_file

from inpaintx.cli import run
from inpaintx.data.dataset import open_dataset
from inpaintx.data.sampler import parse_mask_spec
from inpaintx.errors import InpaintxError
from inpaintx.evaluation.features import Networks
from inpaintx.evaluation.frechet import frechet_distance
from inpaintx.evaluation.job import evaluate
from inpaintx.io.digest import sha256
from inpaintx.nn.distance import EMBEDDING, FeatureDistance
from inpaintx.nn.metrics import sharpness

pytestmark = pytest.mark.usefixtures("toys", "five_faces")


@pytest.fixture(scope="module")
def features(tmp_path_factory):
    return vgg_file(tmp_path_factory.mktemp("vgg") / "drawn.safetensors")


def fills(masks):
    """Images, holes and the mean colour's fills of the five faces, by kind of hole."""
    faces = open_dataset("faces", size=32)
    image = torch.stack([faces[number]["image"] for number in range(len(NAMES))])
    for spec in masks:
        draw = parse_mask_spec(spec, size=32)
        hole = torch.stack([torch.from_numpy(draw((0, number)))[None] for number in range(len(NAMES))])
        colours = [one[:, ~m[0]].double().mean(1) for one, m in zip(image, hole, strict=True)]
        yield image, hole, torch.where(hole, torch.stack(colours)[..., None, None].float(), image)


def test_figures_are_those_of_the_fills(features):
    result = evaluate("faces", ["telea"], "out", **SMALL | {"masks": ["centre", "discard:p=0.4"]}, vgg=features)
    names = {"distance_vgg16(drawn)", "fd_vgg16(drawn)"}
    told = result.result["protocol"]["features"]
    assert set(told) == names
    assert all(f"file:drawn.safetensors@{sha256(features)[:8]}" in words for words in told.values())
    assert any("fd_vgg16(drawn) is reported instead, which is not comparable" in n for n in _notes(result))
    net = FeatureDistance(features, embedding=True)
    groups = [g for g in dict.fromkeys(r["group"] for r in result.result["table"]) if not g.endswith("all")]
    for group, (image, hole, fill) in zip(groups, fills(["centre", "discard:p=0.4"]), strict=True):
        expected = {
            ("distance_vgg16(drawn)", "full"): net(fill, image).mean().item(),
            ("sharpness", "hole"): sharpness(fill, image, hole).mean().item(),
            ("fd_vgg16(drawn)", "full"): frechet_distance(
                *(net.maps(x)[EMBEDDING].mean((2, 3)).numpy() for x in (fill, image))
            ),
        }
        for (metric, region), value in expected.items():
            assert result.mean("mean_colour", group, metric, region) == pytest.approx(value, rel=1e-3)
        assert result.mean("telea", group, "distance_vgg16(drawn)", "full") > 0
    assert " sharpness →1 |" in result.table
    assert " distance_vgg16(drawn) ↓ |" in result.table


def _notes(result):
    return result.result["protocol"]["notes"]


def test_the_sharpness_nearest_to_one_is_best(tmp_path):
    result = evaluate("faces", ["telea", "dice"], "out", **SMALL | {"masks": ["centre"]})
    assert result.result["higher_is_better"]["sharpness"] is None
    block = (tmp_path / "out" / "table.tex").read_text().split(r"sharpness $\to 1$")[1].splitlines()
    trained = [m for m in result.result["methods"] if not m["untrained"]]
    gaps = [abs(result.mean(m["label"], "centre", "sharpness", "hole") - 1) for m in trained]
    bold = [r"\textbf" in line for line in block[: len(result.result["methods"])]]
    assert bold.index(True) == int(np.argmin(gaps))


def test_a_flat_truth_has_no_sharpness():
    Image.new("RGB", (40, 40), (90, 60, 30)).save("faces/a.png")
    result = evaluate("faces", ["telea"], "out", **SMALL | {"masks": ["centre"]})
    (row,) = (r for r in result.result["table"] if (r["method"], r["metric"]) == ("telea", "sharpness"))
    assert row["estimate"]["count"] == len(NAMES) - 1
    assert row["estimate"]["mean"] < 2


def test_each_of_several_samples_has_a_distance(features):
    two = evaluate("faces", ["dice"], "two", **SMALL | {"masks": ["centre"]}, samples=2, vgg=features)
    one = evaluate("faces", ["dice"], "one", **SMALL | {"masks": ["centre"]}, vgg=features)
    distance = "distance_vgg16(drawn)"
    assert two.mean("dice", "centre", distance, "full") != one.mean("dice", "centre", distance, "full")
    sets = "fd_vgg16(drawn)"  # of the first sample
    assert two.mean("dice", "centre", sets, "full") == one.mean("dice", "centre", sets, "full")


@pytest.mark.skipif(sys.platform != "linux", reason="other systems take no such name")
def test_a_file_of_an_odd_name(features):
    torch.save(load_file(features), "odd.pth")
    Path("odd.pth").rename(os.fsdecode(b"a|\xff.pth"))
    result = evaluate("faces", ["telea"], "out", **SMALL | {"masks": ["centre"]}, vgg=os.fsdecode(b"a|\xff.pth"))
    assert result.mean("telea", "centre", r"distance_vgg16(a|\xff)", "full") > 0
    assert r" distance_vgg16(a\|\xff) ↓ |" in result.table


def test_other_features_are_another_evaluation(features, tmp_path):
    def stop(done, total, what):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        evaluate("faces", ["dice"], "out", **SMALL, vgg=features, progress=stop)
    other = vgg_file(tmp_path / "drawn.safetensors", seed=1)
    result = evaluate("faces", ["dice"], "out", **SMALL, vgg=other)
    assert json.dumps(result.result).count(sha256(other)[:8]) == 2
    plain = evaluate("faces", ["dice"], "plain", **SMALL | {"masks": ["centre"]})
    assert not [r for r in plain.result["table"] if "vgg16" in r["metric"]]


def test_a_file_that_is_not_there_or_no_vgg(tmp_path, capfd):
    command = "evaluate faces -o out -m telea --size 32 --split all --masks centre --vgg no/such.pth"
    assert run(command.split()) == 2
    assert "no weight file no/such.pth" in capfd.readouterr().err
    torch.save({"other": torch.zeros(1)}, "other.pth")
    with pytest.raises(InpaintxError, match=r"other.pth does not fit VGG: features.0.weight is missing"):
        Networks(vgg="other.pth")
    assert not list(tmp_path.glob("out*"))
