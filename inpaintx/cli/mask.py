"""``inpaintx mask``: a mask made from a painted copy of the photo, or proposed from the photo itself."""

from pathlib import Path
from typing import Annotated

import typer

from inpaintx.cli.console import say
from inpaintx.errors import InpaintxError

__all__ = ["mask"]


def mask(
    photo: Annotated[str, typer.Argument(help="The photo.")],
    painted: Annotated[
        str | None,
        typer.Argument(help="A copy of it, painted over where the hole is, in a color that the photo lacks."),
    ] = None,
    out: Annotated[str, typer.Option("-o", "--out", help="The mask, white = hole: .png, .webp or .tif.")] = "",
    find: Annotated[
        list[str] | None,
        typer.Option(
            metavar="WHAT",
            help="Propose it: scratches, white, black or color=#RRGGBB. May be repeated. Look at it before you fill.",
        ),
    ] = None,
    tolerance: Annotated[
        int, typer.Option(metavar="N", help="With --find: largest difference to the color in a channel, of 255.")
    ] = 24,
    dilate_mask: Annotated[int, typer.Option(metavar="N", help="Grow the hole by N pixels.")] = 0,
    preview: Annotated[
        str | None, typer.Option(metavar="FILE", help="Draw there the photo with the hole in red.")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace files that exist.")] = False,
) -> None:
    """Make a mask: from a painted copy of the photo, or by looking for damage."""
    from inpaintx.inference.mask_finder import find_mask, mask_from_painted, rgb_of
    from inpaintx.io.masks import finish, write_mask
    from inpaintx.io.opencv import quiet_cv2
    from inpaintx.io.photo import check_output, read_photo, write_photo
    from inpaintx.viz.contact_sheet import show_hole

    if not out:
        raise InpaintxError("-o/--out is missing: name the mask's file, as in -o mask.png")
    if (painted is None) == (not find):
        raise InpaintxError("give a painted copy of the photo, or --find, one of the two")
    quiet_cv2()
    for path in (out, preview):
        if path is not None:
            check_output(Path(path), overwrite=overwrite)
    picture = read_photo(photo)
    if painted is None:
        found = find_mask(picture, find or [], tolerance=tolerance)
    else:
        found = mask_from_painted(picture, read_photo(painted, what="painted copy"))
    found = finish(found, "the mask", dilate=dilate_mask)
    write_mask(out, found.hole, overwrite=overwrite)
    if preview is not None:
        write_photo(preview, show_hole(rgb_of(picture), found.hole), overwrite=overwrite)
    for note in [*picture.notes, *found.notes]:
        say(f"note: {note}")
    say(f"wrote {out}{f' and {preview}' if preview else ''}; fill it: inpaintx inpaint {photo} {out} -o RESULT")
