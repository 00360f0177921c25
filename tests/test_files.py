"""What is read is looked at first: what is no file, or has no end, is refused in words."""

import os
import re
from pathlib import Path

import numpy as np
import pytest
from photo_files import file_of
from toy_methods import noise

from inpaintx.data.center_crop import read_square
from inpaintx.data.landmarks import read_landmarks, read_table
from inpaintx.data.layouts import read_prepared
from inpaintx.errors import InpaintxError
from inpaintx.io.atomic import check_file, read_whole
from inpaintx.io.photo import check_input, read_photo
from inpaintx.nn.pretrained import read_state

READERS = {
    "photo": read_photo,
    "image": lambda path: read_square(path, 8),
    "landmarks": read_landmarks,
    "list": read_table,
    "weights": read_state,
}


@pytest.mark.parametrize("reader", READERS)
def test_a_pipe_is_refused_without_waiting_for_its_other_end(tmp_path, reader):
    os.mkfifo(tmp_path / "a")
    with pytest.raises(InpaintxError, match=r"is a pipe \(FIFO\); expected a regular file"):
        READERS[reader](tmp_path / "a")


@pytest.mark.parametrize("reader", READERS)
def test_a_device_and_a_folder_are_refused(tmp_path, reader):
    (tmp_path / "link").symlink_to("/dev/zero")
    with pytest.raises(InpaintxError, match="is a device"):
        READERS[reader](tmp_path / "link")
    with pytest.raises(InpaintxError, match="is a folder; expected a file"):
        READERS[reader](tmp_path)


@pytest.mark.parametrize("reader", sorted(READERS.keys() - {"weights"}))
def test_a_sparse_file_is_refused_before_it_is_read(tmp_path, reader):
    with (tmp_path / "a").open("wb") as file:
        file.truncate(30 << 30)
    with pytest.raises(InpaintxError, match=rf"has {30 << 30} bytes; at most {2**30} are taken"):
        READERS[reader](tmp_path / "a")


def test_the_record_of_a_set_is_bounded(tmp_path):
    with (tmp_path / "prepared.json").open("wb") as file:
        file.truncate(30 << 30)
    with pytest.raises(InpaintxError, match="are taken"):
        read_prepared(tmp_path)


def test_a_pipe_that_the_shell_opened_is_read_once():
    read, write = os.pipe()
    data = file_of(noise(8, 8), "PNG")
    os.write(write, data)
    os.close(write)
    check_input(Path(f"/dev/fd/{read}"))
    np.testing.assert_array_equal(read_photo(f"/dev/fd/{read}").pixels, noise(8, 8))
    os.close(read)


def test_a_file_that_tells_no_size_is_read_to_the_bound():
    assert read_whole(Path("/proc/self/status"), "list")
    with pytest.raises(InpaintxError, match="more than 10 bytes"):
        read_whole(Path("/proc/self/status"), "list", most=10)


def test_a_name_that_no_file_can_have_is_an_error_in_words():
    with pytest.raises(InpaintxError, match=re.escape("cannot be read: embedded null byte")):
        check_file(Path("a\0b"), "photo")
