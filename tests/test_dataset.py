"""Face sets: every layout found, read as samples, and what is wrong said in words."""

import numpy as np
import pytest
import torch
from face_sets import celeba, celebamask_hq, gray, landmarks_csv, picture, plain, shared_faces, write  # noqa: F401

from inpaintx.data.center_crop import UnreadableFileError
from inpaintx.data.dataset import open_dataset
from inpaintx.data.layouts import hashed_splits
from inpaintx.data.sampler import SkippedFileWarning
from inpaintx.errors import InpaintxError
from inpaintx.io.opencv import import_cv2


def test_a_flat_folder(tmp_path):
    faces = open_dataset(plain(tmp_path, ["b.png", "a.png", "more/c.png"]), size=40)
    assert faces.names == ["a.png", "b.png", "more/c.png"]
    assert faces.layout == "folder"
    sample = faces[1]
    assert set(sample) == {"image", "name"}
    np.testing.assert_array_equal((sample["image"] * 255).round().byte().permute(1, 2, 0).numpy(), picture(0))
    assert sample["image"].dtype == torch.float32


def test_splits_by_folders_and_a_split_folder_itself(tmp_path):
    plain(tmp_path, ["train/a.png", "train/b.png", "validation/c.png", "test/d.png"])
    assert open_dataset(tmp_path, size=8, split="train").names == ["train/a.png", "train/b.png"]
    assert open_dataset(tmp_path, size=8, split="val").names == ["validation/c.png"]
    assert len(open_dataset(tmp_path, size=8)) == 4
    assert open_dataset(tmp_path / "test", size=8).names == ["test/d.png"]


def test_a_set_without_splits_is_split_by_a_hash_of_its_names(tmp_path):
    names = [f"{i}.png" for i in range(120)]
    for name in names:
        write(tmp_path / name, picture(0, 2, 2))
    parts = {split: open_dataset(tmp_path, size=2, split=split) for split in ("train", "val", "test")}
    assert sorted(n for part in parts.values() for n in part.names) == sorted(names)
    assert parts["val"].names == sorted(n for n, split in hashed_splits(names).items() if split == "val")
    assert len(parts["train"]) > 90
    assert any("hash of the names" in note for note in parts["train"].notes)


def test_landmarks_and_regions_follow_the_image(tmp_path):
    inside = np.zeros((40, 60), bool)
    inside[10:30, 20:40] = True
    write(tmp_path / "train" / "a.png", picture(0, 40, 60))
    write(tmp_path / "skin" / "train" / "a.png", gray(inside))
    landmarks_csv(tmp_path / "landmarks.csv", {"train/a.png": np.array([[10, 0], [49, 39], [29.5, 19.5]])})
    faces = open_dataset(tmp_path, size=20, wants=frozenset({"skin", "landmarks"}))
    sample = faces[0]
    # the middle square begins at x = 10; pixel centres: x' = (x - 10 + 0.5) / 2 - 0.5
    np.testing.assert_allclose(sample["landmarks"].numpy(), [[-0.25, -0.25], [19.25, 19.25], [9.5, 9.5]], atol=1e-6)
    assert sample["skin"].shape == (1, 20, 20)
    assert sample["skin"][0, 5:15, 5:15].all()
    assert sample["skin"].sum() == 100
    assert faces.has == {"skin", "landmarks"}
    assert faces.sources == {"skin": "files", "landmarks": "files"}


def test_what_is_missing_is_ones_and_nan_with_a_word(tmp_path):
    faces = open_dataset(plain(tmp_path, ["a.png"]), size=8, wants=frozenset({"foreground", "landmarks"}))
    assert faces[0]["foreground"].min() == 1
    assert bool(torch.isnan(faces[0]["landmarks"]).all())
    assert faces.has == frozenset()
    assert any("foreground=ones" in note for note in faces.notes)
    with pytest.raises(InpaintxError, match="no masks of its own"):
        open_dataset(tmp_path, size=8, wants=frozenset({"mask"}))


def test_two_landmark_files_the_one_that_names_more_images_counts(tmp_path):
    plain(tmp_path, ["faces/a.png", "faces/b.png", "faces/c.png"])
    landmarks_csv(tmp_path / "landmarks_49.csv", {n: np.full((49, 2), 3.0) for n in ("a.png", "b.png")})
    landmarks_csv(tmp_path / "landmarks_5.csv", {"c.png": np.full((5, 2), 3.0)})
    faces = open_dataset(tmp_path, size=40, wants=frozenset({"landmarks"}))
    assert [bool(torch.isnan(faces[i]["landmarks"]).all()) for i in range(3)] == [False, False, True]
    assert faces[2]["landmarks"].shape == (49, 2)
    assert any("left out: landmarks_5.csv" in note for note in faces.notes)


def test_celeba(tmp_path):
    root = celeba(tmp_path)
    faces = open_dataset(root, size=80, split="val", wants=frozenset({"landmarks"}))
    assert faces.layout == "celeba"
    assert faces.names == ["000003.jpg", "000004.jpg"]
    assert [face.identity for face in faces.faces] == ["101", "101"]
    # 160 of 178 x 218: the square begins at (9, 29)
    np.testing.assert_allclose(faces[0]["landmarks"][0].numpy(), [(69 - 9 + 0.5) / 2 - 0.5, (109 - 29 + 0.5) / 2 - 0.5])
    (root / "list_eval_partition.txt").unlink()
    split = [
        open_dataset(root, size=8, split=s)
        for s in ("train", "val", "test")
        if s in hashed_splits(["100", "101", "102"]).values()
    ]
    assert all("hash of the identity" in part.notes[1] for part in split)
    assert sum(map(len, split)) == 6
    assert all(
        len({f.identity for f in part.faces} & {f.identity for f in other.faces}) == 0
        for part in split
        for other in split
        if part is not other
    )


def test_celebamask_hq(tmp_path):
    faces = open_dataset(celebamask_hq(tmp_path), size=32, wants=frozenset({"skin", "foreground"}))
    assert faces.layout == "celebamask-hq"
    assert faces.names == ["0.jpg", "1.jpg", "2001.jpg"]
    first, second, third = (faces[i] for i in range(3))
    rows = lambda region: torch.nonzero(region[0].all(1)).ravel().tolist()  # noqa: E731
    assert rows(first["skin"]) == list(range(8, 20))  # skin and nose; the neck is no face
    assert rows(first["foreground"]) == list(range(20))  # and hair
    assert second["skin"].sum() == 0
    assert second["foreground"].min() == 1
    assert third["skin"].sum() == third["foreground"].sum() == 0
    assert faces.sources["skin"] == "parsing"


def test_a_jpeg_decoded_small_equals_the_whole_one_reduced(tmp_path):
    cv2 = import_cv2()
    write(tmp_path / "a.jpg", cv2.resize(picture(3, 32, 32), (512, 512), interpolation=cv2.INTER_CUBIC))
    write(tmp_path / "exact" / "a.png", np.asarray(cv2.imread(str(tmp_path / "a.jpg"))[..., ::-1]))
    small = open_dataset(tmp_path, size=32)
    assert small.names == ["a.jpg", "exact/a.png"]
    assert (small[0]["image"] - small[1]["image"]).abs().max() < 3 / 255


def readable(faces, index):
    try:
        faces[index]
    except UnreadableFileError:
        return False
    return True


def test_a_corrupt_file_is_reported_once_and_a_vanished_one_stops(tmp_path):
    plain(tmp_path, ["a.jpg", "b.jpg"])
    whole = (tmp_path / "a.jpg").read_bytes()
    (tmp_path / "a.jpg").write_bytes(whole[: len(whole) // 2])
    faces = open_dataset(tmp_path, size=8)
    with pytest.warns(SkippedFileWarning, match=r"a\.jpg.*cut off") as caught:
        assert [readable(faces, i) for i in (0, 0, 1)] == [False, False, True]
    assert len(caught) == 1
    assert list(faces.skipped) == ["a.jpg"]
    faces = open_dataset(plain(tmp_path / "more", ["c.jpg"]), size=8)
    (tmp_path / "more" / "c.jpg").unlink()
    with pytest.raises(InpaintxError, match="does not exist") as error:
        faces[0]
    assert not isinstance(error.value, UnreadableFileError)


def test_what_was_read_without_a_fault_is_read_again_alike(tmp_path):
    inside = np.zeros((40, 40), np.uint8)
    inside[5:20, 3:30] = 255
    cv2 = import_cv2()
    for name in ("a.jpg", "b.png"):
        write(tmp_path / name, picture(3))
    (tmp_path / "masks").mkdir()
    for name in ("a", "b"):  # softened by its compression
        cv2.imwrite(str(tmp_path / "masks" / f"{name}.jpg"), np.dstack([inside, inside, inside // 2 + inside // 3]))
    faces = open_dataset(tmp_path, size=8, wants=frozenset({"mask"}), memory=0)
    first = [faces[i] for i in range(2)]
    assert len(faces._sound) == 4
    for before, again in zip(first, [faces[i] for i in range(2)], strict=True):
        assert torch.equal(before["image"], again["image"])
        assert torch.equal(before["mask"], again["mask"])


def test_masks_of_labels_are_refused_and_not_read_as_empty(tmp_path):
    plain(tmp_path, ["a.png"])
    write(tmp_path / "masks" / "a.png", np.eye(40, dtype=np.uint8))
    faces = open_dataset(tmp_path, size=8, wants=frozenset({"mask"}))
    with (
        pytest.warns(SkippedFileWarning, match="0 and 1, on one side of 50 %; expected black and white"),
        pytest.raises(UnreadableFileError),
    ):
        faces[0]


def test_images_are_kept_in_memory_where_they_fit(tmp_path):
    plain(tmp_path, ["a.png"])
    kept, not_kept = open_dataset(tmp_path, size=8), open_dataset(tmp_path, size=8, memory=0)
    first = kept[0]["image"], not_kept[0]["image"]
    (tmp_path / "a.png").unlink()
    assert torch.equal(kept[0]["image"], first[0])
    with pytest.raises(InpaintxError):
        not_kept[0]
    assert any("kept in memory" in note for note in kept.notes)
    assert not any("kept in memory" in note for note in not_kept.notes)


def test_wrong_folders_in_words(tmp_path):
    with pytest.raises(InpaintxError, match="does not exist"):
        open_dataset(tmp_path / "none", size=8)
    with pytest.raises(InpaintxError, match=r"Looked for: img_align_celeba/ \(CelebA\), CelebA-HQ-img/"):
        open_dataset(tmp_path, size=8)
    plain(tmp_path, ["one/train/a.png", "two/train/a.png"])
    with pytest.raises(InpaintxError, match=r"several sets \(one, two\)"):
        open_dataset(tmp_path, size=8)
    with pytest.raises(InpaintxError, match=r"no images in split 'val' \(split by its folders; there are: train 1\)"):
        open_dataset(tmp_path / "one", size=8, split="val")
    with pytest.raises(InpaintxError, match="split must be train, val or test"):
        open_dataset(tmp_path / "one", size=8, split="dev")
    with pytest.raises(InpaintxError, match=r"cannot give \['hair'\]"):
        open_dataset(tmp_path / "one", size=8, wants=frozenset({"hair"}))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("name,x0,y0\na.png,1\n", "line 2: 2 cells"),
        ("name,x0,y0\na.png,1,two\n", "line 2: could not convert"),
        ("a.png,1,2\n", "first line must be name,x0,y0"),
    ],
)
def test_bad_landmarks_in_words(tmp_path, text, words):
    plain(tmp_path, ["a.png"])
    (tmp_path / "landmarks.csv").write_text(text)
    with pytest.raises(InpaintxError, match=words):
        open_dataset(tmp_path, size=8, wants=frozenset({"landmarks"}))


def test_the_shared_faces_need_no_special_case(shared_faces):  # noqa: F811
    wants = frozenset({"landmarks"})
    small = open_dataset(shared_faces / "faces", size=128, split="test", wants=wants)
    large = open_dataset(shared_faces / "faces256", size=128, split="test", wants=wants)
    assert len(small) == 400
    assert small.has == large.has == {"landmarks"}
    assert set(large.names) <= set(small.names)
    name = large.names[0]
    one, other = small[small.names.index(name)], large[0]
    assert (one["landmarks"] - other["landmarks"]).abs().max() < 0.1  # x128 = (x256 + 0.5) / 2 - 0.5
    assert (one["image"] - other["image"]).abs().mean() < 0.05
    synthetic = open_dataset(shared_faces / "syn256", size=64, split="val", wants=wants)
    assert synthetic[0]["landmarks"].shape == (5, 2)
    assert not any(bool(torch.isnan(synthetic[i]["landmarks"]).any()) for i in range(len(synthetic)))
    with pytest.raises(InpaintxError, match=r"several sets \(faces, faces256, syn256\)"):
        open_dataset(shared_faces, size=64)
