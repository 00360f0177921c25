"""Learning curves of training runs: recorded, drawn, and held against a run that is started anew.

``python docs/curves.py record NAME RUN [RUN ...]`` puts a run's losses and validations under NAME into
docs/results/curves.json (several runs: each began from the one before; RUN:STEPS: from its weights after so many steps)
and draws docs/results/curves.png.
``python docs/curves.py compare NAME RUN`` prints how far RUN is from the recorded curve, loss by loss.
Drawing needs matplotlib (of the extra ``bench``).
"""

import argparse
import json
from pathlib import Path
from statistics import mean

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from inpaintx import InpaintxError
from inpaintx.io.atomic import atomic_write

RESULTS = Path(__file__).parent / "results"
RECORD = RESULTS / "curves.json"
POINTS = 150  # of a curve, at most


def read(runs: list[str]) -> dict[str, list[list[float]]]:
    """[step, value] of every scalar but the speeds; the steps of later runs follow those of earlier ones."""
    curves: dict[str, list[list[float]]] = {}
    offset = 0
    for given in runs:
        run, _, steps = given.rpartition(":")
        if not steps.isdecimal():
            run, steps = given, ""
        events = EventAccumulator(str(Path(run) / "tensorboard"), size_guidance={"scalars": 0}).Reload()
        tags = [tag for tag in events.Tags()["scalars"] if not tag.startswith("speed/")]
        if not tags:
            raise InpaintxError(f"{run} has no curves: it is not the folder of a run, or has logged nothing yet")
        for tag in tags:
            kept = (e for e in events.Scalars(tag) if not steps or e.step <= int(steps))
            values = {event.step: event.value for event in kept}  # of a step done again, the last
            curves.setdefault(tag, []).extend([step + offset, value] for step, value in sorted(values.items()))
        offset = int(max(step for curve in curves.values() for step, _ in curve))
    return curves


def thinned(curve: list[list[float]]) -> list[list[float]]:
    """The first 20 points, and of the others every so many, the last among them."""
    head, rest = curve[:20], curve[20:]
    return head + rest[:: -max(1, -(-len(rest) // POINTS))][::-1]


def draw(record: dict[str, dict[str, list[list[float]]]]) -> None:
    """Hole PSNR on validation faces against steps, one panel a method."""
    from matplotlib.figure import Figure

    columns = 3
    rows = -(-len(record) // columns)
    figure = Figure(figsize=(4 * columns, 2.8 * rows), layout="constrained")
    for number, (name, curves) in enumerate(sorted(record.items())):
        axes = figure.add_subplot(rows, columns, number + 1)
        validated = next((curve for tag, curve in curves.items() if tag.endswith("hole/psnr")), None)
        if validated:
            axes.plot(*zip(*validated, strict=True), marker=".")
            axes.set_ylabel("hole PSNR in dB, validation")
        else:
            for tag, curve in curves.items():
                axes.plot(*zip(*curve, strict=True), label=tag)
            axes.legend(fontsize=7)
        axes.set_title(name)
        axes.set_xlabel("steps")
        axes.grid(alpha=0.3)
    figure.savefig(RESULTS / "curves.png", dpi=100)


def compare(recorded: dict[str, list[list[float]]], run: dict[str, list[list[float]]]) -> list[str]:
    """A line for each curve that both have: means over the steps that both have logged."""
    lines = ["| curve | steps | recorded | this run | ratio |", "|---|---|---|---|---|"]
    for tag, curve in run.items():
        there = dict(recorded.get(tag, []))
        both = [(there[step], value) for step, value in curve if step in there]
        if both:
            before, now = (mean(values) for values in zip(*both, strict=True))
            ratio = f"{now / before:.3f}" if before else "-"
            lines.append(f"| {tag} | {len(both)} | {before:.4g} | {now:.4g} | {ratio} |")
    return lines


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("action", choices=("record", "compare"))
    parser.add_argument("name")
    parser.add_argument("runs", nargs="+")
    given = parser.parse_args()
    record = json.loads(RECORD.read_text()) if RECORD.exists() else {}
    if given.action == "compare":
        if given.name not in record:
            raise InpaintxError(f"no curve {given.name!r} is recorded (there are: {', '.join(sorted(record))})")
        print("\n".join(compare(record[given.name], read(given.runs))))
        return
    record[given.name] = {tag: thinned(curve) for tag, curve in read(given.runs).items()}
    with atomic_write(RECORD) as part:
        part.write_text(json.dumps(record, sort_keys=True) + "\n")
    draw(record)


if __name__ == "__main__":
    main()
