"""Files written whole: under any name, through links, with their mode, and nothing left behind."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from inpaintx.errors import InpaintxError
from inpaintx.io import atomic
from inpaintx.io.atomic import PART, atomic_folder, atomic_write, check_writable


def put(path: Path, words: str = "new") -> None:
    with atomic_write(path) as part:
        part.write_text(words)


@pytest.mark.parametrize("name", ["\u6f22" * 80 + ".png", "a" * 251 + ".png", "\U0001f600" * 60, b"\xff\xe9.png"])
def test_every_name_that_the_file_system_takes(tmp_path, name):
    path = tmp_path / os.fsdecode(name)
    check_writable(path)
    put(path)
    assert os.listdir(tmp_path) == [path.name]
    folder = path.with_name(os.fsdecode(os.fsencode(path.name)[:-1] + b"k"))
    with atomic_folder(folder):
        pass
    assert folder.is_dir()


def test_the_mode_of_a_file_stays(tmp_path):
    path = tmp_path / "a"
    put(path)
    path.chmod(0o640)
    put(path)
    assert path.stat().st_mode & 0o7777 == 0o640


def test_a_link_stays_and_what_it_points_to_is_written(tmp_path):
    (tmp_path / "real").mkdir()
    link = tmp_path / "link"
    for target in (tmp_path / "real" / "a", Path("real/b")):  # the second is relative, and points to nothing yet
        link.unlink(missing_ok=True)
        link.symlink_to(target)
        check_writable(link)
        put(link, str(target))
        assert link.is_symlink()
        assert (tmp_path / target).read_text() == str(target)
    assert sorted(os.listdir(tmp_path / "real")) == ["a", "b"]


def test_what_cannot_be_written_is_noticed_before(tmp_path):
    (tmp_path / "file").touch()
    for path, words in (
        (tmp_path / ("x" * 252 + ".png"), "File name too long"),
        (tmp_path / "no" / "a.png", "the folder .* does not exist"),
        (tmp_path / "file" / "a.png", "Not a directory"),
        (Path("/proc/a.png"), "cannot write /proc/a.png"),
    ):
        with pytest.raises(InpaintxError, match=words):
            check_writable(path)
    assert os.listdir(tmp_path) == ["file"]


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write anywhere")
def test_a_file_that_is_read_only_is_noticed_before(tmp_path):
    (tmp_path / "a").touch(mode=0o444)
    with pytest.raises(InpaintxError, match="read-only"):
        check_writable(tmp_path / "a")


WRITES = """
import sys, time
from pathlib import Path
from inpaintx.io.atomic import atomic_write
with atomic_write(Path(sys.argv[1])) as part:
    part.write_text("half")
    print("writing", flush=True)
    time.sleep(600)
"""


def test_what_a_killed_process_left_goes_at_the_next_write(tmp_path):
    strange = [f".theirs{PART}.part", "mine.part", ".other.tmp.part"]
    for name in strange:
        (tmp_path / name).touch()
    (tmp_path / f".folder{PART}").mkdir()

    def start(name):
        process = subprocess.Popen([sys.executable, "-c", WRITES, tmp_path / name], stdout=subprocess.PIPE)
        assert process.stdout.readline() == b"writing\n"
        return process

    killed, alive = start("a.png"), start("b.png")
    try:
        killed.send_signal(signal.SIGKILL)
        killed.wait()
        assert len(list(tmp_path.glob(f".*.png.*{PART}"))) == 2
        put(tmp_path / "c.png")
        assert [p.name[:7] for p in tmp_path.glob(f".*.png.*{PART}")] == [".b.png."]
    finally:
        alive.kill()
        alive.wait()
    atomic._next_look.clear()
    put(tmp_path / "c.png")
    assert sorted(os.listdir(tmp_path)) == sorted([f".folder{PART}", *strange, "c.png"])


def test_a_large_folder_is_not_looked_through_at_every_write(tmp_path, monkeypatch):
    looked = []
    scan = os.scandir

    def slow(path):
        looked.append(path)
        time.sleep(0.05)
        return scan(path)

    monkeypatch.setattr(atomic.os, "scandir", slow)
    for _ in range(5):
        put(tmp_path / "a")
    assert len(looked) == 1


def test_processes_that_share_a_folder_do_not_take_each_others_files(tmp_path, monkeypatch):
    close, lock, held = os.close, atomic._lock, iter([False, False, True])

    def close_late(handle):  # another process removes what is closed
        close(handle)
        for part in tmp_path.glob(f".*{atomic.PART}"):
            part.unlink()

    monkeypatch.setattr(atomic.os, "close", close_late)
    monkeypatch.setattr(atomic, "_lock", lambda handle: next(held) and lock(handle))  # it has the lock, twice
    atomic.check_writable(tmp_path / "a.png")
    assert next(held, None) is None
    assert not list(tmp_path.iterdir())
