"""Each op with one thread and with all, alone and beside one busy process a core: ``make bench-busy``.

Other work on the machine (a loader's workers, a second job) takes cores away for milliseconds at a time, and a loop
over threads waits for whoever is not scheduled. The goal: no op slower with all threads beside busy processes than 1.5
times its time with one thread alone. Threads take turns within a round, so that a machine which changes from minute to
minute changes for both; a figure is the median of the rounds. Where other work runs anyhow, "alone" is not alone, and
only the two columns beside busy processes, against each other, mean anything: the load is written down.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path

import torch
import torch.nn.functional as F

from inpaintx import _build, ops

GOAL = 1.5


def rand(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


def blob(side: int, batch: int = 1) -> torch.Tensor:
    y, x = torch.meshgrid(torch.linspace(-1, 1, side), torch.linspace(-1, 1, side), indexing="ij")
    mask = torch.hypot(x, y) < 0.87 * (1 + 0.08 * torch.sin(5 * torch.atan2(y, x)))
    return mask.float().expand(batch, 1, side, side).contiguous()


def with_gradients(function: Callable[..., torch.Tensor], *inputs: torch.Tensor) -> Callable[[], object]:
    """The op and its gradients alone: a sum at the end would be PyTorch's, and its threads' wait."""
    leaves = [x.clone().requires_grad_() for x in inputs]
    gradient = torch.ones_like(function(*leaves))
    return lambda: torch.autograd.grad(function(*leaves), leaves, gradient)


def cases() -> dict[str, Callable[[], object]]:
    """By name, calls of 0.2 to some hundred milliseconds."""
    made: dict[str, Callable[[], object]] = {}
    for side in (256, 1024):
        fill, image, mask = rand(1, 3, side, side), rand(1, 3, side, side, seed=1), blob(side)
        made[f"poisson_blend {side}"] = lambda f=fill, i=image, m=mask: ops.poisson_blend(f, i, m, max_iter=2)
    masks = blob(256, 8)
    made["spd_map hard 8x256"] = lambda: ops.spd_map(masks, 7, 5)
    made["spd_map hard 256"] = lambda: ops.spd_map(masks[:1], 7, 5)
    made["spd_map improved 256"] = lambda: ops.spd_map(masks[:1], 20, 3, kind="improved")
    picture, other = rand(1, 3, 256, 256), rand(1, 3, 256, 256, seed=2)
    made["hog 256"] = lambda: ops.hog(picture)
    made["ssim 256"] = lambda: ops.ssim(picture, other)
    made["ssim 256 backward"] = with_gradients(ops.ssim, picture, other)
    x, weight = rand(4, 64, 64, 64), rand(64, 64, 3, 3, seed=3)
    made["conv3x3 64 at 64"] = lambda: ops.conv3x3(x, weight)
    made["conv3x3 64 at 64 backward"] = with_gradients(ops.conv3x3, x, weight)
    made["torch's conv2d 64 at 64"] = lambda: F.conv2d(x, weight, padding=1)
    hole = blob(64, 4)
    made["partial_conv2d 64 at 64"] = lambda: ops.partial_conv2d(x, hole, weight, padding=1)
    made["partial_conv2d 64 at 64 backward"] = with_gradients(
        lambda a, w: ops.partial_conv2d(a, hole, w, padding=1)[0], x, weight
    )
    wide, first = rand(4, 3, 256, 256), rand(64, 3, 7, 7, seed=4)
    holes = blob(256, 4)
    made["partial_conv2d 3 at 256, 7x7"] = lambda: ops.partial_conv2d(wide, holes, first, stride=2, padding=3)
    gamma, beta, probability = rand(4, 64, 64, 64, seed=5), rand(4, 64, 64, 64, seed=6), rand(4, 1, 64, 64)
    made["spd_norm 64 at 64"] = lambda: ops.spd_norm(x, gamma, beta, probability)
    made["spd_norm 64 at 64 backward"] = with_gradients(
        lambda a, g, b: ops.spd_norm(a, g, b, probability), x, gamma, beta
    )
    small, small_hole = rand(1, 3, 64, 64), torch.zeros(1, 1, 64, 64)
    small_hole[..., 24:40, 24:40] = 1
    made["tv_inpaint 64"] = lambda: ops.tv_inpaint(small, small_hole, 1e-3, 200)
    made["efros_leung 64"] = lambda: ops.efros_leung(small, small_hole, 7)
    pair, valid = rand(2, 3, 64, 64), torch.ones(2, 1, 64, 64)
    made["patchmatch 2x64"] = lambda: ops.patchmatch(pair, pair.flip(3), valid, 5, 3)
    strip, strip_hole = rand(1, 3, 128, 128), blob(128)
    made["detail_transfer 128"] = lambda: ops.detail_transfer(strip, strip, strip, 1 - strip_hole, strip_hole, 5, 3)
    return made


@contextmanager
def busy_processes(count: int):
    """``count`` processes that do nothing else than hold a core each."""
    held = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        time.sleep(1)
        yield
    finally:
        for process in held:
            process.kill()
            process.wait()


def interleaved(call: Callable[[], object], threads: tuple[int, ...], rounds: int) -> list[float]:
    """Median seconds for each number of threads."""
    seconds: dict[int, list[float]] = {n: [] for n in threads}
    for _ in range(rounds):
        for n in threads:
            torch.set_num_threads(n)
            call()  # the first call after a change of threads starts them
            started = time.perf_counter()
            call()
            seconds[n].append(time.perf_counter() - started)
    return [statistics.median(seconds[n]) for n in threads]


def measure(chosen: dict[str, Callable[[], object]], cores: int, rounds: int) -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, float]] = {}
    for busy in (False, True):
        with busy_processes(cores if busy else 0):
            for name, call in chosen.items():
                one, all_ = interleaved(call, (1, cores), rounds)
                place = "busy" if busy else "alone"
                found.setdefault(name, {}).update({f"{place} 1": one * 1e3, f"{place} {cores}": all_ * 1e3})
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="a part of the cases' names")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("-o", "--out", type=Path, default=Path("build/bench-busy.json"))
    arguments = parser.parse_args()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 2
    load = os.getloadavg()[0]
    chosen = {name: call for name, call in cases().items() if arguments.only in name}
    found = measure(chosen, cores, arguments.rounds)
    print(f"{cores} cores, load before {load:.1f}, {arguments.rounds} rounds, medians in ms")
    titles = "alone 1", "alone all", "busy 1", "busy all", "all/1 busy", "busy/alone 1"
    print(f"{'case':36} " + " ".join(f"{title:>12}" for title in titles))
    for name, t in found.items():
        one, every, busy_one, busy = (t[f"{place} {n}"] for place in ("alone", "busy") for n in (1, cores))
        print(
            f"{name:36} "
            + " ".join(f"{v:12.2f}" for v in (one, every, busy_one, busy, busy / busy_one, busy / one))
            + ("  over the goal" if busy / one > GOAL else "")
        )
    machine = {"cores": cores, "load": load, "rounds": arguments.rounds, "commit": _build.stamp()["commit"]}
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps({"machine": machine, "goal": GOAL, "milliseconds": found}, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
