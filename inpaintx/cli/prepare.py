"""``inpaintx prepare``: a face set cut, aligned, resized and split, once."""

from contextlib import nullcontext
from enum import Enum
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from inpaintx.cli.console import chatter_to_stderr, say
from inpaintx.cli.ray import Actors, Address, Gpus, cluster_of, told
from inpaintx.errors import InpaintxError

if TYPE_CHECKING:
    from inpaintx.data.prepare import Prepared

__all__ = ["prepare"]


class Crop(str, Enum):
    """How faces are cut."""

    auto = "auto"
    middle = "center"
    centre = "centre"  # as before 0.2


def prepare(
    source: Annotated[str, typer.Argument(help="A face set: CelebA, CelebA-HQ, CelebAMask-HQ or a plain folder.")],
    out: Annotated[str, typer.Option("-o", "--out", help="The folder to make; interrupted, run again: it goes on.")],
    size: Annotated[int, typer.Option(metavar="S", help="Side of the images.")] = 256,
    crop: Annotated[
        Crop,
        typer.Option(
            help="auto: by landmarks, else by YuNet's if given or MTCNN's (extra [faces]), else the middle; "
            "center: the middle."
        ),
    ] = Crop.auto,
    yunet: Annotated[
        str | None, typer.Option(metavar="MODEL", help="Model file of OpenCV's face detector YuNet (.onnx).")
    ] = None,
    split: Annotated[
        str,
        typer.Option(
            metavar="auto|identity|name|TRAIN,VAL,TEST",
            help="auto: the set's own, else by a hash of the identity, else of the name; or numbers of images.",
        ),
    ] = "auto",
    no_regions: Annotated[
        bool, typer.Option("--no-regions", help="Write no skin and foreground (derived where the set has none).")
    ] = False,
    workers: Annotated[int | None, typer.Option(metavar="N", min=1, help="Threads; default: all cores.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Make a set anew that was prepared there.")] = False,
    ray: Address = None,
    actors: Actors = None,
    gpus_per_actor: Gpus = 0.0,
) -> None:
    """Cut, align, resize and split a face set into a folder for training."""
    from inpaintx.cluster.pool import spread
    from inpaintx.data.prepare import prepare as make
    from inpaintx.io.opencv import quiet_cv2

    quiet_cv2()
    cluster = cluster_of(ray, actors, gpus_per_actor)
    pool = partial(spread, cluster=cluster, in_order=True) if cluster else None
    with chatter_to_stderr() if cluster else nullcontext(), told("faces") as progress:
        done = make(
            source,
            out,
            size=size,
            crop=crop.value,
            yunet=yunet,
            split_by=_split_by(split),
            regions=not no_regions,
            overwrite=overwrite,
            workers=workers,
            pool=pool,
            progress=progress.at,
        )
    _say(done)


def _split_by(text: str) -> Any:
    """The split as :func:`inpaintx.data.prepare.prepare` takes it."""
    if text in ("auto", "identity", "name"):
        return text
    counts = text.split(",")
    if len(counts) != 3 or not all(count.strip().isdecimal() for count in counts):
        raise InpaintxError(f"--split takes auto, identity, name or TRAIN,VAL,TEST, as 27000,0,3000; got {text!r}")
    return tuple(map(int, counts))


def _say(done: "Prepared") -> None:
    told = done.summary
    splits = ", ".join(f"{name} {count}" for name, count in told["splits"].items())
    say(f"{done.out}: {told['faces']} faces of {told['settings']['size']} x {told['settings']['size']} ({splits})")
    say(f"split by {told['settings']['split_by']}")
    crops = ", ".join(f"{way} {count}" for way, count in told["crops"].items())
    say(f"cut by: {crops}; {told['outside']:.1%} of the squares lay outside the pictures and were mirrored in")
    for region, count in told["derived"].items():
        say(f"{region}=derived for {count} faces (landmarks and GrabCut)")
    if done.done_before:
        say(f"{done.done_before} faces were there from an earlier call")
    for note in done.notes:
        say(note)
    for name, reason in told["skipped"].items():
        say(f"skipped {name}: {reason}")
