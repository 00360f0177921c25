"""Lists beside a set of faces are read strictly: who is on an image decides who is in train and who in test."""

import numpy as np
import pytest
from face_sets import celeba, picture, plain, write

from inpaintx.data.dataset import open_dataset
from inpaintx.data.landmarks import read_landmarks
from inpaintx.data.layouts import find_layout, hashed_splits
from inpaintx.data.prepare import prepare
from inpaintx.errors import InpaintxError
from inpaintx.io.lock import locked

NAMES = ["a/1.png", "a/2.png", "b/2.png", "b/3.png"]


def listed(root, content):
    if not (root / "a").exists():
        plain(root, NAMES, 8)
    data = content if isinstance(content, bytes) else content.encode()
    (root / "identities.csv").write_bytes(data)
    return root


def test_identities_by_path_and_by_name(tmp_path):
    root = listed(tmp_path, 'Name,Identity\r\na/1.png, anna\r\n\r\na/2.png,anna\nb/2.png,bea\n3.png,"bea"\n')
    assert [face.identity for face in find_layout(root).faces] == ["anna", "anna", "bea", "bea"]
    listed(tmp_path, "\ufefffile,identity\n1.png,anna\n")
    layout = find_layout(root)
    assert [face.identity for face in layout.faces] == ["anna", None, None, None]
    assert "identities.csv lacks 3 of 4 images: each is a person of its own" in layout.notes


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "line 1: the header must be name,identity; got ''"),
        ("\n\n", "the header must be"),
        ("a/1.png,anna\n", "the header must be name,identity; got 'a/1.png,anna'"),
        ("identity,name\nanna,a/1.png\n", "the header must be name,identity"),
        ("name;identity\na/1.png;anna\n", "separate cells by commas"),
        ("name\tidentity\na/1.png\tanna\n", "separate cells by commas"),
        ("name,identity,age\na/1.png,anna,7\n", "the header must be name,identity"),
        ("name,identity\na/1.png,anna,7\n", "line 2: expected name,identity, got 'a/1.png,anna,7' (3 cells)"),
        ("name,identity\na/1.png;anna\n", "line 2: expected name,identity"),
        ("name,identity\na/1.png,\n", "line 2: expected name,identity"),
        ("name,identity\nanna,a/1.png\n", "line 2: 'anna' is the name of no image of this set"),
        ("name,identity\na/1,anna\n", "no image of this set; is it 'a/1.png'?"),
        ("name,identity\n./a/1.png,anna\n", "no image of this set; is it 'a/1.png'?"),
        ("name,identity\na\\1.png,anna\n", "no image of this set; is it 'a/1.png'?"),
        ("name,identity\n1.PNG,anna\n", "no image of this set; is it 'a/1.png'?"),
        ("name,identity\nc/9.png,anna\n", "no image of this set"),
        ("name,identity\n2.png,anna\n", "is the name of several images"),
        ("name,identity\na/1.png,anna\n1.png,bea\n", "line 3: a/1.png is 'anna' by an earlier line, here 'bea'"),
        ('name,identity\na/1.png,"anna\n', "no CSV"),
        ("name,identity\na/1.png," + "x" * 200_000, "no CSV"),
        ("name,identity\na/1.png,Zoë\n".encode("latin-1"), "is not UTF-8 (byte 24, line 2"),
        ("name,identity\na/1.png,anna\n".encode("utf-16"), "it may be UTF-16"),
        ("name,identity\na/1.png,anna\n".encode("utf-16-le"), "NUL characters"),
    ],
)
def test_identities_that_do_not_fit_are_refused(content, words, tmp_path):
    root = listed(tmp_path, content)
    for job in (lambda: open_dataset(root, size=8), lambda: prepare(root, tmp_path / ".out", size=8)):
        with pytest.raises(InpaintxError) as error:
            job()
        assert words in str(error.value)
        assert "identities.csv" in str(error.value)
        assert "\n" not in str(error.value)


def test_people_in_several_split_folders_are_said(tmp_path):
    plain(tmp_path, ["train/1.png", "train/2.png", "test/3.png"], 8)
    (tmp_path / "identities.csv").write_text("name,identity\n1.png,anna\n2.png,bea\n3.png,anna\n")
    assert "1 people are in several of its split folders" in find_layout(tmp_path).notes


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16"])
def test_other_lists_in_another_encoding(encoding, tmp_path):
    plain(tmp_path / "plain", ["é.png"], 8)
    (tmp_path / "plain" / "landmarks.csv").write_bytes("name,x0,y0\né.png,1,2\n".encode(encoding))
    with pytest.raises(InpaintxError, match=r"landmarks\.csv is not UTF-8"):
        open_dataset(tmp_path / "plain", size=8, wants=frozenset({"landmarks"}))
    root = celeba(tmp_path / "celeba")
    (root / "list_eval_partition.txt").write_bytes("é000001.jpg 0\n".encode(encoding))
    with pytest.raises(InpaintxError, match=r"list_eval_partition\.txt is not UTF-8"):
        open_dataset(root, size=8)


@pytest.mark.parametrize("value", ["3", "", "01", "x"])
def test_a_split_that_is_none_is_refused(value, tmp_path):
    root = celeba(tmp_path)
    (root / "list_eval_partition.txt").write_text(f"000001.jpg,{value}\n")
    with pytest.raises(InpaintxError, match=r"the split of 000001\.jpg must be 0, 1 or 2"):
        open_dataset(root, size=8)


@pytest.mark.parametrize("text", ["[]", "{", "[" * 99_999, "é".encode("latin-1")])
def test_a_damaged_record_of_a_prepared_set(text, tmp_path):
    write(tmp_path / "a.png", picture(0, 8, 8))
    (tmp_path / "prepared.json").write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(InpaintxError, match=r"prepared\.json"):
        open_dataset(tmp_path, size=8)


@pytest.mark.parametrize("line", ["7", "{}", "[" * 99_999, '{"name": "train/a.jpg", "split": "train"}'])
def test_a_damaged_journal_of_a_preparation(line, tmp_path):
    plain(tmp_path / "set", ["a.png"], 16)
    prepare(tmp_path / "set", tmp_path / "out", size=8)
    (tmp_path / "out" / "faces.jsonl").write_text(line + "\n")
    with pytest.raises(InpaintxError, match=r"faces\.jsonl, line 1 is damaged"):
        prepare(tmp_path / "set", tmp_path / "out", size=8)


@pytest.mark.parametrize("count", [3, 10, 60])
def test_no_split_of_a_small_set_is_empty(count):
    for start in range(0, 2000, 100):
        keys = [str(start + i) for i in range(count)]
        found = hashed_splits(keys)
        assert set(found.values()) == {"train", "val", "test"}
        assert found == hashed_splits(reversed(keys))


def test_large_sets_are_split_by_their_hash_alone():
    keys = [str(i) for i in range(3000)]
    found = hashed_splits(keys)
    assert np.mean([found[key] == "train" for key in keys]) == pytest.approx(0.9, abs=0.02)
    more = hashed_splits([*keys, *(f"more {i}" for i in range(3000))])
    assert all(more[key] == found[key] for key in keys)


def test_sixty_images_are_prepared_with_a_validation_split(tmp_path):
    plain(tmp_path / "set", [f"x{i}.png" for i in range(12)], 16)
    done = prepare(tmp_path / "set", tmp_path / "out", size=8)
    assert min(done.summary["splits"].values()) >= 1


def test_two_preparations_do_not_share_a_folder(tmp_path):
    plain(tmp_path / "set", ["a.png", "b.png"], 16)
    prepare(tmp_path / "set", tmp_path / "out", size=8)
    before = sorted(path.name for path in (tmp_path / "out").rglob("*"))
    with locked(tmp_path / "out"), pytest.raises(InpaintxError, match="is in use by another process"):
        prepare(tmp_path / "set", tmp_path / "out", size=8, overwrite=True)
    assert sorted(path.name for path in (tmp_path / "out").rglob("*")) == before
    prepare(tmp_path / "set", tmp_path / "out", size=8)
    assert len(open_dataset(tmp_path / "out", size=8)) == 2


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("a.png,3,4", "line 3: a.png has other points by an earlier line"),
        ("b.png,inf,2", "line 3: a coordinate lies beyond 1000000 pixels"),
        ("b.png,1,-1e300", "line 3: a coordinate lies beyond 1000000 pixels"),
    ],
)
def test_points_that_contradict_each_other_or_lie_nowhere(line, words, tmp_path):
    path = tmp_path / "landmarks.csv"
    path.write_text(f"name,x0,y0\na.png,1,2\n{line}\n")
    with pytest.raises(InpaintxError, match=words):
        read_landmarks(path)
    path.write_text("name,x0,y0\na.png,1,\na.png,1,nan\n")
    np.testing.assert_array_equal(read_landmarks(path)["a.png"], [[1, np.nan]])


def test_a_split_by_identities_says_so(tmp_path):
    names = [f"{i}.png" for i in range(6)]
    plain(tmp_path, names)
    (tmp_path / "identities.csv").write_text("name,identity\n" + "".join(f"{n},{n}\n" for n in names))
    notes = open_dataset(tmp_path, size=8, split="train").notes
    assert "split by a hash of the identities: it has no splits of its own" in notes
