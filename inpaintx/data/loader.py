"""An endless stream of batches that depends on its seed and step alone: not on workers, processes or restarts."""

import itertools
import math
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from inpaintx.data.center_crop import UnreadableFileError
from inpaintx.data.dataset import Faces, as_batch
from inpaintx.data.jitter import Jitter
from inpaintx.data.landmarks import mirrored
from inpaintx.data.sampler import MaskSampler
from inpaintx.errors import InpaintxError

__all__ = ["make_loader"]

AHEAD = 2  # batches that are made in advance, beyond one a worker


def make_loader(
    faces: Faces,
    holes: MaskSampler | None,
    *,
    batch: int,
    seed: int,
    start: int = 0,
    rank: int = 0,
    world: int = 1,
    workers: int = 0,
    flip: bool = True,
    fixed_order: bool = False,
    jitter: Jitter | None = None,
    extra: Faces | None = None,
    extra_share: float = 0.0,
) -> Iterator[dict[str, Any]]:
    """Give one batch a step, without end.

    Sample number ``n = (step * world + rank) * batch + i`` decides its image (a permutation of the set for every
    epoch), whether it is mirrored, how its crop is moved, and its hole. An image that cannot be read is passed over for
    the next one of the permutation.

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
    fixed_order
        Whether every epoch has the set's own order in place of a permutation.
    jitter
        By how much crops are moved, scaled and turned; None: not at all.
    extra, extra_share
        A second set, opened alike, and the share of the samples that come from it, spread evenly: of each batch where
        ``batch * extra_share`` is whole. Each set has its own permutations.

    Yields
    ------
    dict
        ``"image"`` ``[B,3,S,S]``, ``"mask"`` ``[B,1,S,S]`` (1 = hole) and what the set was opened for, float32;
        ``"name"``: list of str.

    Raises
    ------
    InpaintxError
        No image can be read; another size of holes or of the second set; the set has gone from the disk.
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
    sources = [_Source(faces, seed, 0, fixed_order)]
    if extra is not None:
        _check_alike(faces, extra)
        if not 0 < extra_share < 1:
            raise InpaintxError(f"the second set's share must lie between 0 and 1, got {extra_share}")
        sources.append(_Source(extra, seed, 3, fixed_order))
    flip = flip and all(source.faces.flips for source in sources)
    return _stream(_Maker(sources, extra_share, holes, seed, flip, jitter), batch, start, rank, world, workers)


def _check_alike(faces: Faces, extra: Faces) -> None:
    if (faces.size, faces.wants) != (extra.size, extra.wants):
        raise InpaintxError(
            f"two sets of one stream must be opened alike: sizes {faces.size} and {extra.size}, samples with "
            f"{sorted(faces.wants)} and {sorted(extra.wants)}"
        )
    if "landmarks" in faces.wants and faces.count != extra.count:
        raise InpaintxError(f"two sets of one stream have {faces.count} and {extra.count} landmarks a face")


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


@lru_cache(maxsize=8)
def _permutation(seed: int, stream: int, epoch: int, count: int) -> npt.NDArray[np.int64]:
    return np.random.default_rng([seed, stream, epoch]).permutation(count)


class _Source:
    """One set's samples in its own order: number k is an image of epoch ``k // len``."""

    def __init__(self, faces: Faces, seed: int, stream: int, fixed: bool) -> None:
        self.faces, self.seed, self.stream, self.fixed = faces, seed, stream, fixed

    def order(self, epoch: int) -> npt.NDArray[np.int64]:
        """The images of an epoch."""
        if self.fixed:
            return np.arange(len(self.faces))
        return _permutation(self.seed, self.stream, epoch, len(self.faces))

    def __call__(self, k: int) -> dict[str, Any]:
        epoch, at = divmod(k, len(self.faces))
        order = self.order(epoch)
        for later in range(len(order)):
            try:
                return self.faces.read(int(order[(at + later) % len(order)]))
            except UnreadableFileError as error:
                last = error
        raise InpaintxError(f"none of the {len(order)} images can be read; the last one: {last}")


class _Maker:
    """Makes sample number n."""

    def __init__(
        self,
        sources: list[_Source],
        share: float,
        holes: MaskSampler | None,
        seed: int,
        flip: bool,
        jitter: Jitter | None,
    ) -> None:
        self.sources, self.share, self.holes, self.seed = sources, share, holes, seed
        self.flip, self.jitter = flip, jitter

    def __call__(self, n: int) -> dict[str, Any]:
        sample = self._read(n)
        if self.flip and np.random.default_rng([self.seed, 1, n]).random() < 0.5:
            sample = _mirrored(sample, self.sources[0].faces.size)
        if self.jitter:
            sample = self.jitter(sample, np.random.default_rng([self.seed, 2, n]))
        if self.holes is not None:
            sample["mask"] = self.holes((self.seed, n))
        return sample

    def _read(self, n: int) -> dict[str, Any]:
        if len(self.sources) == 1:
            return self.sources[0](n)
        before, after = math.floor(n * self.share), math.floor((n + 1) * self.share)
        return self.sources[1](before) if after > before else self.sources[0](n - before)


def _mirrored(sample: dict[str, Any], size: int) -> dict[str, Any]:
    """Mirror a sample left to right: pictures, regions, and landmarks with their sides."""
    turned = {}
    for key, value in sample.items():
        if key == "landmarks":
            turned[key] = value if bool(np.isnan(value).all()) else mirrored(value, size)
        else:
            turned[key] = value if key == "name" else value[:, ::-1]
    return turned
