"""The default method: a face by the network, the rest from its rim; MTCNN's real networks on real portraits."""

import json
import warnings
from pathlib import Path

import numpy as np
import pytest

import inpaintx
from inpaintx.cli import run
from inpaintx.data.mtcnn import MTCNN, installed
from inpaintx.errors import InpaintxError
from inpaintx.inference.faces import LOOSE
from inpaintx.inference.pipeline import inpainter_for
from inpaintx.io.masks import read_mask
from inpaintx.io.opencv import import_cv2
from inpaintx.io.photo import read_photo, write_photo

DEMO = Path(inpaintx.__file__).parent / "demo"
PORTRAITS = {"eileen_collins": ".png", "grace_hopper": ".jpg"}
SQUARES = {"eileen_collins": (227, 112, 146), "grace_hopper": (268, 209, 292)}  # middle and side, of whole portraits
needs_mtcnn = pytest.mark.skipif(installed() is None, reason="the extra [faces] is not installed")


def portrait(name):
    truth = read_photo(DEMO / f"{name}{PORTRAITS[name]}").pixels
    return truth, read_mask(DEMO / f"{name}_mask.png", size=truth.shape[:2]).hole


def psnr(result, truth, hole):
    return 10 * np.log10(255**2 / np.square(result[hole].astype(float) - truth[hole]).mean())


def sharpness(result, truth, hole):
    """Steps between rows and columns in the hole, as a share of the truth's."""
    own, true = (
        sum(np.abs(np.diff(x.astype(float), axis=a, append=0)[hole]).sum() for a in (0, 1)) for x in (result, truth)
    )
    return own / true


def faces_of(photo, hole):
    return inpainter_for(None).plan(photo, hole).faces


@needs_mtcnn
@pytest.mark.parametrize(
    ("name", "place", "plainly", "sharply"),
    [("eileen_collins", (20, 200, 170, 330), 20.5, 20.3), ("grace_hopper", (60, 260, 150, 330), 16.0, 15.0)],
)
def test_a_portraits_face_with_no_option(name, place, plainly, sharply):
    """No worse than these, in dB, in the box around the face; harmonic has 17.98 and 15.15 there."""
    truth, hole = portrait(name)
    top, bottom, left, right = place
    inside = np.zeros_like(hole)
    inside[top:bottom, left:right] = hole[top:bottom, left:right]
    damaged = np.where(hole[..., None], np.uint8(0), truth)
    plain, result = (inpaintx.inpaint(damaged, hole, **more) for more in ({"detail": "none"}, {}))
    assert (result[~hole] == truth[~hole]).all()
    assert psnr(plain, truth, inside) >= plainly
    assert psnr(result, truth, inside) >= sharply  # detail is invented, and where it lies is not known
    smooth = inpaintx.inpaint(damaged, hole, "harmonic")
    assert psnr(result, truth, hole) >= psnr(smooth, truth, hole) - 0.6  # so is texture
    assert sharpness(result, truth, hole) > sharpness(smooth, truth, hole) + 0.3


@needs_mtcnn
@pytest.mark.parametrize("name", PORTRAITS)
@pytest.mark.parametrize("turn", [-60, -30, 0, 45, 60])
def test_faces_are_found_turned_and_damaged(name, turn):
    cv2 = import_cv2()
    truth, hole = portrait(name)
    height, width = hole.shape
    x, y, side = SQUARES[name]
    matrix = cv2.getRotationMatrix2D((x, y), -turn, 1)
    photo = cv2.warpAffine(truth, matrix, (width, height), borderMode=cv2.BORDER_REPLICATE)
    gap = cv2.warpAffine(hole.view(np.uint8), matrix, (width, height), flags=cv2.INTER_NEAREST) > 0
    (face,) = faces_of(photo, gap)
    assert np.hypot(face.cut.x - x, face.cut.y - y) < 0.05 * side
    assert abs(face.cut.side / side - 1) < 0.12
    assert abs(np.degrees(face.cut.angle) - turn) < 8


@needs_mtcnn
@pytest.mark.parametrize("scale", [0.16, 0.5, 6.0])
def test_faces_are_found_at_every_size(scale):
    cv2 = import_cv2()
    truth, _ = portrait("grace_hopper")
    photo = cv2.resize(truth, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
    x, y, side = (v * scale for v in SQUARES["grace_hopper"])
    hole = np.zeros(photo.shape[:2], bool)
    hole[round(y + side / 8) :, round(x) : round(x) + max(2, round(side / 30))][: round(side / 8)] = True
    (face,) = faces_of(photo, hole)
    assert np.hypot(face.cut.x - x, face.cut.y - y) < 0.08 * side


@needs_mtcnn
def test_points_are_where_the_eyes_are():
    """OpenCV 5's new engine runs these networks, and places their points 0.07 eye distances off."""
    truth, _ = portrait("grace_hopper")
    points, score = MTCNN()(truth)[0]
    assert score > 0.99
    assert np.abs(points[:2] - [(219, 191), (307, 187)]).max() < 4  # of the pupils, by eye


@needs_mtcnn
def test_one_cascade_takes_another_ones_proposals():
    truth, _ = portrait("grace_hopper")
    loose = MTCNN(thresholds=LOOSE).propose(truth)
    assert len(loose) > len(MTCNN().propose(truth))
    for found, same in zip(MTCNN()(truth), MTCNN()(truth, 40, loose), strict=True):
        assert found.score == same.score
        assert (found.points == same.points).all()


@needs_mtcnn
def test_strange_photos():
    """A photo with no face, thirty, one cut by the frame, one wholly hidden; deep, grey, with alpha."""
    truth, hole = portrait("grace_hopper")
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 255, (200, 240, 3), dtype=np.uint8)
    assert faces_of(noise, hole[:200, :240]) == []
    head = import_cv2().resize(truth[40:360, 110:430], (120, 120), interpolation=import_cv2().INTER_AREA)
    crowd = np.tile(head, (5, 6, 1))
    scratches = np.zeros(crowd.shape[:2], bool)
    scratches[75::120] = True
    found = faces_of(crowd, scratches)
    assert len(found) >= 28
    result = inpaintx.inpaint(crowd, scratches)
    assert (result[~scratches] == crowd[~scratches]).all()
    cut = truth[150:, 200:]  # above the eyes, and left of one, nothing
    assert (inpaintx.inpaint(cut, hole[150:, 200:])[~hole[150:, 200:]] == cut[~hole[150:, 200:]]).all()
    hidden = np.zeros_like(hole)
    hidden[20:400, 90:450] = True
    assert faces_of(truth, hidden) == []
    for photo in (truth.astype(np.uint16) * 257, truth[..., 1], np.dstack([truth, truth[..., :1] * 0 + 255])):
        (face,) = faces_of(photo, hole)
        assert abs(face.cut.x - SQUARES["grace_hopper"][0]) < 8
        result = inpaintx.inpaint(photo, hole)
        assert result.dtype == photo.dtype
        assert (result[~hole] == photo[~hole]).all()


@needs_mtcnn
def test_no_worse_than_a_classical_fill_on_scratches():
    cv2 = import_cv2()
    truth, _ = portrait("grace_hopper")
    truth = cv2.resize(truth, None, fx=1.5, fy=1.5, interpolation=cv2.INTER_CUBIC)
    gains = []
    for seed in range(3):
        rng = np.random.default_rng(seed)
        lines = np.zeros(truth.shape[:2], np.uint8)
        while lines.mean() < 0.05:
            ends = rng.uniform(0, 1, (2, 2)) * truth.shape[1::-1]
            cv2.line(lines, *(tuple(int(v) for v in end) for end in ends), 1, int(rng.integers(4, 10)))
        ours, theirs = (psnr(inpaintx.inpaint(truth, lines > 0, m), truth, lines > 0) for m in ("auto", "harmonic"))
        gains.append(ours - theirs)
    assert np.mean(gains) >= -0.1


@needs_mtcnn
def test_what_was_done_is_one_line_and_in_the_report(tmp_path, capfd):
    truth, hole = portrait("eileen_collins")
    write_photo(tmp_path / "photo.png", truth)
    write_photo(tmp_path / "mask.png", hole.astype(np.uint8) * 255)
    files = [str(tmp_path / name) for name in ("photo.png", "mask.png", "out.png")]
    assert run(["inpaint", *files[:2], "-o", files[2]]) == 0
    (line,) = (line for line in capfd.readouterr().out.splitlines() if "face" in line and "note" in line)
    assert "1 damaged face found (1.00); harmonic_texture fills 8" in line
    assert "pconv_prior fills 15" in line
    assert run(["inpaint", *files[:2], "-o", files[2], "--overwrite", "--json", "--faces", "none"]) == 0
    report = json.loads(capfd.readouterr().out)
    assert (report["method"], report["faces"]) == ("auto", [])
    assert report["filled_by"] == {"pconv_prior": 0, "harmonic_texture": int(hole.sum())}
    assert run(["inpaint", *files[:2], "-o", files[2], "--overwrite", "-m", "auto", "--set", "size=3"]) == 2
    assert "name it" in capfd.readouterr().err


def test_without_the_extra_and_without_weights(monkeypatch, tmp_path):
    truth, hole = portrait("eileen_collins")
    truth, hole = truth[::4, ::4], hole[::4, ::4]
    smooth = inpaintx.inpaint(truth, hole, "harmonic_texture", detail="auto")
    monkeypatch.setattr("inpaintx.inference.faces.installed", lambda: None)
    plan = inpainter_for(None).plan(truth, hole)
    assert "the extra [faces] is not installed" in plan.notes[0]
    assert "harmonic_texture fills 100.0%" in plan.notes[0]
    assert (inpaintx.inpaint(truth, hole) == smooth).all()
    monkeypatch.setattr("inpaintx.inference.auto.find", lambda method, tag: None)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert (inpaintx.inpaint(truth, hole) == smooth).all()
    assert "weights of method 'pconv_prior' were not found" in inpainter_for("auto").plan(truth, hole).notes[0]


@needs_mtcnn
def test_the_background_by_another_method():
    truth, hole = portrait("eileen_collins")
    damaged = np.where(hole[..., None], np.uint8(0), truth)
    result, usual = inpaintx.inpaint(damaged, hole, background="telea"), inpaintx.inpaint(damaged, hole)
    plan = inpainter_for(None, background="telea").plan(damaged, hole)
    owners = dict(plan.owners(hole))
    assert owners.keys() == {"telea", "pconv_prior"}
    np.testing.assert_array_equal(result[~hole], truth[~hole])
    assert (result[owners["telea"]] != usual[owners["telea"]]).any()
    by_telea = inpaintx.inpaint(damaged, hole, "telea")
    far = owners["telea"] & ~import_cv2().dilate(owners["pconv_prior"].astype(np.uint8), np.ones((31, 31))).astype(bool)
    assert far.any()
    np.testing.assert_array_equal(result[far], by_telea[far])
    for name in ("auto", "pconv_prior"):
        with pytest.raises(InpaintxError, match="take one that needs no face"):
            inpainter_for(None, background=name)
    with pytest.raises(InpaintxError, match="is auto's alone"):
        inpaintx.inpaint(damaged, hole, "telea", background="telea")
