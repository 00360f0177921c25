"""The command line: each line of its help tried, and each bad input met with one sentence."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from toy_methods import HOLE, PHOTO, box, listing, noise

import inpaintx
import inpaintx.io.atomic
from inpaintx.cli import run
from inpaintx.io.photo import read_photo, write_photo
from inpaintx.plugin import weights

pytestmark = pytest.mark.usefixtures("toys")
ROOT = Path(__file__).parent.parent


def test_the_main_job(folder, capfd):
    assert run(["inpaint", "p.png", "m.png", "-o", "out.png"]) == 0
    result = read_photo("out.png").pixels
    np.testing.assert_array_equal(result[~HOLE], PHOTO[~HOLE])
    assert len(np.unique(result[HOLE], axis=0)) == 1
    out, err = capfd.readouterr()
    assert "80 x 60 RGB, 8 bit; hole 3.00% (144 pixels, 1 crop)" in out
    assert "method auto, preset default, weights: none needed, device cpu, seed 0" in out
    assert "telea fills 100.0%" in out
    assert "wrote out.png" in out
    assert err == ""


@pytest.mark.parametrize("suffix", [".png", ".webp", ".tif"])
def test_known_pixels_of_every_kind_of_photo(folder, suffix):
    for name, pixels in (
        ("grey", PHOTO[..., 0]),
        ("rgba", np.dstack([PHOTO, PHOTO[..., 0] | 1])),
        ("deep", noise(60, 80, 3, np.uint16)),
    ):
        if suffix == ".webp" and name == "deep":
            continue
        write_photo(f"{name}{suffix}", pixels)
        assert run(["inpaint", f"{name}{suffix}", "m.png", "-o", f"out-{name}{suffix}"]) == 0
        got, given = read_photo(f"out-{name}{suffix}").pixels, read_photo(f"{name}{suffix}").pixels
        assert got.dtype == given.dtype
        np.testing.assert_array_equal(got[~HOLE], given[~HOLE])
        if name == "rgba":
            assert (got[HOLE][:, 3] == 255).all()


def test_jpeg_says_that_known_pixels_change(folder, capfd):
    assert run(["inpaint", "p.png", "m.png", "-o", "out.jpg"]) == 0
    assert "note: JPEG encodes every pixel anew" in capfd.readouterr().out


def test_json_report(folder, capfd):
    assert (
        run(["inpaint", "p.png", "m.png", "-o", "out.png", "--json", "-m", "telea", "--set", "gain=0.5", "--seed", "3"])
        == 0
    )
    out, err = capfd.readouterr()
    report = json.loads(out)
    assert report["hole_ratio"] == pytest.approx(0.03)
    assert report["out"] == ["out.png"]
    assert (report["width"], report["height"], report["channels"], report["bits"]) == (80, 60, 3, 8)
    assert (report["method"], report["options"], report["seed"], report["device"]) == ("telea", {"gain": 0.5}, 3, "cpu")
    assert report["warnings"] == report["notes"] == []
    assert err == ""


def test_samples(folder, capfd):
    arguments = ["inpaint", "p.png", "m.png", "-m", "dice", "--seed", "4"]
    assert run([*arguments, "-o", "out.png", "--samples", "3"]) == 0
    assert run([*arguments[:-1], "6", "-o", "alone.png"]) == 0
    three = [read_photo(f"out-{k}.png").pixels for k in (1, 2, 3)]
    assert not (folder / "out.png").exists()
    np.testing.assert_array_equal(three[2], read_photo("alone.png").pixels)
    assert (three[0][HOLE][0] != three[1][HOLE][0]).any()


def test_mask_options(folder, capfd):
    write_photo("black.png", np.where(HOLE, 0, 255).astype(np.uint8))
    write_photo("half.png", np.where(HOLE[::2, ::2], 255, 0).astype(np.uint8))

    def ratio(*arguments):
        assert run(["inpaint", "p.png", *arguments, "-o", "out.png", "--overwrite", "--json"]) == 0
        return json.loads(capfd.readouterr().out)

    assert ratio("black.png", "--mask-polarity", "black")["hole_pixels"] == 144
    auto = ratio("black.png", "--mask-polarity", "auto")
    assert auto["hole_pixels"] == 144
    assert any("black was taken" in note for note in auto["notes"])
    assert ratio("m.png", "--dilate-mask", "2")["hole_pixels"] > 144
    assert ratio("half.png", "--resize-mask")["hole_pixels"] == 144


def test_the_report_says_whether_detail_was_to_be_added(folder, capfd):
    def detail(*arguments):
        assert run(["inpaint", "p.png", "m.png", *arguments, "-o", "out.png", "--overwrite", "--json"]) == 0
        return json.loads(capfd.readouterr().out)["detail"]

    assert [detail(), detail("--detail", "none")] == ["auto", "none"]
    assert [detail("-m", "telea"), detail("-m", "telea", "--detail", "auto")] == ["none", "auto"]


def test_mask_from_alpha(folder, capfd):
    rgba = np.dstack([PHOTO, np.where(HOLE, 0, 255).astype(np.uint8)])
    rgba[30, 40, 3] = 180
    write_photo("a.png", rgba)
    assert run(["inpaint", "a.png", "--mask-from-alpha", "-o", "out.png"]) == 0
    got = read_photo("out.png").pixels
    np.testing.assert_array_equal(got[~HOLE][:, :3], rgba[~HOLE][:, :3])
    assert (got[..., 3] == 255).all()
    assert "hole 3.00%" in capfd.readouterr().out
    assert run(["inpaint", "p.png", "--mask-from-alpha", "-o", "out2.png"]) == 2
    assert "alpha channel" in capfd.readouterr().err
    assert run(["inpaint", "a.png", "m.png", "--mask-from-alpha", "-o", "out2.png"]) == 2


def test_stdout(folder, capfdbinary):
    assert run(["inpaint", "p.png", "m.png", "-o", "-"]) == 0
    out, err = capfdbinary.readouterr()
    (folder / "got.png").write_bytes(out)
    np.testing.assert_array_equal(read_photo("got.png").pixels[~HOLE], PHOTO[~HOLE])
    assert b"hole 3.00%" in err
    assert run(["inpaint", "p.png", "m.png", "-o", "-", "--json"]) == 0
    out, err = capfdbinary.readouterr()
    assert out.startswith(b"\x89PNG")
    assert json.loads(err)["out"] == ["-"]
    assert run(["inpaint", "p.png", "m.png", "-o", "-", "--samples", "2"]) == 2


def test_warnings_come_in_words(folder, capfd):
    assert run(["inpaint", "p.png", "m.png", "-o", "out.png", "-m", "learned"]) == 0
    out, err = capfd.readouterr()
    assert "weights: random" in out
    assert err.startswith("warning: method 'learned' runs with random weights")
    assert ".py" not in err
    assert run(["inpaint", "p.png", "m.png", "-o", "out2.png", "-m", "learned", "--json"]) == 0
    out, err = capfd.readouterr()
    assert "random weights" in json.loads(out)["warnings"][0]


def test_weights_by_path_and_tag(folder, capfd, monkeypatch, toys):
    method = toys.methods["learned"]
    weights.save(folder / "w.safetensors", method, method.config(), method.build(method.config()))
    assert run(["inpaint", "p.png", "m.png", "-o", "a.png", "-m", "learned", "--weights", "w.safetensors"]) == 0
    assert "weights: w.safetensors" in capfd.readouterr().out
    assert (
        run(
            [
                "inpaint",
                "p.png",
                "m.png",
                "-o",
                "c.png",
                "-m",
                "learned",
                "--weights",
                "w.safetensors",
                "--set",
                "gain=2",
            ]
        )
        == 0
    )
    assert (read_photo("a.png").pixels != read_photo("c.png").pixels).any()
    capfd.readouterr()
    (folder / "w.safetensors").rename(folder / "toy_learned.safetensors")
    monkeypatch.setenv("INPAINTX_WEIGHTS", str(folder))
    assert run(["inpaint", "p.png", "m.png", "-o", "b.png", "-m", "learned", "--weights", "default"]) == 0
    assert read_photo("a.png").pixels.tobytes() == read_photo("b.png").pixels.tobytes()


BAD = {
    "missing photo": (["no.png", "m.png", "-o", "out.png"], "photo no.png does not exist"),
    "missing mask": (["p.png", "no.png", "-o", "out.png"], "mask no.png does not exist"),
    "not an image": (["text.png", "m.png", "-o", "out.png"], "not a PNG, JPEG, WebP or TIFF"),
    "mask not an image": (["p.png", "text.png", "-o", "out.png"], "not a PNG, JPEG, WebP or TIFF"),
    "cut off": (["cut.png", "m.png", "-o", "out.png"], "cut off"),
    "empty mask": (["p.png", "empty.png", "-o", "out.png"], "empty.png is empty"),
    "full mask": (["p.png", "full.png", "-o", "out.png"], "full.png is full"),
    "other size": (["p.png", "small.png", "-o", "out.png"], "--resize-mask"),
    "unknown method": (["p.png", "m.png", "-o", "out.png", "-m", "tela"], "did you mean 'telea'"),
    "unknown option": (["p.png", "m.png", "-o", "out.png", "-m", "telea", "--set", "gian=1"], "options: gain"),
    "bad option": (["p.png", "m.png", "-o", "out.png", "--set", "gain"], "KEY=VALUE"),
    "bad value": (["p.png", "m.png", "-o", "out.png", "-m", "telea", "--set", "gain=much"], "gain"),
    "preset of no method": (["p.png", "m.png", "-o", "out.png", "--preset", "tiny"], "name it (-m, method=)"),
    "unknown preset": (["p.png", "m.png", "-o", "out.png", "-m", "telea", "--preset", "paper"], "no preset 'paper'"),
    "unknown device": (["p.png", "m.png", "-o", "out.png", "--device", "gpu"], "expected auto, cpu or cuda:N"),
    "missing device": (["p.png", "m.png", "-o", "out.png", "--device", "cuda:99"], "cuda:99"),
    "no weights": (["p.png", "m.png", "-o", "out.png", "-m", "learned", "--weights", "best"], "no weights 'best'"),
    "weights not found": (["p.png", "m.png", "-o", "out.png", "-m", "learned", "--weights", "gone"], "toy_gone"),
    "corrupt weights": (["p.png", "m.png", "-o", "out.png", "-m", "learned", "--weights", "text.png"], "safetensors"),
    "others' weights": (
        ["p.png", "m.png", "-o", "out.png", "-m", "learned", "--weights", "w"],
        "are of method 'telea'",
    ),
    "unfit weights": (["p.png", "m.png", "-o", "out.png", "-m", "learned", "--weights", "u"], "do not fit"),
    "exists": (["p.png", "m.png", "-o", "there.png"], "there.png exists; give another name or --overwrite"),
    "a sample exists": (["p.png", "m.png", "-o", "taken.png", "--samples", "2"], "taken-2.png exists"),
    "unknown format": (["p.png", "m.png", "-o", "out.bmp"], "give one of .png"),
    "no format": (["p.png", "m.png", "-o", "out"], "give one of .png"),
    "no folder": (["p.png", "m.png", "-o", "no/out.png"], "the folder no does not exist"),
    "onto itself": (["p.png", "m.png", "-o", "p.png", "--overwrite"], "would replace the photo itself"),
    "onto the mask": (["p.png", "m.png", "-o", "m.png", "--overwrite"], "would replace the mask itself"),
    "deep jpeg": (["deep.png", "m.png", "-o", "out.jpg"], "16 bits a channel, which JPEG cannot carry"),
    "clear jpeg": (["clear.png", "m.png", "-o", "out.jpg"], "transparent pixels, which JPEG cannot carry"),
    "no result": (["p.png", "m.png"], "give a result with -o"),
    "no mask": (["p.png", "-o", "out.png"], "--mask-from-alpha"),
    "no photos": (["*.nothing", "m.png", "-o", "out"], "no photos at '*.nothing'"),
    "a bad seed": (["p.png", "m.png", "-o", "out.png", "--seed", "-1"], "seed must be 0 or more"),
    "no samples": (["p.png", "m.png", "-o", "out.png", "--samples", "0"], "samples must be 1 or more"),
    "several to stdout": (["*.png", "m.png", "-o", "-"], "only one photo can go to stdout"),
    "several to a file": (["*.png", "m.png", "-o", "there.png"], "need a folder"),
    "batch of none": (["p.png", "m.png", "-o", "out.png", "--batch-size", "0"], "batch_size must be 1 or more"),
    "a device file": (["p.png", "m.png", "-o", "/dev/null", "--overwrite"], "give one of .png"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_sentence_exit_code_2_and_nothing_written(folder, capfd, case, toys):
    (folder / "text.png").write_text("hello")
    (folder / "cut.png").write_bytes((folder / "p.png").read_bytes()[:900])
    (folder / "there.png").touch()
    (folder / "taken-2.png").touch()
    write_photo("empty.png", np.zeros((60, 80), np.uint8))
    write_photo("full.png", np.full((60, 80), 255, np.uint8))
    write_photo("small.png", np.eye(9, dtype=np.uint8) * 255)
    write_photo("deep.png", noise(60, 80, 3, np.uint16))
    write_photo("clear.png", noise(60, 80, 4))
    telea, learned = toys.methods["telea"], toys.methods["learned"]
    weights.save(folder / "w", telea, telea.config(), learned.build(learned.config()))
    weights.save(folder / "u", learned, learned.config(), inpaintx.testing.nn.Conv2d(3, 5, 1))
    before = {name: (folder / name).read_bytes() for name in listing(folder)}
    arguments, words = BAD[case]
    assert run(["inpaint", *arguments]) == 2
    out, err = capfd.readouterr()
    assert words in err
    assert err.startswith("inpaintx: ")
    assert err.count("\n") == 1
    assert out == ""
    assert {name: (folder / name).read_bytes() for name in listing(folder)} == before


def test_no_room_on_the_disk(folder, capfd, monkeypatch):
    import errno

    calls = []

    def full(self, data):
        calls.append(self)
        if len(calls) == 2:
            raise OSError(errno.ENOSPC, "No space left on device")
        with open(self, "wb") as file:
            file.write(data)

    before = listing(folder)
    monkeypatch.setattr(Path, "write_bytes", full)
    assert run(["inpaint", "p.png", "m.png", "-o", "out.png", "--samples", "2"]) == 2
    assert "no room on the disk to write out-2.png" in capfd.readouterr().err
    assert len(calls) == 2
    assert listing(folder) == before  # the first sample went as well


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_no_room_behind_stdout(folder):
    process = cli_process(folder, "inpaint", "p.png", "m.png", "-o", "-", stdout=open("/dev/full", "wb"))  # noqa: SIM115
    _, err = process.communicate()
    assert process.returncode == 2
    assert "No space left on device" in err
    assert "Traceback" not in err


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_may_not_be_written(folder, capfd):
    (folder / "locked").mkdir(mode=0o500)
    assert run(["inpaint", "p.png", "m.png", "-o", "locked/out.png"]) == 2
    assert "Permission denied" in capfd.readouterr().err


def test_an_unwritable_folder_is_said_in_words(folder, capfd, monkeypatch):
    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(inpaintx.io.atomic.tempfile, "mkstemp", refuse)
    assert run(["inpaint", "p.png", "m.png", "-o", "out.png"]) == 2
    assert capfd.readouterr().err == "inpaintx: cannot write out.png: Permission denied\n"


def test_overwrite(folder):
    (folder / "out.png").write_text("old")
    assert run(["inpaint", "p.png", "m.png", "-o", "out.png", "--overwrite"]) == 0
    assert read_photo("out.png").pixels.shape == (60, 80, 3)
    assert not [name for name in listing(folder) if name.endswith(".part")]


def test_a_failing_method_is_a_sentence_and_keeps_its_trace(folder, capfd):
    write_photo("red.png", np.full((60, 80, 3), (255, 0, 0), np.uint8))
    command = ["inpaint", "red.png", "m.png", "-o", "out.png", "-m", "failing"]
    words = "method 'failing' of plugin 'toys' (unknown unknown) failed in inpaint(): RuntimeError: red is too much"
    assert run(command) == 2
    assert capfd.readouterr().err == f"inpaintx: {words} (its trace: --debug)\n"
    assert run([*command, "--debug"]) == 2
    err = capfd.readouterr().err
    assert "toy_methods.py" in err
    assert "Traceback" in err
    assert words in err.splitlines()[-1]
    with pytest.raises(inpaintx.InpaintxError, match="red is too much") as error:
        inpaintx.inpaint("red.png", "m.png", "failing")
    assert isinstance(error.value.__cause__, RuntimeError)


@pytest.mark.parametrize(
    ("words", "behind"),
    [
        (["inpaint", "", "m.png", "-o", "out.png"], "inpaint"),
        (["inpaint", "p.png", "", "-o", "out.png"], "p.png"),
        (["inpaint", "p.png", "m.png", "-o", ""], "-o"),
        (["prepare", "", "-o", "out"], "prepare"),
        (["train", "pconv", "", "-o", "out"], "pconv"),
        (["evaluate", "", "-o", "out"], "evaluate"),
        (["export", "", "-o", "out.safetensors"], "export"),
    ],
)
def test_an_empty_word_is_not_the_current_folder(words, behind, folder, capfd):
    before = listing(folder)
    assert run(words) == 2
    assert capfd.readouterr().err == (
        f"inpaintx: an argument is empty behind {behind!r}; is a variable of the shell not set?\n"
    )
    assert listing(folder) == before


def test_ctrl_c(folder, capfd):
    assert run(["inpaint", "p.png", "m.png", "-o", "out.png", "-m", "stopped"]) == 130
    assert capfd.readouterr().err == "inpaintx: stopped\n"
    assert listing(folder) == ["m.png", "p.png"]


# ---- as a real process ----


def cli_process(folder: Path, *arguments: str, **options) -> "subprocess.Popen[str]":
    """The command line in a process of its own, with the toy methods as an installed plugin."""
    info = folder / "site" / "toys-1.2.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: toys\nVersion: 1.2\n")
    (info / "entry_points.txt").write_text("[inpaintx]\ntoys = toy_methods\n")
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, (ROOT, ROOT / "tests", folder / "site")))}
    env["INPAINTX_LOAD_PLUGINS"] = "toys"
    # a shell starts background jobs, and so all that they start, with interrupts ignored
    code = (
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); from inpaintx.cli import main; "
        "open('site/ready', 'w').close(); main()"
    )
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, **options}
    return subprocess.Popen([sys.executable, "-c", code, *arguments], cwd=folder, env=env, **options)


def test_process(folder):
    process = cli_process(folder, "inpaint", "p.png", "m.png", "-o", "out.png", "-m", "tela")
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (2, "")
    assert err.startswith("inpaintx: unknown method 'tela'; did you mean 'telea'")
    assert err.count("\n") == 1


def test_process_is_stopped_by_ctrl_c(folder):
    write_photo("large.png", noise(3000, 4000, None))
    write_photo("large-mask.png", np.where(box(3000, 4000, side=2000), 255, 0).astype(np.uint8))
    process = cli_process(
        folder, "inpaint", "large.png", "large-mask.png", "-o", "out.png", "--samples", "500", "-m", "dice"
    )
    while not (folder / "site" / "ready").exists():  # imports take long on a busy machine
        assert process.poll() is None
        time.sleep(0.1)
    time.sleep(1)
    for _ in range(5):  # an interrupt that falls into a finaliser is lost, and one presses the keys again
        process.send_signal(signal.SIGINT)
        try:
            _, err = process.communicate(timeout=10)
            break
        except subprocess.TimeoutExpired:
            continue
    assert process.returncode == 130
    assert err.endswith("inpaintx: stopped\n")
    assert not list(folder.glob("out*"))
