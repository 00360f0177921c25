"""What the graph of ``--ray`` costs without its work: ``python benchmarks/scheduling.py PHOTOS ACTORS``.

Photos and masks of no bytes are found in folders and go through it, and rows of a report's size come back. Prints the
time to the first row, rows a second, the driver's processor time a photo, and its memory.
"""

import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import ray
import ray.data

from inpaintx.cluster.pool import Cluster, spread
from inpaintx.inference.jobs import Job, find_jobs

ROW = {
    "width": 512,
    "height": 512,
    "channels": 3,
    "bits": 8,
    "hole_ratio": 0.08,
    "hole_pixels": 20972,
    "crops": 1,
    "faces": [],
    "filled_by": {"harmonic": 20972},
    "method": "harmonic",
    "preset": "default",
    "options": {},
    "weights": "none needed",
    "device": "cpu",
    "blend": "none",
    "seed": 0,
    "samples": 1,
    "seconds": 0.022,
    "notes": [],
    "error": None,
}


class Nothing:
    """Fills nothing; implements :class:`inpaintx.cluster.pool.Work`."""

    def __call__(self, jobs: Sequence[Job]) -> list[dict[str, Any]]:
        return [{"photo": job.name, "mask": str(job.mask), "out": [str(job.out)], **ROW} for job in jobs]

    def lost(self, job: Job, words: str) -> dict[str, Any]:
        return {"photo": job.name, "error": words}


def memory(field: str) -> float:
    """MiB of this process: VmRSS, or VmHWM, its peak."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(field))


def main(photos: int, actors: int) -> None:
    ray.cloudpickle.register_pickle_by_value(sys.modules["__main__"])
    with TemporaryDirectory() as root:
        for folder, suffix in (("photos", "jpg"), ("masks", "png")):
            (Path(root) / folder).mkdir()
            for number in range(photos):
                os.close(os.open(f"{root}/{folder}/{number:08}.{suffix}", os.O_CREAT))
        imports, begun = memory("VmRSS"), time.monotonic()
        jobs = find_jobs(f"{root}/photos", f"{root}/masks", f"{root}/out").jobs
    found, listed, most = time.monotonic() - begun, memory("VmRSS"), memory("VmHWM")
    begun = time.monotonic()
    rows = spread(Nothing, jobs, Cluster(actors=actors), together=8)
    next(rows)
    first, processor = time.monotonic(), time.process_time()
    assert sum(1 for _ in rows) == photos - 1
    wall, processor = time.monotonic() - first, time.process_time() - processor
    print(f"{photos} photos, {actors} actors, load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    print(f"found in {found:.1f} s, first row {first - begun:.1f} s later, then {photos / wall:.0f} rows a second")
    print(f"driver: {1e6 * processor / photos:.0f} us of processor time a photo")
    steps = f"{imports:.0f} MiB with its imports, {most:.0f} at most while it looked for photos, {listed:.0f} then"
    print(f"memory of the driver: {steps}, {memory('VmHWM'):.0f} at its peak")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:3]))
