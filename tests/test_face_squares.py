"""Squares are laid over damaged faces by what is known of the photo."""

import numpy as np
import pytest
import torch

from inpaintx.data.align import AlignedCrop
from inpaintx.data.face_windows import AROUND, POINTS, FaceWindows, reduced
from inpaintx.errors import InpaintxError
from inpaintx.inference import pipeline
from inpaintx.inference.face_squares import FILE, FaceSquares, Sight, find_squares
from inpaintx.io.opencv import import_cv2
from inpaintx.nn.aligner import FaceAligner, load_aligner, points_of, save_aligner

CPU = torch.device("cpu")


def smooth(height, width):
    """A photo without detail."""
    y, x = (np.mgrid[:height, :width] + 0.5) / np.array([height, width])[:, None, None]
    waves = [0.5 + 0.4 * np.sin(5 * x + 3 * y), 0.3 + 0.5 * y, 0.2 + 0.6 * x * y]
    return (np.stack(waves, -1) * 255).astype(np.uint8)


def eyes_and_mouth(cut):
    """Where they are in the photo, ``[3,2]``."""
    turn = np.array([[np.cos(cut.angle), np.sin(cut.angle)], [-np.sin(cut.angle), np.cos(cut.angle)]])
    return POINTS * cut.side @ turn + [cut.x, cut.y]


class Says(torch.nn.Module):
    """Places all faces alike, and mirrored ones at the mirrored place."""

    def __init__(self, *placed):
        super().__init__()
        self.placed = torch.tensor(placed)
        self.calls = 0

    def forward(self, window):
        self.calls += 1
        one = self.placed if self.calls % 2 else self.placed * torch.tensor([1, -1, -1, 1, 1, 1])
        return one.expand(len(window), -1)


def test_a_square_goes_where_the_network_places_its_points(monkeypatch):
    monkeypatch.setattr("inpaintx.inference.face_squares.ROUNDS", 1)
    placed = (0.1, 0.2, 0.05, -0.08, -3.0, 2.0)
    cut = AlignedCrop(70.0, 50.0, 60.0, 0.3)
    (laid,) = FaceSquares(Says(*placed), CPU)(Sight(smooth(100, 140), np.zeros((100, 140), bool)), [cut])
    inside = points_of(torch.tensor([placed]))[0].numpy()
    turn = np.array([[np.cos(0.3), np.sin(0.3)], [-np.sin(0.3), np.cos(0.3)]])
    assert np.abs(eyes_and_mouth(laid.cut) - (inside * 60 @ turn + [70, 50])).max() < 1e-3
    assert laid.error == pytest.approx(np.exp(-3))
    assert laid.score == pytest.approx(1 / (1 + np.exp(-2)))


@pytest.mark.parametrize("scale", [2, 3, 7])
def test_a_window_is_the_same_at_every_size_of_the_photo(scale):
    cut = AlignedCrop(79.5, 69.5, 80.0, 0.4)
    large = AlignedCrop(80 * scale - 0.5, 70 * scale - 0.5, 80.0 * scale, 0.4)
    small, other = (
        Sight(smooth(120 * k, 160 * k), np.zeros((120 * k, 160 * k), bool)).window(c)
        for k, c in ((1, cut), (scale, large))
    )
    both = (small[3] > 0) & (other[3] > 0)
    assert both.mean() > 0.7
    assert np.abs(small - other)[:, both].max() < 0.03


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_what_is_hidden_or_outside_is_not_seen(dtype):
    top = 1 if dtype == np.float32 else np.iinfo(dtype).max
    photo = (smooth(90, 90) / 255 * top).astype(dtype)
    hole = np.zeros((90, 90), bool)
    hole[30:60, 20:50] = True
    other = np.where(hole[..., None], np.array(top, dtype), photo)
    cut = AlignedCrop(44.5, 44.5, 90.0, 0.0)
    window = Sight(photo, hole).window(cut)
    assert (window == Sight(other, hole).window(cut)).all()
    assert (window[:3, window[3] < 0] == 0).all()
    outside = 1 - 1 / AROUND**2
    assert (window[3] < 0).mean() == pytest.approx(outside + hole.mean() / AROUND**2, abs=0.02)


def test_a_pixel_is_the_mean_of_what_is_known_under_it():
    colors, known = np.full((192, 192, 3), 200.0), np.ones((192, 192), np.float32)
    known[::2, ::2] = 0
    known[:64] = 0
    window = reduced(colors * known[..., None], known)
    assert np.allclose(window[:3, 32:], 200 / 127.5 - 1, atol=1e-4)
    assert (window[3, 32:] == 1).all()
    assert (window[3, :32] == -1).all()
    assert (window[:3, :32] == 0).all()


def faces_of_dots(index):
    """A dark face with bright eyes and mouth."""
    cv2 = import_cv2()
    face = np.full((128, 128, 3), 40 + index, np.uint8)
    for x, y in POINTS * 128 + 63.5:
        cv2.circle(face, (round(float(x)), round(float(y))), 5, (230, 230, 230), -1)
    return face


WINDOWS = FaceWindows(faces_of_dots, 4, lambda key: np.zeros((64, 64), bool))


def test_points_of_a_window_are_where_the_face_has_them():
    hits = []
    for i in range(60):
        shown, points, face = WINDOWS((i,))
        if face:
            at = np.rint((points / AROUND + 0.5) * 96 - 0.5).astype(int)
            inside = ((at >= 3) & (at < 93)).all(1)
            hits += [shown[0, y, x] - np.median(shown[0]) for x, y in at[inside] if shown[3, y, x] > 0]
    assert len(hits) > 60
    assert np.mean(np.array(hits) > 0.1) > 0.85


def test_a_window_is_a_function_of_its_key():
    again = FaceWindows(faces_of_dots, 4, lambda key: np.zeros((64, 64), bool))
    for key in ((0,), (1, 5)):
        first, second = WINDOWS(key), again(key)
        assert (first.shown == second.shown).all()
        assert (first.points == second.points).all()
    assert not (WINDOWS((0,)).shown == WINDOWS((1,)).shown).all()
    share = np.mean([WINDOWS((i,)).face for i in range(200)])
    assert 0.6 < share < 0.8


def test_holes_lie_over_the_face():
    hidden = FaceWindows(faces_of_dots, 4, lambda key: np.ones((64, 64), bool))
    near = [w for w in (hidden((i,)) for i in range(40)) if w.face and np.abs(w.points - POINTS).max() < 0.1]
    assert near
    assert np.mean([w.shown[3, 40:56, 40:56].max() < 0 for w in near]) > 0.7  # the middle


def test_an_aligner_is_read_as_it_was_written(tmp_path):
    net = FaceAligner(8).eval()
    save_aligner(tmp_path / "a.safetensors", net, "toys")
    window = torch.rand(2, 4, 96, 96)
    assert torch.allclose(load_aligner(tmp_path / "a.safetensors")(window), net(window), atol=5e-3)


def test_a_file_that_is_no_aligner_is_refused(tmp_path):
    (tmp_path / "no.safetensors").write_bytes(b"nothing")
    with pytest.raises(InpaintxError, match=r"no\.safetensors cannot be read; remove it, or write one"):
        load_aligner(tmp_path / "no.safetensors")
    net = FaceAligner(8)
    with torch.no_grad():
        net.stem[0].weight[0] = torch.nan
    save_aligner(tmp_path / "nan.safetensors", net, "toys")
    with pytest.raises(InpaintxError, match="numbers that are not finite"):
        load_aligner(tmp_path / "nan.safetensors")
    save_aligner(tmp_path / "a.safetensors", net, "toys")
    net.width = 10**12
    save_aligner(tmp_path / "wide.safetensors", net, "toys")
    with pytest.raises(InpaintxError, match="holds no face aligner"):
        load_aligner(tmp_path / "wide.safetensors")
    net.width = 12
    save_aligner(tmp_path / "wrong.safetensors", net, "toys")
    with pytest.raises(InpaintxError, match="a face aligner of its width"):
        load_aligner(tmp_path / "wrong.safetensors")


def test_another_file_makes_another_model(tmp_path, monkeypatch):
    file = tmp_path / FILE
    file.touch()
    monkeypatch.setenv("INPAINTX_WEIGHTS", str(tmp_path))  # before the package's
    before = pipeline._files("auto", None)
    assert pipeline._files("auto", None) == before
    file.write_bytes(b"other")
    assert pipeline._files("auto", None) != before


def test_the_package_of_weights_has_one(monkeypatch):
    if find_squares(CPU) is None:
        pytest.skip("inpaintx-weights is not installed")
    monkeypatch.setattr("inpaintx.inference.face_squares.find_file", lambda name, *first: None)
    assert find_squares(CPU) is None
