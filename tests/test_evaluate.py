"""Comparisons of methods: frozen lists, parts that merge to the whole, resumption, and what is refused."""

import csv
import json
import sys
import types
from pathlib import Path

import numpy as np
import pytest
import torch
import toy_methods
from face_sets import grey, picture, plain, write
from toy_methods import Dice, FakeEntryPoint, listing

import inpaintx
from inpaintx import InpaintxError, evaluate
from inpaintx.cli import run
from inpaintx.data.holes import open_holes
from inpaintx.data.photo import read_photo
from inpaintx.evaluate import merge
from inpaintx.evaluation.protocol import digest, expand_masks

SMALL = {"size": 32, "split": None, "batch": 2, "masks": ["centre", "discard"]}
NAMES = [f"{n}.png" for n in "abcde"]


@pytest.fixture
def faces(tmp_path, monkeypatch):
    """Five pictures of 40 x 40 in the folder ``faces``, and no official weights anywhere."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("INPAINTX_WEIGHTS", raising=False)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    return plain(tmp_path / "faces", NAMES)


@pytest.mark.usefixtures("toys")
def test_the_result_is_whole(faces, tmp_path):
    seen = []
    methods = ["telea", "dice", "learned"]
    result = evaluate(faces, methods, "out", **SMALL, progress=lambda *state: seen.append(state))
    assert seen[-1][:2] == (4 * 5 * 3, 4 * 5 * 3)  # 4 methods, 5 kinds of holes, 3 batches
    assert listing(tmp_path / "out") == sorted(result.result["files"])
    assert not list(tmp_path.glob("*.unfinished")) + list(tmp_path.glob(".*.part"))

    stored = json.loads((tmp_path / "out" / "results.json").read_text())
    assert stored == json.loads(json.dumps(result.result))
    assert stored["baseline"] == "telea"
    labels = {m["label"]: m for m in stored["methods"]}
    assert list(labels) == ["mean_colour", *methods]
    assert [m["untrained"] for m in labels.values()] == [False, False, False, True]
    assert labels["learned"]["side"] == 64
    assert all(m["images_per_second"] > 0 for m in labels.values())
    # the toy "telea" is the mean colour too: equal figures, and differences of exactly nothing
    floor = [r for r in stored["table"] if r["method"] == "mean_colour"]
    for row in floor:
        assert row["difference"]["mean"] == row["difference"]["low"] == row["difference"]["high"] == 0
    assert result.mean("telea", "centre", "psnr") == result.mean("mean_colour", "centre", "psnr")
    assert {r["group"] for r in floor} >= {"centre", "discard 20%", "discard 80%", "discard, all"}

    table = (tmp_path / "out" / "table.md").read_text()
    assert table == result.table == result._repr_markdown_()
    rows = [line for line in table.splitlines() if line.startswith("| learned")]
    assert len(rows) == 1 + 6 + 1
    assert all(line.startswith("| learned **(untrained)** |") for line in rows)
    for name in ("results.json", "masks.json", "images.csv", "table.md"):
        assert str(tmp_path) not in (tmp_path / "out" / name).read_text()
    for path in result.pictures:
        assert read_photo(path).pixels.std() > 10


@pytest.mark.usefixtures("toys")
def test_figures_are_those_of_the_fills(faces, tmp_path):
    result = evaluate(faces, ["telea"], "out", **SMALL)
    listed = json.loads((tmp_path / "out" / "masks.json").read_text())
    assert [p["name"] for p in listed["pictures"]] == NAMES
    with open(tmp_path / "out" / "images.csv") as file:
        rows = {(r["method"], r["group"], r["image"]): r for r in csv.DictReader(file)}
    assert len(rows) == 2 * 5 * 5
    psnr = []
    for number, name in enumerate(NAMES):
        hole = open_holes("discard:p=0.4", size=32)((0, number))
        assert listed["holes"][2][number] == {"ratio": hole.mean(), "sha256": digest(np.packbits(hole))}
        truth = read_photo(faces / name).pixels
        truth = inpaintx.data.sets.open_set(faces, size=32)[number]["image"].permute(1, 2, 0).double().numpy() * 255
        fill = np.where(hole[..., None], truth[~hole].mean(0), truth)
        psnr.append(10 * np.log10(255**2 / ((fill - truth)[hole] ** 2).mean()))
        assert float(rows["telea", "discard 40%", name]["composite/hole/psnr"]) == pytest.approx(psnr[-1], abs=1e-3)
        assert float(rows["telea", "discard 40%", name]["hole_ratio"]) == pytest.approx(hole.mean(), abs=1e-4)
    assert result.mean("telea", "discard 40%", "psnr") == pytest.approx(np.mean(psnr), abs=1e-3)
    with pytest.raises(InpaintxError, match="no figure of"):
        result.mean("telea", "discard 40%", "psrn")


@pytest.mark.usefixtures("toys")
def test_parts_merge_to_the_same_numbers(faces, tmp_path):
    options = {**SMALL, "samples": 2}
    whole = evaluate(faces, ["dice", "learned"], "whole", **options)
    for i in (1, 2, 3):
        assert evaluate(faces, ["dice", "learned"], f"part{i}", **options, part=(i, 3)) is None
    with pytest.raises(InpaintxError, match="part 2/3 is missing"):
        merge(["part1", "part3"], "merged")
    merged = merge(["part3", "part1", "part2"], "merged")
    assert merged.result["table"] == whole.result["table"]
    assert merged.result["protocol"] == whole.result["protocol"]
    for name in ("images.csv", "masks.json", "gallery.png", "psnr_by_hole_ratio.png"):
        assert (tmp_path / "merged" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    assert whole.mean("dice", "centre", "diversity") > 5
    assert whole.mean("learned", "centre", "diversity") == 0

    evaluate(faces, ["dice"], "other", **options, part=(1, 2))
    evaluate(faces, ["dice", "learned"], "seed", **{**options, "seed": 1}, part=(2, 3))
    for parts, words in (
        (["part1", "other"], "records differ"),
        (["part1", "seed", "part3"], r"seed differ \(1 and 0\)"),
        (["part1", "faces"], "faces is no part of an evaluation"),
        ([], "nothing to merge"),
    ):
        with pytest.raises(InpaintxError, match=words):
            merge(parts, "bad")
    damaged = next((tmp_path / "part2" / "units").rglob("*.npz"))
    damaged.write_bytes(damaged.read_bytes()[:100])
    with pytest.raises(InpaintxError, match="is damaged"):
        merge(["part1", "part2", "part3"], "bad")
    (tmp_path / "part1" / "part.json").write_text("{}")
    with pytest.raises(InpaintxError, match="damaged or of another version"):
        merge(["part1", "part2", "part3"], "bad")
    assert not (tmp_path / "bad").exists()


@pytest.mark.usefixtures("toys")
def test_random_features_never_pass_for_official_ones(faces):
    options = {**SMALL, "masks": ["centre"], "limit": 3, "features": "random"}
    whole = evaluate(faces, ["dice"], "whole", **options)
    assert {r["metric"] for r in whole.result["table"]} == {"psnr", "ssim", "mse", "mae", "fd_vgg16(random)"}
    assert whole.mean("dice", "centre", "fd_vgg16(random)", "full") > 0
    assert "random weights" in whole.result["protocol"]["features"]["fd_vgg16(random)"]
    for i in (1, 2):
        evaluate(faces, ["dice"], f"part{i}", **options, part=(i, 2))
    assert merge(["part1", "part2"], "merged").result["table"] == whole.result["table"]


def test_workers_give_the_same_numbers(faces):
    options = {"size": 32, "split": None, "batch": 2, "masks": ["bins:strokes", "centre"], "seed": 3}
    alone = evaluate(faces, ["ns"], "alone", **options)
    seen = []
    shared = evaluate(faces, ["ns"], "shared", **options, workers=2, progress=lambda *s: seen.append(s))
    assert shared.result["table"] == alone.result["table"]
    assert seen[-1][:2] == (2 * 7 * 3, 2 * 7 * 3)
    with pytest.raises(InpaintxError, match="no figure"):
        shared.mean("tv", "centre", "psnr")


@pytest.mark.usefixtures("toys")
def test_a_stopped_evaluation_goes_on(faces, tmp_path, monkeypatch):
    whole = evaluate(faces, ["dice", "pasted"], "whole", **SMALL)
    calls = []
    fill = Dice.inpaint

    def stopping(self, net, image, mask, *, generator=None):
        calls.append(len(image))
        if len(calls) == 5:
            raise KeyboardInterrupt
        return fill(self, net, image, mask, generator=generator)

    monkeypatch.setattr(Dice, "inpaint", stopping)
    with pytest.raises(KeyboardInterrupt):
        evaluate(faces, ["dice", "pasted"], "out", **SMALL)
    assert not (tmp_path / "out").exists()
    kept = {p: p.stat().st_mtime_ns for p in (tmp_path / "out.unfinished").rglob("*.npz")}
    assert len(kept) == 5 * 3 + 3  # the floor, and of dice one call to warm up and three batches
    with pytest.raises(InpaintxError, match=r"out.unfinished is no part.*not finished"):
        merge(["out.unfinished"], "merged")

    def failing(self, net, image, mask, *, generator=None):
        raise RuntimeError("no more")

    monkeypatch.setattr(Dice, "inpaint", failing)
    words = "'dice' failed on 'discard 20%', images a.png to b.png: no more"
    with pytest.raises(InpaintxError, match=words):
        evaluate(faces, ["dice", "pasted"], "out", **SMALL)
    assert {p: p.stat().st_mtime_ns for p in (tmp_path / "out.unfinished").rglob("*.npz")} == kept
    # without the method that fails, what is done of the others counts
    monkeypatch.setattr(toy_methods.Mean, "seen", [])
    done = []
    evaluate(faces, ["pasted"], "less", **SMALL, progress=lambda n, total, what: done.append(what))
    assert set(done) == {"mean_colour", "pasted"}
    monkeypatch.setattr(Dice, "inpaint", fill)
    assert evaluate(faces, ["dice", "pasted"], "out", **SMALL).result["table"] == whole.result["table"]
    assert not (tmp_path / "out.unfinished").exists()


@pytest.mark.usefixtures("toys")
def test_pictures_that_change_meanwhile_are_noticed(faces, monkeypatch):
    fill = Dice.inpaint

    def stopping(self, net, image, mask, *, generator=None):
        write(faces / "e.png", picture(77))
        return fill(self, net, image, mask, generator=generator)

    monkeypatch.setattr(Dice, "inpaint", stopping)
    opened = inpaintx.evaluation.protocol.open_set
    forgetful = {"memory": 0}
    monkeypatch.setattr(inpaintx.evaluation.protocol, "open_set", lambda *a, **k: opened(*a, **k, **forgetful))
    with pytest.raises(InpaintxError, match=r"foreground of e\.png has changed"):
        evaluate(faces, ["dice"], "out", **SMALL)


@pytest.mark.usefixtures("toys")
def test_weights_and_presets_by_label(faces, tmp_path):
    method = inpaintx.registry.registry().method("learned")
    inpaintx.weights.save(
        Path("w.safetensors"), method, method.config(gain=2.0), method.build(method.config()), data="x"
    )
    result = evaluate(faces, ["learned", "mine=learned"], "out", **SMALL, weights={"mine": "w.safetensors"})
    records = {m["label"]: m for m in result.result["methods"]}
    assert records["mine"]["untrained"] is False
    assert records["mine"]["weights"] == "w.safetensors"
    assert records["mine"]["sha256"] == inpaintx.weights.sha256(Path("w.safetensors"))
    assert records["mine"]["metadata"] == {"inpaintx.method": "learned", "data": "x"}
    assert records["mine"]["options"] == {"gain": 2.0}
    assert records["learned"]["untrained"] is True
    assert result.mean("mine", "centre", "psnr") != result.mean("learned", "centre", "psnr")


@pytest.mark.usefixtures("toys")
def test_foreground_and_masks_of_the_set(faces):
    for n, name in enumerate(NAMES):
        inside = np.zeros((40, 40), bool)
        inside[:, 10 : 20 + n] = True
        write(faces / "images" / name, read_photo(faces / name).pixels)
        (faces / name).unlink()
        write(faces / "foreground" / name, grey(inside))
        write(faces / "masks" / name, grey(np.arange(1600).reshape(40, 40) % 40 > 30 - n))
    result = evaluate(faces, ["dice"], "out", **{**SMALL, "masks": ["own", "centre"]})
    regions = {(r["output"], r["region"]) for r in result.result["table"]}
    assert regions == {(o, r) for o in ("composite", "raw") for r in ("full", "hole", "foreground")}
    assert "## Foreground (files): centre" in result.table
    assert "No hole touches it." in result.table.partition("Foreground (files): own")[2]
    assert result.mean("dice", "centre", "mae", "foreground") > 0


@pytest.mark.usefixtures("toys")
def test_what_cannot_be_read_or_drawn_is_left_out_and_said(faces):
    (faces / "c.png").write_bytes(b"no picture")
    for n in range(8):
        hole = np.zeros((32, 32), bool)
        hole[: 4 + n % 2 * 6] = True
        write(Path("elsewhere/masks") / f"{n}.png", grey(hole))
    result = evaluate(faces, ["telea"], "out", **{**SMALL, "masks": ["elsewhere/masks"]})
    assert result.result["protocol"]["images"] == 4
    groups = [g["name"] for g in result.result["protocol"]["groups"]]
    assert groups == ["masks 10-20%", "masks 30-40%"]
    notes = "\n".join(result.result["protocol"]["notes"])
    assert "left out:" in notes
    assert "c.png" in notes
    assert "0.2-0.3" in notes
    assert "elsewhere" not in json.dumps(result.result)


def plugin(**functions):
    module = types.ModuleType("metrics_plugin")

    @inpaintx.hookimpl
    def inpaintx_register_metrics(register):
        for name, function in functions.items():
            register(name, function)

    module.inpaintx_register_metrics = inpaintx_register_metrics
    return module


def test_metrics_of_plugins(faces, monkeypatch):
    worst = plugin(worst=lambda result, truth, mask: ((result - truth).abs() * mask).amax((1, 2, 3)))
    toys = FakeEntryPoint("toys", sys.modules["toy_methods"])
    entries = [
        toys,
        FakeEntryPoint("one", worst),
        FakeEntryPoint("two", plugin(worst=len)),
        FakeEntryPoint("three", plugin(psnr=len)),
    ]
    registry = inpaintx.registry.Registry(entries)
    errors = {p.name: p.error for p in registry.plugins}
    assert errors["one"] is None
    assert "metric 'worst' is registered by both" in errors["two"]
    assert "metric 'psnr' is registered by both inpaintx itself" in errors["three"]
    monkeypatch.setattr(inpaintx.registry, "_registry", registry)
    result = evaluate(faces, ["dice"], "out", **SMALL)
    assert 0 < result.mean("dice", "centre", "worst", "full") <= 1
    assert "worst" in result.table

    for bad, words in (
        (lambda *_: torch.zeros(3, 3), r"one value an image, \[2\]"),
        (lambda *_: 1 / 0, "ZeroDivision"),
    ):
        entries = [toys, FakeEntryPoint("bad", plugin(bad=bad))]
        monkeypatch.setattr(inpaintx.registry, "_registry", inpaintx.registry.Registry(entries))
        with pytest.raises(InpaintxError, match=words):
            evaluate(faces, ["dice"], "bad", **SMALL)


BAD = {
    "no such method": ({"methods": ["tela"]}, "unknown method 'tela'; did you mean 'telea'"),
    "no methods": ({"methods": []}, "no methods are named"),
    "a label twice": ({"methods": ["dice", "dice"]}, "'dice' is in the list of methods twice"),
    "a bad label": ({"methods": ["a/b=dice"]}, "cannot be a label"),
    "no such baseline": ({"baseline": "ns"}, "baseline 'ns' is not among the methods: mean_colour, dice"),
    "no such set": ({"data": "nowhere"}, "nowhere"),
    "an empty folder": ({"data": "empty"}, "empty"),
    "no such split": ({"split": "exam"}, "split must be train, val or test, got 'exam'"),
    "no such masks": ({"masks": ["center"]}, "did you mean 'centre'"),
    "no masks": ({"masks": []}, "no masks are named"),
    "masks twice": ({"masks": ["centre", "centre"]}, "'centre' are named twice"),
    "masks that do not fit": ({"masks": ["bins:centre:side=0.9"]}, "no masks are left"),
    "masks that are empty": ({"masks": ["nothing"]}, "nothing"),
    "masks of the set": ({"masks": ["own"]}, "no masks of its own"),
    "small": ({"size": 8}, "8 pixels a side are too small"),
    "limit": ({"limit": 0}, "limit must be 1 or more, got 0"),
    "samples": ({"samples": 0}, "samples must be 1 or more, got 0"),
    "batch": ({"batch": 0}, "batch must be 1 or more, got 0"),
    "seed": ({"seed": -1}, "seed must be 0 or more"),
    "workers": ({"workers": 0}, "workers must be 1 or more"),
    "part": ({"part": (4, 3)}, "part must be I/N with 1 <= I <= N, got 4/3"),
    "weights of another": ({"weights": {"telea": "x"}}, "weights for 'telea', which is not in the list"),
    "no weights": ({"weights": {"dice": "x.safetensors"}}, "x.safetensors"),
    "no preset": ({"presets": {"dice": "huge"}}, "no preset 'huge'"),
    "the result exists": ({"out": "taken"}, "taken exists already"),
    "nowhere to write": ({"out": "missing/out"}, "missing for the result does not exist"),
    "no device": ({"device": "gpu"}, "unknown device 'gpu'"),
    "no features": ({"features": "error"}, "vgg16-397923af.pth"),
}


@pytest.mark.usefixtures("toys")
@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_refused_and_leaves_nothing(name, faces, tmp_path):
    for folder in ("empty", "nothing", "taken"):
        (tmp_path / folder).mkdir()
    write(tmp_path / "nothing" / "m.png", np.zeros((32, 32), np.uint8))
    before = listing(tmp_path)
    change, words = BAD[name]
    options = {"data": faces, "methods": ["dice"], "out": "out", **SMALL, **change}
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
def test_command_line(faces, tmp_path, capfd):
    common = ["--size", "32", "--split", "all", "--masks", "centre", "--limit", "3", "-m", "dice,learned"]
    assert run(["evaluate", str(faces), *common, "-o", "out", "--baseline", "dice", "--no-gallery"]) == 0
    out, err = capfd.readouterr()
    assert "learned (untrained)" in out
    assert "table.md" in out
    assert "gallery" not in out
    assert err == ""
    assert "gallery.png" not in listing(tmp_path / "out")
    for i in (1, 2):
        assert run(["evaluate", str(faces), *common, "--batch", "1", "--part", f"{i}/2", "-o", f"p{i}"]) == 0
        assert f"part {i}/2 is in p{i}" in capfd.readouterr().out
    assert run(["evaluate", "--merge", "p1", "p2", "-o", "merged"]) == 0
    assert "whose terms hold for it" in capfd.readouterr().out
    for arguments, words in (
        (["evaluate", str(faces), *common, "-o", "out"], "out exists already"),
        (["evaluate", "a", "b", *common, "-o", "x"], "one set of faces"),
        (["evaluate", str(faces), *common, "-o", "x", "--part", "2"], "--part takes I/N"),
        (["evaluate", str(faces), *common, "-o", "x", "--weights", "w.safetensors"], "--weights takes LABEL=VALUE"),
        (["evaluate", str(faces), "-o", "x"], "no methods are named"),
    ):
        assert run(arguments) == 2
        assert words in capfd.readouterr().err
