"""A list of work spread over a pool of Ray's actors: each item comes back as a row, whatever dies meanwhile."""

import logging
import os
import pickle
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from inpaintx.errors import InpaintxError
from inpaintx.io.optional import require
from inpaintx.io.packed import Packed, unpack

__all__ = ["Cluster", "Work", "spread"]

Item = TypeVar("Item", contravariant=True)
Row = TypeVar("Row", covariant=True)
TRIES = 3  # processes that an item may take with it
BLOCKS = 512  # most tasks, unless there are many actors: each holds some 10 KB of the driver's memory
TOKEN = " (if it wants a token, as those of `ray start` do: set RAY_AUTH_MODE=token, and copy its ~/.ray/auth_token)"
OBJECT_STORE = 2**28  # bytes of a local Ray's: it carries lists of paths and reports, never pixels


class Work(Protocol[Item, Row]):
    """What an actor holds, made once: it turns items into rows."""

    def __call__(self, items: Sequence[Item], /) -> "Sequence[Row]":
        """Do items together; one row each, in order. What fails is a row too, not an exception."""

    def lost(self, item: Item, words: str, /) -> "Row":
        """Make the row of an item that was not done, for a reason in words."""


@dataclass(frozen=True)
class Cluster:
    """Where the actors run.

    Parameters
    ----------
    address
        None: a Ray of its own on this machine, for as long as the work lasts; ``"auto"`` or ``"HOST:PORT"``: a cluster
        that runs. A Ray that this process is connected to already is taken as it is.
    actors
        Their number; None: one for each CPU, or as many as the GPUs have room for.
    gpus_per_actor
        0: they compute on the CPU.

    Raises
    ------
    InpaintxError
        Ray is not installed, or a number is out of its range.
    """

    address: str | None = None
    actors: int | None = None
    gpus_per_actor: float = 0.0

    def __post_init__(self) -> None:
        require("ray", "work in several processes (--ray)", "ray", "pyarrow")
        if self.actors is not None and self.actors < 1:
            raise InpaintxError(f"the number of actors must be 1 or more, got {self.actors}")
        if not self.gpus_per_actor >= 0 or (self.gpus_per_actor > 1 and self.gpus_per_actor % 1):
            raise InpaintxError(f"GPUs per actor must be 0 to 1 or a whole number, got {self.gpus_per_actor:g}")

    @property
    def threads(self) -> int:
        """Threads, and so CPUs, of an actor: ``OMP_NUM_THREADS``, or 1. A network's last bits depend on it."""
        asked = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0]
        return max(1, int(asked)) if asked.isdecimal() else 1

    @property
    def device(self) -> str:
        """What an actor computes on: its own GPU, which Ray shows it as the first one, or the CPU."""
        return "cuda:0" if self.gpus_per_actor else "cpu"


def spread(
    make: "Callable[[], Work[Any, Any]]",
    items: Collection[Any],
    cluster: Cluster,
    *,
    together: int = 1,
    in_order: bool = False,
    said: Callable[[str], None] | None = None,
) -> Iterator[Any]:
    """Do a list of work in a pool of actors.

    Parameters
    ----------
    make
        Called once in each actor.
    items
        What is to be done, read once, in order; each is pickled.
    together
        Items that are never parted: the list is cut at multiples of this.
    in_order
        Whether rows come in the order of the items, or as they are done.
    said
        Told, in words, where the work is done.

    Yields
    ------
    Any
        A row an item. Where a process dies, Ray replaces it and its items are done again: twice together, then one by
        one, until the one that has taken three processes with it is known, and is a row too.

    Raises
    ------
    InpaintxError
        No cluster answers, it is too small, or an actor cannot be made.
    """
    with _connected(cluster) as (actors, dashboard):
        per_block = -(-len(items) // (max(BLOCKS, 16 * actors) * together)) * together
        if said is not None:
            where = f"the cluster at {cluster.address}" if cluster.address else "this machine"
            said(f"{actors} actors on {where}{f'; dashboard: http://{dashboard}' if dashboard else ''}")
        yield from _rows(make, items, cluster, actors, max(per_block, together), in_order)


def _rows(
    make: "Callable[[], Work[Any, Any]]",
    items: Collection[Any],
    cluster: Cluster,
    actors: int,
    per_block: int,
    in_order: bool,
) -> Iterator[Any]:
    import ray
    from ray.data import ActorPoolStrategy, DataContext, from_items
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    context = DataContext.get_current().copy()
    context.enable_progress_bars = context.print_on_execution_start = False
    context.execution_options.preserve_order = in_order
    context.execution_no_progress_timeout_s = -1  # an item may take hours
    context.max_consecutive_actor_init_deaths = 10  # of nodes that leave meanwhile
    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    packed = Packed(items, per_block)
    packed.pack()
    desk = ray.remote(_Desk).options(num_cpus=0, scheduling_strategy=here).remote(packed.blocks)
    blocks = [{"number": number, "first": number * per_block} for number in range(len(packed.blocks))]
    del packed
    with DataContext.current(context):
        rows = from_items(blocks, override_num_blocks=len(blocks)).map_batches(
            _Actor,
            fn_constructor_args=(make, desk, os.getcwd()),
            batch_size=1,
            compute=ActorPoolStrategy(size=min(actors, len(blocks))),
            **({"num_gpus": cluster.gpus_per_actor} if cluster.gpus_per_actor else {"num_cpus": cluster.threads}),
        )
    logging.getLogger("ray.data").setLevel(logging.CRITICAL)
    for block in rows.iter_rows():
        if block["fault"]:
            raise InpaintxError(block["fault"])
        yield from pickle.loads(block["rows"])


@contextmanager
def _connected(cluster: Cluster) -> Iterator[tuple[int, str]]:
    """Connect to Ray, and leave it as it was found; yields the number of actors and the dashboard's address."""
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")  # of notes in its processes; errors come as exceptions
    import ray

    if ray.is_initialized():
        yield _actors(cluster, ray.cluster_resources()), ""
        return
    settings: dict[str, Any] = {"address": cluster.address}
    if cluster.address is None:
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        cpus = max((cluster.actors or 0) * cluster.threads, cores)
        settings = {"address": "local", "num_cpus": cpus, "object_store_memory": OBJECT_STORE}
        settings["include_dashboard"] = False
    try:
        found = ray.init(logging_level=logging.ERROR, log_to_driver=False, **settings)
    except Exception as error:  # none there, another version, no such address; a bare one: its processes do not start
        hint = TOKEN if cluster.address and "RAY_AUTH_MODE" not in os.environ else ""
        where = cluster.address or "this machine"
        raise InpaintxError(
            f"Ray at {where}: {(str(error).splitlines() or [type(error).__name__])[0]}{hint}"
        ) from error
    try:
        yield _actors(cluster, ray.cluster_resources()), found.dashboard_url or ""
    finally:
        ray.shutdown()


def _actors(cluster: Cluster, resources: dict[str, float]) -> int:
    """How many actors there are to be, no more than the cluster has room for."""
    kind, each = ("GPU", cluster.gpus_per_actor) if cluster.gpus_per_actor else ("CPU", float(cluster.threads))
    room = int(resources.get(kind, 0) / each)
    if room < (cluster.actors or 1):
        raise InpaintxError(
            f"{cluster.actors or 1} actors need {(cluster.actors or 1) * each:g} {kind}s; Ray has "
            f"{resources.get(kind, 0):g}: give fewer (--actors), or wait until more nodes have joined"
        )
    return cluster.actors or room


class _Desk:
    """An actor beside the driver: hands out the items, and counts the processes that those in the works died with."""

    def __init__(self, packed: list[bytes]) -> None:
        self.packed = packed
        self.count: Counter[int] = Counter()

    def block(self, number: int) -> bytes:
        """The items of a block, packed."""
        return self.packed[number]

    def begin(self, keys: range) -> list[int]:
        """Say how often items were begun before; count it, unless one was begun too often to do them together."""
        before = [self.count[key] for key in keys]
        if len(keys) == 1 or max(before) < TRIES - 1:
            self.count.update(keys)
        return before

    def end(self, keys: range) -> None:
        """Forget items that are done."""
        for key in keys:
            self.count.pop(key, None)


class _Actor:
    """Holds the work; Ray makes one for each place in the pool."""

    def __init__(self, make: "Callable[[], Work[Any, Any]]", desk: Any, folder: str) -> None:
        self.desk, self.fault = desk, ""
        with suppress(OSError):  # relative paths mean what they do for the driver, where this machine has its folder
            os.chdir(folder)
        try:
            self.work = make()
        except InpaintxError as error:
            self.fault = str(error)

    def __call__(self, batch: dict[str, Any]) -> dict[str, list[Any]]:
        """Do one block."""
        import ray

        if self.fault:
            return {"fault": [self.fault], "rows": [b""]}
        items = unpack(ray.get(self.desk.block.remote(int(batch["number"][0]))))
        first = int(batch["first"][0])
        return {"fault": [""], "rows": [pickle.dumps(self._done(range(first, first + len(items)), items))]}

    def _done(self, keys: range, items: Sequence[Any]) -> Sequence[Any]:
        import ray

        before = ray.get(self.desk.begin.remote(keys))
        if len(items) > 1 and max(before) >= TRIES - 1:
            return [self._done(keys[n : n + 1], items[n : n + 1])[0] for n in range(len(items))]
        if before[0] >= TRIES:
            return [self.work.lost(items[0], f"{TRIES} processes died with it (of want of memory, or by a signal)")]
        rows = self.work(items)
        self.desk.end.remote(keys)
        return rows
