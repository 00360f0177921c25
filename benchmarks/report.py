"""Compare runs with the committed baseline, write a baseline, and write RESULTS.md with its plots.

    python benchmarks/report.py compare RUN.json [RUN.json ...] [--baseline RUN.json ...]   exit 1 where an op lost
    python benchmarks/report.py baseline RUN.json [RUN.json ...]   results/cpu-*.json, or quick-*.json of quick runs
    python benchmarks/report.py results RUN.json                   RESULTS.md and a plot for each op

Ratios (ours / peer in the same run) are compared, not seconds: machines differ. A case's ratio is the median of the
runs', and a benchmark (``test_hard`` of ``spd_map``, say) has lost where the geometric mean of its cases' ratios grew
by more than 10 %: a single case of some microseconds changes by as much between two runs of the same code, so those of
an op are taken together. Like is compared with like, where the baselines allow it: the same CPU and as many rounds, for
what a long run leaves in memory and caches moves some ratios by a fifth.
"""

import argparse
import json
import re
import statistics
import sys
from collections import Counter, defaultdict
from pathlib import Path

from inpaintx.benchmark.report import cpu_of, load, machine_lines, missing_peers, op_of, ratios, score, table

HERE = Path(__file__).parent
RESULTS = HERE / "results"
LIMIT = 1.10
FULL = 20  # rounds; quick runs have fewer


def rounds_of(run):
    return run["machine_info"]["inpaintx"].get("rounds", FULL)  # runs that do not say it are older, and full


def medians(runs):
    """``{(case, peer): the median of the runs' ratios}``."""
    seen = defaultdict(list)
    for benchmarks, _ in runs:
        for key, (ratio, _) in ratios(benchmarks).items():
            seen[key].append(ratio)
    return {key: statistics.median(values) for key, values in seen.items()}


def compare(run_paths, baseline_paths=None):
    runs = [load(path) for path in run_paths]
    baselines = [load(path) for path in baseline_paths or [baseline_for(runs[0][1])]]
    baseline, baseline_run = baselines[0]
    before, now = medians(baselines), medians(runs)
    shared = sorted(now.keys() & before.keys())
    if not shared:
        print("the runs share no case with the baseline: nothing was compared", file=sys.stderr)
        return 2
    each = [ratios(benchmarks) for benchmarks, _ in runs]
    changes = defaultdict(list)  # by benchmark: of each ratio, the median's change and those of the runs
    cases = Counter((op_of(baseline[case]), case.split("[")[0]) for case, _ in shared)
    print(f"{'case':58} {'peer':20} {'before':>8} {'now':>8} {'change':>8}")
    for case, peer in shared:
        then, ratio = before[case, peer], now[case, peer]
        op, test = op_of(baseline[case]), case.split("[")[0]
        alone = [found.get((case, peer), (then,))[0] / then for found in each]  # who lacks it shows no loss
        changes[op, test if cases[op, test] > 1 else "single ratios"].append([ratio / then, *alone])
        print(f"{case:58} {peer:20} {then:8.3f} {ratio:8.3f} {ratio / then - 1:+8.1%}")
    print(f"\n{'op':20} {'benchmark':37} {'ratios':>6} {'change':>8}  of the runs alone")
    lost = []
    for (op, test), values in sorted(changes.items()):
        change, *alone = map(statistics.geometric_mean, zip(*values, strict=True))
        verdict = " LOSS" if change > LIMIT else " gain" if change < 1 / LIMIT else ""
        print(
            f"{op:20} {test:37} {len(values):6} {change - 1:+8.1%}  {' '.join(f'{c - 1:+.0%}' for c in alone)}{verdict}"
        )
        if change > LIMIT:
            doubt = "" if min(alone) > 1 else ", but not in every run: see it again on a quiet machine"
            lost.append(f"{op}: {test} lost {change - 1:.0%} over {len(values)} ratios{doubt}")
    gone = len(before.keys() - now.keys())
    if gone:
        print(f"not in this run: {gone} of the baseline's {len(before)} ratios")
    for line in lost:
        print(line, file=sys.stderr)
    there, here = cpu_of(baseline_run), cpu_of(runs[0][1])
    if there != here:
        print(
            f"the baseline is of another CPU ({there}, this one is {here}), on which peers differ too: for a verdict "
            "on a change, make bench-baseline before it",
            file=sys.stderr,
        )
    return 1 if lost else 0


def case_of(name, benchmark):
    """What a point of a plot shares with those that it is joined to: all but the threads and what makes the size."""
    params = {k: v for k, v in (benchmark.get("params") or {}).items() if k not in ("threads", "side", "name")}
    values = (re.sub(r"UNSERIALIZABLE\[torch\.(.*)\]", r"\1", str(value)) for value in params.values())
    return " ".join([name.split("[")[0].removeprefix("test_"), *values])


def plot(op, benchmarks, path):
    """Time against size on log-log axes, of the most threads in the run: parties by colour, cases by mark."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    from matplotlib.lines import Line2D

    series = defaultdict(list)
    named = set()  # cases of shapes that differ in more than size: points alone
    threads = {name: int(found[1]) if (found := re.search(r"threads(\d+)", name)) else 0 for name in benchmarks}
    for name, b in benchmarks.items():
        if 0 < threads[name] < max(threads.values()):
            continue
        size = b["extra_info"].get("size")
        if not size:
            continue
        case = case_of(name, b)
        if "name" in (b.get("params") or {}):
            named.add(case)
        series["ours", case].append((size, b["stats"]["median"]))
        for peer, seen in b["extra_info"].get("peers", {}).items():
            series[peer, case].append((size, seen["median"]))
    parties = sorted({party for party, _ in series}, key=lambda party: (party != "ours", party))
    cases = sorted({case for _, case in series})
    color = {party: f"C{i}" for i, party in enumerate(parties)}
    mark = {case: "os^Dv<>pP*Xd"[i % 12] for i, case in enumerate(cases)}
    figure, axes = plt.subplots(figsize=(9, 5), layout="constrained")
    for (party, case), points in sorted(series.items(), reverse=True):
        xs, ys = zip(*sorted(points), strict=True)
        ours = party == "ours"
        style = {"marker": mark[case], "color": color[party], "lw": 2 if ours else 1, "alpha": 1 if ours else 0.6}
        axes.plot(xs, ys, ls="" if case in named or len(set(xs)) < 2 else "-", **style)
    axes.set(xscale="log", yscale="log", xlabel="size (pixels or elements)", ylabel="median seconds", title=op)
    axes.grid(True, which="both", alpha=0.2)
    shown = [Line2D([], [], color=color[party], lw=2, label=party) for party in parties]
    shown += [Line2D([], [], color="grey", marker=mark[case], ls="", label=case) for case in cases]
    figure.legend(handles=shown, loc="outside right upper", fontsize=7)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def results(run_path):
    benchmarks, run = load(run_path)
    lines = [
        "# Benchmark results",
        "",
        "Written by `python benchmarks/report.py results`, from one run of `make bench` or of a part of it. Ours and "
        "each peer ran interleaved in one process; a ratio is the median of ours / peer, below 1 where ours is faster.",
        "",
        *machine_lines(benchmarks, run),
    ]
    for path in sorted(RESULTS.glob("cpu-*.json")):
        there, its_run = load(path)
        if cpu_of(its_run) != cpu_of(run):
            source = f"[commit {its_run['commit_info']['id'][:12]}](results/{path.name})"
            lines.append(f"- elsewhere, on {cpu_of(its_run)} ({source}): {score(there)}")
    lines.append("")
    missing = missing_peers(benchmarks)
    if missing:
        lines += [f"Left out, because not installed or not used at that size: {', '.join(missing)}.", ""]
    RESULTS.mkdir(exist_ok=True)
    for op in sorted({op_of(b) for b in benchmarks.values()}):
        mine = {n: b for n, b in benchmarks.items() if op_of(b) == op}
        lines += [f"## {op}", ""]
        if len({b["extra_info"].get("size") for b in mine.values()}) > 1:
            picture = RESULTS / f"{op}.png"
            plot(op, mine, picture)
            lines += [f"![time against size](results/{picture.name})", ""]
        lines += [*table(mine), ""]
    lines += busy_section()
    print("\n".join(lines))
    (HERE / "RESULTS.md").write_text("\n".join(lines))
    print(f"wrote {HERE / 'RESULTS.md'}: {score(benchmarks)}")
    return 0


def busy_section():
    """The worst case of each op beside busy processes, from results/busy.json (``make bench-busy``), if it is there."""
    path = RESULTS / "busy.json"
    if not path.exists():
        return []
    found = json.loads(path.read_text())
    machine, cores = found["machine"], found["machine"]["cores"]
    worst = {}
    for case, t in found["milliseconds"].items():
        ratio = t[f"busy {cores}"] / t["alone 1"]
        worst[case.split()[0]] = max(worst.get(case.split()[0], (0.0, "", {})), (ratio, case, t))
    lines = [
        "## Beside a busy process on each core",
        "",
        f"Each op's worst case of `make bench-busy`: {cores} cores, load before {machine['load']:.1f}, medians of "
        f"{machine['rounds']} rounds, commit {machine['commit']}. The goal is {found['goal']} times one thread alone.",
        "",
        f"| case | one thread alone | {cores} threads alone | one, busy | {cores}, busy | of one alone | |",
        "|---|---|---|---|---|---|---|",
    ]
    for ratio, case, t in sorted(worst.values(), key=lambda w: w[0], reverse=True):
        times = " | ".join(f"{t[f'{place} {n}']:.3g} ms" for place in ("alone", "busy") for n in (1, cores))
        lines.append(f"| {case} | {times} | {ratio:.2f} | {'met' if ratio <= found['goal'] else '**missed**'} |")
    return [*lines, ""]


def baseline_for(run):
    """The newest committed run of such a CPU and as many rounds, or else the nearest to that."""
    runs = {path: load(path)[1] for kind in ("cpu", "quick") for path in RESULTS.glob(f"{kind}-*.json")}
    if not runs:
        sys.exit("there is no baseline in benchmarks/results yet: make bench-baseline, and commit its JSON")

    def nearness(path):
        there = runs[path]
        return cpu_of(there) == cpu_of(run), rounds_of(there) == rounds_of(run), there["datetime"]

    return max(runs, key=nearness)


def write_baseline(run_paths):
    """The last run, with the runs' medians as its ratios and without the list of its times."""
    runs = [load(path) for path in run_paths]
    benchmarks, run = runs[-1]
    for (case, peer), ratio in medians(runs).items():
        if case in benchmarks:
            benchmarks[case]["extra_info"]["peers"][peer]["ratio"] = ratio
    for benchmark in benchmarks.values():
        benchmark["stats"].pop("data", None)
    run["machine_info"]["cpu"].pop("flags", None)
    kind = "cpu" if rounds_of(run) >= FULL else "quick"
    words = re.findall(r"[a-z0-9]+", re.sub(r"\(.*?\)|processor|cpu", "", cpu_of(run).lower()))
    path = RESULTS / f"{kind}-{'-'.join(words)}-{run['datetime'][:10]}.json"
    path.write_text(json.dumps(run, indent=1) + "\n")
    print(f"wrote {path}: {len(ratios(benchmarks))} ratios of {len(runs)} runs")
    return 0


def main(arguments):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    comparing = commands.add_parser("compare")
    comparing.add_argument("runs", nargs="+")
    comparing.add_argument("--baseline", nargs="+")
    comparing.set_defaults(run=lambda a: compare(a.runs, a.baseline))
    keeping = commands.add_parser("baseline")
    keeping.add_argument("runs", nargs="+")
    keeping.set_defaults(run=lambda a: write_baseline(a.runs))
    writing = commands.add_parser("results")
    writing.add_argument("run_path")
    writing.set_defaults(run=lambda a: results(a.run_path))
    chosen = parser.parse_args(arguments)
    return chosen.run(chosen)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
