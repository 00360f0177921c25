"""The training loop on a toy GAN: what a run leaves, what it refuses, and how it stops."""

import errno
import json
import os
import shutil

import pytest
import torch
from face_sets import gray, picture, plain, write
from lightning_fabric import Fabric
from toy_methods import box
from toy_training import Toy, differing, weights

import inpaintx
from inpaintx import InpaintxError
from inpaintx.io.photo import read_photo
from inpaintx.plugin.registry import registry
from inpaintx.training.callbacks import Callback
from inpaintx.training.checkpoint import checkpoints
from inpaintx.training.ema import EMA
from inpaintx.training.export import export
from inpaintx.training.update import Updater

QUICK = {"workers": 0, "val_images": 2, "validate_every": 0}


class Seen(Callback):
    """Remembers what it was told, and can act after a step."""

    def __init__(self, after=None):
        self.told, self.after = [], after or {}

    def note(self, words):
        self.told.append(("note", words))

    def step(self, step):
        self.told.append(("step", step))
        self.after.get(step, lambda: None)()

    def log(self, step, losses, speed):
        self.told.append(("log", step, dict(losses), dict(speed)))

    def validated(self, step, metrics, best):
        self.told.append(("validated", step, dict(metrics), best))

    def events(self, kind):
        return [event[1:] for event in self.told if event[0] == kind]


def run(faces, out, **options):
    given = {key: options.pop(key) for key in ("steps", "seed", "resume", "watch", "preset") if key in options}
    return inpaintx.train(Toy(), faces, out, device="cpu", options={**QUICK, **options}, **given)


def steps_kept(out):
    return [c.step for c in checkpoints(out)]


def test_channels_last_trains_the_same(toy_faces, tmp_path):
    """Also of a critic and of its optimiser; what is kept does not tell the two apart."""
    kept = []
    for last in (False, True):
        options = {"noise": False, "dropout": 0}  # are drawn in the order of memory
        options["norm"] = False  # the bias before it has no gradient but rounding, which Adam makes a step of
        run(toy_faces, tmp_path / str(last), steps=3, channels_last=last, **options)
        kept.append(weights(tmp_path / str(last)))
    for name, planes in kept[0].items():
        torch.testing.assert_close(kept[1][name], planes, atol=1e-4, rtol=1e-3)


def test_what_a_run_leaves(toy_faces, tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    seen, out = Seen(), tmp_path / "run"
    options = {"validate_every": 2, "checkpoint_every": 2, "log_every": 3, "ema": 0.9}
    done = run(toy_faces, out, steps=8, watch=[seen], **options)
    assert done.steps == 8
    best = done.best["step"]
    assert steps_kept(out) == sorted({best, 6, 8} | ({7} & {best}))
    validated = seen.events("validated")
    assert [step for step, _, _ in validated] == [2, 4, 6, 8]
    values = {step: metrics["hole/psnr"] for step, metrics, _ in validated}
    assert done.best == {"step": max(values, key=values.get), "metric": "hole/psnr", "value": max(values.values())}
    record = json.loads((out / "config.json").read_text())
    assert record["config"]["batch_size"] == 4
    assert record["train"]["ema"] == 0.9
    assert record["frozen"] == {"vgg": "random"}
    assert any("vgg=random" in words for (words,) in seen.events("note"))
    events = EventAccumulator(str(out / "tensorboard")).Reload()
    assert [e.step for e in events.Scalars("loss/l1")] == [3, 6, 8]
    assert [e.step for e in events.Images("fills")] == [2, 4, 6, 8]
    logged = seen.events("log")
    assert events.Scalars("loss/adv")[0].value == pytest.approx(logged[0][1]["adv"])
    assert events.Scalars("validation/hole/psnr")[-1].value == pytest.approx(values[8], rel=1e-5)
    sheet = read_photo(out / "pictures" / "step-00000008.png").pixels
    assert sheet.shape[1] > sheet.shape[0] * 0.9  # four columns, two rows of pictures and captions
    assert not list(out.rglob("*.part"))


def test_the_best_by_another_metric(toy_faces, tmp_path):
    seen = Seen()
    done = run(toy_faces, tmp_path / "run", validate_every=1, best="full/mae", watch=[seen])
    values = {step: metrics["full/mae"] for step, metrics, _ in seen.events("validated")}
    assert done.best["step"] == min(values, key=values.get)


def test_validation_changes_no_weight(toy_faces, tmp_path):
    run(toy_faces, tmp_path / "without")
    run(toy_faces, tmp_path / "with", validate_every=1, checkpoint_every=1, log_every=1)
    assert not differing(tmp_path / "without", tmp_path / "with")
    run(toy_faces, tmp_path / "other", **{"run.seed": 1})
    assert differing(tmp_path / "without", tmp_path / "other")


def test_a_run_goes_on_with_more_steps(toy_faces, tmp_path):
    run(toy_faces, tmp_path / "whole", steps=7)
    run(toy_faces, tmp_path / "parts", steps=3)
    seen = Seen()
    inpaintx.train(Toy(), toy_faces, tmp_path / "parts", steps=7, resume=True, device="cpu", watch=[seen])
    assert seen.events("step") == [(4,), (5,), (6,), (7,)]
    assert not differing(tmp_path / "whole", tmp_path / "parts")
    again = inpaintx.train(Toy(), toy_faces, tmp_path / "parts", resume=True, device="cpu")
    assert again.steps == 7


def test_moved_crops_and_a_second_set_go_on_as_they_were(toy_faces, tmp_path):
    options = {"jitter": 0.1, "jitter_angle": 10, "extra": str(tmp_path / "more"), "extra_share": 0.5}
    plain(tmp_path / "more", [f"train/m{i}.png" for i in range(3)], 16)
    run(toy_faces, tmp_path / "whole", steps=5, **options)
    run(toy_faces, tmp_path / "parts", steps=2, **options)
    (tmp_path / "more").rename(tmp_path / "moved")
    run(toy_faces, tmp_path / "parts", steps=5, resume=True, extra=str(tmp_path / "moved"))
    assert not differing(tmp_path / "whole", tmp_path / "parts")
    run(toy_faces, tmp_path / "still", steps=5)
    assert differing(tmp_path / "whole", tmp_path / "still")
    record = json.loads((tmp_path / "parts" / "config.json").read_text())
    assert record["extra"]["images"] == 3
    exported = export(tmp_path / "parts", tmp_path / "w.safetensors", method=Toy())
    assert exported.metadata["training"]["extra"] == "moved"
    write(tmp_path / "moved" / "train" / "m9.png", picture(9, 16, 16))
    with pytest.raises(InpaintxError, match="extra images=3"):
        run(toy_faces, tmp_path / "parts", steps=6, resume=True, extra=str(tmp_path / "moved"))


def test_resuming_what_is_not_there_begins(toy_faces, tmp_path):
    assert run(toy_faces, tmp_path / "run", steps=2, resume=True).steps == 2


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({}, "exists; resume the run in it"),
        ({"resume": True, "lr": 0.5}, "was made with lr=0.01 and cannot go on with lr=0.5"),
        ({"resume": True, "ema": 0.5}, "was made with ema=0.0 and cannot go on with ema=0.5"),
        ({"resume": True, "steps": 2}, "steps=2: steps may only grow"),
        ({"resume": True, "preset": "tiny"}, "was made with preset=default"),
    ],
)
def test_a_run_that_is_there_is_not_spoilt(toy_faces, tmp_path, given, words):
    run(toy_faces, tmp_path / "run", steps=3)
    before = weights(tmp_path / "run")
    with pytest.raises(InpaintxError, match=words):
        run(toy_faces, tmp_path / "run", **given)
    after = weights(tmp_path / "run")
    assert all(torch.equal(before[key], after[key]) for key in before)


def test_a_run_begins_from_weights(toy_faces, tmp_path):
    run(toy_faces, tmp_path / "first", steps=3)
    file = tmp_path / "first.safetensors"
    made = export(tmp_path / "first", file, method=Toy())
    seen = Seen()
    given = {"init": str(file), "lr": 1e-12, "norm": True, "watch": [seen], "ema": 0.0}
    run(toy_faces, tmp_path / "second", steps=1, **given)
    first, second = (weights(tmp_path / name) for name in ("first", "second"))
    for key in ("net.first.weight", "net.norm.weight", "net.last.bias"):
        torch.testing.assert_close(first[key], second[key], rtol=0, atol=1e-6)
    assert not torch.equal(first["critic.0.weight"], second["critic.0.weight"])
    assert any(f"begun from first.safetensors, SHA-256 {made.sha256}" in words for (words,) in seen.events("note"))
    again = export(tmp_path / "first", tmp_path / "again.safetensors", method=Toy())
    assert again.sha256 == made.sha256
    with pytest.raises(InpaintxError, match=r"was made with init=first\.safetensors and cannot"):
        run(toy_faces, tmp_path / "second", steps=2, resume=True, init=str(tmp_path / "again.safetensors"))
    file.unlink()  # a run that has a checkpoint needs it no more
    run(toy_faces, tmp_path / "second", steps=2, resume=True)
    exported = export(tmp_path / "second", tmp_path / "second.safetensors", method=Toy())
    assert made.metadata["images_seen"] == {"total": 3 * 4, "whole": True}
    assert exported.metadata["images_seen"] == {"total": (3 + 2) * 4, "whole": True}  # with what it began from
    assert exported.metadata["training"]["init"] == f"first.safetensors, SHA-256 {made.sha256}"


def test_a_run_does_not_begin_from_weights_of_another_network(toy_faces, tmp_path):
    run(toy_faces, tmp_path / "first", steps=1, norm=False)
    export(tmp_path / "first", tmp_path / "first.safetensors", method=Toy())
    with pytest.raises(
        InpaintxError, match=r"do not fit the network of this run; they were made with .*norm=False \(here True\)"
    ):
        run(toy_faces, tmp_path / "second", steps=1, preset="default", init=str(tmp_path / "first.safetensors"))
    run(toy_faces, tmp_path / "third", steps=1, init=str(tmp_path / "first.safetensors"), workers=0)
    assert not any("norm" in key for key in weights(tmp_path / "third"))  # as the weights' options have it
    with pytest.raises(InpaintxError, match="no weights 'nowhere'"):
        run(toy_faces, tmp_path / "second", steps=1, init="nowhere")
    assert not (tmp_path / "second").exists()


def test_other_data_is_refused(toy_faces, tmp_path):
    run(toy_faces, tmp_path / "run", steps=3)
    (toy_faces / "train" / "00.png").unlink()
    with pytest.raises(InpaintxError, match="was made with data images=10 and cannot go on with data images=9"):
        run(toy_faces, tmp_path / "run", resume=True)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"vlidate_every": 1}, "no option 'vlidate_every'; did you mean 'validate_every'"),
        ({"drpout": 1}, "no option 'drpout'; did you mean 'dropout'"),
        ({"method.ema": 1}, "no option 'ema'"),
        ({"seed": 1}, "both have an option 'seed'; write method.seed or run.seed"),
        ({"checkpoint_every": -1}, "checkpoint_every: Input should be greater than or equal to 0"),
        ({"accumulate": 3}, "batch_size=4 cannot be cut into accumulate=3"),
        ({"precision": "16-mixed"}, "needs a GPU"),
        ({"validate_every": 1, "val_split": "test"}, r"'test'.*validate on another part \(val_split"),
        ({"holes": "stroks"}, "did you mean 'strokes'"),
    ],
)
def test_options_are_checked_before_anything_is_made(toy_faces, tmp_path, options, words):
    with pytest.raises(InpaintxError, match=words):
        inpaintx.train(Toy(), toy_faces, tmp_path / "run", device="cpu", options=options)
    assert not (tmp_path / "run").exists()


def test_what_cannot_be_trained(toy_faces, tmp_path):
    with pytest.raises(InpaintxError, match="'telea' has nothing to train"):
        inpaintx.train("telea", toy_faces, tmp_path / "run")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("dear")
    with pytest.raises(InpaintxError, match=r"not the folder of a run: it has no config\.json"):
        run(toy_faces, tmp_path / "mine", resume=True)


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        ("loss", r"step 4: loss term 'adv' is nan; the batch: (train/\d\d\.png(, )?){4};.* step 2 is kept"),
        ("gradient", r"step 4: the gradient of net\.last\.weight is not finite; the batch: (train/\d\d\.png(, )?){4}"),
        ("weight", r"step 4: net\.last\.weight is not finite.*no checkpoint is written"),
    ],
)
def test_nan_stops_the_run(toy_faces, tmp_path, bad, words):
    with pytest.raises(InpaintxError, match=words):
        run(toy_faces, tmp_path / "run", checkpoint_every=2, bad_at=4, bad=bad)
    assert steps_kept(tmp_path / "run") == [2]
    assert all(bool(x.isfinite().all()) for x in weights(tmp_path / "run").values())


def test_a_full_disk(toy_faces, tmp_path, monkeypatch):
    def full(handle):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    after = {3: lambda: monkeypatch.setattr(os, "fsync", full)}
    with pytest.raises(InpaintxError, match=r"no room on the disk to write .*step-00000004") as error:
        run(toy_faces, tmp_path / "run", checkpoint_every=2, watch=[Seen(after)])
    assert "\n" not in str(error.value)
    assert steps_kept(tmp_path / "run") == [2]
    assert not list((tmp_path / "run").rglob("*.part"))


def test_data_that_vanish(toy_faces, tmp_path):
    after = {1: lambda: shutil.rmtree(toy_faces)}
    with pytest.raises(InpaintxError, match=str(toy_faces)) as error:
        run(toy_faces, tmp_path / "run", checkpoint_every=1, watch=[Seen(after)])
    assert "\n" not in str(error.value)
    assert steps_kept(tmp_path / "run")[0] == 1


def test_a_damaged_checkpoint_is_named(toy_faces, tmp_path):
    run(toy_faces, tmp_path / "run", steps=3)
    state = checkpoints(tmp_path / "run")[-1].folder / "state.pt"
    state.write_bytes(state.read_bytes()[:100])
    with pytest.raises(InpaintxError, match="step-00000003 is damaged") as error:
        run(toy_faces, tmp_path / "run", resume=True, steps=4)
    assert "\n" not in str(error.value)


def test_a_method_that_has_changed_is_named(toy_faces, tmp_path):
    run(toy_faces, tmp_path / "run", steps=3)

    class Changed(Toy):
        def build(self, config):
            net = super().build(config)
            net.more = torch.nn.Conv2d(3, 3, 1)
            return net

    with pytest.raises(InpaintxError, match="step-00000003 does not fit method 'toy' as it is now") as error:
        inpaintx.train(Changed(), toy_faces, tmp_path / "run", resume=True, device="cpu")
    assert "\n" not in str(error.value)


def test_half_precision_keeps_whole_weights(toy_faces, tmp_path):
    run(toy_faces, tmp_path / "half", precision="bf16-mixed")
    run(toy_faces, tmp_path / "whole")
    assert all(x.dtype in (torch.float32, torch.int64) for x in weights(tmp_path / "half").values())
    assert "net.last.weight" in differing(tmp_path / "half", tmp_path / "whole")


def test_parts_of_a_batch_give_the_same_weights(toy_faces, tmp_path):
    same = {"norm": False, "noise": False, "dropout": 0, "critic": False}
    run(toy_faces, tmp_path / "whole", **same)
    run(toy_faces, tmp_path / "parts", accumulate=2, **same)
    whole, parts = weights(tmp_path / "whole"), weights(tmp_path / "parts")
    for key, tensor in whole.items():
        torch.testing.assert_close(parts[key], tensor, atol=1e-5, rtol=1e-4)


def test_parts_of_a_batch_need_one_update_a_step(toy_faces, tmp_path):
    with pytest.raises(InpaintxError, match="accumulate must be 1: the method updates 'critic' more than once"):
        run(toy_faces, tmp_path / "run", accumulate=2, twice=True)


def test_masks_of_the_set_itself(toy_faces, tmp_path):
    hole = box(16, 16, top=2, left=3, side=6)
    for split, count in (("train", 10), ("val", 4)):
        for i in range(count):
            write(toy_faces / "masks" / split / f"{i:02}.png", gray(hole))
    seen = []

    class Looking(Toy):
        def trainer(self, net, config):
            trainer = super().trainer(net, config)
            step = trainer.step
            trainer.step = lambda batch: seen.append(batch["mask"]) or step(batch)
            return trainer

    options = {"validate_every": 1, "workers": 0, "holes": "own", "flip": False}
    inpaintx.train(Looking(), toy_faces, tmp_path / "run", steps=1, device="cpu", options=options)
    assert (seen[0] == torch.from_numpy(hole)).all()


def test_batch_statistics_are_averaged_as_weights_are():
    net = torch.nn.BatchNorm2d(1)
    average = EMA(net, 0.5)
    net(torch.full((2, 1, 2, 2), 10.0))
    average.update(net, 100)
    assert float(net.running_mean) == pytest.approx(1)
    assert float(average.net.running_mean) == pytest.approx(0.5)
    assert int(average.net.num_batches_tracked) == 1


def test_the_running_average(toy_faces, tmp_path):
    run(toy_faces, tmp_path / "run", steps=3, ema=0.2, validate_every=1, checkpoint_every=1, best="full/mse")
    kept = steps_kept(tmp_path / "run")[-2:]
    before, after = (weights(tmp_path / "run", step) for step in kept)
    decay = min(0.2, (1 + kept[1]) / (10 + kept[1]))
    expected = decay * before["ema.last.weight"] + (1 - decay) * after["net.last.weight"]
    torch.testing.assert_close(after["ema.last.weight"], expected)
    name = "norm.running_mean"
    expected = decay * before[f"ema.{name}"] + (1 - decay) * after[f"net.{name}"]
    torch.testing.assert_close(after[f"ema.{name}"], expected)


class Twice(inpaintx.Trainer):
    """Updates one weight and looks at it again in the same step."""

    def __init__(self, net):
        super().__init__({"net": net}, {"net": torch.optim.SGD(net.parameters(), 1.0)})

    def step(self, batch):
        layer, x = self.networks["net"], torch.ones(1, 1)
        before = layer(x).sum()
        self.update("net", before)
        self.seen = float(before), float(layer(x).sum())
        return {"loss": before}


def test_an_updated_weight_is_seen_in_the_same_step_in_mixed_precision():
    net = torch.nn.Linear(1, 1, bias=False)
    torch.nn.init.ones_(net.weight)
    trainer = Twice(net)
    fabric = Fabric(accelerator="cpu", precision="bf16-mixed")
    trainer.updater = Updater(fabric, trainer.networks, trainer.optimizers)
    with fabric.autocast():
        trainer.step({})
    assert trainer.seen == (1.0, 0.0)


def test_stages_that_leave_nothing_of_the_steps_are_refused():
    for name, options in (
        ("pconv", {"steps": 100, "finetune_steps": 100}),
        ("pdgan", {"steps": 300, "prior_steps": 300}),
        ("hog_guided", {"steps": 100, "shape_steps": 60, "true_guidance_steps": 40}),
    ):
        method = registry().method(name)
        config = method.config("tiny", **options)
        with pytest.raises(InpaintxError, match="steps="):
            method.trainer(method.network(config), config)
