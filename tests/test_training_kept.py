"""A run goes on only as what it was: damage, edits, other data, other threads and other processes are noticed."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from face_sets import gray, picture, write
from toy_training import differing

import inpaintx
from inpaintx.errors import InpaintxError
from inpaintx.training.callbacks import Callback
from inpaintx.training.checkpoint import SUMS, checkpoints

pytestmark = pytest.mark.usefixtures("toy")


def run(faces, out, **given):
    names = ("resume", "watch", "steps", "preset")
    options = {"workers": 0, "validate_every": 0, "checkpoint_every": 2}
    options |= {k: v for k, v in given.items() if k not in names}
    own = {k: v for k, v in given.items() if k in names}
    return inpaintx.train("toy", faces, out, options=options, device="cpu", **own)


def sentence(error):
    words = str(error.value)
    assert "\n" not in words
    assert "weights_only" not in words
    assert "remove" not in words
    assert "delete" not in words
    return words


def flip(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize("file", ["state.pt", "net.safetensors", "critic.safetensors", "config.json"])
def test_one_flipped_bit_is_noticed(file, toy_faces, tmp_path):
    run(toy_faces, tmp_path / "run", steps=4)
    flip(checkpoints(tmp_path / "run")[-1].folder / file)
    with pytest.raises(InpaintxError, match=rf"step-00000004 is damaged \({file} was changed") as error:
        run(toy_faces, tmp_path / "run", steps=6, resume=True)
    assert "move it out of" in sentence(error)
    assert "goes on from step 2" in sentence(error)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes in folders")
@pytest.mark.parametrize("file", ["state.pt", "net.safetensors", "config.json", SUMS])
@pytest.mark.parametrize(("kind", "words"), [("pipe", r"pipe \(FIFO\)"), ("folder", "folder"), ("endless", "device")])
def test_what_is_no_regular_file_is_not_read(file, kind, words, toy_faces, tmp_path):
    run(toy_faces, tmp_path / "run", steps=2)
    path = checkpoints(tmp_path / "run")[-1].folder / file
    path.unlink()
    make = {"pipe": os.mkfifo, "folder": os.mkdir, "endless": lambda path: os.symlink("/dev/zero", path)}
    make[kind](path)
    with pytest.raises(InpaintxError, match=rf"checkpoint file .*{file} is a {words}; expected a") as error:
        run(toy_faces, tmp_path / "run", steps=4, resume=True)
    sentence(error)


def test_the_only_checkpoint_is_never_given_up(toy_faces, tmp_path):
    run(toy_faces, tmp_path / "run", steps=1)
    (checkpoints(tmp_path / "run")[-1].folder / "net.safetensors").rename(tmp_path / "elsewhere")
    for job in (
        lambda: run(toy_faces, tmp_path / "run", steps=6, resume=True),
        lambda: inpaintx.export(tmp_path / "run", tmp_path / "out.safetensors"),
    ):
        with pytest.raises(InpaintxError, match=r"has no net\.safetensors; it has: SHA256SUMS, config") as error:
            job()
        assert "the run's only one: keep it" in sentence(error)


def test_a_damaged_list_of_digests_is_noticed(toy_faces, tmp_path):
    run(toy_faces, tmp_path / "run", steps=2)
    (checkpoints(tmp_path / "run")[-1].folder / SUMS).write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InpaintxError, match="is damaged") as error:
        run(toy_faces, tmp_path / "run", steps=4, resume=True)
    sentence(error)


def test_sha256sum_reads_the_list(toy_faces, tmp_path):
    run(toy_faces, tmp_path / "run", steps=2)
    folder = checkpoints(tmp_path / "run")[-1].folder
    subprocess.run(["sha256sum", "-c", "--quiet", SUMS], cwd=folder, check=True)
    assert len((folder / SUMS).read_text().splitlines()) == 4


def as_by_an_earlier_version(run):
    """What versions without digests left behind."""
    for checkpoint in checkpoints(run):
        (checkpoint.folder / SUMS).unlink()
    for path in [run / "config.json", *run.rglob("step-*/config.json")]:
        record = json.loads(path.read_text())
        del record["threads"], record["content"], record["extra"]
        path.write_text(json.dumps(record, indent=1))


def test_a_run_of_an_earlier_version_goes_on_to_the_last_bit(toy_faces, tmp_path):
    run(toy_faces, tmp_path / "whole", steps=6)
    run(toy_faces, tmp_path / "run", steps=4)
    as_by_an_earlier_version(tmp_path / "run")
    run(toy_faces, tmp_path / "run", steps=6, resume=True)
    assert not differing(tmp_path / "whole", tmp_path / "run")
    assert (checkpoints(tmp_path / "run")[-1].folder / SUMS).exists()


def test_damage_without_digests_is_a_sentence_too(toy_faces, tmp_path):
    run(toy_faces, tmp_path / "run", steps=4)
    as_by_an_earlier_version(tmp_path / "run")
    state = checkpoints(tmp_path / "run")[-1].folder / "state.pt"
    state.write_bytes(b"")
    with pytest.raises(InpaintxError, match="is damaged") as error:
        run(toy_faces, tmp_path / "run", steps=6, resume=True)
    sentence(error)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda r: r.pop("data"), "data: Field required"),
        (lambda r: r["data"].pop("fingerprint"), "data.fingerprint: Field required"),
        (lambda r: r.update(config=[]), "config: Input should be a valid dictionary"),
        (lambda r: r.update(frozen=None), "frozen: Input should be a valid dictionary"),
        (lambda r: r["config"].update(lr="much"), "lr: Input should be a valid number"),
        (lambda r: r["config"].update(lr=0.5), "says lr=0.5, but the checkpoint of step 4 was made with 0.01"),
        (lambda r: r["train"].update(seed=1), "says seed=1, but the checkpoint of step 4 was made with 0"),
        (lambda r: r.update(method=7), "method: Input should be a valid string"),
    ],
)
def test_an_edited_record_is_a_sentence(change, words, toy_faces, tmp_path):
    run(toy_faces, tmp_path / "run", steps=4)
    path = tmp_path / "run" / "config.json"
    record = json.loads(path.read_text())
    change(record)
    path.write_text(json.dumps(record))
    with pytest.raises(InpaintxError) as error:
        run(toy_faces, tmp_path / "run", resume=True, **({"steps": 6} if "says" in words else {}))
    assert words in sentence(error)


@pytest.mark.parametrize("text", ["", "[" * 100_000, "[]", "{", '{"a": 1}', "\0\0", "né".encode("latin-1")])
def test_a_record_that_is_none_is_a_sentence(text, toy_faces, tmp_path):
    run(toy_faces, tmp_path / "run", steps=1)
    (tmp_path / "run" / "config.json").write_bytes(text if isinstance(text, bytes) else text.encode())
    for job in (
        lambda: run(toy_faces, tmp_path / "run", resume=True),
        lambda: inpaintx.export(tmp_path / "run", tmp_path / "out.safetensors"),
    ):
        with pytest.raises(InpaintxError, match=r"config\.json") as error:
            job()
        sentence(error)


def test_a_changed_image_is_noticed(toy_faces, tmp_path):
    run(toy_faces, tmp_path / "run", steps=2)
    run(toy_faces, tmp_path / "run", steps=3, resume=True)
    write(toy_faces / "train" / "03.png", picture(99, 16, 16))
    with pytest.raises(InpaintxError, match="an image, or a file or list beside it, has changed") as error:
        run(toy_faces, tmp_path / "run", steps=4, resume=True)
    sentence(error)


def test_a_changed_mask_file_is_noticed(toy_faces, tmp_path):
    for number in range(3):
        write(tmp_path / "holes" / f"{number}.png", gray(np.eye(16, k=number) > 0))
    run(toy_faces, tmp_path / "run", steps=2, holes=str(tmp_path / "holes"))
    run(toy_faces, tmp_path / "run", steps=3, resume=True)
    write(tmp_path / "holes" / "1.png", gray(np.eye(16, k=9) > 0))
    with pytest.raises(InpaintxError, match="a mask file has changed"):
        run(toy_faces, tmp_path / "run", steps=4, resume=True)


class Once(Callback):
    def __init__(self, job):
        self.job, self.error, self.noted, self.rate = job, None, [], []

    def step(self, step):
        if self.job and self.error is None:
            with pytest.raises(InpaintxError) as self.error:
                self.job()

    def note(self, words):
        self.noted.append(words)

    def rates(self, step, rates):
        self.rate.append((step, rates))


def test_two_runs_do_not_share_a_folder(toy_faces, tmp_path):
    seen = Once(lambda: run(toy_faces, tmp_path / "run", resume=True, steps=9))
    run(toy_faces, tmp_path / "run", steps=3, watch=[seen])
    assert "is in use by another process" in sentence(seen.error)
    run(toy_faces, tmp_path / "again", steps=3)
    assert not differing(tmp_path / "run", tmp_path / "again")


def test_a_process_that_was_killed_holds_nothing(toy_faces, tmp_path):
    run(toy_faces, tmp_path / "run", steps=2)
    code = (
        "import os, pathlib, signal, sys; from inpaintx.io.lock import locked\n"
        "with locked(pathlib.Path(sys.argv[1])): os.kill(os.getpid(), signal.SIGKILL)"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "run")], check=False)
    run(toy_faces, tmp_path / "run", steps=3, resume=True)


def test_a_refused_run_leaves_no_folder(toy_faces, tmp_path):
    with pytest.raises(InpaintxError):
        run(tmp_path / "nothing", tmp_path / "run", steps=2)
    assert not (tmp_path / "run").exists()


def test_the_threads_of_a_run_are_its_own(toy_faces, tmp_path, threads):
    threads(2)
    run(toy_faces, tmp_path / "run", steps=2)
    threads(1)
    seen = Once(None)
    run(toy_faces, tmp_path / "run", steps=3, resume=True, watch=[seen])
    assert torch.get_num_threads() == 2
    assert any("computes with 2 threads as the run began, not 1" in note for note in seen.noted)


def test_the_rate_is_told_and_written(toy_faces, tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    seen = Once(None)
    run(toy_faces, tmp_path / "run", steps=5, log_every=1, watch=[seen])
    expected = [0.01, 0.01, 0.01, 0.005, 0.005]  # the toy's StepLR halves it after three
    assert [rates["net"] for _, rates in seen.rate] == pytest.approx(expected)
    events = EventAccumulator(str(tmp_path / "run" / "tensorboard")).Reload()
    assert [e.value for e in events.Scalars("rate/net")] == pytest.approx(expected)
    assert [e.value for e in events.Scalars("rate/critic")] == pytest.approx([0.01] * 5)


class Float(inpaintx.Trainer):
    def __init__(self, net):
        super().__init__({"net": net}, {"net": torch.optim.SGD(net.parameters(), 0.1)})

    def step(self, batch):
        return 0.5


def test_a_step_that_tells_no_losses_is_a_sentence(toy_faces, tmp_path, monkeypatch):
    from toy_training import Toy

    monkeypatch.setattr(Toy, "trainer", lambda self, net, config: Float(net))
    with pytest.raises(InpaintxError, match=r"Float\.step\(\) must return the loss terms as a dict"):
        run(toy_faces, tmp_path / "run", steps=2)
    monkeypatch.setattr(Toy, "trainer", lambda self, net, config: inpaintx.Trainer({"generator": net}, {}))
    with pytest.raises(InpaintxError, match="under the key 'net'"):
        run(toy_faces, tmp_path / "other", steps=2)
    assert not (tmp_path / "other").exists()
