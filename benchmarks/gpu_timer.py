"""Times of a GPU's work by its own events, and peaks of its memory; on the CPU the clock, to try cases by."""

import time
from collections.abc import Callable
from typing import Any

import torch

from inpaintx.benchmark import Seconds

GPU = torch.cuda.is_available()
DEVICE = "cuda" if GPU else "cpu"
L2 = 256 << 20  # bytes to write, several times any L2
AHEAD = 400_000  # cycles for which the device is kept busy while the host queues the call: no gap between launches


class Timer:
    """Seconds of one call with a cold L2; a result of :class:`Seconds` speaks for itself."""

    def __init__(self) -> None:
        self.flush = torch.empty(L2 if GPU else 1, dtype=torch.uint8, device=DEVICE)

    def __call__(self, function: Callable[[], Any]) -> float:
        self.flush.zero_()
        if not GPU:
            start = time.perf_counter()
            result = function()
            return float(result) if isinstance(result, Seconds) else time.perf_counter() - start
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        torch.cuda._sleep(AHEAD)
        begin.record()
        result = function()
        end.record()
        end.synchronize()
        return float(result) if isinstance(result, Seconds) else begin.elapsed_time(end) / 1e3


def warm_up(functions: dict[str, Callable[[], Any]]) -> None:
    """Three calls each: cuDNN chooses its algorithms, and the allocator has the memory."""
    for function in functions.values():
        for _ in range(3):
            function()
    if GPU:
        torch.cuda.synchronize()


def peaks(functions: dict[str, Callable[[], Any]]) -> dict[str, int]:
    """Bytes that a call takes beyond what was there before it."""
    found = {}
    for name, function in functions.items():
        torch.cuda.synchronize()
        before = torch.cuda.memory_allocated()
        torch.cuda.reset_peak_memory_stats()
        function()
        torch.cuda.synchronize()
        found[name] = torch.cuda.max_memory_allocated() - before
    return found
