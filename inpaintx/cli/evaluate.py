"""``inpaintx evaluate``: methods compared on the same images with the same holes."""

import warnings
from contextlib import ExitStack
from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import typer

from inpaintx.cli.console import chatter_to_stderr, print_table, say
from inpaintx.cli.ray import Actors, Address, Gpus, cluster_of, told
from inpaintx.errors import InpaintxError

__all__ = ["evaluate"]


class Features(str, Enum):
    """What LPIPS and FID do without official weights."""

    skip = "skip"
    random = "random"
    error = "error"


def evaluate(
    data: Annotated[str, typer.Argument(help="A set of faces.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder for the result; it must not exist.")],
    methods: Annotated[str, typer.Option("-m", "--methods", metavar="A,B,...", help="Names, or LABEL=NAME.")] = "",
    masks: Annotated[
        list[str] | None,
        typer.Option(
            metavar="SPEC",
            help="Holes, once for each kind: bins:GENERATOR or a folder (by hole ratio), center, discard, own, ...",
        ),
    ] = None,
    split: Annotated[str, typer.Option(help="train, val, test or all.")] = "test",
    size: Annotated[int, typer.Option(help="Side of the images in pixels.")] = 128,
    baseline: Annotated[str | None, typer.Option(help="What differences are taken to [telea].")] = None,
    samples: Annotated[int, typer.Option(metavar="K", help="Fills of each image.")] = 1,
    limit: Annotated[int | None, typer.Option(metavar="N", help="The first N images only.")] = None,
    weights: Annotated[
        list[str] | None, typer.Option(metavar="LABEL=TAG|PATH", help="Trained weights of a method.")
    ] = None,
    preset: Annotated[list[str] | None, typer.Option(metavar="LABEL=NAME", help="Preset of a method.")] = None,
    blend: Annotated[
        list[str] | None,
        typer.Option(metavar="LABEL=BLEND", help="How a method's fills are joined to the photo."),
    ] = None,
    features: Annotated[Features, typer.Option(help="LPIPS and FID without official weights.")] = Features.skip,
    vgg: Annotated[
        str, typer.Option(metavar="FILE", help="VGG16 weights, to measure distances in their features.")
    ] = "",
    metrics: Annotated[
        str, typer.Option(metavar="A,B,...", help="Metrics on request, for one landmarks,identity.")
    ] = "",
    seed: Annotated[int, typer.Option(help="Of holes and draws.")] = 0,
    batch_size: Annotated[
        int, typer.Option("--batch-size", "--batch", help="Images that go through a method at once.")
    ] = 16,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda:N.")] = "auto",
    workers: Annotated[int, typer.Option(metavar="N", help="Deprecated: --ray --actors N.")] = 1,
    gallery: Annotated[bool, typer.Option(help="Write a picture of fills; it shows images of the set.")] = True,
    ray: Address = None,
    actors: Actors = None,
    gpus_per_actor: Gpus = 0.0,
) -> None:
    """Compare methods: figures with intervals, tables, a gallery and a plot. The same call resumes a stopped one."""
    from rich.console import Console

    from inpaintx import evaluate as job
    from inpaintx.evaluation.job import DEFAULT_MASKS
    from inpaintx.evaluation.progress import bar

    if workers > 1:
        say(f"--workers is deprecated and goes in 0.3: these are Ray's actors, --ray --actors {workers}", "stderr")
        ray, actors = ray or "local", actors or workers
    cluster = cluster_of(ray, actors, gpus_per_actor, device)
    with warnings.catch_warnings(), ExitStack() as stack:
        warnings.simplefilter("ignore", UserWarning)  # it is in the notes
        if cluster is None:
            progress = stack.enter_context(bar(Console(stderr=True)))
        else:
            stack.enter_context(chatter_to_stderr())  # Ray writes to standard output as well
            at = stack.enter_context(told("batches")).at

            def progress(done: int, total: int, what: str) -> None:
                at(done, total)

        result = job(
            data,
            [name for name in methods.split(",") if name.strip()],
            out,
            masks=masks or DEFAULT_MASKS,
            split=None if split == "all" else split,
            size=size,
            baseline=baseline,
            samples=samples,
            limit=limit,
            weights=_by_label(weights, "--weights"),
            presets=_by_label(preset, "--preset"),
            blends=_by_label(blend, "--blend"),
            features=features.value,
            vgg=vgg,
            metrics=[name.strip() for name in metrics.split(",") if name.strip()],
            seed=seed,
            batch_size=batch_size,
            device=device,
            cluster=cluster,
            gallery=gallery,
            progress=progress,
        )
    _print_table(result.result)
    for note in result.result["protocol"]["notes"]:
        say(f"note: {note}")
    for name, what in result.result["files"].items():
        say(f"{out / name}: {what}")


def _by_label(given: list[str] | None, option: str) -> dict[str, str]:
    table = {}
    for text in given or ():
        label, sign, value = text.partition("=")
        if not (label and sign and value):
            raise InpaintxError(f"{option} takes LABEL=VALUE, the label being a name in --methods; got {text!r}")
        table[label] = value
    return table


def _print_table(result: dict[str, Any]) -> None:
    """Hole PSNR by kind of hole: what most people look at first."""
    titles = {m["label"]: m["label"] + " (untrained)" * m["untrained"] for m in result["methods"]}
    wanted = [r for r in result["table"] if (r["output"], r["region"], r["metric"]) == ("composite", "hole", "psnr")]
    cells = {(r["method"], r["group"]): f"{r['estimate']['mean']:.2f}" for r in wanted}
    groups = dict.fromkeys(r["group"] for r in wanted)
    print_table(["hole PSNR, dB", *titles.values()], [[g, *(cells[m, g] for m in titles)] for g in groups])
