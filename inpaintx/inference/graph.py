"""A method's network as one graph: what the exports to ONNX and torch.export are made of and held against."""

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.fx import GraphModule
from torch.overrides import TorchFunctionMode

from inpaintx.errors import InpaintxError
from inpaintx.ops._native import plain_ops
from inpaintx.plugin.method import Method
from inpaintx.plugin.no_network import NoNetwork
from inpaintx.plugin.plugin_errors import blamed

__all__ = ["InpaintGraph", "example_input"]


class InpaintGraph(nn.Module):
    """One pass of a method as a module of tensors: ``graph(image, mask, *draws)``.

    Parameters
    ----------
    method, net
        A method, and its network in eval mode on the CPU; it is frozen.

    Attributes
    ----------
    draws
        Each random tensor that one pass draws: the function (``"randn"`` or ``"rand"``) and the shape.

    Raises
    ------
    InpaintxError
        The method has no network, its pass needs gradients, or it draws in a way that no input can stand for.
    """

    def __init__(self, method: Method, net: nn.Module) -> None:
        super().__init__()
        if isinstance(net, NoNetwork):
            raise InpaintxError(f"method {method.name!r} has no network; there is no graph to export")
        self.net, self._method = net.requires_grad_(False), method
        self._mirrored = bool(getattr(net.config, "mirrored", False))
        side = method.input_size(net.config) or max(64, method.size_divisor(net.config))
        self.draws: list[tuple[str, tuple[int, ...]]] = []
        image, mask = example_input(side, side)
        try:
            with torch.inference_mode(), _Draws() as draws:  # in which nothing can be differentiated
                self._raw(torch.where(mask > 0.5, 0.0, image), mask)
        except RuntimeError as error:
            raise InpaintxError(
                f"method {method.name!r} is no single pass of a network, so no graph can stand for it: "
                f"{str(error).splitlines()[0]}"
            ) from error
        self.draws = draws.seen
        if self.draws and self._mirrored:
            raise InpaintxError(f"method {method.name!r} draws its fills at random; set mirrored=false")

    def forward(self, image: Tensor, mask: Tensor, *draws: Tensor) -> tuple[Tensor, Tensor]:
        """Fill one image.

        Parameters
        ----------
        image
            ``[1,3,H,W]`` float32, RGB in [0,1].
        mask
            ``[1,1,H,W]`` float32, 1 = hole (above 0.5).
        draws
            One tensor for each of :attr:`draws`.

        Returns
        -------
        result, raw
            ``[1,3,H,W]`` in [0,1]: the image with the hole filled, and what the network gave everywhere.
        """
        hole = mask > 0.5
        shown = torch.where(hole, torch.zeros_like(image), image)
        with _Draws(draws):
            raw = self._raw(shown, hole.float())
        if self._mirrored:
            with _Draws(draws):
                raw = (raw + self._raw(shown.flip(3), hole.float().flip(3)).flip(3)) / 2
        raw = raw.clamp(0, 1)
        return torch.where(hole, raw, image), raw

    def _raw(self, shown: Tensor, mask: Tensor) -> Tensor:
        return self._method.inpaint(self.net, shown, mask)

    def inputs(self, height: int, width: int, seed: int = 0) -> tuple[Tensor, ...]:
        """An image with a hole, and draws, to trace with or to compare on."""
        generator = torch.Generator().manual_seed(seed)
        drawn = (getattr(torch, name)(shape, generator=generator) for name, shape in self.draws)
        return (*example_input(height, width, seed), *drawn)

    @property
    def names(self) -> list[str]:
        """Names of the inputs: ``image``, ``mask``, and ``z`` for a draw (``z0``, ``z1`` ... for several)."""
        few = len(self.draws) < 2
        return ["image", "mask", *("z" if few else f"z{i}" for i in range(len(self.draws)))]

    def program(
        self, height: int, width: int, divisor: int | None, *, plain: bool = False
    ) -> torch.export.ExportedProgram:
        """Trace the graph.

        Parameters
        ----------
        height, width
            Sides to trace at.
        divisor
            Sides of the images are free multiples of it; None: they are fixed.
        plain
            Whether inpaintx's ops are taken apart into PyTorch's own.

        Raises
        ------
        InpaintxError
            The method does what no graph can hold; the message names the method and says what.
        """
        free: dict[int, Any] = {}
        if divisor:
            sides = (torch.export.Dim(name, min=1) for name in ("h", "w"))
            free = {axis: divisor * side if divisor > 1 else side for axis, side in enumerate(sides, 2)}
        shapes: list[Any] = [free, free, *([tuple({} for _ in self.draws)] if self.draws else [])]
        ops = plain_ops() if plain else nullcontext()
        with blamed(self._method, "the trace of inpaint() for export"), torch.no_grad(), ops:
            program = torch.export.export(
                self, self.inputs(height, width), dynamic_shapes=tuple(shapes) if divisor else None, strict=False
            )
        random = torch.Tag.nondeterministic_seeded
        nodes = [n for m in program.graph_module.modules() if isinstance(m, GraphModule) for n in m.graph.nodes]
        for node in nodes:
            harmless = any(word in str(node.target) for word in ("dropout", "attention"))  # nothing drops in eval mode
            if random in getattr(node.target, "tags", ()) and not harmless:
                raise InpaintxError(
                    f"method {self._method.name!r} draws by {node.target}; for an export, draw by torch.randn"
                )
            for trace in ("stack_trace", "nn_module_stack", "source_fn_stack", "torch_fn"):  # folders of this machine
                node.meta.pop(trace, None)
        return program

    def difference(self, sizes: Sequence[tuple[int, int]], other: Callable[..., Sequence[Any]]) -> float:
        """The largest difference, in result and raw output, between eager and ``other``, on an image of each size.

        Raises
        ------
        InpaintxError
            A known pixel of the other result is not the image's own.
        """
        worst = 0.0
        for seed, (height, width) in enumerate(sizes, 1):
            given = self.inputs(height, width, seed)
            with torch.no_grad():
                expected = self(*given)
            found = [torch.as_tensor(value) for value in other(*given)]
            image, known = given[0], (given[1] <= 0.5).expand_as(given[0])
            if not torch.equal(found[0][known], image[known]):
                raise InpaintxError(f"known pixels were changed by the exported graph of method {self._method.name!r}")
            worst = max(worst, *(float((a - b).abs().max()) for a, b in zip(found, expected, strict=True)))
        return worst


def example_input(height: int, width: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """An image ``[1,3,H,W]`` of noise in [0,1], and a mask ``[1,1,H,W]`` with a square hole off its center."""
    image = torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(seed))
    mask = torch.zeros(1, 1, height, width)
    mask[..., height // 4 : height // 4 + height // 3, width // 3 : width // 3 + width // 3] = 1
    return image, mask


class _Draws(TorchFunctionMode):
    """Notes each call of ``torch.randn`` and ``torch.rand``; where tensors are given, they stand for what is drawn."""

    def __init__(self, given: Sequence[Tensor] | None = None) -> None:
        super().__init__()
        self._given = None if given is None else list(given)
        self.seen: list[tuple[str, tuple[int, ...]]] = []

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if func not in (torch.randn, torch.rand):
            return func(*args, **(kwargs or {}))
        if self._given:
            return self._given.pop(0)
        drawn = func(*args, **(kwargs or {}))
        self.seen.append((func.__name__, tuple(drawn.shape)))
        return drawn
