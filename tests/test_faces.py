"""Faces are found on damaged photos and shown to the method as it was trained; a drawn face stands in for real ones."""

import json

import numpy as np
import pytest
import torch
from toy_methods import box

import inpaintx
from inpaintx.cli import run
from inpaintx.data.align import AlignedCrop, Found, cut_by_points
from inpaintx.errors import InpaintxError
from inpaintx.inference import faces as finding
from inpaintx.inference.canvas import ArrayCanvas, TensorCanvas
from inpaintx.inference.crop_layout import Box, Crop
from inpaintx.inference.face_squares import Laid
from inpaintx.inference.faces import Face, FaceFinder, find_by, rounds_of, squares
from inpaintx.inference.warp import bring_back, show
from inpaintx.io.opencv import import_cv2
from inpaintx.io.photo import read_photo, write_photo

EYES_AND_MOUTH = np.array([[-80, -60], [80, -60], [0, 20], [-55, 95], [55, 95]], np.float32)
LEVELS = (40, 80, 120, 160, 200)
NETWORK = {"method": "pconv", "preset": "tiny", "size": 32, "width": 4}
untrained = pytest.mark.filterwarnings("ignore::inpaintx.errors.UntrainedWarning")


def drawn(height=480, width=640, at=(320, 240), turn=0.0, scale=1.0):
    """A grey photo with a face of five discs, each of its own grey, and where they are."""
    cv2, angle = import_cv2(), np.radians(turn)
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    points = (EYES_AND_MOUTH * scale @ rotation.T + at).astype(np.float32)
    photo = np.full((height, width, 3), 255, np.uint8)
    for (x, y), level in zip(points, LEVELS, strict=True):
        cv2.circle(photo, (round(float(x)), round(float(y))), round(16 * scale), (level,) * 3, -1)
    return photo, points


def discs(picture, smallest, proposals=None):
    """Find the drawn face: the median place of each grey."""
    found = [np.argwhere(np.abs(picture[..., 1].astype(int) - level) <= 3)[:, ::-1] for level in LEVELS]
    if min(map(len, found)) < 12:
        return []
    return [Found(np.array([np.median(f, 0) for f in found], np.float32), 0.99)]


@pytest.fixture
def drawn_faces(monkeypatch):
    monkeypatch.setattr(finding, "MTCNN", lambda thresholds=None: discs if thresholds is None else None)
    monkeypatch.setattr(finding, "installed", dict)
    monkeypatch.setattr("inpaintx.inference.inpainter.find_squares", lambda device: None)  # of people's faces


def near(face, points, tolerance=0.03):
    cut = cut_by_points(points)
    apart = np.array([face.cut.x - cut.x, face.cut.y - cut.y, face.cut.side - cut.side]) / cut.side
    return np.abs(apart).max() < tolerance and abs(face.cut.angle - cut.angle) < 0.05


@pytest.mark.parametrize("channels", [0, 2, 3, 4])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_a_damaged_face_is_a_square_placed_as_in_training(channels, dtype):
    photo, points = drawn()
    photo = (
        photo[..., :channels] if channels in (2, 3) else photo[..., 0] if channels == 0 else photo[..., [0, 1, 2, 0]]
    )
    photo = (
        (photo / 255).astype(dtype) if dtype == np.float32 else photo.astype(dtype) * dtype(np.iinfo(dtype).max // 255)
    )
    (face,) = FaceFinder(discs)(photo, box(480, 640, top=230, left=380, side=30))
    assert near(face, points)
    assert face.score == pytest.approx(0.99)


@pytest.mark.parametrize("turn", [-60, -25, 25, 60])
def test_a_turned_face_is_upright_in_its_square(turn):
    photo, points = drawn(turn=turn)
    (face,) = FaceFinder(discs)(photo, box(480, 640, top=230, left=310, side=20))
    assert near(face, points)
    upright = discs(face.cut.image(photo, 256), 40)[0].points / 256
    assert np.abs(upright[:2, 1] - 0.43).max() < 0.03
    assert np.abs(upright[3:, 1] - 0.74).max() < 0.03


def test_a_face_without_a_hole_is_left_alone():
    photo, _ = drawn()
    assert FaceFinder(discs)(photo, box(480, 640, top=5, left=5, side=20)) == []
    assert FaceFinder(discs)(photo, np.ones((480, 640), bool)) == []
    assert FaceFinder(discs)(photo, np.zeros((480, 640), bool)) == []


def test_what_lies_under_the_hole_is_not_looked_at():
    photo, points = drawn()
    hole = np.zeros((480, 640), bool)
    x, y = points[2].astype(int)
    hole[y - 20 : y + 5, x - 20 : x + 20] = True  # most of the nose
    other = np.where(hole[..., None], np.uint8(LEVELS[3]), photo)
    seen, same = (FaceFinder(discs)(p, hole) for p in (photo, other))
    assert seen == same
    assert seen != FaceFinder(discs)(other, box(480, 640, top=300, left=300, side=9))


def test_a_face_is_looked_for_again_in_its_own_square():
    """What is seen there moves the square to its place."""
    photo, points = drawn()
    hole = box(480, 640, top=300, left=300, side=40)
    looks = []

    def first_beside(picture, smallest, proposals=None):
        looks.append(picture.shape)
        shift = 20 if len(looks) == 1 else 0
        return [Found(f.points + shift, f.score) for f in discs(picture, smallest)]

    (face,) = FaceFinder(first_beside)(photo, hole)
    assert near(face, points)
    assert looks[0] == photo.shape
    assert set(looks[1:]) == {(256, 256, 3)}


class PartOfAFace:
    """Takes a square for a face's."""

    def __init__(self, cut):
        self.cut = cut

    def propose(self, picture, smallest):
        return "proposals"

    def squares(self, picture, smallest, proposals=None):
        assert proposals == "proposals"
        return [(self.cut, 0.5)]


def lay_to(cut, score, error=0.01):
    """Lay all squares at one place."""
    return lambda sight, cuts: [Laid(cut, error, score) for _ in cuts]


@pytest.mark.parametrize(("score", "share", "seen"), [(0.999, 0.5, True), (0.9, 0.5, False), (0.999, 0.1, False)])
def test_part_of_a_face_is_a_guess_that_counts_where_a_face_is_laid_into_it(score, share, seen):
    photo, points = drawn(scale=0.6)
    cut = cut_by_points(points)
    beside = cut._replace(x=cut.x + 0.3 * cut.side, side=1.3 * cut.side)
    hole = np.zeros((480, 640), bool)
    top = round(beside.y - beside.side / 2)
    hole[top : top + round(share * beside.side)] = True
    finder = FaceFinder(lambda picture, smallest, proposals=None: [], PartOfAFace(beside))
    found = finder(photo, hole, lay_to(cut, score))
    assert [near(face, points) for face in found] == [True] * seen
    assert all(face.score == score for face in found)
    assert finder(photo, hole) == []


def test_a_small_guess_beside_a_face_is_none_and_so_is_a_vague_one():
    photo, points = drawn(scale=0.5)
    cut = cut_by_points(points)
    badge = AlignedCrop(cut.x, cut.y - 0.5 * cut.side, 0.2 * cut.side, 0.0)
    far = badge._replace(x=40.0)
    hole = np.zeros((480, 640), bool)
    hole[: round(cut.y - 0.4 * cut.side), :400] = True

    def known(picture, smallest, proposals=None):
        return [Found(points, 0.99)]

    def lay(error):
        return lambda sight, cuts: [Laid(c, error, 0.999) for c in cuts]

    for guess, error, count in ((badge, 0.01, 1), (far, 0.01, 2), (far, 0.05, 1)):
        assert len(FaceFinder(known, PartOfAFace(guess))(photo, hole, lay(error))) == count


def test_a_square_is_laid_where_its_face_is_and_stays_where_none_is_known():
    photo, points = drawn(turn=10)
    hole = box(480, 640, top=300, left=300, side=40)
    cut = cut_by_points(points)

    def beside(picture, smallest, proposals=None):
        return [Found(f.points + 20, f.score) for f in discs(picture, smallest)]

    (face,) = FaceFinder(beside)(photo, hole, lay_to(cut, 0.9))
    assert near(face, points)
    assert face.score == pytest.approx(0.99)
    for where, score, error in (
        (cut, 0.1, 0.01),
        (cut, 0.9, 0.2),
        (cut._replace(x=cut.x + 0.5 * cut.side), 0.9, 0.01),
    ):
        assert FaceFinder(beside)(photo, hole, lay_to(where, score, error)) == FaceFinder(beside)(photo, hole)


def test_faces_share_no_pixel_and_the_rest_follows():
    hole = np.zeros((300, 500), bool)
    hole[100:150] = True
    pair = [Face(AlignedCrop(150, 125, 140, 0.0)), Face(AlignedCrop(250, 125, 100, 0.3))]  # they overlap
    rounds, left = rounds_of([*pair, Face(AlignedCrop(150, 20, 40, 0.0))], hole, 64)
    assert [len(r) for r in rounds] == [1, 1]
    taken = left.astype(int)
    for crops in rounds:
        for crop in crops:
            taken[crop.write_box.at] += crop.only
    assert (taken == hole).all()
    assert (left == hole)[:, 315:].all()
    far = [Face(AlignedCrop(100, 125, 90, 0.2)), Face(AlignedCrop(400, 125, 90, 0.0))]
    assert [len(r) for r in rounds_of(far, hole, 64)[0]] == [2]  # together: a batch


@pytest.mark.parametrize(("angle", "work"), [(0.0, 64), (0.5, 64), (-1.0, 128)])
def test_a_turned_square_comes_back_to_its_place(angle, work):
    y, x = np.mgrid[:200, :260] / 200
    photo = np.stack([0.3 + 0.3 * x, 0.2 + 0.5 * y, 0.5 + 0.2 * np.sin(3 * (x + y))], -1).astype(np.float32)
    face = Face(AlignedCrop(131.5, 96.2, 90.0, angle))
    frame = face.box(200, 260)
    crop = Crop(frame, frame, (work, work), cut=face.cut)
    image, hole = show(ArrayCanvas(photo, np.zeros((200, 260), bool)), crop, torch.device("cpu"))
    assert image.shape == (3, work, work)
    assert not hole.any()
    back = np.stack([plane.numpy() for plane in bring_back(image, crop)], -1)
    inside = face.distance(frame) < 0.45
    assert np.abs(back - photo[frame.at])[inside].max() < 0.01


@untrained
@pytest.mark.parametrize("turn", [0, 40])
def test_photo_in_photo_out(drawn_faces, tmp_path, capfd, turn):
    photo, points = drawn(turn=turn, scale=0.6)
    photo = np.minimum(photo, np.random.default_rng(0).integers(250, 255, photo.shape, dtype=np.uint8))
    hole = box(480, 640, top=215, left=300, side=20)
    array = inpaintx.inpaint(photo, hole, **NETWORK)
    assert (array[~hole] == photo[~hole]).all()
    assert (array != inpaintx.inpaint(photo, hole, faces="none", **NETWORK)).any()
    image = torch.from_numpy(photo).permute(2, 0, 1)[None] / 255
    mask = torch.from_numpy(hole)[None, None].float()
    tensor, raw = inpaintx.inpaint(image, mask, raw=True, **NETWORK)
    assert torch.equal(tensor[:, :, ~hole], image[:, :, ~hole])
    assert torch.equal(raw[:, :, ~hole], image[:, :, ~hole])
    assert np.abs((tensor[0].permute(1, 2, 0).numpy() * 255).round() - array).max() <= 1
    write_photo(tmp_path / "photo.png", photo)
    write_photo(tmp_path / "mask.png", hole.astype(np.uint8) * 255)
    files = [str(tmp_path / name) for name in ("photo.png", "mask.png", "out.png")]
    network = ["-m", "pconv", "--preset", "tiny", "--set", "size=32", "--set", "width=4"]
    beside = ["--explain", str(tmp_path / "plans"), "--save-crops", str(tmp_path / "crops"), "--json"]
    assert run(["inpaint", *files[:2], "-o", files[2], *network, *beside]) == 0
    report = json.loads(capfd.readouterr().out)
    (note,) = (note for note in report["notes"] if "face" in note)
    assert note.startswith("1 damaged face found (0.99); hidden ones were not looked for: aligner96.safetensors was")
    assert near(
        Face(
            AlignedCrop(
                *(report["faces"][0][key] for key in ("x", "y", "side")), np.radians(report["faces"][0]["turn"])
            )
        ),
        points,
    )
    assert report["filled_by"] == {"pconv": int(hole.sum())}
    assert (read_photo(files[2]).pixels == array).all()
    plan = read_photo(tmp_path / "plans" / "photo.png-explained.png").pixels
    assert plan.shape[1] == 640
    assert (plan[:480][~hole] == photo[~hole]).mean() > 0.95
    assert not (plan[:480][hole] == array[hole]).all(-1).any()
    assert read_photo(tmp_path / "crops" / "photo.png-crop.png").pixels.shape == (32, 64, 3)


@untrained
def test_what_is_done_without_the_extra_is_said(monkeypatch):
    monkeypatch.setattr(finding, "installed", lambda: None)
    finder, why = find_by("auto")
    assert finder is None
    assert "inpaintx[faces]" in why
    photo, hole = drawn()[0], box(480, 640, top=250, left=310, side=30)
    without = inpaintx.inpaint(photo, hole, **NETWORK)
    assert (without == inpaintx.inpaint(photo, hole, faces="none", **NETWORK)).all()


def test_a_missing_model_is_named(tmp_path):
    with pytest.raises(InpaintxError, match=r"nothing\.onnx does not exist"):
        inpaintx.inpaint(np.zeros((8, 8, 3), np.uint8), np.ones((8, 8), bool), faces=tmp_path / "nothing.onnx")


def test_a_model_file_is_yunets(tmp_path, monkeypatch):
    class Net:
        def setInputSize(self, size):
            self.size = size

        def detect(self, picture):
            assert picture.shape[:2] == self.size[::-1]
            return 1, np.concatenate([[0] * 4, EYES_AND_MOUTH.ravel() + 240, [0.96]])[None].astype(np.float32)

    monkeypatch.setattr(import_cv2().FaceDetectorYN, "create", lambda *arguments: Net())
    (tmp_path / "yunet.onnx").write_bytes(b"")
    finder, why = find_by(tmp_path / "yunet.onnx")
    (face,) = finder(np.zeros((480, 480, 3), np.uint8), box(480, 480, top=240, left=240, side=9))
    assert face.score == pytest.approx(0.48)  # half: in the face's own square it stands elsewhere
    assert why == ""
    assert finder.files == [tmp_path / "yunet.onnx"]


@untrained
def test_squares_by_hand(tmp_path, capfd):
    rng = np.random.default_rng(0)
    photo = rng.integers(0, 255, (120, 160, 3), dtype=np.uint8)
    hole = box(120, 160, top=50, left=60, side=20)
    array = inpaintx.inpaint(photo, hole, faces=[(40, 30, 60)], **NETWORK)
    cut = inpaintx.inpaint(photo[30:90, 40:100], hole[30:90, 40:100], faces="none", **NETWORK)
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


def test_squares_are_boxes():
    (face,) = squares([(10, 20, 40)], 100, 120)
    assert face.box(100, 120) == Box(20, 10, 60, 50)
    assert (face.distance(face.box(100, 120)) <= 0.5).all()


def test_canvases_take_some_of_the_hole():
    hole, only = np.ones((6, 6), bool), np.zeros((6, 6), bool)
    only[2:4, 2:4] = True
    frame = Box(0, 0, 6, 6)
    fill = torch.full((3, 6, 6), 0.5)
    array, tensor = (
        ArrayCanvas(np.zeros((6, 6, 3), np.float32), hole),
        TensorCanvas(torch.zeros(3, 6, 6), torch.from_numpy(hole)[None]),
    )
    for canvas in (array, tensor):
        canvas.put(Crop(frame, frame, (6, 6), only=only), iter(fill), iter(fill))
    assert ((array.pixels[..., 0] == 0.5) == only).all()
    assert ((tensor.pixels[0].numpy() == 0.5) == only).all()
    assert (array.remaining_mask == ~only).all()
    assert (tensor.remaining_mask.numpy() == ~only).all()
