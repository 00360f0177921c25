"""The comparison of benchmark runs: a planted slow-down fails and is named."""

import copy
import importlib.util
import json
from pathlib import Path

import pytest

from inpaintx.benchmark import Seconds, _timed

ROOT = Path(__file__).parents[1]
CASES = {
    "test_hard[256]": ("spd_map", {"copy": (2.0, 3.0), "loop": (0.01, None)}),
    "test_blend[64]": ("poisson", {"cv2": (0.2, 0.25)}),
}


@pytest.fixture
def report(tmp_path, monkeypatch):
    spec = importlib.util.spec_from_file_location("report", ROOT / "benchmarks" / "report.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "RESULTS", tmp_path)
    monkeypatch.setattr(module, "HERE", tmp_path)
    return module


def run(slow_op=None, factor=1.0):
    benchmarks = []
    for name, (op, peers) in CASES.items():
        scale = factor if op == slow_op else 1.0
        info = {
            "op": op,
            "size": 65536 if op == "poisson" else 4096,
            "missing": ["pyamg"],
            "peers": {p: {"median": 1e-3, "ratio": r * scale, "goal": g} for p, (r, g) in peers.items()},
        }
        benchmarks.append({"name": name, "stats": {"median": 1e-3 * scale}, "extra_info": info})
    machine = {
        "build": {"cpu": "avx2", "compiler": "gcc"},
        "cores": 2,
        "load": [0.1],
        "gpu": None,
        "torch": "2",
        "python": "3",
        "peers": {"cv2": "5"},
        "malloc": "default",
    }
    return {
        "machine_info": {"inpaintx": machine},
        "commit_info": {"id": "0123456789abcdef"},
        "datetime": "2000-01-01T00:00",
        "benchmarks": benchmarks,
    }


def compare(report, tmp_path, now):
    for name, content in (("cpu-base.json", run()), ("now.json", now)):
        (tmp_path / name).write_text(json.dumps(content))
    return report.main(["compare", str(tmp_path / "now.json")])


def test_an_equal_run_passes(report, tmp_path, capsys):
    assert compare(report, tmp_path, run()) == 0
    assert "LOSS" not in capsys.readouterr().out


@pytest.mark.parametrize("op", ["spd_map", "poisson"])
def test_a_slow_down_of_15_percent_fails_and_is_named(report, tmp_path, capsys, op):
    assert compare(report, tmp_path, run(op, 1.15)) == 1
    assert capsys.readouterr().err.startswith(f"{op}: ")


def test_gains_and_small_losses_pass(report, tmp_path, capsys):
    assert compare(report, tmp_path, run("spd_map", 1.08)) == 0
    assert compare(report, tmp_path, run("poisson", 0.5)) == 0
    assert "gain" in capsys.readouterr().out


def test_runs_without_a_common_case_are_not_called_equal(report, tmp_path):
    other = copy.deepcopy(run())
    for benchmark in other["benchmarks"]:
        benchmark["name"] += "x"
    assert compare(report, tmp_path, other) == 2


def test_the_table_names_losses_and_missing_peers(report, tmp_path):
    (tmp_path / "run.json").write_text(json.dumps(run("poisson", 2)))
    assert report.main(["results", str(tmp_path / "run.json")]) == 0
    text = (tmp_path / "RESULTS.md").read_text()
    assert "**missed**" in text
    assert "1 of 2 met" in text
    assert "pyamg" in text


def test_a_peer_elsewhere_tells_its_own_time():
    assert _timed(lambda: Seconds("1234.5"), lambda: None) == 1234.5
    assert _timed(lambda: 1234.5, lambda: None) < 1234.5
