"""Comparisons of methods: frozen lists, resumption, and what is refused."""

import csv
import io
import json
import sys
import types
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
import torch
import toy_methods
from face_sets import gray, picture, write
from rich.console import Console
from small_evaluation import NAMES, SMALL
from toy_methods import Dice, FakeEntryPoint, listing

import inpaintx
from inpaintx import InpaintxError, evaluate
from inpaintx.data.dataset import open_dataset
from inpaintx.data.sampler import parse_mask_spec
from inpaintx.evaluation.progress import bar
from inpaintx.evaluation.protocol import digest
from inpaintx.io.digest import sha256
from inpaintx.io.photo import read_photo
from inpaintx.plugin.metrics import metric_weights


@pytest.mark.usefixtures("toys")
def test_the_result_is_whole(five_faces, tmp_path):
    seen = []
    methods = ["telea", "dice", "learned"]
    result = evaluate(five_faces, methods, "out", **SMALL, progress=lambda *state: seen.append(state))
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
    assert table == result.table
    shown = result._repr_markdown_()
    assert shown.startswith(table)
    assert shown.count("](data:image/png;base64,") == 2
    rows = [line for line in table.splitlines() if line.startswith("| learned")]
    assert len(rows) == 1 + 6 + 1
    assert all(line.startswith("| learned **(untrained)** |") for line in rows)
    for name in ("results.json", "masks.json", "images.csv", "table.md", "table.csv", "table.tex"):
        assert str(tmp_path) not in (tmp_path / "out" / name).read_text()
    for path in result.pictures:
        assert read_photo(path).pixels.std() > 10


@pytest.mark.usefixtures("toys")
def test_progress_in_a_notebook_and_nowhere_else(five_faces, monkeypatch, capfd):
    module, seen = sys.modules["inpaintx.evaluation.job"], []
    evaluate(five_faces, ["telea"], "quiet", **SMALL)
    assert capfd.readouterr() == ("", "")
    monkeypatch.setattr(module, "in_notebook", lambda: True)
    monkeypatch.setattr(module, "bar", lambda: nullcontext(lambda *state: seen.append(state)))
    evaluate(five_faces, ["telea"], "told", **SMALL)
    assert seen[-1] == (2 * 5 * 3, 2 * 5 * 3, "telea")
    console = Console(file=io.StringIO(), force_terminal=True)
    with bar(console) as move:
        move(3, 4, "telea")
    assert "3/4" in console.file.getvalue()


@pytest.mark.usefixtures("toys")
def test_figures_are_those_of_the_fills(five_faces, tmp_path):
    result = evaluate(five_faces, ["telea"], "out", **SMALL)
    listed = json.loads((tmp_path / "out" / "masks.json").read_text())
    assert [p["name"] for p in listed["pictures"]] == NAMES
    with open(tmp_path / "out" / "images.csv") as file:
        rows = {(r["method"], r["group"], r["image"]): r for r in csv.DictReader(file)}
    assert len(rows) == 2 * 5 * 5
    psnr = []
    for number, name in enumerate(NAMES):
        hole = parse_mask_spec("discard:p=0.4", size=32)((0, number))
        assert listed["holes"][2][number] == {"ratio": hole.mean(), "sha256": digest(np.packbits(hole))}
        truth = open_dataset(five_faces, size=32)[number]["image"].permute(1, 2, 0).double().numpy() * 255
        fill = np.where(hole[..., None], truth[~hole].mean(0), truth)
        psnr.append(10 * np.log10(255**2 / ((fill - truth)[hole] ** 2).mean()))
        assert float(rows["telea", "discard 40%", name]["composite/hole/psnr"]) == pytest.approx(psnr[-1], abs=1e-3)
        assert float(rows["telea", "discard 40%", name]["hole_ratio"]) == pytest.approx(hole.mean(), abs=1e-4)
    assert result.mean("telea", "discard 40%", "psnr") == pytest.approx(np.mean(psnr), abs=1e-3)
    with pytest.raises(InpaintxError, match="no figure of"):
        result.mean("telea", "discard 40%", "psrn")


@pytest.mark.usefixtures("toys")
def test_random_features_never_pass_for_official_ones(five_faces):
    options = {**SMALL, "masks": ["centre"], "limit": 3, "features": "random"}
    whole = evaluate(five_faces, ["dice"], "whole", **options)
    pixels = {"psnr", "ssim", "mse", "mae", "sharpness"}
    assert {r["metric"] for r in whole.result["table"]} == pixels | {"fd_vgg16(random)"}
    assert whole.mean("dice", "centre", "fd_vgg16(random)", "full") > 0
    assert "random weights" in whole.result["protocol"]["features"]["fd_vgg16(random)"]


@pytest.mark.usefixtures("toys")
def test_a_stopped_evaluation_goes_on(five_faces, tmp_path, monkeypatch):
    whole = evaluate(five_faces, ["dice", "pasted"], "whole", **SMALL)
    calls = []
    fill = Dice.inpaint

    def stopping(self, net, image, mask, *, generator=None):
        calls.append(len(image))
        if len(calls) == 5:
            raise KeyboardInterrupt
        return fill(self, net, image, mask, generator=generator)

    monkeypatch.setattr(Dice, "inpaint", stopping)
    with pytest.raises(KeyboardInterrupt):
        evaluate(five_faces, ["dice", "pasted"], "out", **SMALL)
    assert not (tmp_path / "out").exists()
    kept = {p: p.stat().st_mtime_ns for p in (tmp_path / "out.unfinished").rglob("*.npz")}
    assert len(kept) == 5 * 3 + 3  # the floor, and of dice one call to warm up and three batches

    def failing(self, net, image, mask, *, generator=None):
        raise RuntimeError("no more")

    monkeypatch.setattr(Dice, "inpaint", failing)
    words = "'dice' failed on 'discard 60%', images a.png to b.png: no more"
    with pytest.raises(InpaintxError, match=words):
        evaluate(five_faces, ["dice", "pasted"], "out", **SMALL)
    assert {p: p.stat().st_mtime_ns for p in (tmp_path / "out.unfinished").rglob("*.npz")} == kept
    # without the method that fails, what is done of the others counts
    monkeypatch.setattr(toy_methods.Mean, "seen", [])
    done = []
    evaluate(five_faces, ["pasted"], "less", **SMALL, progress=lambda n, total, what: done.append(what))
    assert set(done) == {"mean_colour", "pasted"}
    monkeypatch.setattr(Dice, "inpaint", fill)
    assert evaluate(five_faces, ["dice", "pasted"], "out", **SMALL).result["table"] == whole.result["table"]
    assert not (tmp_path / "out.unfinished").exists()


@pytest.mark.usefixtures("toys")
def test_pictures_that_change_meanwhile_are_noticed(five_faces, monkeypatch):
    fill = Dice.inpaint

    def stopping(self, net, image, mask, *, generator=None):
        write(five_faces / "e.png", picture(77))
        return fill(self, net, image, mask, generator=generator)

    monkeypatch.setattr(Dice, "inpaint", stopping)
    opened = inpaintx.evaluation.protocol.open_dataset
    forgetful = {"memory": 0}
    monkeypatch.setattr(inpaintx.evaluation.protocol, "open_dataset", lambda *a, **k: opened(*a, **k, **forgetful))
    with pytest.raises(InpaintxError, match=r"foreground of e\.png has changed"):
        evaluate(five_faces, ["dice"], "out", **SMALL)


@pytest.mark.usefixtures("toys")
def test_weights_and_presets_by_label(five_faces, tmp_path):
    method = inpaintx.plugin.registry.registry().method("learned")
    inpaintx.plugin.weights.save(
        Path("w.safetensors"),
        method,
        method.config(gain=2.0),
        method.build(method.config()),
        data="x",
        **dict.fromkeys("zyxwvu", ""),
    )
    result = evaluate(five_faces, ["learned", "mine=learned"], "out", **SMALL, weights={"mine": "w.safetensors"})
    records = {m["label"]: m for m in result.result["methods"]}
    assert records["mine"]["untrained"] is False
    assert records["mine"]["weights"] == "w.safetensors"
    assert records["mine"]["sha256"] == inpaintx.io.digest.sha256(Path("w.safetensors"))
    # in one order, whatever the file's: the record's digest names the folder that a stopped evaluation goes on from
    assert list(records["mine"]["metadata"]) == ["data", "inpaintx.method", *"uvwxyz"]
    assert records["mine"]["options"] == {"gain": 2.0}
    assert records["learned"]["untrained"] is True
    assert result.mean("mine", "centre", "psnr") != result.mean("learned", "centre", "psnr")


@pytest.mark.usefixtures("toys")
def test_blend_by_label(five_faces):
    """Seamless fills of a flat colour take the tone of their surroundings; what the method itself gives is the same."""
    result = evaluate(five_faces, ["dice", "joined=dice"], "out", **SMALL, blends={"joined": "poisson"})
    assert {m["label"]: m["blend"] for m in result.result["methods"]} == {
        "mean_colour": "none",
        "dice": "none",
        "joined": "poisson",
    }
    raw = [result.mean(m, "centre", "psnr", output="raw", region="full") for m in ("dice", "joined")]
    assert raw[0] == raw[1]
    assert result.mean("joined", "centre", "psnr") != result.mean("dice", "centre", "psnr")


@pytest.mark.usefixtures("toys")
def test_foreground_and_masks_of_the_set(five_faces):
    for n, name in enumerate(NAMES):
        inside = np.zeros((40, 40), bool)
        inside[:, 10 : 20 + n] = True
        write(five_faces / "images" / name, read_photo(five_faces / name).pixels)
        (five_faces / name).unlink()
        write(five_faces / "foreground" / name, gray(inside))
        write(five_faces / "masks" / name, gray(np.arange(1600).reshape(40, 40) % 40 > 30 - n))
    result = evaluate(five_faces, ["dice"], "out", **{**SMALL, "masks": ["own", "centre"]})
    regions = {(r["output"], r["region"]) for r in result.result["table"]}
    assert regions == {(o, r) for o in ("composite", "raw") for r in ("full", "hole", "foreground")}
    assert "## Foreground (files): centre" in result.table
    assert "No hole touches it." in result.table.partition("Foreground (files): own")[2]
    assert result.mean("dice", "centre", "mae", "foreground") > 0


@pytest.mark.usefixtures("toys")
def test_what_cannot_be_read_or_drawn_is_left_out_and_said(five_faces):
    (five_faces / "c.png").write_bytes(b"no picture")
    for n in range(8):
        hole = np.zeros((32, 32), bool)
        hole[: 4 + n % 2 * 6] = True
        write(Path("elsewhere/masks") / f"{n}.png", gray(hole))
    result = evaluate(five_faces, ["telea"], "out", **{**SMALL, "masks": ["elsewhere/masks"]})
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


def test_metrics_of_plugins(five_faces, monkeypatch):
    worst = plugin(worst=lambda result, truth, mask: ((result - truth).abs() * mask).amax((1, 2, 3)))
    toys = FakeEntryPoint("toys", sys.modules["toy_methods"])
    entries = [
        toys,
        FakeEntryPoint("one", worst),
        FakeEntryPoint("two", plugin(worst=len)),
        FakeEntryPoint("three", plugin(psnr=len)),
    ]
    registry = inpaintx.plugin.registry.Registry(entries)
    errors = {p.name: p.error for p in registry.plugins}
    assert errors["one"] is None
    assert "metric 'worst' is registered by both" in errors["two"]
    assert "metric 'psnr' is registered by both inpaintx itself" in errors["three"]
    monkeypatch.setattr(inpaintx.plugin.registry, "_registry", registry)
    result = evaluate(five_faces, ["dice"], "out", **SMALL)
    assert 0 < result.mean("dice", "centre", "worst", "full") <= 1
    assert "worst" in result.table

    def likeness(result, truth, mask):
        return 1 - (result - truth).abs().mean((1, 2, 3))

    likeness.higher_is_better = True
    entries = [toys, FakeEntryPoint("one", worst), FakeEntryPoint("two", plugin(likeness=likeness))]
    monkeypatch.setattr(inpaintx.plugin.registry, "_registry", inpaintx.plugin.registry.Registry(entries))
    result = evaluate(five_faces, ["dice", "telea"], "both", **SMALL)
    for name, arrow, latex_arrow, choose in (("worst", "↓", "down", min), ("likeness", "↑", "up", max)):
        assert result.result["higher_is_better"][name] is (arrow == "↑")
        assert f" {name} {arrow} |" in result.table
        block = Path("both/table.tex").read_text().split(rf"{name} $\{latex_arrow}arrow$")[1].splitlines()
        means = [result.mean(method["label"], "centre", name, "full") for method in result.result["methods"]]
        bold = [r"\textbf" in line.split(" & ")[2] for line in block[: len(means)]]
        assert bold == [mean == choose(means) for mean in means]

    for bad, words in (
        (lambda *_: torch.zeros(3, 3), r"one value an image, \[2\]"),
        (lambda *_: 1 / 0, "ZeroDivision"),
    ):
        entries = [toys, FakeEntryPoint("bad", plugin(bad=bad))]
        monkeypatch.setattr(inpaintx.plugin.registry, "_registry", inpaintx.plugin.registry.Registry(entries))
        with pytest.raises(InpaintxError, match=words):
            evaluate(five_faces, ["dice"], "bad", **SMALL)


@pytest.mark.parametrize(
    ("where", "words"),
    [
        ("weights.bin", ""),
        ("elsewhere.bin", r"metric 'rests' of plugin 'rests'.* failed in weight_file\(\): FileNotFoundError"),
        (7, r"metric 'rests' of .* failed in weight_file\(\): TypeError"),
    ],
)
def test_the_weight_file_of_a_metric_is_a_path_or_a_fault_of_its_plugin(tmp_path, monkeypatch, where, words):
    (tmp_path / "weights.bin").write_bytes(b"weights")
    path = str(tmp_path / where) if isinstance(where, str) else where

    def rests(result, truth, mask):
        return torch.zeros(len(result))

    rests.weight_file = lambda: path
    registry = inpaintx.plugin.registry.Registry([FakeEntryPoint("rests", plugin(rests=rests))])
    monkeypatch.setattr(inpaintx.plugin.registry, "_registry", registry)
    if words:
        with pytest.raises(InpaintxError, match=words):
            metric_weights(["rests"])
    else:
        assert metric_weights(["rests"]) == {"rests": f"weights.bin {sha256(tmp_path / where)}"}


def test_a_machine_without_a_metrics_plugin_says_so(monkeypatch):
    registry = inpaintx.plugin.registry.Registry([FakeEntryPoint("one", plugin(worst=len))])
    monkeypatch.setattr(inpaintx.plugin.registry, "_registry", registry)
    with pytest.raises(InpaintxError, match="there is no metric 'rests'; those of plugins are: worst"):
        metric_weights(["rests"])
