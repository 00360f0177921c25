"""A pytest plugin for benchmarks: ours and the peers interleaved in one process, and what they ran on in the JSON.

``pytest_plugins = ["inpaintx.benchmark"]`` in a conftest.py brings the fixtures; they need pytest-benchmark. A goal is
a ratio: ``versus(ours, peers, goal=...)`` runs each peer once before every round of ours, in turns from the first to
the last and back, so that all see the same load, and records in ``extra_info`` the median of the round-by-round ratios
ours / peer, and the goal beside it. The end of the session shows them; with ``--fail-missed-goals``, a goal that is
missed fails it. ``python -m inpaintx.benchmark report RUN.json`` makes tables of what ``--benchmark-json`` wrote.
"""

import importlib
import os
import platform
import statistics
import subprocess
import time
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import pytest
import torch

import inpaintx
from inpaintx.benchmark.report import goals, missing_peers, summary

__all__ = ["Seconds", "optional", "threads", "versus"]

ROUNDS = int(os.environ.get("INPAINTX_BENCH_ROUNDS", "20"))
SLOW = 10.0  # seconds of a call from which on one round does
THREADS = [int(n) for n in os.environ.get("INPAINTX_BENCH_THREADS", "1,2").split(",")]


def optional(module: str) -> ModuleType | None:
    """A peer's module, or None where it is not installed."""
    try:
        return importlib.import_module(module)
    except ImportError:
        return None


class Seconds(float):
    """What a peer in a process of its own returns: the time that it measured there."""


def _timed(function: Callable[[], Any], sync: Callable[[], Any]) -> float:
    started = time.perf_counter()
    result = function()
    sync()
    return float(result) if isinstance(result, Seconds) else time.perf_counter() - started


@pytest.fixture(params=THREADS, ids=lambda n: f"threads{n}")
def threads(request: pytest.FixtureRequest) -> Iterator[int]:
    """Number of threads of torch and of OpenCV."""
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    cv2 = optional("cv2")
    if cv2:
        cv2.setNumThreads(request.param)
    yield request.param
    torch.set_num_threads(before)


@pytest.fixture
def versus(benchmark: Any, request: pytest.FixtureRequest) -> Callable[..., None]:
    """Time ours against peers; the door by which a third party's method or op comes into the suite.

    ``versus(ours, {"name": peer or None}, goal={"name": at_most}, rounds=20, size=pixels)``: callables without
    arguments; None is a peer that is not installed. ``goal`` bounds the ratio ours / peer from above. Each is called
    once before it is timed; where ours takes ten seconds or more, one round is timed. ``timer`` gives the seconds of
    a call in place of the clock on the wall, a GPU's events for one.
    """

    def run(
        ours: Callable[[], Any],
        peers: dict[str, Callable[[], Any] | None],
        *,
        goal: dict[str, float] | None = None,
        rounds: int = ROUNDS,
        size: int | None = None,
        sync: Callable[[], Any] = lambda: None,
        timer: Callable[[Callable[[], Any]], float] | None = None,
        op: str | None = None,
    ) -> None:
        measure = timer or (lambda function: _timed(function, sync))
        present = {name: peer for name, peer in peers.items() if peer}
        times: dict[str, list[float]] = {name: [] for name in present}
        timed: list[float] = []
        first = measure(ours)
        for peer in present.values():
            measure(peer)

        order = list(present)

        def interleave() -> None:
            for name in order:
                times[name].append(measure(present[name]))
            order.reverse()  # none always runs behind the same other, whose traces in the caches it would find

        def target() -> None:
            if timer:
                timed.append(timer(ours))
            else:
                ours()
                sync()

        benchmark.pedantic(target, setup=interleave, rounds=1 if first >= SLOW else rounds)
        if timer and benchmark.stats:
            benchmark.stats.stats.data[:] = timed
        # under --benchmark-disable there are no statistics: the functions ran once, as a smoke test
        own = list(benchmark.stats.stats.data) if benchmark.stats else []
        info = benchmark.extra_info
        info["op"] = op or request.node.path.stem.removeprefix("bench_")
        info["size"] = size
        info["threads"] = torch.get_num_threads()
        info["missing"] = sorted(name for name, peer in peers.items() if not peer)
        info["peers"] = {
            name: {
                "median": statistics.median(values),
                "ratio": statistics.median(o / p for o, p in zip(own, values, strict=True)),
                "goal": (goal or {}).get(name),
            }
            for name, values in times.items()
            if own
        }

    return run


def pytest_benchmark_update_machine_info(config: Any, machine_info: dict[str, Any]) -> None:
    """Add what a ratio depends on to the JSON."""
    for name in ("node", "release", "version", "system"):  # results are published: no names of hosts or kernels
        machine_info.pop(name, None)
    build = {key: value for key, value in inpaintx.build_info().items() if key != "platform"}
    machine_info["inpaintx"] = {
        "version": inpaintx.__version__,
        "build": build,
        "torch": torch.__version__,
        "python": platform.python_version(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "load": os.getloadavg() if hasattr(os, "getloadavg") else None,
        "rounds": ROUNDS,
        "malloc": os.environ.get("GLIBC_TUNABLES", "default"),
        "peers": {
            name: getattr(optional(name), "__version__", None)
            for name in ("cv2", "scipy", "skimage", "pyamg", "fpie", "numpy")
        },
    }


def pytest_benchmark_update_commit_info(config: Any, commit_info: dict[str, Any]) -> None:
    """Name the commit, and no folder or remote of the machine."""
    try:
        git = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True)
        commit_info["id"] = git.stdout.strip() or commit_info.get("id")
    except OSError:  # no git on PATH
        commit_info["id"] = commit_info.get("id") or "unknown"
    commit_info.pop("project", None)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option of the exit code."""
    parser.addoption("--fail-missed-goals", action="store_true", help="exit with 1 where a goal of versus is missed")


def _measured(config: pytest.Config) -> dict[str, dict[str, Any]]:
    """The benchmarks of the session that have statistics, as their JSON has them."""
    session = getattr(config, "_benchmarksession", None)
    return {
        bench.name: {"extra_info": bench.extra_info, "stats": {"median": bench.stats.median}}
        for bench in (session.benchmarks if session else ())
        if bench.stats.data
    }


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail the run where a goal was missed and that was asked for."""
    missed = not all(met for _, _, met in goals(_measured(session.config)).values())
    if missed and session.config.getoption("--fail-missed-goals") and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Show each ratio beside its goal, and name the peers that were left out."""
    measured = _measured(terminalreporter.config)
    if not measured:
        return
    terminalreporter.section("ours / peer")
    for line in summary(measured):
        terminalreporter.write_line(line)
    if missing := missing_peers(measured):
        terminalreporter.write_line(f"peers left out (not installed, or not used at a size): {', '.join(missing)}")
