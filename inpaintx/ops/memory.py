"""Memory that the ops keep between calls on the CPU."""

from inpaintx import _C

__all__ = ["empty_cache"]


def empty_cache() -> int:
    """Give back to the system what the ops on the CPU keep for their next call, and say how many bytes that were.

    Kept are large work arrays, and the memory of results of :func:`poisson_blend` (its gradients, those of
    :class:`PoissonSolver`) and :func:`spd_map` from 2 MB on after their last tensor is gone: mapping such memory anew
    on every call can take longer than the call's own work. It is 256 MB at most; the environment variable
    ``INPAINTX_CACHE_MB``, read at the first call, sets another limit, 0 none at all (a ValueError there for what is no
    number). Tensors that are in use are not touched. CUDA's memory is PyTorch's: :func:`torch.cuda.empty_cache`.

    >>> freed = empty_cache()
    >>> empty_cache()
    0
    """
    return _C.empty_cache()
