"""Out of memory is a sentence, whoever says so; and crops of one round share a batch and show progress."""

import errno
import subprocess
import sys
import textwrap

import cv2
import numpy as np
import pytest
import torch
from toy_methods import Mean, Square, box, noise

import inpaintx
from inpaintx import Config, InpaintxError
from inpaintx.cli import run
from inpaintx.inference.crop_layout import ArrayCanvas, plan
from inpaintx.inference.inpainter import Inpainter
from inpaintx.inference.photo_plan import Plan
from inpaintx.io.memory import OutOfMemoryError, ran_out
from inpaintx.io.photo import write_photo

HUGE = 2**52


def torch_says() -> None:
    torch.empty(HUGE, dtype=torch.uint8)


def numpy_says() -> None:
    np.empty(HUGE, np.uint8)


def opencv_says() -> None:
    cv2.resize(np.zeros((4, 4), np.float64), (2**24, 2**24))


class Hungry(Mean):
    """Takes what nobody has."""

    name = "hungry"
    asks = staticmethod(torch_says)

    def inpaint(self, net, image, mask, *, generator=None):
        self.asks()
        return image


class HungryTogether(Square):
    """Takes too much for more than one image."""

    name = "hungry_together"

    def inpaint(self, net, image, mask, *, generator=None):
        if len(image) > 1:
            torch_says()
        return super().inpaint(net, image, mask)


@pytest.mark.parametrize("says", [torch_says, numpy_says, opencv_says])
def test_who_says_that_there_is_no_memory(says, monkeypatch):
    with pytest.raises(Exception) as caught:  # noqa: PT011 - each has its own
        says()
    assert ran_out(caught.value)
    monkeypatch.setattr(Hungry, "asks", staticmethod(says))
    with pytest.raises(OutOfMemoryError, match="not enough memory to run method 'hungry' on cpu at 80 x 60 pixels"):
        inpaintx.inpaint(noise(60, 80), box(60, 80), Hungry())
    assert ran_out(OSError(errno.ENOMEM, "Cannot allocate memory"))
    assert ran_out(ImportError("libaom.so: failed to map segment from shared object"))


@pytest.mark.parametrize(
    "error",
    [RuntimeError("shapes differ"), OSError(errno.ENOENT, "no"), ValueError("out of memory"), InpaintxError("")],
)
def test_other_errors_stay(error):
    assert not ran_out(error)


def test_a_batch_that_does_not_fit_goes_one_by_one():
    inpainter = Inpainter(HungryTogether())
    HungryTogether.seen.clear()
    canvases = [ArrayCanvas(noise(64, 64, seed=i), box(64, 64)) for i in range(3)]
    inpainter.run([(c, inpainter.plan(c.pixels, c.remaining_mask)) for c in canvases])
    assert not any(c.remaining_mask.any() for c in canvases)
    assert [shape[0] for shape in HungryTogether.seen] == [1, 1, 1]


@pytest.mark.parametrize("arguments", [("photos", "m.png", "-o", "out"), ("photos/a.png", "m.png", "-o", "a.png")])
@pytest.mark.usefixtures("toys")
def test_the_command_says_it_for_each_photo(arguments, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").mkdir()
    for name in ("a", "b"):
        write_photo(f"photos/{name}.png", noise(60, 80))
    write_photo("m.png", np.where(box(60, 80), 255, 0).astype(np.uint8))
    monkeypatch.setattr(Mean, "inpaint", Hungry.inpaint)
    monkeypatch.setattr(Mean, "asks", staticmethod(torch_says), raising=False)
    assert run(["inpaint", *arguments]) == (1 if arguments[0] == "photos" else 2)
    said = capsys.readouterr().err
    assert "there is not enough memory to run method 'telea'" in said
    assert "Traceback" not in said


def test_a_limit_of_memory_ends_in_a_sentence(tmp_path):
    code = """
        import resource
        import numpy as np
        import inpaintx
        from inpaintx.cli import run
        from inpaintx.io.photo import write_photo
        photo, hole = np.zeros((2000, 3000, 3), np.uint8), np.zeros((2000, 3000), np.uint8)
        hole[500:1500:7, 500:1500] = 255
        write_photo("p.png", photo), write_photo("m.png", hole)
        inpaintx.inpaint(photo[:20, :20], np.eye(20), "telea")  # all is loaded
        with open("/proc/self/statm") as file:
            now = int(file.read().split()[0]) * resource.getpagesize()
        for more in (5, 20, 40, 60, 100):
            resource.setrlimit(resource.RLIMIT_AS, (now + more * 2**20, resource.RLIM_INFINITY))
            print(run(["inpaint", "p.png", "m.png", "-o", f"{more}.png", "-m", "telea"]), flush=True)
            try:
                inpaintx.inpaint(photo, hole, "harmonic")
            except inpaintx.InpaintxError as error:
                print(error)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout.count("not enough memory") >= 3
    assert done.stderr.count("not enough memory") >= 2


# ---- sizes that nobody means ----


class SizedConfig(Config):
    size: int = 64


class Sized(Mean):
    """A plugin's own size, without a bound."""

    name, Config = "sized", SizedConfig


def test_sides_are_bounded_before_memory_is_taken(tmp_path):
    photo, hole = noise(60, 80), box(60, 80)
    with pytest.raises(InpaintxError, match="squares of 1000000 x 1000000 pixels; at most 4096 x 4096"):
        inpaintx.inpaint(photo, hole, Sized(), size=1_000_000)
    for method in ("pconv", "context_encoder", "yeh"):
        with pytest.raises(InpaintxError, match="size: Input should be less than or equal to"):
            inpaintx.inpaint(photo, hole, method, size=1_000_000)
    write_photo(tmp_path / "a.png", photo)
    with pytest.raises(InpaintxError, match="4096"):
        inpaintx.evaluate(tmp_path, ["telea"], tmp_path / "out", size=1_000_000)
    assert run(["prepare", str(tmp_path), "-o", str(tmp_path / "prepared"), "--size", "1000000"]) == 2


# ---- rounds and progress ----


def test_specks_go_in_batches_and_say_how_far_they_are():
    rng = np.random.default_rng(0)
    hole = np.zeros((1500, 2000), bool)
    hole[rng.integers(0, 1500, 700), rng.integers(0, 2000, 700)] = True
    rounds = plan(hole, 64)
    number = sum(map(len, rounds))
    assert number > 300
    assert len(rounds) <= 8
    canvas = ArrayCanvas(noise(1500, 2000), hole)
    shares: list[float] = []
    Square.seen.clear()
    Inpainter(Square(), batch_size=50).run([(canvas, Plan({"square": rounds}))], progress=shares.append)
    assert not canvas.remaining_mask.any()
    assert len(Square.seen) <= number // 50 + len(rounds)
    assert shares == sorted(set(shares))
    assert len(shares) == len(Square.seen)
    assert shares[-1] == 1


def test_no_crop_of_a_round_shows_what_another_one_fills():
    rng = np.random.default_rng(1)
    for size in (None, 64, 128):
        hole = np.zeros((1300, 900), bool)
        for y, x in zip(rng.integers(0, 1300, 60), rng.integers(0, 900, 60), strict=True):
            hole[y : y + rng.integers(1, 40), x : x + rng.integers(1, 40)] = True
        for crops in plan(hole, size, None if size else 200 * 200):
            for one in crops:
                for other in crops:
                    apart = np.zeros_like(hole)
                    apart[one.box.at] = True
                    assert one is other or not apart[other.write_box.at].any()


@pytest.mark.usefixtures("toys")
def test_one_photo_of_many_crops_shows_a_bar_where_a_person_looks(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    hole = np.zeros((600, 800), np.uint8)
    hole[::60, ::60] = 255
    write_photo("p.png", noise(600, 800))
    write_photo("specks.png", hole)
    write_photo("box.png", np.where(box(600, 800), 255, 0).astype(np.uint8))
    for looking, mask, shown in ((True, "specks.png", True), (True, "box.png", False), (False, "specks.png", False)):
        monkeypatch.setattr(sys.stderr, "isatty", lambda looking=looking: looking)
        assert run(["inpaint", "p.png", mask, "-o", "o.png", "--overwrite", "-m", "square"]) == 0
        assert ("inpaint" in capsys.readouterr().err) == shown
