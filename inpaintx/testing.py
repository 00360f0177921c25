"""The contract tests that any plugin author can run: ``inpaintx check NAME`` or :func:`check_method`."""

import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from inpaintx.errors import InpaintxError
from inpaintx.inference.run import run_method
from inpaintx.plugin import weights as weight_files
from inpaintx.plugin.method import Method
from inpaintx.plugin.plugin_errors import blamed
from inpaintx.plugin.registry import registry
from inpaintx.plugin.trainer import check_losses, check_trainer
from inpaintx.training import checkpoint

__all__ = ["BrokenRuleError", "RuleResult", "check_method", "count_ops", "run_rules"]

PRESET = "tiny"  # taken where the method has it, so that a check takes seconds on a CPU


class BrokenRuleError(AssertionError):
    """A method breaks the contract; the message names each broken rule and what was seen."""


@dataclass(frozen=True)
class RuleResult:
    """One rule of the contract: its name, and what was seen where it is broken (None: it holds)."""

    rule: str
    error: str | None


class Case:
    """A method with its network, on small pictures with holes."""

    def __init__(self, method: Method, device: str, seed: int) -> None:
        self.method, self.device, self.seed = method, torch.device(device), seed
        self.config = method.config(PRESET if PRESET in method.presets else "default")
        with weight_files.seeded(seed):
            self.net = method.network(self.config).to(self.device).eval()
        multiple = method.size_divisor(self.config)
        self.side = (method.fixed_size and method.input_size(self.config)) or -(-64 // multiple) * multiple

    def picture(self, height: int, width: int, batch: int = 1) -> tuple[Tensor, Tensor]:
        """Smooth colours with noise, and a box and a stroke as hole, another for each image."""
        generator = torch.Generator().manual_seed(self.seed + 7919 * height + width)
        coarse = torch.rand(batch, 3, 4, 4, generator=generator)
        image = nn.functional.interpolate(coarse, (height, width), mode="bilinear")
        image = (0.9 * image + 0.1 * torch.rand(batch, 3, height, width, generator=generator)).clamp(0, 1)
        mask = torch.zeros(batch, 1, height, width)
        for i in range(batch):
            top, left = (height // 4 + i) % max(1, height // 2), (width // 3 + 2 * i) % max(1, width // 2)
            mask[i, :, top : top + max(1, height // 4), left : left + max(1, width // 4)] = 1
            mask[i, :, -1, : width // 3] = 1
        return image.to(self.device), mask.to(self.device)

    def batch(self, image: Tensor, mask: Tensor) -> dict[str, Tensor]:
        """What a training step is given: image, mask and what the method needs beside them."""
        size, half = image.shape[-1], torch.ones_like(mask)
        half[..., : size // 4] = 0
        points = torch.rand(len(image), 49, 2, generator=torch.Generator().manual_seed(self.seed)) * (size - 1)
        extras = {"skin": half, "foreground": half, "landmarks": points.to(self.device)}
        return {"image": image, "mask": mask, **{k: extras[k] for k in self.method.required_annotations(self.config)}}

    def generator(self, seed: int | None = None) -> torch.Generator:
        """A fresh source of randomness."""
        return torch.Generator(self.device).manual_seed(self.seed if seed is None else seed)

    def fill(self, image: Tensor, mask: Tensor, seed: int | None = None) -> Tensor:
        """The composite, as users get it."""
        return run_method(self.method, self.net, image, mask, generator=self.generator(seed)).image

    def raw(self, image: Tensor, mask: Tensor) -> Tensor:
        """What the method itself returns, before compositing."""
        with torch.no_grad():
            return self.method.inpaint(self.net, image, mask, generator=self.generator())


def _largest(a: Tensor, b: Tensor) -> float:
    return float((a.double() - b.double()).abs().max())


def in_range(x: Tensor) -> bool:
    """Whether all values lie in [0,1]."""
    return bool(((x >= 0) & (x <= 1)).all())


def known_pixels_bit_equal(case: Case) -> None:
    """Known pixels come out equal to the last bit, and the caller's tensors are not written to."""
    image, mask = case.picture(case.side, case.side, 2)
    before, mask_before = image.clone(), mask.clone()
    out = case.fill(image, mask)
    known = (mask == 0).expand_as(image)
    assert torch.equal(out[known], before[known]), "known pixels of the result differ from the input's"
    case.raw(image, mask)
    assert torch.equal(image, before), "inpaint() writes into the image that it is given"
    assert torch.equal(mask, mask_before), "inpaint() writes into the mask that it is given"


def any_size(case: Case) -> None:
    """Every size is filled: small, odd, not square; the result is finite, in [0,1] and of the input's size."""
    for height, width in ((case.side, case.side), (case.side + 1, case.side - 3), (33, 47), (17, 90)):
        image, mask = case.picture(height, width)
        out = case.fill(image, mask)
        assert out.shape == image.shape, f"{height}x{width}: returned {list(out.shape)}"
        assert bool(torch.isfinite(out).all()), f"{height}x{width}: not finite"
        assert in_range(out), f"{height}x{width}: values leave [0,1]"


def batch_equals_singles(case: Case) -> None:
    """An image is filled alike alone and in a batch, each with its own mask (draw randomness once a call)."""
    image, mask = case.picture(case.side, case.side, 3)
    together = case.fill(image, mask)
    for i in range(3):
        alone = case.fill(image[i : i + 1], mask[i : i + 1])
        difference = _largest(together[i : i + 1], alone)
        assert difference <= 1e-4, f"image {i} of a batch of 3 differs from the same image alone by {difference:.3g}"


def hidden_pixels_have_no_influence(case: Case) -> None:
    """What lies under the hole changes nothing, not even in inpaint() itself."""
    image, mask = case.picture(case.side, case.side)
    other = torch.where(mask > 0, torch.rand_like(image), image)
    for name, changed in (("other colours", other), ("zeros", image * (1 - mask))):
        difference = _largest(*(torch.where(mask > 0, case.raw(x, mask), 0.0) for x in (image, changed)))
        assert difference == 0, f"{name} under the hole change the fill by {difference:.3g}"
    nan = torch.where(mask > 0, torch.full_like(image, torch.nan), image)
    assert torch.equal(case.fill(nan, mask), case.fill(image, mask)), "NaN under the hole reaches the result"


def same_seed_same_result(case: Case) -> None:
    """The same seed gives the same fill, and no randomness is taken from elsewhere."""
    image, mask = case.picture(case.side, case.side)
    first = case.fill(image, mask)
    torch.rand(3)
    assert torch.equal(first, case.fill(image, mask)), "two calls with the same seed differ"
    before = torch.random.get_rng_state()
    case.fill(image, mask)
    assert torch.equal(before, torch.random.get_rng_state()), "inpaint() draws from torch's global generator"


def empty_and_full_hole(case: Case) -> None:
    """Without a hole the image comes back; with nothing but hole the result is finite and in [0,1]."""
    image, mask = case.picture(case.side, case.side)
    assert torch.equal(case.fill(image, torch.zeros_like(mask)), image), "an empty mask changes the image"
    out = case.fill(image, torch.ones_like(mask))
    assert bool(torch.isfinite(out).all()), "a full hole gives values that are not finite"
    assert in_range(out), "a full hole gives values outside [0,1]"


def dtype_and_device_kept(case: Case) -> None:
    """The result has the dtype and device of the image, and inpaint() those of what it is given."""
    image, mask = case.picture(case.side, case.side)
    for dtype in (torch.float16, torch.bfloat16, torch.float32, torch.float64):
        out = case.fill(image.to(dtype), mask)
        assert out.dtype == dtype, f"image {dtype}, result {out.dtype}"
        assert out.device == image.device, f"image on {image.device}, result on {out.device}"
    raw = case.raw(image, mask)
    assert raw.dtype == image.dtype, f"inpaint() returned {raw.dtype} for {image.dtype}"
    assert raw.shape == image.shape, f"inpaint() returned {list(raw.shape)} for {list(image.shape)}"
    for kind in (torch.bool, torch.uint8):
        assert torch.equal(case.fill(image, mask.to(kind)), case.fill(image, mask)), f"a {kind} mask differs"


def config_round_trip(case: Case) -> None:
    """Every preset survives being written as JSON and read again, and an unknown option is refused."""
    for name, config in {"default": case.method.config(), **case.method.presets}.items():
        again = type(config).model_validate_json(config.model_dump_json())
        assert again == config, f"preset {name!r} changes when written and read"
    try:
        case.method.Config.model_validate({"no_such_option_": 1})
    except ValueError:
        return
    raise AssertionError('Config takes unknown options; derive it from inpaintx.Config (extra="forbid")')


def training_step(case: Case) -> None:
    """One step trains: losses are finite and parameters move; trainer and weights survive a round trip."""
    if not case.method.is_trainable():
        return
    image, mask = case.picture(case.side, case.side, 2)
    net = case.method.network(case.config).to(case.device).train()
    before = {k: v.clone() for k, v in net.state_dict().items()}
    trainer = case.method.trainer(net, case.config)
    check_trainer(trainer, net)
    losses = trainer.step(case.batch(image, mask))
    check_losses(losses, type(trainer).__name__)
    for name, value in losses.items():
        assert bool(torch.isfinite(value).all()), f"loss {name!r} is not finite: {value}"
    assert any(not torch.equal(before[k], v) for k, v in net.state_dict().items()), "step() moved no parameter"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "weights.safetensors"
        weight_files.save(path, case.method, case.config, net)
        loaded = weight_files.load(case.method, case.config, str(path), case.device)
    for key, value in net.state_dict().items():
        assert torch.equal(loaded.net.state_dict()[key], value.float()), f"{key} changes when written and read"
    trainer.advance()
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "checkpoints").mkdir()
        kept = {name: network.state_dict() for name, network in trainer.networks.items()}
        written = checkpoint.write(Path(folder), trainer.steps, kept, {"trainer": trainer.state_dict()}, {})
        networks, state = checkpoint.read(written, list(kept))
    again = case.method.trainer(case.method.network(case.config).to(case.device).train(), case.config)
    for name, network in again.networks.items():
        network.load_state_dict(networks[name])
    again.load_state_dict(state["trainer"])
    assert again.steps == trainer.steps, f"a resumed trainer has {again.steps} steps behind it, not {trainer.steps}"


RULES: tuple[Callable[[Case], None], ...] = (
    known_pixels_bit_equal,
    any_size,
    batch_equals_singles,
    hidden_pixels_have_no_influence,
    same_seed_same_result,
    empty_and_full_hole,
    dtype_and_device_kept,
    config_round_trip,
    training_step,
)


def run_rules(method: "Method | type[Method] | str", *, device: str = "cpu", seed: int = 0) -> Iterator[RuleResult]:
    """Try each rule of the contract on a method, one after the other.

    Parameters
    ----------
    method
        A method, its class, or the name of one that is registered.
    device
        Where to run it.

    Yields
    ------
    RuleResult
        A rule's name, and what was seen where it is broken.
    """
    if isinstance(method, str):
        method = registry().method(method)
    elif isinstance(method, type):
        method = method()
    for rule in RULES:
        try:
            rule(Case(method, device, seed))
            yield RuleResult(rule.__name__.replace("_", " "), None)
        except Exception as error:
            seen = (
                str(error) if isinstance(error, (AssertionError, InpaintxError)) else f"{type(error).__name__}: {error}"
            )
            yield RuleResult(rule.__name__.replace("_", " "), seen or "failed")


def check_method(method: "Method | type[Method] | str", **options: Any) -> None:
    """Hold a method against the contract.

    Parameters
    ----------
    method, options
        As in :func:`run_rules`.

    Raises
    ------
    BrokenRuleError
        Names every rule that is broken and what was seen.

    Examples
    --------
    >>> check_method("telea")
    """
    broken = [r for r in run_rules(method, **options) if r.error]
    if broken:
        raise BrokenRuleError("\n".join(f"{r.rule}: {r.error}" for r in broken))


class _OpCounter(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the calls of the library's own ops that reach the dispatcher, those of backward passes among them."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.calls: Counter[str] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func.namespace == "inpaintx":
            self.calls[func.__name__.partition(".")[0]] += 1
        return func(*args, **(kwargs or {}))


def count_ops(method: Method, *, device: str = "cpu", seed: int = 0) -> dict[str, dict[str, int]]:
    """Count the calls of native ops in a fill and in the last step of a training, by running both on small pictures.

    Parameters
    ----------
    method
        It is run with its preset ``"tiny"`` where it has one, on one image (the fill) and on two (the step).

    Returns
    -------
    dict
        ``"fill"``, and ``"step"`` where the method is trained: calls by the name of the op, the most frequent first.
        An op that is made of PyTorch's is none of the library's own, and not counted.
    """
    case = Case(method, device, seed)
    with _OpCounter() as fill:
        case.fill(*case.picture(case.side, case.side))
    found = {"fill": dict(fill.calls.most_common())}
    if method.is_trainable():
        batch = case.batch(*case.picture(case.side, case.side, 2))
        with weight_files.seeded(seed), blamed(method, "a training step"):
            trainer = method.trainer(method.network(case.config).to(case.device).train(), case.config)
            trainer.steps = max(0, getattr(case.config, "steps", 1) - 1)
            with _OpCounter() as step:
                trainer.step(batch)
        found["step"] = dict(step.calls.most_common())
    return found
