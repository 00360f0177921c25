"""The JSON of a benchmark run (``pytest --benchmark-json``) as tables: ours, peer, ratio and goal."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from inpaintx.errors import InpaintxError

__all__ = ["Goal", "goals", "load", "machine_lines", "missing_peers", "ratios", "report", "score", "summary", "table"]

Benchmarks = Mapping[str, Mapping[str, Any]]  # by case, as pytest-benchmark writes them
Goal = tuple[float, float | None]  # the ratio ours / peer, and the most that it should be


def load(path: str | Path) -> tuple[dict[str, dict[str, Any]], dict[str, Any]]:
    """Read ``{case: benchmark}``, and the whole run with its machine, commit and date.

    Raises
    ------
    InpaintxError
        It cannot be read, or is not the JSON of a run with the plugin ``inpaintx.benchmark``.
    """
    try:
        run = json.loads(Path(path).read_text(encoding="utf-8"))
        run["machine_info"]["inpaintx"], run["commit_info"], run["datetime"]
        return {b["name"]: b for b in run["benchmarks"]}, run
    except OSError as error:
        raise InpaintxError(f"{path} cannot be read: {error.strerror or error}") from None
    except (ValueError, KeyError, TypeError):
        raise InpaintxError(
            f"{path} is not the JSON of a benchmark run: write one by pytest --benchmark-json=FILE, with "
            'pytest_plugins = ["inpaintx.benchmark"] in conftest.py'
        ) from None


def ratios(benchmarks: Benchmarks) -> dict[tuple[str, str], Goal]:
    """``{(case, peer): (ratio, goal)}``."""
    return {
        (name, peer): (seen["ratio"], seen.get("goal"))
        for name, benchmark in benchmarks.items()
        for peer, seen in benchmark["extra_info"].get("peers", {}).items()
    }


def goals(benchmarks: Benchmarks) -> dict[tuple[str, str], tuple[float, float, bool]]:
    """``{(case, peer): (ratio, goal, whether it is met)}`` where there is a goal."""
    return {key: (ratio, goal, ratio <= goal) for key, (ratio, goal) in ratios(benchmarks).items() if goal is not None}


def score(benchmarks: Benchmarks) -> str:
    """How many goals are met, and how often ours is faster, in words."""
    met = [met for _, _, met in goals(benchmarks).values()]
    others = [ratio for (_, peer), (ratio, _) in ratios(benchmarks).items() if peer != "copy"]
    return (
        f"{sum(met)} of {len(met)} goals met; faster than the peer in {sum(r < 1 for r in others)} of "
        f"{len(others)} comparisons"
    )


def op_of(benchmark: Mapping[str, Any]) -> str:
    """The op, or whatever else was timed."""
    return str(benchmark["extra_info"].get("op", "?"))


def cpu_of(run: Mapping[str, Any]) -> str:
    """The processor's name."""
    return str(run["machine_info"].get("cpu", {}).get("brand_raw", "unknown CPU"))


def summary(benchmarks: Benchmarks) -> Iterator[str]:
    """Lines for a terminal: case, ours, peer, ratio, goal."""
    width = max((len(name) for name in benchmarks), default=0)
    yield f"{'case':{width}} {'ours':>10} {'peer':>20} {'its time':>10} {'ratio':>7} {'goal':>7}"
    for name, benchmark in benchmarks.items():
        for peer, seen in benchmark["extra_info"].get("peers", {}).items():
            goal, ratio = seen.get("goal"), seen["ratio"]
            wanted = "" if goal is None else f"{goal:7.3g}" + (" met" if ratio <= goal else " MISSED")
            own, its = (f"{1e3 * seconds:7.3g} ms" for seconds in (benchmark["stats"]["median"], seen["median"]))
            yield f"{name:{width}} {own:>10} {peer:>20} {its:>10} {ratio:7.3f} {wanted}".rstrip()
    yield score(benchmarks)


def table(benchmarks: Benchmarks) -> Iterator[str]:
    """Lines of a Markdown table."""
    yield "| case | ours | peer | peer's time | ratio | goal | |"
    yield "|---|---|---|---|---|---|---|"
    for name, benchmark in benchmarks.items():
        info = benchmark["extra_info"]
        own = f"{benchmark['stats']['median'] * 1e3:.3g} ms"
        if "overhead_us" in info:
            own += f" ({info['overhead_us']:+.1f} µs a call)"
        if "max_error_levels" in info:
            own += f" (error {info['max_error_levels']:.2f} levels)"
        if "memory" in info:
            own += "".join(
                f" (memory {info['memory']['ours'] / peak:.2f} of {peer})"
                for peer, peak in info["memory"].items()
                if peer != "ours" and peak
            )
        if not info.get("peers"):
            yield f"| {name} | {own} | – | – | – | – | |"
        for peer, seen in info.get("peers", {}).items():
            goal, ratio = seen.get("goal"), seen["ratio"]
            verdict = "" if goal is None else "met" if ratio <= goal else "**missed**"
            wanted = "–" if goal is None else f"≤ {goal:.3g}"
            yield f"| {name} | {own} | {peer} | {seen['median'] * 1e3:.3g} ms | {ratio:.3g} | {wanted} | {verdict} |"
            own = ""


def machine_lines(benchmarks: Benchmarks, run: Mapping[str, Any]) -> list[str]:
    """A Markdown list of what was measured on, and the score."""
    machine = run["machine_info"]["inpaintx"]
    load = f"; load at the start {machine['load'][0]:.1f}" if machine.get("load") else ""
    return [
        f"- {cpu_of(run)}, {machine['cores']} cores, {machine['build']['cpu']}{load}"
        + (f"; GPU {machine['gpu']}" if machine["gpu"] else "; no GPU"),
        f"- torch {machine['torch']}, Python {machine['python']}, {machine['build']['compiler']}; "
        + ", ".join(f"{name} {version}" for name, version in machine["peers"].items() if version),
        f"- commit {run['commit_info']['id'][:12]}{' with changes' if run['commit_info'].get('dirty') else ''}, "
        f"{run['datetime'][:10]}; allocator settings: {machine['malloc']}",
        f"- {score(benchmarks)}",
    ]


def missing_peers(benchmarks: Benchmarks) -> list[str]:
    """Peers that were left out somewhere."""
    return sorted({peer for b in benchmarks.values() for peer in b["extra_info"].get("missing", ())})


def report(path: str | Path) -> str:
    """The tables of a run in Markdown, one for each op."""
    benchmarks, run = load(path)
    lines = [
        "# Benchmark results",
        "",
        "Ours and each peer ran interleaved in one process; a ratio is the median of ours / peer, below 1 where ours "
        "is faster.",
        "",
        *machine_lines(benchmarks, run),
        "",
    ]
    missing = missing_peers(benchmarks)
    if missing:
        lines += [f"Left out, because not installed or not used at that size: {', '.join(missing)}.", ""]
    for op in sorted({op_of(b) for b in benchmarks.values()}):
        lines += [f"## {op}", "", *table({n: b for n, b in benchmarks.items() if op_of(b) == op}), ""]
    return "\n".join(lines)
