"""Damaged files: refused, or read as far as they go, and that is said."""

import io
import os
import threading
from pathlib import Path

import numpy as np
import pytest
from photo_files import chunk, file_of, png, saved, smooth
from toy_methods import noise

import inpaintx
from inpaintx.cli import run
from inpaintx.data.center_crop import UnreadableFileError, read_picture, read_square
from inpaintx.data.mask_files import read_side
from inpaintx.errors import InpaintxError
from inpaintx.io import opencv
from inpaintx.io.masks import read_mask
from inpaintx.io.opencv import import_cv2
from inpaintx.io.photo import decode, read_photo

cv2 = import_cv2()
Image = pytest.importorskip("PIL.Image")
END = b"\xff\xd9"


@pytest.mark.parametrize("fmt", ["PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF", "AVIF", "JPEG2000"])
@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.98])
def test_a_cut_off_file_is_refused_or_said(tmp_path, fmt, share, capfd):
    path = saved(noise(60, 80), fmt, tmp_path / "a")
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    if fmt == "JPEG" and share >= 0.5:
        assert read_photo(path).notes[0] == (
            "the JPEG is cut off (its end marker is missing): it was read as far as it goes"
        )
        with pytest.raises(InpaintxError, match="a cannot be read: the JPEG is cut off"):
            read_photo(path, whole=True)
    else:
        with pytest.raises(InpaintxError, match="a cannot be read"):
            read_photo(path)
    assert capfd.readouterr().err == ""


def test_a_damaged_png_is_refused(tmp_path, capfd):
    path = saved(noise(60, 80), "PNG", tmp_path / "a.png")
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(bytes(data))
    with pytest.raises(InpaintxError, match="damaged"):
        read_photo(path)
    assert capfd.readouterr().err == ""


def damaged_jpegs():
    good = file_of(smooth(), "JPEG", quality=90)
    half, third = len(good) // 2, len(good) // 3
    noise_of = np.random.default_rng(0).integers(0, 255, 300, dtype=np.uint8).tobytes()
    return {
        "cut": good[:half],
        "cut with an end": good[:half] + END,
        "a sector of zeros": good[:third] + bytes(300) + good[third + 300 :],
        "a sector of noise": good[:third] + noise_of + good[third + 300 :],
        "a scan that the picture does not need": good[:-2] + good[third:half] + END,
        "preallocated": good[:half] + bytes(len(good) - half),
        "preallocated with an end": good[:half] + bytes(len(good) - half - 2) + END,
    }


@pytest.mark.parametrize("kind", damaged_jpegs())
def test_a_damaged_jpeg_is_read_as_far_as_it_goes_and_that_is_said(tmp_path, kind, capfd):
    file = damaged_jpegs()[kind]
    got = decode(file, "photo")
    assert got.notes[0].startswith("the JPEG is ")
    assert got.pixels.shape == smooth().shape
    (tmp_path / "a.jpg").write_bytes(file)
    with pytest.raises(InpaintxError, match="the JPEG is "):  # what a decoder leaves grey is no mask
        read_mask(tmp_path / "a.jpg")
    for reader in (read_picture, lambda path: read_square(path, 8), lambda path: read_side(path, "mask")):
        with pytest.raises(UnreadableFileError, match=r"a\.jpg cannot be read: the JPEG is "):  # nor to be learned from
            reader(tmp_path / "a.jpg")
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("kind", [k for k in damaged_jpegs() if "cut" in k or "pre" in k])
@pytest.mark.parametrize("turn", [1, 6])
def test_the_rest_for_which_there_are_no_data_is_found(kind, turn):
    file = damaged_jpegs()[kind]
    if turn != 1:
        from photo_files import Image

        exif = Image.Exif()
        exif[0x0112] = turn
        block = exif.tobytes()
        file = file[:2] + b"\xff\xe1" + (len(block) + 2).to_bytes(2, "big") + block + file[2:]
    got = decode(file, "photo")
    pixels, damage = got.pixels, got.damage
    if turn == 6:
        pixels, damage = np.rot90(pixels), np.rot90(damage)
    assert 0.2 < damage.mean() < 0.9
    whole = decode(file_of(smooth(), "JPEG", quality=90), "photo").pixels
    np.testing.assert_array_equal(pixels[~damage], whole[~damage])  # what counts as known is the photo's
    assert (pixels[damage] == 128).mean() > 0.9
    rows = damage.mean(1)
    assert rows[0] == 0
    assert rows[-1] == 1
    assert f"{damage.mean():.1%} of the photo are grey" in got.notes[-1] or turn == 6


def test_mask_from_damage_fills_the_rest(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("cut.jpg").write_bytes(damaged_jpegs()["cut"])
    Path("noise.jpg").write_bytes(damaged_jpegs()["a scan that the picture does not need"])
    Path("good.jpg").write_bytes(file_of(smooth(), "JPEG"))
    assert run(["inpaint", "cut.jpg", "--mask-from-damage", "-o", "a.png", "-m", "harmonic"]) == 0
    assert "note: the JPEG is cut off" in capsys.readouterr().out
    before, after = read_photo("cut.jpg"), read_photo("a.png").pixels
    np.testing.assert_array_equal(after[~before.damage], before.pixels[~before.damage])
    assert not (after[before.damage] == 128).all(-1).any()
    for name, words in (("good", "no damage was found in this one"), ("noise", "paint over what is wrong")):
        assert run(["inpaint", f"{name}.jpg", "--mask-from-damage", "-o", "b.png", "-m", "harmonic"]) == 2
        assert words in capsys.readouterr().err
    assert run(["inpaint", "cut.jpg", "a.png", "--mask-from-damage", "-o", "b.png"]) == 2
    assert "--mask-from-damage takes the hole from the photo" in capsys.readouterr().err


def test_python_users_are_warned_of_damage(tmp_path):
    (tmp_path / "cut.jpg").write_bytes(damaged_jpegs()["cut"])
    hole = np.zeros(smooth().shape[:2], bool)
    hole[:4, :4] = True
    for photo in (tmp_path / "cut.jpg", damaged_jpegs()["cut"]):
        with pytest.warns(UserWarning, match="the JPEG is cut off .* counts as known"):
            inpaintx.inpaint(photo, hole, "harmonic")
    with pytest.raises(InpaintxError, match="mask given as bytes cannot be read: the JPEG is cut off"):
        inpaintx.inpaint(smooth(), damaged_jpegs()["cut"], "harmonic")


def test_the_rest_of_a_photo_in_cmyk_is_found():
    stream = io.BytesIO()
    Image.fromarray(smooth()).convert("CMYK").save(stream, "JPEG", quality=90)
    whole = decode(stream.getvalue(), "photo").pixels
    got = decode(stream.getvalue()[: len(stream.getvalue()) // 2], "photo")
    assert 0.2 < got.damage.mean() < 0.9
    np.testing.assert_array_equal(got.pixels[~got.damage], whole[~got.damage])


def test_restarts_bound_the_damage():
    good = file_of(smooth(), "JPEG", quality=90, restart_marker_rows=1)
    starts = [i for i in range(len(good) - 1) if good[i] == 0xFF and 0xD0 <= good[i + 1] <= 0xD7]
    bad = bytearray(good)
    for i in range(starts[1] + 10, starts[2]):  # most of the third row of blocks
        bad[i] = 0
    got = decode(bytes(bad), "photo")
    whole = decode(good, "photo").pixels
    assert (got.pixels[:31] == whole[:31]).all()
    np.testing.assert_array_equal(got.pixels[50:], whole[50:])
    assert got.notes


def test_gray_that_belongs_to_the_photo_is_no_damage():
    pixels = smooth()
    pixels[40:72, 32:96] = 128
    assert decode(file_of(pixels, "JPEG", quality=95), "photo").damage is None
    cut = decode(file_of(pixels, "JPEG", quality=95)[:-400], "photo")
    assert not cut.damage[40:72, 32:96].all()


def test_a_progressive_jpeg_that_is_cut_is_coarse_and_that_is_said():
    good = file_of(smooth(), "JPEG", quality=90, progressive=True)
    got = decode(good[: len(good) * 2 // 3], "photo")
    assert got.damage is None
    assert "cut off" in got.notes[0]
    assert np.abs(got.pixels.astype(int) - smooth()).mean() < 12


def test_bytes_that_some_cameras_leave_before_the_end_are_no_damage(tmp_path):
    good = file_of(smooth(), "JPEG", quality=90)
    got = decode(good[:-2] + bytes(5) + END, "photo")
    assert got.notes == []
    restarts = file_of(smooth(), "JPEG", quality=90, restart_marker_rows=2)
    at = restarts.index(b"\xff\xd1")
    got = decode(restarts[:at] + bytes(40) + restarts[at:], "photo")
    assert got.notes == ["the JPEG has 40 extraneous bytes, which were passed over"]
    np.testing.assert_array_equal(got.pixels, decode(restarts, "photo").pixels)
    (tmp_path / "a.jpg").write_bytes(good[:-2] + bytes(5) + END)
    assert read_picture(tmp_path / "a.jpg").shape == smooth().shape


def test_a_checksum_inside_a_png_is_heard(capfd):
    rows = bytes(range(200)) * 9
    good = png(199, 9, 8, 0, rows)
    at = good.index(b"IDAT")
    body = bytearray(good[at + 4 : good.index(b"IEND") - 8])
    body[-1] ^= 1  # the checksum of the pixels, under a chunk's that fits
    bad = good[: at - 4] + chunk(b"IDAT", bytes(body)) + chunk(b"IEND")
    try:
        got = decode(bad, "photo")
    except InpaintxError:
        pass
    else:
        assert any("decoder says" in note for note in got.notes)
    assert capfd.readouterr().err == ""


def test_what_others_write_to_stderr_while_a_picture_is_decoded_is_passed_on(capfd, monkeypatch):
    bad = damaged_jpegs()["cut with an end"]
    real = cv2.imdecode

    def talking(*arguments):
        os.write(2, b"a line of another thread\n")
        return real(*arguments)

    monkeypatch.setattr(cv2, "imdecode", talking)
    assert "premature end of data segment" in decode(bad, "photo").notes[0]
    assert capfd.readouterr().err == "a line of another thread\n"


def test_threads_hear_of_their_own_damage_alone(capfd):
    good, bad = file_of(smooth(), "JPEG", quality=90), damaged_jpegs()["cut with an end"]
    wrong = []

    def work(number):
        for i in range(20):
            damaged = (i + number) % 2
            if bool(decode(bad if damaged else good, "photo").notes) != bool(damaged):
                wrong.append((number, i))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert capfd.readouterr().err == ""


def test_a_service_without_stderr_can_decode():
    before = os.dup(2)
    os.close(2)
    try:
        got = decode(damaged_jpegs()["cut"], "photo")
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(2)
    finally:
        os.dup2(before, 2)
        os.close(before)
    assert got.notes


def test_a_process_forked_meanwhile_has_its_own_stderr(monkeypatch):
    """A fork waits until descriptor 2 is as it was."""
    entered, go_on = threading.Event(), threading.Event()
    real = cv2.imdecode

    def slow(*arguments):
        entered.set()
        go_on.wait(5)
        return real(*arguments)

    monkeypatch.setattr(cv2, "imdecode", slow)
    file = file_of(smooth(), "JPEG")
    thread = threading.Thread(target=decode, args=(file, "photo"))
    thread.start()
    entered.wait(5)
    threading.Timer(0.1, go_on.set).start()
    before = os.fstat(1).st_ino  # of pytest's own capture: any file but the one in memory
    pid = os.fork()
    if pid == 0:
        os._exit(0 if opencv._lock.acquire(timeout=1) and "memfd" not in os.readlink("/proc/self/fd/2") else 1)
    thread.join()
    assert before
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def test_opencv_logs_as_before():
    log = cv2.utils.logging if hasattr(cv2.utils, "logging") else cv2
    before = log.getLogLevel()
    decode(file_of(smooth(), "JPEG"), "photo")
    assert log.getLogLevel() == before
