"""Training steps in a CUDA graph: what may be captured waits for nothing, and a replayed run is one without a graph."""

import contextlib
import copy
from types import SimpleNamespace

import pytest
import torch
from face_sets import plain
from inpaintx_plugins.pdgan import PDGAN
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from toy_training import Toy, ToyTrainer

import inpaintx
from inpaintx import InpaintxError, Trainer
from inpaintx.nn.fan import FAN, save_fan
from inpaintx.plugin.trainer import plain_update
from inpaintx.training import graph
from inpaintx.training.callbacks import Callback
from inpaintx.training.config import TrainConfig
from inpaintx.training.graph import GraphedStep, check_graph, make_capturable
from inpaintx.training.processes import start
from inpaintx.training.update import Updater

TINY = {"size": 32, "width": 4, "z": 8, "vgg": "small", "prior_steps": 5, "steps": 12, "batch_size": 2}


class NoWaiting(TorchDispatchMode):
    """Refuses what a capture does: reading values back, shapes that follow from values, tensors of Python numbers."""

    TAGS = (torch.Tag.data_dependent_output, torch.Tag.dynamic_output_shape)
    INDEXING = (torch.ops.aten.index, torch.ops.aten.index_put, torch.ops.aten.index_put_)

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        packet = func.overloadpacket
        if packet in self.INDEXING:
            waits = any(i is not None and i.dtype in (torch.bool, torch.uint8) for i in args[1])
        else:
            waits = any(tag in func.tags for tag in self.TAGS) or packet is torch.ops.aten.lift_fresh
        assert not waits, f"{func} cannot be captured"
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize(
    "wait",
    [
        lambda x: x.sum().item(),
        lambda x: bool(x.sum() > 0),
        lambda x: x[x > 0],
        lambda x: x.index_put_((x > 0,), torch.zeros(())),
        lambda x: x.nonzero(),
        lambda x: x + torch.tensor([1.0, 2.0, 3.0]),
    ],
)
def test_what_waits_is_noticed(wait):
    x = torch.ones(3)
    with pytest.raises(AssertionError, match="cannot be captured"), NoWaiting():
        wait(x)
    with NoWaiting():
        x[torch.arange(2)].mul_(2)  # what does not, is not


def batch(size=32):
    mask = torch.zeros(2, 1, size, size)
    mask[..., 8:24, 8:24] = 1
    return {"image": torch.rand(2, 3, size, size), "mask": mask, "skin": 1 - mask}


@pytest.fixture
def fabric():
    return start("cpu", 1, "32-true")


def with_updater(trainer, fabric, **more):
    trainer.updater = Updater(fabric, trainer.networks, trainer.optimizers, **more)
    return trainer


@pytest.mark.parametrize(
    ("preset", "stage"), [("default", "prior"), ("default", "gan"), ("paper", "gan"), ("full", "gan")]
)
def test_a_step_of_pdgan_waits_for_nothing(fabric, tmp_path, monkeypatch, preset, stage):
    """But for the step of the optimiser itself, which PyTorch captures (``capturable``)."""
    save_fan(tmp_path / "fan.safetensors", FAN(1, 5, 16, 64), "toys")
    config = PDGAN().config(preset, **TINY, fan_path=str(tmp_path / "fan.safetensors"), blended=1.0)
    trainer = with_updater(PDGAN().trainer(PDGAN().network(config).train(), config), fabric, clip=1.0)
    trainer.steps = 0 if stage == "prior" else 6
    assert trainer.capturable_as() == stage
    for optimizer in trainer.optimizers.values():
        monkeypatch.setattr(optimizer, "step", lambda: None)
    trainer.updater.captured = []
    one = batch()
    with NoWaiting():
        losses = trainer.step(one)
    assert [name for name, *_ in trainer.updater.captured] == (
        ["prior"] if stage == "prior" else ["discriminator", "generator"]
    )
    trainer.updater.check_captured()
    assert trainer.updater.fault is None
    assert all(torch.isfinite(value) for value in losses.values())
    assert ("heatmap" in losses) == (stage == "gan" and bool(config.beta))


@pytest.mark.parametrize(("bad", "words"), [("loss", "'adv' is nan"), ("gradient", "gradient of net.last.weight")])
def test_a_captured_step_tells_afterwards_what_was_not_finite(fabric, bad, words):
    config = Toy().config("tiny", bad=bad, bad_at=1)
    trainer = with_updater(ToyTrainer(Toy().network(config).train(), config), fabric)
    trainer.updater.captured = []
    terms = trainer.step(batch(16))
    assert trainer.updater.fault is None
    trainer.updater.check_captured()
    assert words in trainer.updater.fault.words(
        [{name: term.detach() for name, term in terms.items()}], ["a.png", "b.png"]
    )


class InTurn(Trainer):
    """Its first update spoils the weight that the second one's loss is of."""

    def __init__(self):
        nets = {name: nn.Linear(1, 1) for name in ("net", "critic")}
        super().__init__(nets, {name: torch.optim.Adam(net.parameters()) for name, net in nets.items()})

    def step(self, batch):
        critic = self.networks["critic"](torch.ones(1, 1)).sum()
        bias = self.networks["critic"].bias
        self.update("critic", critic + (bias - bias.detach()).sqrt().sum())  # 0, and its gradient is infinite
        later = self.networks["critic"](self.net(torch.ones(1, 1))).sum()
        self.update("net", later)
        return {"later": later, "critic": critic}


@pytest.mark.parametrize("captured", [False, True])
def test_the_first_update_that_was_not_finite_is_named(fabric, captured):
    trainer = with_updater(InTurn(), fabric)
    trainer.updater.captured = [] if captured else None
    terms = trainer.step({})
    trainer.updater.check_captured()
    assert bool(terms["later"].isfinite()) is not captured
    words = trainer.updater.fault.words([terms], ["a.png"])
    assert words == "the gradient of critic.bias is not finite; the batch: a.png"


def test_rates_and_counts_of_a_capturable_optimizer_are_tensors_and_follow_the_schedule():
    weight = nn.Parameter(torch.ones(2))
    optimizer = torch.optim.Adam([weight], 0.1)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 0.5**step)
    plain_update(optimizer, weight.sum())
    kept = copy.deepcopy(optimizer.state_dict())
    make_capturable([optimizer], torch.device("cpu"))
    rate = optimizer.param_groups[0]["lr"]
    schedule.step()
    assert rate is optimizer.param_groups[0]["lr"]
    assert float(rate) == pytest.approx(0.05)
    assert optimizer.state[weight]["step"].dtype == torch.float32
    optimizer.load_state_dict(kept)  # of a run without a graph
    make_capturable([optimizer], torch.device("cpu"))
    assert optimizer.param_groups[0]["capturable"]
    assert float(optimizer.param_groups[0]["lr"]) == pytest.approx(0.1)
    with pytest.raises(InpaintxError, match="LBFGS cannot be captured"):
        make_capturable([torch.optim.LBFGS([weight])], torch.device("cpu"))


def test_without_cuda_it_is_refused_at_once(tmp_path):
    with pytest.raises(InpaintxError, match="needs a GPU, and this run is on cpu; give a CUDA device, or begin a run"):
        inpaintx.train("pdgan", tmp_path / "none", tmp_path / "run", device="cpu", options={"cuda_graph": True})


@pytest.mark.parametrize(
    ("options", "world", "words"),
    [
        ({"accumulate": 2}, 1, "accumulate=2;"),
        ({"precision": "16-mixed", "compile": True}, 1, "precision=16-mixed, compile=True;"),
        ({}, 4, "4 processes;"),
    ],
)
def test_what_it_cannot_be_combined_with(options, world, words):
    on_gpu = SimpleNamespace(device=torch.device("cuda"), world_size=world)
    with pytest.raises(InpaintxError, match=f"cannot be combined with {words}"):
        check_graph(on_gpu, TrainConfig(cuda_graph=True, **options))
    on_gpu.world_size = 1
    check_graph(on_gpu, TrainConfig(cuda_graph=True, precision="bf16-mixed"))


def test_a_trainer_that_does_not_say_so_is_not_captured(fabric):
    config = Toy().config("tiny")
    trainer = ToyTrainer(Toy().network(config), config)
    with pytest.raises(InpaintxError, match="the step of ToyTrainer cannot be captured with these options"):
        GraphedStep(trainer, with_updater(trainer, fabric).updater, torch.device("cpu"))


class Counting(Trainer):
    """Of two stages; its terms are the batch's sum and how often its Python ran."""

    def __init__(self):
        net = nn.Linear(1, 1)
        super().__init__({"net": net}, {"net": torch.optim.Adam(net.parameters(), 0.1)})
        self.runs = 0

    def capturable_as(self):
        return "first" if self.steps < 6 else "second"

    def step(self, batch):
        self.runs += 1
        return {"sum": batch["image"].sum()}


def test_the_order_of_warming_capturing_and_replaying(fabric, monkeypatch):
    """PyTorch's graph replaced by notes of what was called: three steps of a stage warm up, the fourth is captured."""
    trainer, calls = Counting(), []

    class Graph:
        def replay(self):
            calls.append("replay")
            step.terms["sum"].copy_(step.inputs["image"].sum())

    @contextlib.contextmanager
    def capturing(graph, stream):
        calls.append("capture")
        yield

    stream = SimpleNamespace(wait_stream=lambda other: None)
    stand_in = SimpleNamespace(
        Stream=lambda device: stream,
        current_stream=lambda: stream,
        stream=lambda s: contextlib.nullcontext(),
        CUDAGraph=Graph,
        graph=capturing,
    )
    monkeypatch.setattr(graph.torch, "cuda", stand_in)
    step = GraphedStep(trainer, with_updater(trainer, fabric).updater, torch.device("cpu"))
    sums = []
    for number in range(12):
        found = step({"image": torch.full((2,), float(number)), "name": ["a", "b"]})
        sums.append(float(found["sum"]))
        calls.append(trainer.runs)
        trainer.steps += 1
    assert sums == [2.0 * number for number in range(12)]
    first = [1, 2, 3, "capture", "replay", 4, "replay", 4, "replay", 4]
    assert calls == [*first, *(x + 4 if isinstance(x, int) else x for x in first)]


class Losses(Callback):
    def __init__(self):
        self.seen = []

    def log(self, step, losses, speed):
        self.seen.append(losses)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize(
    ("precision", "warmed", "tolerance"),
    [
        ("32-true", True, 2e-3),
        ("bf16-mixed", True, 2e-2),
        ("32-true", False, 5e-2),  # Adam rounds otherwise where it can be captured, and a GAN makes more of it
    ],
)
def test_a_graphed_run_is_one_without_a_graph(tmp_path, monkeypatch, precision, warmed, tolerance):
    """Prior and GAN, warm-up and replays of both, a resumption; held against steps that are never captured."""
    pytest.importorskip("tensorboard")
    monkeypatch.setattr(torch.backends.cudnn, "deterministic", True)
    faces = plain(tmp_path / "faces", [f"train/{i}.png" for i in range(4)] + ["val/0.png"], 32)
    options = {**TINY, "precision": precision, "clip": 10.0, "ema": 0.9, "blended": 1.0}
    loop = {"log_every": 1, "validate_every": 0, "checkpoint_every": 0, "workers": 0}
    seen = []
    for graphed in (False, True):
        losses, run = Losses(), tmp_path / f"run{graphed}"
        monkeypatch.setattr(graph, "WARM_UP", 3 if graphed else 1000)
        for steps, resume in ((12, False), (18, True)):
            options |= {"steps": steps, "cuda_graph": graphed or warmed}
            given = {"preset": "tiny", "device": "cuda", "resume": resume, "watch": [losses]}
            inpaintx.train("pdgan", faces, run, options={**options, **loop}, **given)
        seen.append(losses.seen)
    assert [len(losses) for losses in seen] == [18, 18]
    for eager, replayed in zip(*seen, strict=True):
        assert replayed == pytest.approx(eager, rel=tolerance, abs=1e-4)
