"""``inpaintx figures``: each paper's pictures, whole or not at all; maps that are what they are called."""

import numpy as np
import pytest
import torch
from inpaintx_plugins.papers import faces, foreground, hog_guided, latent_search, pdgan, pix2pix_attention

from inpaintx.cli import run
from inpaintx.io.photo import read_photo
from inpaintx.ops import poisson_blend
from inpaintx.plugin.registry import registry
from inpaintx.plugin.weight_lookup import find

PAPERS = {"000": pdgan, "001": hog_guided, "002": pix2pix_attention, "003": foreground, "004": latent_search}
pytestmark = pytest.mark.skipif(find(registry().method("pdgan"), "default") is None, reason="no weights installed")


@pytest.mark.parametrize("paper", PAPERS)
def test_every_picture_is_written(paper, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(latent_search, "STEPS", 2)
    latent_search._searched.cache_clear()
    out = tmp_path / "figures" / paper
    assert run(["figures", paper, "-o", str(out)]) == 0
    files = {path.stem: read_photo(path).pixels for path in out.iterdir()}
    assert files.keys() == PAPERS[paper].FIGURES.keys()
    assert all(pixels.std() > 20 for pixels in files.values())
    assert capsys.readouterr().out.split() == [str(out / f"{name}.png") for name in PAPERS[paper].FIGURES]
    assert run(["figures", paper, "-o", str(out)]) == 2
    assert "exists; give another folder" in capsys.readouterr().err


def test_nothing_is_left_of_figures_that_fail(tmp_path, monkeypatch, capsys):
    def lacking():
        faces.loaded("pdgan", "no such tag")

    monkeypatch.setitem(pdgan.FIGURES, "several_fills", lacking)
    assert run(["figures", "000", "-o", str(tmp_path / "out")]) == 2
    assert "no weights 'no such tag'" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_faces_stand_as_those_of_training():
    for portrait in faces.portraits(128):
        assert portrait.image.shape == (1, 3, 128, 128)
        eyes, mouth = portrait.points[:2], portrait.points[3:]
        assert abs(eyes[:, 1] - 0.43 * 128).max() < 4
        assert abs(mouth[:, 1] - 0.74 * 128).max() < 5
        for x, y in portrait.points.round().astype(int):
            assert portrait.skin[0, 0, y, x] == portrait.foreground[0, 0, y, x] == 1


def test_merged_gradients_are_those_that_poisson_blending_solves_for():
    """The divergence of the merged field is the Laplacian of the blended image in the hole."""
    torch.manual_seed(0)
    image, sample = torch.rand(1, 1, 24, 24), torch.rand(1, 1, 24, 24)
    hole = torch.zeros(1, 1, 24, 24, dtype=torch.bool)
    hole[..., 7:16, 5:19] = True
    search = latent_search
    merged = torch.where(search._touching(hole), search._gradient(sample), search._gradient(image))
    blended = poisson_blend(sample, image, hole, tol=1e-7)
    laplacian = search._divergence(search._gradient(blended))
    torch.testing.assert_close(search._divergence(merged)[hole], laplacian[hole], atol=2e-3, rtol=0)


def test_profile_is_the_map_behind_a_straight_rim():
    drawn = pdgan.probability_profile()
    assert drawn.dtype == np.uint8
    assert drawn.shape[2] == 3
