"""Near its rim a face's hole is filled by two methods, of which each has its share."""

import numpy as np
import pytest
import torch
from toy_methods import box

import inpaintx
from inpaintx.demo import HERE
from inpaintx.inference.pipeline import inpainter_for
from inpaintx.inference.rim import mixed
from inpaintx.io.photo import read_photo


def test_shares_fall_with_the_distance_from_the_rim():
    hole = torch.from_numpy(box(80, 80, top=8, left=8, side=64))
    near, far = torch.full((3, 80, 80), 0.5), torch.full((3, 80, 80), 0.501)
    share = (mixed(near, far, hole, 160.0) - near) / 0.001
    assert share.shape == (3, 80, 80)
    assert torch.allclose(share[:, 8, 8:72], torch.tensor(0.5), atol=1e-3)
    assert (share[:, ~hole] == 0).all()
    row = share[0, 8:40, 40]
    assert (row.diff() < 0).all()
    assert abs(float(row[10]) - 0.5 / np.e) < 0.01  # a sixteenth of the square farther


@pytest.mark.parametrize(("difference", "share"), [(0.01, 0.5), (0.07, 0.5 * np.exp(-0.5)), (0.5, 0.0)])
def test_a_fill_that_the_network_contradicts_has_no_part(difference, share):
    hole = torch.from_numpy(box(80, 80, top=8, left=8, side=64))
    network = torch.full((3, 80, 80), 0.3)
    added = (mixed(network, network + difference, hole, 160.0) - network)[:, 8, 8:72] / difference
    assert torch.allclose(added, torch.tensor(float(share)), atol=0.01)


def test_a_hole_without_a_rim_is_the_networks():
    hole = torch.ones(9, 9, dtype=torch.bool)
    fills = torch.rand(2, 3, 9, 9)
    near = mixed(fills[0], fills[1], hole, 16.0)
    assert torch.isfinite(near).all()
    assert torch.allclose(near, fills[0], atol=1e-6)


def test_auto_mixes_and_a_named_network_does_not():
    photo = read_photo(HERE / "eileen_collins.png").pixels
    hole = box(512, 512, top=80, left=250, side=30)  # a cheek
    square = {"faces": [(154, 39, 146)], "detail": "none"}
    auto = inpainter_for("auto", **square)
    assert auto.network.beside is auto.rest
    assert auto.rest.method.name == "harmonic_texture"
    other = inpainter_for("auto", background="telea", **square)
    assert other.network.beside.method.name == "harmonic_texture"
    named = inpaintx.inpaint(photo, hole, "pconv_prior", **square)
    both = inpaintx.inpaint(photo, hole, **square)
    beside = inpaintx.inpaint(photo, hole, "harmonic_texture")
    change = (both.astype(float) - named)[hole], (beside.astype(float) - named)[hole]
    assert 0.05 < (change[0] * change[1]).sum() / np.square(change[1]).sum() < 0.5
