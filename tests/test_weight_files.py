"""Weight files of other projects, damaged ones and hostile ones: one sentence each, before memory is taken."""

import json
import os
import pickle
import random
import struct
import subprocess
import sys
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from toy_methods import Learned, MeanConfig

from inpaintx import Method
from inpaintx.cli import run
from inpaintx.errors import InpaintxError
from inpaintx.io.weight_files import open_weights
from inpaintx.nn.fan import FAN, load_fan, save_fan
from inpaintx.nn.pretrained import WeightFile, frozen, read_state
from inpaintx.plugin import weights
from inpaintx.plugin.registry import registry

CPU = torch.device("cpu")


def load(path, method=None, **options):
    method = method or Learned()
    return weights.load(method, method.config(**options), str(path), CPU, options=options)


def written(path, tensors=None, config="{}", method="learned"):
    state = tensors or {"weight": torch.zeros(3, 3, 1, 1), "bias": torch.zeros(3)}
    save_file(state, path, {"inpaintx.method": method, "inpaintx.config": config})
    return path


def sentence(path, *words, method=None):
    with pytest.raises(InpaintxError) as error:
        load(path, method)
    said = str(error.value)
    assert "\n" not in said
    for word in words:
        assert word in said
    return said


def test_a_pickle_is_named_with_its_importers(tmp_path):
    torch.save({"a": torch.zeros(1)}, tmp_path / "new.pth")
    torch.save({"a": torch.zeros(1)}, tmp_path / "old.bin", _use_new_zipfile_serialization=False)
    for name in ("new.pth", "old.bin"):
        sentence(tmp_path / name, "a file of torch.save (a pickle", "'inpaintx import-pconv' (pconv)", "import-pdgan")


def test_every_importer_is_a_command():
    from inpaintx.cli import make_app

    commands = {info.name or info.callback.__name__.replace("_", "-") for info in make_app().registered_commands}
    assert {m.importer for m in registry().methods.values() if m.importer} <= commands


def test_an_hdf5_file_is_named(tmp_path):
    (tmp_path / "w.h5").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(100))
    sentence(tmp_path / "w.h5", "an HDF5 file", ".safetensors")


def test_a_file_of_numpy_is_no_pickle(tmp_path):
    np.savez(tmp_path / "a.npz", a=np.zeros(3))
    sentence(tmp_path / "a.npz", "are NumPy's .npz, and inpaintx takes .safetensors")


@pytest.mark.skipif(not os.path.exists("/proc/self/mem"), reason="Linux alone has it")
def test_a_file_that_fails_to_be_read_is_named():
    with pytest.raises(InpaintxError, match=r"weights /proc/self/mem cannot be read as safetensors"):
        open_weights(Path("/proc/self/mem"))


@pytest.mark.parametrize("data", [b"", b"{}", bytes(8), b"\xff" * 8 + b"{}", struct.pack("<Q", 10) + b"[[[[[[[[[["])
def test_no_safetensors_at_all(data, tmp_path):
    (tmp_path / "w.safetensors").write_bytes(data)
    sentence(tmp_path / "w.safetensors", "cannot be read as safetensors")


@pytest.mark.parametrize("config", ["[" * 50_000, "[]", "7", "{", '{"gain": [[1]]}', '{"gain": 1' + "}" * 9])
def test_options_that_are_none(config, tmp_path):
    sentence(written(tmp_path / "w.safetensors", config=config), "weights", "w.safetensors")


@pytest.mark.parametrize(
    ("tensors", "words"),
    [
        ({"weight": torch.zeros(3, 3, 1, 1)}, "bias is missing"),
        ({"weight": torch.zeros(3, 3, 1, 1), "bias": torch.zeros(3), "more": torch.zeros(1)}, "more is not known"),
        (
            {"weight": torch.zeros(3, 3, 3, 3), "bias": torch.zeros(3)},
            "weight has shape [3, 3, 3, 3], not [3, 3, 1, 1]",
        ),
        ({"weight": torch.zeros(3, 3, 1, 1, dtype=torch.int8), "bias": torch.zeros(3)}, "weight is stored as I8"),
        ({"weight": torch.zeros(3, 3, 1, 1, dtype=torch.bool), "bias": torch.zeros(3)}, "weight is stored as BOOL"),
        ({"weight": torch.zeros(3, 3, 1, 1, dtype=torch.complex64), "bias": torch.zeros(3)}, "weight is stored as C64"),
    ],
)
def test_tensors_that_do_not_fit(tensors, words, tmp_path):
    sentence(written(tmp_path / "w.safetensors", tensors), "do not fit method 'learned'", words)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_every_kind_of_float_is_taken(dtype, tmp_path):
    state = {"weight": torch.ones(3, 3, 1, 1, dtype=dtype), "bias": torch.ones(3, dtype=dtype)}
    net = load(written(tmp_path / "w.safetensors", state)).net
    assert net.weight.dtype == torch.float32
    assert bool((net.weight == 1).all())


class WideConfig(MeanConfig):
    width: int = 4


class Wide(Learned):
    """Its size follows from an option, as that of most networks does."""

    name, Config = "wide", WideConfig

    def build(self, config):
        return torch.nn.Linear(config.width, config.width)


class Reads(Wide):
    """Cannot be built without its numbers."""

    name = "reads"

    def build(self, config):
        net = super().build(config)
        assert float(net.weight.abs().max().item()) < 9
        return net


HUNGRY = """
import resource, sys, torch
sys.path.insert(0, sys.argv[2])
from test_weight_files import Reads, Wide, load
from inpaintx.errors import InpaintxError
resource.setrlimit(resource.RLIMIT_AS, (6 << 30, 6 << 30))
try:
    load(sys.argv[1], {"wide": Wide, "reads": Reads}[sys.argv[3]]())
except InpaintxError as error:
    print(error)
# not ru_maxrss: it begins with what the process that started this one had
peak = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
assert int(peak.split()[1]) < 2e6, peak
"""


@pytest.mark.parametrize(("name", "words"), [("wide", "weight has shape [4, 4], not"), ("reads", "no memory for the")])
def test_a_small_file_does_not_ask_for_much_memory(name, words, tmp_path):
    state = {"weight": torch.zeros(4, 4), "bias": torch.zeros(4)}
    path = written(tmp_path / "w.safetensors", state, json.dumps({"width": 80_000}), method=name)  # 25 GB
    done = subprocess.run(
        [sys.executable, "-c", HUNGRY, str(path), str(Path(__file__).parent), name],
        capture_output=True,
        text=True,
        check=True,
    )
    assert words in done.stdout
    assert len(done.stdout.splitlines()) == 1


def test_a_network_that_reads_its_numbers_is_loaded_all_the_same(tmp_path):
    method = Reads()
    net = method.network(method.config())
    weights.save(tmp_path / "w.safetensors", method, method.config(), net)
    assert torch.equal(load(tmp_path / "w.safetensors", method).net.weight, net.weight)


def test_counters_keep_their_kind_and_value(tmp_path):
    class Counts(Learned):
        name = "counts"

        def build(self, config):
            return torch.nn.BatchNorm2d(3)

    method = Counts()
    net = method.network(method.config())
    net.num_batches_tracked.fill_(2**24 + 1)  # which float32 does not hold
    weights.save(tmp_path / "w.safetensors", method, method.config(), net)
    assert int(load(tmp_path / "w.safetensors", method).net.num_batches_tracked) == 2**24 + 1


@pytest.mark.filterwarnings("ignore::inpaintx.UntrainedWarning")
def test_threads_draw_random_weights_at_once():
    class Large(Learned):
        name = "large"

        def build(self, config):
            return torch.nn.Sequential(*(torch.nn.Linear(64, 64) for _ in range(40)))

    method = Large()

    def draw(seed):
        return weights.load(method, method.config(), None, CPU, seed=seed).net.state_dict()

    state = torch.random.get_rng_state()
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(draw, range(8)))
    for seed, found in enumerate(together):
        alone = draw(seed)
        assert all(torch.equal(found[key], value) for key, value in alone.items())
    assert torch.equal(torch.random.get_rng_state(), state)


class Runs:
    def __reduce__(self):
        return (print, ("code ran",))


def damaged(data, rng):
    """One of the ways in which a download or a disk spoils a file."""
    data = bytearray(data)
    kind = rng.randrange(4)
    if kind == 0:
        del data[rng.randrange(len(data)) :]
    elif kind == 1:
        for _ in range(rng.randrange(1, 30)):
            data[rng.randrange(len(data))] = rng.randrange(256)
    elif kind == 2:
        first = rng.randrange(len(data))
        data[first : first + rng.randrange(1, 200)] = b""
    else:
        first = rng.randrange(len(data))
        data[first:first] = rng.randbytes(rng.randrange(1, 50))
    return bytes(data)


@pytest.mark.parametrize("new", [True, False])
def test_damaged_pth_files_are_one_sentence(new, tmp_path, capfd):
    rng, path = random.Random(int(new)), tmp_path / "w.pth"
    state = {"state_dict": {f"module.{i}.weight": torch.rand(4, 3) for i in range(5)}, "step": 7, "names": ["a", "b"]}
    torch.save(state, path, _use_new_zipfile_serialization=new)
    whole, said = path.read_bytes(), []
    for _ in range(300):
        path.write_bytes(damaged(whole, rng))
        try:
            read_state(path)
        except InpaintxError as error:
            said.append(str(error))
    assert len(said) > 100
    assert all("\n" not in words and "weights_only" not in words and str(path) in words for words in said)
    assert not any(capfd.readouterr())


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (Runs(), "which may run code"),
        ({"state_dict": Runs()}, "which may run code"),
        ([1, 2], "holds no state dict"),
        ({"a": 1}, "holds no state dict"),
    ],
)
def test_a_pth_file_runs_no_code(content, words, tmp_path, capfd):
    torch.save(content, tmp_path / "w.pth")
    with pytest.raises(InpaintxError, match=words) as error:
        read_state(tmp_path / "w.pth")
    assert "\n" not in str(error.value)
    assert "weights_only" not in str(error.value)
    assert "code ran" not in capfd.readouterr().out


def test_other_files_called_pth(tmp_path):
    (tmp_path / "empty.pth").write_bytes(b"")
    (tmp_path / "text.pth").write_text("<html>not found</html>")
    (tmp_path / "plain.pth").write_bytes(pickle.dumps({"a": Runs()}))
    with zipfile.ZipFile(tmp_path / "zip.pth", "w") as file:
        file.writestr("readme.txt", "hello")
    for path in tmp_path.iterdir():
        with pytest.raises(InpaintxError) as error:
            read_state(path)
        assert "\n" not in str(error.value)
        assert path.name in str(error.value)


def test_the_command_says_it_and_exits_with_2(tmp_path, capsys):
    (tmp_path / "cut.pth").write_bytes(b"\x80")
    assert run(["import-pconv", str(tmp_path / "cut.pth"), "--out", str(tmp_path / "o.safetensors")]) == 2
    err = capsys.readouterr().err
    assert err.startswith("inpaintx: weight file")
    assert "Aborted" not in err


def test_fan_is_refused_by_its_width_and_by_its_sizes(tmp_path):
    with pytest.raises(InpaintxError, match="width must be a multiple of 8, got 20"):
        FAN(1, 5, 20, 64)
    save_fan(tmp_path / "fan.safetensors", FAN(1, 5, 16, 64), "toys")
    assert load_fan(path=str(tmp_path / "fan.safetensors"))[1] == "set:toys"
    meta = {"inpaintx.fan": "toys", "stacks": "1", "points": "5", "size": "64"}
    for width, words in (("800000", "has shape"), ("x", "do not fit"), ("20", "do not fit"), ("-8", "do not fit")):
        save_file({"a": torch.zeros(1)}, tmp_path / "w.safetensors", {**meta, "width": width})
        with pytest.raises(InpaintxError, match=rf"{words}|is missing"):
            load_fan(path=str(tmp_path / "w.safetensors"))


def test_train_fan_refuses_its_width_in_words(tmp_path, capsys):
    out = str(tmp_path / "o.safetensors")
    assert run(["train-fan", str(tmp_path), "--width", "20", "--out", out]) == 2
    assert "width must be a multiple of 8, got 20" in capsys.readouterr().err


def test_the_message_about_missing_features_names_options_that_exist(monkeypatch, tmp_path):
    from inpaintx.nn.inception import load_inception
    from inpaintx.nn.vgg import load_vgg

    monkeypatch.setenv("INPAINTX_WEIGHTS", str(tmp_path))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    for job, words in (
        (lambda: load_vgg(16, ["relu1_1"]), "vgg=random or vgg=skip"),
        (load_fan, "fan=random or fan=skip"),
        (load_inception, "features=random or features=skip"),
        (lambda: frozen(FAN, WeightFile("a", "b", "c")), "on_missing=random"),
    ):
        with pytest.raises(InpaintxError, match=words):
            job()
    trained = [m for m in registry().methods.values() if "vgg" in type(m.config()).model_fields]
    assert trained
    for method in trained:
        method.config(vgg="random")
        method.config(vgg="skip")


def test_the_base_class_has_no_importer():
    assert Method.importer == ""
