"""Where crops are laid, and how they are cut out of a photo."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from toy_methods import box

from inpaintx.inference import crop_layout
from inpaintx.inference.crop_layout import ArrayCanvas, TensorCanvas, plan


def scratch(height: int, width: int, thickness: int = 3) -> np.ndarray:
    hole = np.zeros((height, width), bool)
    for x in range(width):
        y = x * (height - thickness) // width
        hole[y : y + thickness, x] = True
    return hole


@given(
    height=st.integers(1, 900),
    width=st.integers(1, 900),
    boxes=st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1), st.integers(1, 200), st.integers(1, 200)), max_size=6),
    size=st.sampled_from([None, 32, 64, 256]),
    max_pixels=st.sampled_from([None, 100 * 100, 300 * 300]),
)
@settings(max_examples=150, deadline=None)
def test_crops_cover_each_hole_pixel_once(height, width, boxes, size, max_pixels):
    hole = np.zeros((height, width), bool)
    for y, x, h, w in boxes:
        hole[int(y * height) : int(y * height) + h, int(x * width) : int(x * width) + w] = True
    covered = np.zeros((height, width), int)
    for crops_of_round in plan(hole, size, max_pixels):
        shown = np.zeros((height, width), int)
        for crop in crops_of_round:
            assert 0 <= crop.box.top <= crop.write_box.top < crop.write_box.bottom <= crop.box.bottom <= height
            assert 0 <= crop.box.left <= crop.write_box.left < crop.write_box.right <= crop.box.right <= width
            covered[crop.write_box.at] += 1
            shown[crop.write_box.at] += 1
            if size:
                assert crop.input_size == (size, size)
            elif max_pixels:
                assert crop.input_size[0] * crop.input_size[1] <= max_pixels
        assert shown.max(initial=0) <= 1
    assert (covered[hole] == 1).all()
    assert covered.max(initial=0) <= 1


@pytest.mark.parametrize("size", [None, 64])
def test_a_small_hole_in_a_large_photo_is_a_small_crop_with_context(size):
    ((crop,),) = plan(box(2000, 3000, top=990, left=1500, side=20), size)
    assert crop.box.height <= 130
    assert crop.box.width <= 130
    assert crop.box.top <= 990 - 20
    assert crop.box.bottom >= 1010 + 20


def test_holes_apart_have_their_own_crops_and_neighbors_share_one():
    apart = box(1000, 1000, top=100, left=100, side=40) | box(1000, 1000, top=800, left=800, side=40)
    assert [len(r) for r in plan(apart)] == [2]
    near = box(1000, 1000, top=100, left=100, side=40) | box(1000, 1000, top=160, left=100, side=40)
    assert [len(r) for r in plan(near)] == [1]


def test_a_thin_scratch_is_worked_on_at_full_scale_and_a_thick_hole_at_a_reduced_one():
    windows = [crop for r in plan(scratch(3000, 3000), 256) for crop in r]
    assert len(windows) > 20
    assert all(crop.box.height <= 256 and crop.box.width <= 256 for crop in windows)
    ((crop,),) = plan(box(3000, 3000, top=500, left=500, side=1500), 256)
    assert crop.box.height > 1500
    ((crop,),) = plan(box(3000, 3000, top=500, left=500, side=1500), None, 512 * 512)
    assert crop.input_size[0] * crop.input_size[1] <= 512 * 512


def test_specks_all_over_fifty_megapixels_neither_explode_in_time_nor_in_number():
    hole = np.zeros((6144, 8192), bool)
    rng = np.random.default_rng(0)
    hole[rng.integers(0, 6144, 200_000), rng.integers(0, 8192, 200_000)] = True
    assert sum(map(len, plan(hole))) <= 30
    assert sum(map(len, plan(hole, 256))) <= 2500
    sparse = np.zeros_like(hole)
    sparse[::200, ::200] = True
    assert sum(map(len, plan(sparse))) == len(range(0, 6144, 200)) * len(range(0, 8192, 200))


def test_reducing_averages_known_pixels_only():
    photo, hole = np.full((40, 40, 3), 64, np.uint8), np.zeros((40, 40), bool)
    hole[:, 13:30] = True
    photo[hole] = 255
    cpu, frame = torch.device("cpu"), crop_layout.Box(0, 0, 40, 40)
    small, small_hole = crop_layout.extract(ArrayCanvas(photo, hole), frame, cpu, (10, 10))
    assert torch.allclose(small[:, ~small_hole[0]], torch.tensor(64 / 255), atol=1e-6)
    assert small_hole[0, 0].tolist() == [False] * 3 + [True] * 4 + [False] * 3
    all_hidden = crop_layout.extract(ArrayCanvas(photo, np.ones_like(hole)), frame, cpu, (4, 4))
    assert all_hidden[0].isfinite().all()
    assert all_hidden[1].all()


def test_tensor_canvas_leaves_its_source_alone():
    image, hole = torch.rand(3, 20, 20), torch.ones(1, 20, 20, dtype=torch.bool)
    canvas = TensorCanvas(image, hole)
    before = image.clone()
    ((crop,),) = plan(hole[0].numpy())
    canvas.put(crop, torch.zeros(3, 20, 20), ())
    assert torch.equal(image, before)
    assert not canvas.pixels.any()
