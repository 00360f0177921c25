"""Faces are found on damaged photos and shown to the method as it was trained; YuNet's net has a stand-in."""

import json

import numpy as np
import pytest
import torch
from toy_methods import box

import inpaintx
from inpaintx.cli import run
from inpaintx.crops import Box, plan
from inpaintx.data.align import cut_by_points
from inpaintx.data.cv import import_cv2
from inpaintx.data.photo import read_photo, write_photo
from inpaintx.errors import InpaintxError
from inpaintx.faces import FaceFinder

POINTS = np.array([[560, 400], [720, 400], [640, 480], [570, 560], [710, 560]], np.float32)


class Net:
    """In place of YuNet's net: a face where the picture is bright, and a weaker one that is another."""

    def setInputSize(self, size):
        self.size = size

    def detect(self, picture):
        assert picture.shape[:2] == self.size[::-1]
        if picture.max() < 128:
            return 0, None
        scale = picture.shape[1] / 1280
        sure, weak = (
            np.concatenate([[0] * 4, (p * scale).ravel(), [s]]) for p, s in ((POINTS, 0.9), (POINTS - 330, 0.7))
        )
        return 2, np.stack([weak, sure]).astype(np.float32)


@pytest.fixture
def model(tmp_path, monkeypatch):
    monkeypatch.setattr(import_cv2().FaceDetectorYN, "create", lambda *arguments: Net())
    (tmp_path / "yunet.onnx").write_bytes(b"")
    return tmp_path / "yunet.onnx"


@pytest.mark.parametrize("shape", [(960, 1280), (960, 1280, 3), (960, 1280, 4)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_a_damaged_face_is_a_square_placed_as_in_training(model, shape, dtype):
    top = 1.0 if dtype == np.float32 else np.iinfo(dtype).max
    photo = np.full(shape, top, dtype)
    hole = box(960, 1280, top=400, left=600, side=60)
    (face,) = FaceFinder(model)(photo, hole)  # the weaker one has no hole
    cut = cut_by_points(POINTS)
    assert abs(face.height - cut.side) <= 2
    assert face.height == face.width
    assert abs((face.top + face.bottom) / 2 - cut.y - 0.5) <= 2
    assert abs((face.left + face.right) / 2 - cut.x - 0.5) <= 2
    assert FaceFinder(model)((photo * 0).astype(dtype), hole) == []


def test_what_lies_under_the_hole_is_not_looked_at(model):
    photo = np.zeros((960, 1280, 3), np.uint8)
    hole = box(960, 1280, top=400, left=600, side=60)
    photo[hole] = 255
    assert FaceFinder(model)(photo, hole) == []


def test_faces_come_first_and_the_rest_follows():
    hole = box(960, 1280, top=400, left=600, side=60) | box(960, 1280, top=20, left=20, side=30)
    face = Box(300, 500, 600, 800)
    first, *rest = plan(hole, 64, faces=[face, Box(0, 900, 50, 950)])
    assert [(c.box, c.core, c.work) for c in first] == [(face, face, (64, 64))]
    ((crop,),) = rest
    assert hole[crop.core.at].sum() >= 900
    assert plan(hole, None, faces=[face]) == plan(hole)


@pytest.mark.filterwarnings("ignore::inpaintx.errors.UntrainedWarning")
def test_photo_in_photo_out(model, tmp_path, capfd):
    rng = np.random.default_rng(0)
    photo = rng.integers(150, 255, (240, 320, 3), dtype=np.uint8)
    hole = box(240, 320, top=100, left=150, side=20)
    options = {"method": "pconv", "preset": "tiny", "size": 32, "width": 4}
    array = inpaintx.inpaint(photo, hole, yunet=model, **options)
    elsewhere = inpaintx.inpaint(photo, hole, **options)
    assert (array[~hole] == photo[~hole]).all()
    assert (array != elsewhere).any()
    image = torch.from_numpy(photo).permute(2, 0, 1)[None] / 255
    tensor = inpaintx.inpaint(image, torch.from_numpy(hole)[None, None].float(), yunet=model, **options)
    assert np.abs((tensor[0].permute(1, 2, 0).numpy() * 255).round() - array).max() <= 1
    write_photo(tmp_path / "photo.png", photo)
    write_photo(tmp_path / "mask.png", hole.astype(np.uint8) * 255)
    files = [str(tmp_path / name) for name in ("photo.png", "mask.png", "out.png")]
    network = ["-m", "pconv", "--preset", "tiny", "--set", "size=32", "--set", "width=4"]
    assert run(["inpaint", *files[:2], "-o", files[2], *network, "--yunet", str(model), "--json"]) == 0
    assert "1 damaged face found" in json.loads(capfd.readouterr().out)["notes"]
    assert (read_photo(files[2]).pixels == array).all()


def test_a_missing_model_is_named(tmp_path):
    with pytest.raises(InpaintxError, match=r"nothing\.onnx does not exist"):
        inpaintx.inpaint(np.zeros((8, 8, 3), np.uint8), np.ones((8, 8), bool), yunet=tmp_path / "nothing.onnx")


@pytest.mark.filterwarnings("ignore::inpaintx.errors.UntrainedWarning")
def test_squares_by_hand(tmp_path, capfd):
    rng = np.random.default_rng(0)
    photo = rng.integers(0, 255, (120, 160, 3), dtype=np.uint8)
    hole = box(120, 160, top=50, left=60, side=20)
    options = {"method": "pconv", "preset": "tiny", "size": 32, "width": 4}
    array = inpaintx.inpaint(photo, hole, faces=[(40, 30, 60)], **options)
    cut = inpaintx.inpaint(photo[30:90, 40:100], hole[30:90, 40:100], **options)
    assert (array[30:90, 40:100] == cut).all()
    write_photo(tmp_path / "photo.png", photo)
    write_photo(tmp_path / "mask.png", hole.astype(np.uint8) * 255)
    files = [str(tmp_path / name) for name in ("photo.png", "mask.png", "out.png")]
    command = ["inpaint", *files[:2], "-o", files[2], "-m", "pconv", "--preset", "tiny", "--set", "size=32"]
    assert run([*command, "--set", "width=4", "--face", "40,30,60"]) == 0
    assert (read_photo(files[2]).pixels == array).all()
    for words, error in (("40,30", "takes LEFT,TOP,SIDE"), ("140,30,60", "does not lie in the photo of 160 x 120")):
        assert run([*command, "--overwrite", "--face", words]) == 2
        assert error in capfd.readouterr().err
