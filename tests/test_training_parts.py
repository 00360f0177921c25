"""Updates, validation and what is shown, each by itself."""

import io
import subprocess
import sys
import textwrap

import pytest
import torch
from lightning_fabric import Fabric
from rich.console import Console
from torch import nn
from toy_training import Toy, ToyConfig
from vgg_files import vgg_file

from inpaintx import Config, InpaintxError, Trainer, train
from inpaintx.data.sampler import parse_mask_spec
from inpaintx.plugin.registry import registry
from inpaintx.training.callbacks import Bar
from inpaintx.training.config import resolve_settings
from inpaintx.training.export import export
from inpaintx.training.record import read_record
from inpaintx.training.update import Updater
from inpaintx.training.validate import Validation, is_improvement


@pytest.fixture(scope="module")
def fabric():
    return Fabric(accelerator="cpu", devices=1)


def pair(lr=1.0):
    networks = {"net": nn.Linear(3, 3, bias=False), "critic": nn.Linear(3, 1, bias=False)}
    return networks, {name: torch.optim.SGD(x.parameters(), lr) for name, x in networks.items()}


def test_an_update_changes_its_own_parameters_only(fabric):
    networks, optimizers = pair()
    before = {name: x.weight.detach().clone() for name, x in networks.items()}
    updater = Updater(fabric, networks, optimizers)
    x = torch.ones(2, 3)
    updater(optimizers["net"], networks["critic"](networks["net"](x)).sum())
    assert torch.equal(networks["critic"].weight, before["critic"])
    assert networks["critic"].weight.grad is None
    expected = before["net"] - 2 * before["critic"].T @ torch.ones(1, 3)
    torch.testing.assert_close(networks["net"].weight.detach(), expected)


@pytest.mark.parametrize(("clip", "moved"), [(0.5, 0.5), (100.0, 3.0)])
def test_the_limit_on_the_norm(fabric, clip, moved):
    networks, optimizers = pair()
    before = networks["net"].weight.detach().clone()
    updater = Updater(fabric, networks, optimizers, clip=clip)
    updater(optimizers["net"], networks["net"](torch.ones(1, 3)).sum())  # nine gradients of 1
    assert float((networks["net"].weight.detach() - before).norm()) == pytest.approx(moved, rel=1e-4)


def test_nothing_is_updated_after_a_fault(fabric):
    networks, optimizers = pair()
    before = networks["net"].weight.detach().clone()
    updater = Updater(fabric, networks, optimizers)
    updater(optimizers["critic"], networks["critic"](torch.full((1, 3), torch.inf)).sum())
    updater(optimizers["net"], networks["net"](torch.ones(1, 3)).sum())
    assert updater.fault.optimizer == "critic"
    assert torch.equal(networks["net"].weight, before)


def test_freed_memory_is_kept():
    code = """
        import resource, torch
        from inpaintx.training.processes import keep_freed_memory
        faults, kept = [], keep_freed_memory()
        torch.empty(2**25).fill_(1)  # larger than what follows, so that each fits into it whatever lies between
        for _ in range(3 if kept else 0):
            before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
            torch.empty(2**24).fill_(1)  # 64 MB: 16,384 pages
            faults.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
        print(min(faults, default="none"))
    """
    # a process of its own: in one that has done much, what was freed may lie beside what is in use
    found = subprocess.check_output([sys.executable, "-c", textwrap.dedent(code)], text=True).strip()
    if found == "none":
        pytest.skip("no glibc, or its settings are in the environment")
    assert int(found) < 1000


def test_validation_knows_its_figures_and_leaves_the_network_as_it_was():
    truth = torch.zeros(3, 3, 16, 16)
    mask = torch.zeros(16, 16, dtype=torch.bool)
    mask[4:8, 4:8] = True
    validation = Validation([{"image": x} for x in truth], lambda key: mask.numpy(), 3)
    assert validation.floor["hole/mae"] == 0

    class Gray(Toy):
        def inpaint(self, net, image, mask, *, generator=None):
            assert not net.training
            return torch.full_like(image, 0.1)

    net = Toy().network(ToyConfig()).train()
    net.norm.eval()
    metrics, picture = validation(Gray(), net, torch.device("cpu"))
    assert metrics["hole/mae"] == pytest.approx(25.5, rel=1e-5)
    assert metrics["hole/psnr"] == pytest.approx(20, rel=1e-5)
    assert metrics["full/mae"] == pytest.approx(25.5 / 16, rel=1e-5)
    assert "distance" not in metrics
    assert picture.shape[2] == 3
    assert (net.training, net.norm.training, net.first.training) == (True, False, True)


def test_better():
    assert is_improvement("hole/psnr", 2, None)
    assert is_improvement("hole/psnr", 2, 1)
    assert is_improvement("hole/mae", 1, 2)
    assert not is_improvement("hole/ssim", 1, 1)
    assert is_improvement("distance", 0.3, 0.4)


def test_a_run_is_validated_by_distance(toy_faces, tmp_path):
    path = vgg_file(tmp_path / "vgg.safetensors")
    options = {"val_vgg": str(path), "best": "distance", "validate_every": 2, "val_images": 2, "workers": 0}
    with pytest.raises(InpaintxError, match="val_vgg=FILE"):
        resolve_settings(Toy(), None, {"best": "distance"})
    done = train(Toy(), toy_faces, tmp_path / "run", options={**options, "size": 64}, device="cpu")
    assert done.best["value"] == pytest.approx(min(done.best["value"], done.last["distance"]))
    assert done.last["hole/sharpness"] > 0
    record = read_record(tmp_path / "run")
    assert record["distance_in"].startswith("file:vgg.safetensors@")
    metadata = export(tmp_path / "run", tmp_path / "w.safetensors", method=Toy()).metadata
    assert metadata["validation"]["distance_in"] == record["distance_in"]
    assert metadata["training"]["val_vgg"] == "vgg.safetensors"  # where it lay is nobody's business
    other = vgg_file(tmp_path / "vgg.safetensors", seed=1)
    with pytest.raises(InpaintxError, match="distance_in"):
        train(Toy(), toy_faces, tmp_path / "run", steps=9, resume=True, options={"val_vgg": str(other)}, device="cpu")


def told(console):
    with Bar(console) as bar:
        bar.note("a [note]")
        bar.begin(10, 20)
        for step in range(11, 16):
            bar.step(step)
        bar.log(15, {"l1": 0.25}, {"images_per_second": 12.0, "waiting": 0.5})
        bar.validated(15, {"hole/psnr": 20.5, "hole/ssim": 0.9, "hole/mae": 3.0}, True)
    return console.file.getvalue()


def test_plain_lines_without_a_terminal():
    words = told(Console(file=io.StringIO(), force_terminal=False, width=200))
    first, second, third = words.splitlines()
    assert first == "a [note]"
    assert second.startswith("step 15/20  l1 0.25  12.0 images/s (50% waiting for data)")
    assert third == "step 15/20  validation: hole/psnr 20.5  hole/ssim 0.9  hole/mae 3  (the best so far)"


def test_a_bar_in_a_terminal():
    words = told(Console(file=io.StringIO(), force_terminal=True, highlight=False, width=200))
    assert "15/20" in words
    assert "12.0 images/s" in words
    assert "validation: hole/psnr 20.5" in words


def test_an_option_of_the_method_that_is_no_learned_config():
    class Odd(Toy):
        Config = Config
        presets = {}  # noqa: RUF012

    with pytest.raises(InpaintxError, match=r"does not derive from inpaintx\.LearnedConfig"):
        resolve_settings(Odd(), None, {})


@pytest.mark.parametrize("name", [n for n, m in sorted(registry().methods.items()) if m.is_trainable()])
def test_stages_of_a_preset_scale_with_the_steps(name):
    method = registry().method(name)
    for preset in sorted({"default", *method.presets}):
        whole = method.config(preset)
        for steps in (60, 2 * whole.steps):
            scaled = resolve_settings(method, preset, {"steps": str(steps)}).config
            assert scaled.steps == steps
            for stage in type(whole).stages:
                before, now = getattr(whole, stage), getattr(scaled, stage)
                assert now == (max(1, round(before * steps / whole.steps)) if before else 0)
        same = resolve_settings(method, preset, {}).config
        assert same == whole


def test_a_stage_that_is_given_stays():
    config = resolve_settings(registry().method("pconv"), "tiny", {"steps": 60, "finetune_steps": 7}).config
    assert (config.steps, config.finetune_steps) == (60, 7)
    config = resolve_settings(registry().method("pconv"), "tiny", {"steps": 60}).config
    assert (config.steps, config.finetune_steps) == (60, 8)


def test_a_resumed_run_keeps_its_stages():
    method = registry().method("pconv")
    earlier = resolve_settings(method, "tiny", {"steps": 60}).record()
    assert resolve_settings(method, None, {"steps": 90}, earlier).config.finetune_steps == 8


def test_a_preset_brings_options_of_the_loop():
    foreground = registry().method("foreground")
    train = resolve_settings(foreground, "paper", {"vgg": "skip"}).train
    assert (train.limit, train.holes) == (27_000, "quickdraw:ratio=0.01-0.6,spread=uniform")
    assert resolve_settings(foreground, "paper", {"holes": "box", "limit": 5}).train.holes == "box"
    assert resolve_settings(foreground, None, {}).train.holes == "strokes"
    rows = resolve_settings(registry().method("pdgan"), "full", {}).train
    assert (rows.limit, rows.order, rows.flip) == (7000, "fixed", False)
    earlier = resolve_settings(foreground, "paper", {"holes": "box"}).record()
    del earlier["train"]["limit"]  # a run of an earlier version, which took all
    assert resolve_settings(foreground, None, {}, earlier).train.limit == 0


@pytest.mark.parametrize("name", sorted(registry().methods))
def test_every_presets_options_of_the_loop_are_taken(name):
    method = registry().method(name)
    for preset, options in method.training_options.items():
        settled = resolve_settings(method, preset, {}).train
        assert {key: getattr(settled, key) for key in options} == options
        parse_mask_spec(settled.holes, size=64)


def test_a_loss_of_one_element_is_a_loss():
    net = torch.nn.Linear(2, 1)
    trainer = Trainer({"net": net}, {"net": torch.optim.SGD(net.parameters(), 0.1)})
    trainer.updater = Updater(Fabric(accelerator="cpu"), trainer.networks, trainer.optimizers)
    before = net.bias.item()
    trainer.update("net", net(torch.ones(1, 2)).view(1))  # autograd takes it, too
    assert net.bias.item() == pytest.approx(before - 0.1)
