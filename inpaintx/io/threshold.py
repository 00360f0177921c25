"""The rule by which a picture is read as a mask: what is white, what is said, and what is refused."""

from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from inpaintx.errors import InpaintxError
from inpaintx.io.opencv import import_cv2
from inpaintx.io.photo import Photo

__all__ = ["Polarity", "brighter", "looks_like", "threshold"]

Array = npt.NDArray[Any]
Bools = npt.NDArray[np.bool_]
#: What is the hole in a mask file; ``"auto"``: told from the file.
Polarity = Literal["auto", "white", "black"]
MANY = 0.25  # of the pixels: halftones that a mask with soft edges has not
ALIKE = 0.95  # correlation of a photo and itself, grey or compressed anew; of a mask with halftones and a photo: less
MUCH = 0.6  # of the photo: a hole that covers more may be the wrong colour


def threshold(
    picture: Photo, polarity: Polarity, name: str, *, option: str | None = "--mask-polarity "
) -> tuple[Bools, list[str]]:
    """Find the hole ``[H,W]`` (True = hole) in a picture; see :func:`inpaintx.io.masks.read_mask` for the rule.

    ``option`` is how messages begin the words that choose a polarity; None: there is no choice.

    Returns
    -------
    ndarray, list of str
        The hole, and what a reader should know of how it was found.

    Raises
    ------
    InpaintxError
        The rule would split the picture by chance; ``name`` is what the message calls it.
    """
    notes: list[str] = []
    top = int(np.iinfo(picture.pixels.dtype).max)
    shown = _shown(picture, name, notes)
    seen: Any = slice(None) if shown is None else shown
    colors = picture.pixels if picture.pixels.ndim == 2 else picture.pixels[..., :3]
    gray, codes = _luminance(colors)
    white = gray > top // 2
    some = _some_of_each(codes[seen].ravel())
    sides = set(white[seen].ravel()[some].tolist()) if some else {False, True}
    if polarity == "auto" and shown is not None and len(np.unique(white[seen])) == 1:
        notes.append("polarity auto: what is painted on the transparent mask was taken as the hole")
        return shown, notes
    if polarity == "auto" and some and len(some) == 2:
        return _rarer(codes, colors, seen, some, top, notes) & (True if shown is None else shown), notes
    if some and len(some) == 2 and len(sides) == 1:
        flat = colors[seen].reshape(codes[seen].size, -1)
        values = " and ".join(_numbers(flat[i]) for i in _by_brightness(flat, some))
        way = f"{option}auto takes the rarer as the hole" if option else f"expected black and white, 0 and {top}"
        raise InpaintxError(f"{name} has two values, {values}, on one side of 50 %; {way}")
    if not some:
        painted = shown is not None and option is not None
        way = f"{option}auto takes what is painted on it" if painted else "paint the hole white on black"
        _check_sides(colors[seen], gray[seen], polarity, name, top, way)
    if codes is not gray:
        notes.append("the mask has colours: their luminance counts")
    _note_grays(gray, top, notes)
    chosen: str = polarity
    if polarity == "auto":
        share = np.count_nonzero(white[seen]) / white[seen].size
        chosen = "white" if share < 0.5 else "black"
        notes.append(f"polarity auto: {_percent(share)} of the mask is white, so {chosen} was taken as the hole")
    hole = white if chosen == "white" else ~white
    if shown is not None:
        hole = hole & shown
        if not hole.any():
            notes.append(f"{option}auto takes what is painted on it")
    elif polarity != "auto" and MUCH < hole.mean() < 1:
        other = "black" if polarity == "white" else "white"
        notes.append(
            f"the hole covers {_percent(hole.mean())} of the photo: if {other} marks the hole, {option}{other}"
        )
    return hole, notes


def brighter(picture: Photo, name: str) -> tuple[Bools, Bools]:
    """Split a picture into a brighter and a darker side: by its values where it has exactly two, else at 50 %.

    Returns
    -------
    ndarray, ndarray
        ``[H,W]`` the brighter side, and all that is opaque; the rest of that is the darker side.

    Raises
    ------
    InpaintxError
        It has more than two values, and no black or no white, or colours that are neither.
    """
    top = int(np.iinfo(picture.pixels.dtype).max)
    shown = _shown(picture, name, [])
    if shown is None:
        shown = np.ones(picture.pixels.shape[:2], bool)
    colors = picture.pixels if picture.pixels.ndim == 2 else picture.pixels[..., :3]
    gray, codes = _luminance(colors)
    some = _some_of_each(codes[shown])
    if some and len(some) == 2:
        flat, values = colors[shown].reshape(np.count_nonzero(shown), -1), codes[shown]
        return shown & (codes == values[_by_brightness(flat, some)[1]]), shown
    if not some:
        _check_sides(colors[shown], gray[shown], "auto", name, top, "paint the hole white on black")
    return shown & (gray > top // 2), shown


def _shown(picture: Photo, name: str, notes: list[str]) -> Bools | None:
    """Which pixels are opaque; None: all."""
    if picture.alpha is None:
        return None
    shown: Bools = picture.alpha > np.iinfo(picture.alpha.dtype).max // 2
    if shown.all():
        return None
    if not shown.any():
        raise InpaintxError(f"{name} is transparent everywhere, so it shows no hole")
    notes.append(f"{1 - shown.mean():.1%} of the mask is transparent and counts as known")
    return shown


def _luminance(colors: Array) -> tuple[Array, Array]:
    """Luminance ``[H,W]``, and a number ``[H,W]`` that is another one for every colour."""
    if colors.ndim == 2:
        return colors, colors
    cv2 = import_cv2()
    gray: Array = cv2.cvtColor(np.ascontiguousarray(colors), cv2.COLOR_RGB2GRAY)
    red, green, blue = (colors[..., c] for c in range(3))
    if np.array_equal(red, green) and np.array_equal(green, blue):
        return gray, gray
    wide = np.uint32 if colors.dtype == np.uint8 else np.uint64
    bits = wide(colors.dtype.itemsize * 8)
    return gray, (red.astype(wide) << bits | green) << bits | blue


def _some_of_each(codes: Array) -> list[int] | None:
    """Where one pixel of each value is among ``[N]``, if there are no more than two values."""
    others = codes != codes[0]
    if not others.any():
        return [0]
    second = int(others.argmax())
    return [0, second] if bool((codes[others] == codes[second]).all()) else None


def _by_brightness(flat: Array, some: list[int]) -> list[int]:
    """Sort pixels by the sum of their channels."""
    return sorted(some, key=lambda i: int(flat[i].astype(np.int64).sum()))


def _rarer(codes: Array, colors: Array, seen: Any, some: list[int], top: int, notes: list[str]) -> Bools:
    """Of exactly two values the rarer; the brighter where both are as frequent."""
    flat = colors[seen].reshape(codes[seen].size, -1)
    dark, bright = _by_brightness(flat, some)
    share = np.count_nonzero(codes[seen] == codes[seen].ravel()[bright]) / codes[seen].size
    rarer = bright if share <= 0.5 else dark
    notes.append(
        f"polarity auto: {_percent(share)} of the mask is {_spelt(flat[bright], top)}, so {_spelt(flat[rarer], top)} "
        "was taken as the hole"
    )
    return np.asarray(codes == codes[seen].ravel()[rarer])


def _spelt(value: Array, top: int) -> str:
    """A grey ``[1]`` or a colour ``[3]`` in words."""
    return {"0": "black", str(top): "white"}.get(_numbers(value), _numbers(value))


def _numbers(value: Array) -> str:
    return str(value[0]) if (value == value[0]).all() else f"({', '.join(map(str, value))})"


def _check_sides(colors: Array, gray: Array, polarity: Polarity, name: str, top: int, way: str) -> None:
    """Refuse a picture of more than two values that has no black or no white, or colours that are neither."""
    if colors.ndim > gray.ndim:
        strong = colors.max(-1).astype(np.int32) - colors.min(-1) > top // 4
        neither = np.count_nonzero(strong & (gray < 0.75 * top)) / gray.size
        if neither > 0.01:
            raise InpaintxError(
                f"{name} has colours that are neither black nor white ({_percent(neither)} of its pixels): a photo, or "
                f"labels? {way}, as a PNG"
            )
    low, high = int(gray.min()), int(gray.max())
    lacks = "white" if polarity != "black" and high <= 0.6 * top else ""
    lacks = lacks or ("black" if polarity != "white" and low >= 0.4 * top else "")
    if lacks:
        raise InpaintxError(f"{name} has nothing {lacks}: its values run from {low} to {high} of {top}; {way}")


def _note_grays(gray: Array, top: int, notes: list[str]) -> None:
    grays = np.count_nonzero((gray != 0) & (gray != top)) / gray.size
    if grays:
        notes.append(f"{_percent(grays)} of the mask's pixels are grey (between black and white): split at 50 %")
        middle = _halftones(gray, top)
        if middle > MANY:
            notes.append(f"{middle:.0%} are far from both: is this a mask, and not a photo?")


def _halftones(gray: Array, top: int) -> float:
    """The share of pixels that are far from black and from white."""
    return np.count_nonzero((gray > top * 0.1) & (gray < top * 0.9)) / gray.size


def looks_like(picture: Photo, photo: Photo) -> bool:
    """Whether a picture with many halftones shows what the photo does: the photo in grey, or in another format."""
    if picture.pixels.shape[:2] != photo.pixels.shape[:2]:
        return False
    step = max(1, int((photo.pixels.shape[0] * photo.pixels.shape[1] / 1e6) ** 0.5))
    one, two = (_gray_of(p.pixels[::step, ::step]) for p in (picture, photo))
    if _halftones(one, np.iinfo(picture.pixels.dtype).max if picture.pixels.dtype.kind in "ui" else 1) <= MANY:
        return False
    spread = one.std() * two.std()
    return bool(spread > 0 and np.mean((one - one.mean()) * (two - two.mean())) > ALIKE * spread)


def _gray_of(pixels: Array) -> Array:
    """The mean of the colours ``[H,W]``, in float64."""
    colors = 3 if pixels.ndim == 3 and pixels.shape[2] >= 3 else 1
    return np.asarray(pixels.reshape(*pixels.shape[:2], -1)[..., :colors].mean(-1, dtype=np.float64))


def _percent(share: float) -> str:
    return f"{share:.2%}" if share < 0.1 else f"{share:.1%}"
