"""The comparison of benchmark runs: a planted slow-down fails and is named, noise alone does not."""

import copy
import importlib.util
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from inpaintx.benchmark import Seconds, _timed
from inpaintx.benchmark.__main__ import main

ROOT = Path(__file__).parents[1]
CASES = {
    "test_hard[256]": ("spd_map", {"copy": (2.0, 3.0), "loop": (0.01, None)}),
    "test_improved[256]": ("spd_map", {"copy": (9.0, None), "loop": (0.004, 0.008)}),
    "test_blend[64]": ("poisson", {"cv2": (0.2, 0.25)}),
    "test_growth": ("poisson", {"copy": (12.0, None)}),
}


@pytest.fixture
def report(tmp_path, monkeypatch):
    spec = importlib.util.spec_from_file_location("report", ROOT / "benchmarks" / "report.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "RESULTS", tmp_path)
    monkeypatch.setattr(module, "HERE", tmp_path)
    return module


def run(slow="", factor=1.0, noise=1.0, cpu="A", date="2000-01-01", rounds=20):
    """A run in which what ``slow`` names (a part of the case's name or the op) takes ``factor`` times as long, and the
    copies ``1 / noise`` times."""
    benchmarks = []
    for name, (op, peers) in CASES.items():
        scale = factor if slow and (slow in name or slow == op) else 1.0
        peers = {p: (r * noise if p == "copy" else r, g) for p, (r, g) in peers.items()}
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
        "rounds": rounds,
    }
    return {
        "machine_info": {"inpaintx": machine, "cpu": {"brand_raw": cpu}},
        "commit_info": {"id": "0123456789abcdef"},
        "datetime": f"{date}T00:00",
        "benchmarks": benchmarks,
    }


def compare(report, tmp_path, *now, baselines=None, arguments=()):
    for name, content in (baselines or {"cpu-base.json": run()}).items():
        (tmp_path / name).write_text(json.dumps(content))
    paths = [tmp_path / f"now-{i}.json" for i in range(len(now))]
    for path, content in zip(paths, now, strict=True):
        path.write_text(json.dumps(content))
    return report.main(["compare", *map(str, paths), *arguments])


def test_an_equal_run_passes(report, tmp_path, capsys):
    assert compare(report, tmp_path, run()) == 0
    assert "LOSS" not in capsys.readouterr().out


@pytest.mark.parametrize("slow", ["spd_map", "poisson", "test_improved"])
def test_a_slow_down_of_15_percent_fails_and_is_named(report, tmp_path, capsys, slow):
    assert compare(report, tmp_path, run(slow, 1.15)) == 1
    named = capsys.readouterr().err
    assert "poisson: single ratios lost 15% over 2 ratios" in named or slow != "poisson"
    assert "spd_map: test_improved lost 15%" in named or slow == "poisson"
    assert ("spd_map: test_hard lost" in named) == (slow == "spd_map")


def test_gains_and_small_losses_pass(report, tmp_path, capsys):
    assert compare(report, tmp_path, run("spd_map", 1.08)) == 0
    assert compare(report, tmp_path, run("poisson", 0.5)) == 0
    assert "gain" in capsys.readouterr().out


def test_one_uneven_peer_or_run_is_no_loss(report, tmp_path, capsys):
    assert compare(report, tmp_path, run(noise=1.18)) == 0
    assert compare(report, tmp_path, run(), run(noise=2), run()) == 0
    assert compare(report, tmp_path, run("spd_map", 1.15), run("spd_map", 1.15), run("spd_map", 1.2)) == 1
    assert "not in every run" not in capsys.readouterr().err
    assert compare(report, tmp_path, run("spd_map", 1.15), run("spd_map", 1.15, noise=0.5), run("spd_map", 1.15)) == 1
    assert "test_hard lost 15% over 2 ratios, but not in every run" in capsys.readouterr().err


def test_the_baseline_is_of_the_same_cpu_or_named_as_of_another(report, tmp_path, capsys):
    both = {"cpu-a.json": run(), "cpu-b.json": run("poisson", 2, cpu="B", date="2001-01-01")}
    assert compare(report, tmp_path, run(), baselines=both) == 0
    assert "another CPU" not in capsys.readouterr().err
    assert compare(report, tmp_path, run("poisson", 2, cpu="C"), baselines=both) == 0
    assert "another CPU (B, this one is C)" in capsys.readouterr().err
    assert compare(report, tmp_path, run("poisson", 2), arguments=["--baseline", str(tmp_path / "cpu-b.json")]) == 0


def test_runs_of_another_commit_serve_as_a_baseline_by_their_medians(report, tmp_path, capsys):
    then = [tmp_path / f"then-{i}.json" for i in range(3)]
    for path, factor in zip(then, (1, 9, 1), strict=True):
        path.write_text(json.dumps(run("poisson", factor)))
    arguments = ["--baseline", *map(str, then)]
    assert compare(report, tmp_path, run("poisson", 1.15), arguments=arguments) == 1
    assert "poisson: single ratios lost 15%" in capsys.readouterr().err
    assert compare(report, tmp_path, run("poisson", 1.08), arguments=arguments) == 0


def test_a_baseline_of_quick_runs_serves_quick_runs(report, tmp_path):
    runs = [run("poisson", factor, rounds=5, cpu="Some(R) CPU 7000 Processor") for factor in (0.8, 9, 0.8)]
    for i, content in enumerate(runs):
        (tmp_path / f"{i}.json").write_text(json.dumps(content))
    assert report.main(["baseline", *(str(tmp_path / f"{i}.json") for i in range(3))]) == 0
    assert [path.name for path in tmp_path.glob("quick-*.json")] == ["quick-some-7000-2000-01-01.json"]
    both = {"cpu-base.json": run(cpu="Some(R) CPU 7000 Processor", date="2001-01-01")}
    assert compare(report, tmp_path, runs[0], baselines=both) == 0
    slower = run("poisson", 0.8 * 1.15, rounds=5, cpu="Some(R) CPU 7000 Processor")
    assert compare(report, tmp_path, slower, baselines=both) == 1


def test_full_runs_are_held_against_full_ones_though_these_do_not_say_so(report, tmp_path):
    older = run()
    del older["machine_info"]["inpaintx"]["rounds"]
    both = {"cpu-a.json": older, "quick-a.json": run("poisson", 0.5, rounds=5, date="2001-01-01")}
    assert compare(report, tmp_path, run(), baselines=both) == 0
    assert compare(report, tmp_path, run(rounds=5), baselines=both) == 1


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
    assert "2 of 3 goals met" in text
    assert "pyamg" in text


def test_a_peer_elsewhere_tells_its_own_time():
    assert _timed(lambda: Seconds("1234.5"), lambda: None) == 1234.5
    assert _timed(lambda: 1234.5, lambda: None) < 1234.5


def test_the_table_of_a_gpu_run_names_the_peer_of_each_peak_of_memory(report, tmp_path):
    gpu = run()
    gpu["machine_info"]["inpaintx"]["gpu"] = "Some GPU"
    gpu["benchmarks"][0]["extra_info"]["memory"] = {"ours": 50, "plain ops": 100}
    gpu["benchmarks"][1]["extra_info"]["memory"] = {"ours": 0, "plain": 0}  # nothing was allocated
    (tmp_path / "run.json").write_text(json.dumps(gpu))
    assert report.main(["results", str(tmp_path / "run.json")]) == 0
    text = (tmp_path / "RESULTS.md").read_text()
    assert "GPU Some GPU" in text
    assert "(memory 0.50 of plain ops)" in text


BENCH = """
import time

import pytest


@pytest.mark.parametrize("size", [16])
def test_sum(versus, size):
    versus(lambda: None, {"sleep": lambda: time.sleep(0.002), "gone": None}, goal={"sleep": 0.5}, rounds=2, size=size)


def test_sleep(versus):
    versus(lambda: time.sleep(0.002), {"nothing": lambda: None}, goal={"nothing": 0.5}, rounds=2)


def test_own_clock(versus):
    ours = lambda: None
    clock = lambda function: 1.0 if function is ours else 2.0
    versus(ours, {"peer": lambda: None}, goal={"peer": 0.6}, rounds=2, timer=clock)
"""


@pytest.mark.parametrize("more", [[], ["--fail-missed-goals"]], ids=len)
def test_a_run_ends_with_its_goals(tmp_path, more):
    (tmp_path / "conftest.py").write_text('pytest_plugins = ["inpaintx.benchmark"]\n')
    (tmp_path / "bench_own.py").write_text(BENCH)
    file = tmp_path / "run.json"
    command = [sys.executable, "-m", "pytest", "bench_own.py", "--benchmark-only", "-p", "no:cacheprovider", "-q"]
    own = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}  # no worker of ours
    done = subprocess.run(
        [*command, f"--benchmark-json={file}", *more],
        cwd=tmp_path,
        env=own,
        capture_output=True,
        text=True,
        timeout=300,
    )
    missed = len(more) == 1
    assert done.returncode == missed, done.stdout + done.stderr
    assert re.search(r"test_sum\[16\] +\S+ ms +sleep +\S+ ms +0\.\d+ +0\.5 met", done.stdout)
    assert re.search(r"test_sleep +\S+ ms +nothing +\S+ ms +\d+\.\d+ +0\.5 MISSED", done.stdout)
    assert re.search(r"test_own_clock +\S+ \S+ +peer +\S+ \S+ +0\.5\d* +0\.6 met", done.stdout)
    assert "peers left out (not installed, or not used at a size): gone" in done.stdout
    if missed:
        assert main(["report", str(file), "-o", str(tmp_path / "table.md")]) == 0
        text = (tmp_path / "table.md").read_text()
        assert "## own" in text
        assert "- 2 of 3 goals met; faster than the peer in 2 of 3 comparisons" in text
        assert re.search(r"\| test_sleep \| \S+ ms \| nothing \| \S+ ms \| \S+ \| ≤ 0\.5 \| \*\*missed\*\* \|", text)


def test_what_is_no_run_is_named(tmp_path, capsys):
    assert main(["report", str(tmp_path / "none.json")]) == 2
    assert "none.json cannot be read: No such file" in capsys.readouterr().err
    (tmp_path / "other.json").write_text('{"benchmarks": []}')
    assert main(["report", str(tmp_path / "other.json")]) == 2
    assert "is not the JSON of a benchmark run" in capsys.readouterr().err
