"""``prepare``: faces cut upright, regions and landmarks with them, resumable, nothing overwritten."""

import json

import numpy as np
import pytest
from face_sets import FACE_POINTS, celeba, celebamask_hq, drawn_face, landmarks_csv, picture, plain, shared_faces, write  # noqa: F401

from inpaintx.cli import run
from inpaintx.data.align import AlignedCrop, cut_by_points
from inpaintx.data.dataset import open_dataset
from inpaintx.data.layouts import hashed_splits
from inpaintx.data.mtcnn import installed
from inpaintx.data.prepare import prepare
from inpaintx.demo import HERE
from inpaintx.errors import InpaintxError
from inpaintx.io.opencv import import_cv2
from inpaintx.io.photo import read_photo


def turned_face(angle, scale):
    """The drawn face in a larger picture, turned and scaled, with its landmarks there."""
    cv2 = import_cv2()
    pixels, face, _ = drawn_face()
    matrix = cv2.getRotationMatrix2D((48, 48), angle, scale)
    matrix[:, 2] += 80
    moved = cv2.warpAffine(pixels, matrix, (260, 240), borderMode=cv2.BORDER_REFLECT_101)
    inside = cv2.warpAffine(face.view(np.uint8), matrix, (260, 240)) > 0
    return moved, inside, FACE_POINTS @ matrix[:, :2].T + matrix[:, 2]


@pytest.fixture
def source(tmp_path):
    points = {}
    for number, (angle, scale) in enumerate([(0, 1), (25, 1.3), (-15, 0.8), (8, 1.1)]):
        name = f"{'train' if number < 3 else 'test'}/{number}.png"
        moved, _, points[name] = turned_face(angle, scale)
        write(tmp_path / "source" / name, moved)
    landmarks_csv(tmp_path / "source" / "landmarks.csv", points)
    return tmp_path / "source"


def test_faces_come_out_upright_at_one_scale(source, tmp_path):
    done = prepare(source, tmp_path / "out", size=64)
    assert done.summary["complete"]
    assert done.summary["splits"] == {"train": 3, "val": 0, "test": 1}
    assert done.summary["crops"] == {"landmarks": 4}
    assert done.summary["derived"] == {"foreground": 4, "skin": 4}
    faces = open_dataset(tmp_path / "out", size=64, wants=frozenset({"landmarks", "skin", "foreground"}))
    assert faces.names == ["test/3.jpg", "train/0.jpg", "train/1.jpg", "train/2.jpg"]
    assert faces.sources == {"foreground": "derived", "landmarks": "files", "skin": "derived"}
    points = np.stack([faces[i]["landmarks"].numpy() for i in range(4)])
    assert np.ptp(points, axis=0).max() < 0.1  # the same face, whatever its turn and scale
    images = np.stack([faces[i]["image"].numpy() for i in range(4)])
    assert np.abs(images - images[0])[:, :, 16:52, 20:44].mean() < 0.03
    assert all(0.15 < faces[i]["skin"].mean() < 0.6 for i in range(4))


def test_the_square_and_its_points_agree():
    """A bright dot at a landmark is where the landmark says, after cutting."""
    dots = np.zeros((200, 300, 3), np.uint8)
    points = np.array([[120.0, 80], [180, 95], [150, 120], [118, 150], [170, 160]], np.float32)
    for x, y in points.astype(int):
        dots[y - 2 : y + 3, x - 2 : x + 3] = 255
    cut = cut_by_points(points)
    small = cut.image(dots, 64)[..., 0].astype(float)
    for x, y in cut.place(points, 64):
        rows, columns = np.mgrid[round(y) - 3 : round(y) + 4, round(x) - 3 : round(x) + 4]
        weight = small[rows, columns]
        np.testing.assert_allclose([(weight * columns).sum(), (weight * rows).sum()] / weight.sum(), [x, y], atol=0.15)
    eyes = cut.place(points, 64)[:2]
    assert eyes[0, 1] == pytest.approx(eyes[1, 1], abs=1e-3)


def test_a_plain_square_is_the_plain_resize():
    pixels = picture(0, 64, 64)
    cut = AlignedCrop(31.5, 31.5, 64, 0.0)
    np.testing.assert_array_equal(cut.image(pixels, 64), pixels)
    np.testing.assert_allclose(cut.image(pixels, 16), pixels.reshape(16, 4, 16, 4, 3).mean((1, 3)), atol=1)
    assert cut.outside(64, 64) == 0
    assert cut.outside(32, 64) == pytest.approx(0.5)


def test_parsing_masks_are_cut_with_their_image(tmp_path):
    done = prepare(celebamask_hq(tmp_path / "source"), tmp_path / "out", size=32)
    assert done.summary["derived"] == {}
    assert done.summary["settings"]["split_by"] == "hash of the name"
    names = {name: f"{split}/{name}" for name, split in hashed_splits(["0.jpg", "1.jpg", "2001.jpg"]).items()}
    faces = open_dataset(tmp_path / "out", size=32, wants=frozenset({"skin", "foreground"}))
    assert sorted(faces.names) == sorted(names.values())
    sample = faces[faces.names.index(names["0.jpg"])]
    assert np.flatnonzero(sample["skin"][0].numpy().all(1)).tolist() == list(range(8, 20))
    assert faces[faces.names.index(names["2001.jpg"])]["foreground"].sum() == 0
    assert faces.sources["skin"] == "files"


def test_split_by_identity(tmp_path):
    root = celeba(tmp_path / "source")
    done = prepare(root, tmp_path / "own", size=32, regions=False)
    assert done.summary["splits"] == {"train": 2, "val": 2, "test": 2}
    assert done.summary["settings"]["split_by"] == "list_eval_partition.txt"
    done = prepare(root, tmp_path / "people", size=32, regions=False, split_by="identity")
    assert done.summary["settings"]["split_by"] == "hash of the identity"
    records = [json.loads(line) for line in (tmp_path / "people" / "faces.jsonl").read_text().splitlines()]
    by_person = hashed_splits(["100", "101", "102"])
    assert {r["source"]: (r["identity"], r["split"]) for r in records}["000001.jpg"] == ("100", by_person["100"])
    assert all(r["split"] == by_person[r["identity"]] for r in records)
    with pytest.raises(InpaintxError, match="tells no identities"):
        prepare(plain(tmp_path / "plain", ["a.png"]), tmp_path / "none", size=32, split_by="identity")
    (tmp_path / "plain" / "identities.csv").write_text("name,identity\na.png,anna\n")
    done = prepare(tmp_path / "plain", tmp_path / "anna", size=32, split_by="identity")
    assert done.summary["splits"][hashed_splits(["anna"])["anna"]] == 1


def test_split_by_numbers(tmp_path):
    root = celeba(tmp_path / "source")  # six images
    done = prepare(root, tmp_path / "out", size=32, regions=False, split_by=(3, 0, 2))
    assert done.summary["splits"] == {"train": 3, "val": 0, "test": 2}
    assert done.summary["settings"]["split_by"] == "3, 0, 2 in the set's order"
    assert open_dataset(tmp_path / "out", size=32).names == [
        "test/000004.jpg", "test/000005.jpg", "train/000001.jpg", "train/000002.jpg", "train/000003.jpg",
    ]  # fmt: skip
    again = ["prepare", str(root), "-o", str(tmp_path / "out"), "--size", "32", "--no-regions", "--split"]
    assert run([*again, "3,0,2"]) == 0
    for counts in ("3,0,1", "3,0", "3,0,9", "name,0,1"):
        assert run([*again, counts]) == 2


def test_without_landmarks_the_middle(tmp_path):
    pixels = picture(0, 40, 60)
    write(tmp_path / "source" / "a.png", pixels)
    done = prepare(tmp_path / "source", tmp_path / "out", size=40)
    assert done.summary["crops"] == {"center": 1}
    assert done.summary["derived"] == {}
    made = read_photo(tmp_path / "out" / hashed_splits(["a.png"])["a.png"] / "a.jpg").pixels.astype(int)
    assert np.abs(made - pixels[:, 10:50]).mean() < 2
    assert not (tmp_path / "out" / "landmarks.csv").exists()


def test_interrupted_it_goes_on_and_ends_the_same(source, tmp_path):
    prepare(source, tmp_path / "whole", size=32)

    def stop(done, total):
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepare(source, tmp_path / "out", size=32, progress=stop, workers=1)
    journal = tmp_path / "out" / "faces.jsonl"
    assert len(journal.read_text().splitlines()) == 2
    assert not json.loads((tmp_path / "out" / "prepared.json").read_text())["complete"]
    with journal.open("a") as file:
        file.write('{"name": "train/2.j')  # killed in the middle of a line
    done = prepare(source, tmp_path / "out", size=32)
    assert done.done_before == 2
    files = {p.relative_to(tmp_path / "whole") for p in (tmp_path / "whole").rglob("*") if p.is_file()}
    assert files == {p.relative_to(tmp_path / "out") for p in (tmp_path / "out").rglob("*") if p.is_file()}
    assert all((tmp_path / "whole" / f).read_bytes() == (tmp_path / "out" / f).read_bytes() for f in files)


def test_nothing_is_overwritten_unasked(source, tmp_path):
    out = tmp_path / "out"
    prepare(source, out, size=32)
    before = (out / "train" / "0.jpg").read_bytes()
    with pytest.raises(InpaintxError, match=r"other settings \(size: 32, now 64\).*--overwrite"):
        prepare(source, out, size=64)
    assert (out / "train" / "0.jpg").read_bytes() == before
    again = prepare(source, out, size=32)
    assert again.done_before == 4
    (out / "mine.txt").write_text("kept")
    prepare(source, out, size=64, overwrite=True)
    assert read_photo(out / "train" / "0.jpg").pixels.shape == (64, 64, 3)
    assert (out / "mine.txt").read_text() == "kept"
    other = plain(tmp_path / "other", ["x.png"])
    for force in (False, True):
        with pytest.raises(InpaintxError, match=r"is not empty and holds no prepared\.json"):
            prepare(source, other, size=32, overwrite=force)
    with pytest.raises(InpaintxError, match="lies in the source"):
        prepare(source, source / "out", size=32)


def test_corrupt_files_are_reported_and_skipped(source, tmp_path):
    (source / "train" / "1.png").write_bytes(b"no picture")
    done = prepare(source, tmp_path / "out", size=32)
    assert list(done.summary["skipped"]) == ["train/1.png"]
    assert done.summary["faces"] == 3
    for path in source.rglob("*.png"):
        path.write_bytes(b"no picture")
    with pytest.raises(InpaintxError, match="none of the 4 images"):
        prepare(source, tmp_path / "none", size=32)


def test_two_images_that_would_become_one(tmp_path):
    with pytest.raises(InpaintxError, match=r"train/a\.jpg and train/a\.png .* would both become"):
        prepare(plain(tmp_path / "source", ["train/a.png", "train/a.jpg"]), tmp_path / "out", size=32)
    assert not (tmp_path / "out").exists()


def test_yunet_that_is_none(source, tmp_path):
    with pytest.raises(InpaintxError, match="does not exist"):
        prepare(source, tmp_path / "out", size=32, yunet=tmp_path / "model.onnx")
    (tmp_path / "model.onnx").write_bytes(b"no model")
    with pytest.raises(InpaintxError, match="does not take"):
        prepare(source, tmp_path / "out", size=32, yunet=tmp_path / "model.onnx")


def test_the_command(source, tmp_path, capsys):
    assert run(["prepare", str(source), "-o", str(tmp_path / "out"), "--size", "32"]) == 0
    said = capsys.readouterr().out
    assert "4 faces of 32 x 32 (train 3, val 0, test 1)" in said
    assert "cut by: landmarks 4" in said
    assert "foreground=derived for 4 faces" in said
    assert run(["prepare", str(source), "-o", str(tmp_path / "out"), "--size", "48"]) == 2
    assert "other settings" in capsys.readouterr().err
    assert run(["prepare", str(tmp_path / "nowhere"), "-o", str(tmp_path / "x"), "--size", "48"]) == 2


def test_shared_faces(shared_faces, tmp_path):  # noqa: F811
    """An aligned set stays where it was: this is the transform that it was made with."""
    done = prepare(shared_faces / "tiny", tmp_path / "out", size=64)
    assert done.summary["faces"] == 24
    assert done.summary["crops"] == {"center" if installed() is None else "mtcnn": 12, "landmarks": 12}
    old = open_dataset(shared_faces / "tiny", size=64, wants=frozenset({"landmarks"}))
    new = open_dataset(tmp_path / "out", size=64, wants=frozenset({"landmarks"}))
    places = {name.split("/")[-1]: i for i, name in enumerate(old.names)}
    moved = [
        np.abs(new[i]["landmarks"].numpy() - old[places[name.split("/")[-1]]]["landmarks"].numpy()).max()
        for i, name in enumerate(new.names)
        if "aaf" in name
    ]
    assert max(moved) < 5


class Dots:
    """In place of YuNet's net: finds five dots by their brightness, in the size that it was told."""

    def setInputSize(self, size):
        self.size = size

    def detect(self, picture):
        assert picture.shape[:2] == self.size[::-1]
        gray = picture.max(-1)
        found = [np.argwhere(np.abs(gray.astype(int) - level) < 8) for level in (250, 225, 200, 175, 150)]
        if any(len(at) == 0 for at in found):
            return 0, None
        points = np.array([at.mean(0)[::-1] for at in found])
        weak = np.concatenate([[0, 0, 9, 9], np.zeros(10), [0.7]])
        return 2, np.stack([weak, np.concatenate([[0, 0, 9, 9], points.ravel(), [0.9]])]).astype(np.float32)


def test_a_detectors_landmarks_serve_where_the_set_has_none(tmp_path, monkeypatch):
    """No model of YuNet ships with the project; a stand-in for its net shows what is made of its answer."""
    cv2 = import_cv2()
    monkeypatch.setattr(cv2.FaceDetectorYN, "create", lambda *arguments: Dots())
    (tmp_path / "model.onnx").write_bytes(b"")
    picture = np.zeros((960, 1280, 3), np.uint8)
    points = np.array([[560, 400], [720, 440], [640, 520], [560, 600], [680, 640]])
    for (x, y), level in zip(points, (250, 225, 200, 175, 150), strict=True):
        picture[y - 12 : y + 13, x - 12 : x + 13] = level
    write(tmp_path / "source" / "a.png", picture)
    write(tmp_path / "source" / "b.png", picture * 0)
    done = prepare(tmp_path / "source", tmp_path / "out", size=64, yunet=tmp_path / "model.onnx", regions=False)
    assert done.summary["crops"] == {"center": 1, "yunet": 1}
    faces = open_dataset(tmp_path / "out", size=64, wants=frozenset({"landmarks"}))
    index = next(i for i, name in enumerate(faces.names) if name.endswith("a.jpg"))
    expected = cut_by_points(points.astype(np.float32)).place(points.astype(np.float32), 64)
    np.testing.assert_allclose(faces[index]["landmarks"].numpy(), expected, atol=0.2)


@pytest.mark.skipif(installed() is None, reason="the extra [faces] is not installed")
def test_faces_are_found_where_the_set_has_no_landmarks(tmp_path):
    portrait = read_photo(HERE / "eileen_collins.png").pixels
    write(tmp_path / "source" / "a.png", portrait)
    write(tmp_path / "source" / "b.png", portrait * 0)
    done = prepare(tmp_path / "source", tmp_path / "out", size=64, regions=False)
    assert done.summary["crops"] == {"center": 1, "mtcnn": 1}
    faces = open_dataset(tmp_path / "out", size=64, wants=frozenset({"landmarks"}))
    index = next(i for i, name in enumerate(faces.names) if name.endswith("a.jpg"))
    left, right = np.asarray(faces[index]["landmarks"])[:2]
    assert np.abs((left + right) / 2 - [31.5, 27.5]).max() < 3  # eyes where the other sets have them
    assert 16 < right[0] - left[0] < 22
    prepare(tmp_path / "source", tmp_path / "middle", size=64, crop="center", regions=False)
    with pytest.raises(InpaintxError, match="faces: None, now 'mtcnn'"):
        prepare(tmp_path / "source", tmp_path / "middle", size=64, regions=False)
