"""The part of a damaged photo that there are no data for, as the hole."""

from inpaintx.errors import InpaintxError
from inpaintx.io.masks import Mask
from inpaintx.io.photo import Photo

__all__ = ["hole_from_damage"]


def hole_from_damage(photo: Photo) -> Mask:
    """Take the grey rest of a damaged JPEG as the hole.

    Parameters
    ----------
    photo
        As :func:`inpaintx.io.photo.read_photo` gives it.

    Raises
    ------
    InpaintxError
        The photo is not known to be damaged, or nobody can say where.
    """
    if photo.damage is not None:
        return Mask(photo.damage.copy())
    if photo.flaw:
        raise InpaintxError(
            f"--mask-from-damage finds no grey rest in this photo ({photo.flaw}); paint over what is wrong as a mask"
        )
    raise InpaintxError(
        "--mask-from-damage needs a JPEG that is cut off or damaged, and no damage was found in this one"
    )
