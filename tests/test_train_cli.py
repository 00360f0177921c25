"""``inpaintx train`` and ``inpaintx export`` as a user calls them."""

import json

import numpy as np
import pytest
import torch
from face_sets import plain
from safetensors import safe_open
from safetensors.torch import load_file
from toy_methods import box
from toy_training import weights

from inpaintx.cli import run
from inpaintx.io.digest import sha256
from inpaintx.io.photo import read_photo, write_photo

pytestmark = pytest.mark.usefixtures("toy")
COMMON = ["--device", "cpu", "--set", "val_images=2", "--set", "workers=0"]


def train(faces, out, *more):
    return run(["train", "toy", str(faces), "-o", str(out), *COMMON, *map(str, more)])


@pytest.fixture
def done(toy_faces, tmp_path, capsys):
    more = ["--preset", "tiny", "--set", "ema=0.5", "--set", "checkpoint_every=2", "--set", "run.seed=3"]
    assert train(toy_faces, tmp_path / "run", *more) == 0
    return tmp_path / "run"


def test_train_says_what_it_does(done, capsys):
    record = json.loads((done / "config.json").read_text())
    assert record["preset"] == "tiny"
    assert record["config"]["steps"] == 4
    assert record["train"]["seed"] == 3
    assert (done / "checkpoints" / "step-00000004" / "state.pt").is_file()


def test_train_words(toy_faces, tmp_path, capsys):
    assert train(toy_faces, tmp_path / "run", "--steps", 2) == 0
    words = capsys.readouterr().out
    assert "vgg=random: results are not comparable" in words
    assert "step 2/2" in words
    assert "images/s" in words
    assert "2 steps; the best hole/psnr is" in words


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ([], "exists; resume the run in it (--resume)"),
        (["--resume", "--set", "lr=1"], "was made with lr=0.01 and cannot go on with lr=1.0"),
        (["--resume", "--set", "lr"], "--set takes KEY=VALUE"),
        (["--resume", "--device", "cuda:99"], "cuda:99"),
    ],
)
def test_bad_input_is_one_sentence(done, toy_faces, capsys, more, words):
    capsys.readouterr()
    assert train(toy_faces, done, *more) == 2
    said = capsys.readouterr().err
    assert words in said
    assert said.count("\n") == 1


def test_no_such_data(tmp_path, capsys):
    assert train(tmp_path / "nothing", tmp_path / "run") == 2
    assert str(tmp_path / "nothing") in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def export(*arguments):
    return run(["export", *map(str, arguments)])


def test_export_and_inpaint(done, tmp_path, capsys):
    out = tmp_path / "w.safetensors"
    assert export(done, "-o", out, "--which", "last", "--license", "research only") == 0
    said = capsys.readouterr().out
    assert f"SHA-256 {sha256(out)}" in said
    with safe_open(out, "pt") as file:
        metadata = file.metadata()
    assert metadata["inpaintx.method"] == "toy"
    assert json.loads(metadata["inpaintx.config"])["batch_size"] == 4
    expected = {"preset": "tiny", "steps": "4", "seed": "3", "license": "research only"}
    assert {key: metadata[key] for key in expected} == expected
    assert metadata["data"] == "faces (folder, 10 images of split 'train')"
    assert metadata["hardware"].startswith("CPU, ")
    assert json.loads(metadata["frozen"]) == {"vgg": "random"}
    assert json.loads(metadata["validation"])["metrics"]["hole/psnr"] > 0
    assert str(tmp_path) not in str(metadata)
    averaged = {k[4:]: v for k, v in weights(done).items() if k.startswith("ema.")}
    assert all(bool((load_file(out)[key] == value).all()) for key, value in averaged.items())

    photo = plain(tmp_path / "photos", ["p.png"], 40) / "p.png"
    hole = box(40, 40)
    write_photo(tmp_path / "m.png", np.where(hole, 255, 0).astype(np.uint8))
    command = ["inpaint", photo, tmp_path / "m.png", "-o", tmp_path / "o.png", "-m", "toy", "--weights", out]
    assert run(list(map(str, command))) == 0
    before, after = read_photo(photo).pixels, read_photo(tmp_path / "o.png").pixels
    assert (before[~hole] == after[~hole]).all()
    assert (before[hole] != after[hole]).any()


def test_export_of_a_graph_and_a_card(done, tmp_path, capsys):
    out, graph, card = tmp_path / "w.safetensors", tmp_path / "net.pt2", tmp_path / "README.md"
    assert export(done, "-o", out, "--torch-export", graph, "--card", card, "--license", "free") == 0
    assert "differs from eager by" in capsys.readouterr().out
    files = {"README.md": ""}
    torch.export.load(graph, extra_files=files)
    assert [files[key] for key in ("inpaintx.method", "license", "steps")] == ["toy", "free", "4"]
    assert sha256(out) in card.read_text()
    assert str(tmp_path).encode() not in graph.read_bytes()


def test_export_of_the_last_weights_in_half_the_room(done, tmp_path):
    assert export(done, "-o", tmp_path / "h.safetensors", "--half", "--no-average", "--which", "last") == 0
    stored, whole = load_file(tmp_path / "h.safetensors"), weights(done)
    assert str(stored["last.weight"].dtype) == "torch.float16"
    assert bool((stored["last.weight"] == whole["net.last.weight"].half()).all())


def test_export_of_weights_part_of_the_way_from_the_start(done, toy_faces, tmp_path, capsys):
    first, other = tmp_path / "first.safetensors", tmp_path / "other.safetensors"
    assert export(done, "-o", first) == export(done, "-o", other, "--no-average", "--which", "last") == 0
    assert train(toy_faces, tmp_path / "further", "--steps", 3, "--set", f"init={first}") == 0
    whole, between = tmp_path / "whole.safetensors", tmp_path / "between.safetensors"
    assert export(tmp_path / "further", "-o", whole) == 0
    capsys.readouterr()
    assert export(tmp_path / "further", "-o", between, "--start", first, "--share", 0.25) == 0
    assert "0.25 of the way from first.safetensors, SHA-256" in capsys.readouterr().out
    with safe_open(between, "pt") as file:
        assert json.loads(file.metadata()["validation"])["metrics"] == {}
    a, b, mixed = (load_file(path) for path in (first, whole, between))
    assert any(not a[name].equal(b[name]) for name in a)
    for name, value in mixed.items():
        if value.is_floating_point():
            assert value.allclose(0.75 * a[name] + 0.25 * b[name], atol=1e-6)
    for words, more in (
        ("and not from other.safetensors", ("--start", other)),
        ("needs the start", ("--share", 0.5)),
        ("must be 0 to 1", ("--start", first, "--share", 2)),
    ):
        assert export(tmp_path / "further", "-o", tmp_path / "x.safetensors", *more) == 2
        assert words in capsys.readouterr().err
    assert not (tmp_path / "x.safetensors").exists()


def test_export_refuses(done, tmp_path, capsys):
    out = tmp_path / "w.safetensors"
    out.write_text("mine")
    assert export(done, "-o", out) == 2
    assert out.read_text() == "mine"
    assert "exists" in capsys.readouterr().err
    assert export(done, "-o", tmp_path / "w.pt") == 2
    assert ".safetensors" in capsys.readouterr().err
    assert export(tmp_path, "-o", tmp_path / "x.safetensors") == 2
    assert "not the folder of a run" in capsys.readouterr().err
    assert export(done, "-o", tmp_path / "none" / "x.safetensors") == 2
    assert "does not exist" in capsys.readouterr().err
