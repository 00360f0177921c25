"""An endless stream of batches that depends on its seed and step alone: not on workers, processes or restarts."""

import itertools
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from inpaintx.data.holes import Holes
from inpaintx.data.landmarks import mirrored
from inpaintx.data.sets import FaceSet, as_batch
from inpaintx.data.square import UnreadableFileError
from inpaintx.errors import InpaintxError

__all__ = ["batches"]

AHEAD = 2  # batches that are made in advance, beyond one a worker


def batches(
    faces: FaceSet,
    holes: Holes | None,
    *,
    batch: int,
    seed: int,
    start: int = 0,
    rank: int = 0,
    world: int = 1,
    workers: int = 0,
    flip: bool = True,
) -> Iterator[dict[str, Any]]:
    """Give one batch a step, without end.

    Sample number ``n = (step * world + rank) * batch + i`` decides its image (a permutation of the set for every
    epoch), whether it is mirrored, and its hole. An image that cannot be read is passed over for the next one of the
    permutation.

    Parameters
    ----------
    faces
        An opened set.
    holes
        Holes of the same size; None: the set's own masks (it must have been opened with ``wants={"mask"}``).
    batch
        Samples a process takes a step.
    seed
        Of the permutations, flips and holes.
    start
        The first step.
    rank, world
        This process's number and how many there are.
    workers
        Threads that read in advance; 0 reads when asked. OpenCV and torch let other threads run while they decode
        and resize, so threads keep cores busy, share decoded images, and leave nothing behind when a run is killed.
    flip
        Whether half of the samples are mirrored, with all that belongs to them.

    Yields
    ------
    dict
        ``"image"`` ``[B,3,S,S]``, ``"mask"`` ``[B,1,S,S]`` (1 = hole) and what the set was opened for, float32;
        ``"name"``: list of str.

    Raises
    ------
    InpaintxError
        No image can be read; another size of holes; the set has gone from the disk.
    """
    if batch < 1 or world < 1 or not 0 <= rank < world or start < 0 or workers < 0:
        raise InpaintxError(
            f"a stream needs batch >= 1, start >= 0, workers >= 0 and rank in 0..world-1; got batch {batch}, start "
            f"{start}, workers {workers}, rank {rank} of {world}"
        )
    if holes is None and "mask" not in faces.has:
        raise InpaintxError("a stream needs holes, or a set that was opened with its own masks")
    if holes is not None and holes.size != faces.size:
        raise InpaintxError(f"holes of size {holes.size} do not fit a set of size {faces.size}")
    return _stream(_Maker(faces, holes, seed, flip and faces.flips), batch, start, rank, world, workers)


def _stream(maker: "_Maker", batch: int, start: int, rank: int, world: int, workers: int) -> Iterator[dict[str, Any]]:
    def make(step: int) -> dict[str, Any]:
        first = (step * world + rank) * batch
        return as_batch([maker(n) for n in range(first, first + batch)])

    if workers == 0:
        yield from map(make, itertools.count(start))
        return
    pool = ThreadPoolExecutor(workers, "inpaintx-data")
    try:
        coming: deque[Future[dict[str, Any]]] = deque()
        for step in itertools.count(start):
            while len(coming) < workers + AHEAD:
                coming.append(pool.submit(make, step + len(coming)))
            yield coming.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


class _Maker:
    """Makes sample number n."""

    def __init__(self, faces: FaceSet, holes: Holes | None, seed: int, flip: bool) -> None:
        self.faces, self.holes, self.seed, self.flip = faces, holes, seed, flip
        self.order = lru_cache(maxsize=4)(self._order)

    def _order(self, epoch: int) -> npt.NDArray[np.int64]:
        return np.random.default_rng([self.seed, 0, epoch]).permutation(len(self.faces))

    def __call__(self, n: int) -> dict[str, Any]:
        sample = self._read(n)
        if self.flip and np.random.default_rng([self.seed, 1, n]).random() < 0.5:
            sample = _mirrored(sample, self.faces.size)
        if self.holes is not None:
            sample["mask"] = self.holes((self.seed, n))
        return sample

    def _read(self, n: int) -> dict[str, Any]:
        epoch, at = divmod(n, len(self.faces))
        order = self.order(epoch)
        for later in range(len(order)):
            try:
                return self.faces.read(int(order[(at + later) % len(order)]))
            except UnreadableFileError as error:
                last = error
        raise InpaintxError(f"none of the {len(order)} images can be read; the last one: {last}")


def _mirrored(sample: dict[str, Any], size: int) -> dict[str, Any]:
    """Mirror a sample left to right: pictures, regions, and landmarks with their sides."""
    turned = {}
    for key, value in sample.items():
        if key == "landmarks":
            turned[key] = value if bool(np.isnan(value).all()) else mirrored(value, size)
        else:
            turned[key] = value if key == "name" else value[:, ::-1]
    return turned
