"""Holes: drawn or read, a pure function of their key, of the ratio that was asked for."""

import importlib.metadata
import sys
import types

import numpy as np
import pytest
from face_sets import gray, shared_faces, write  # noqa: F401
from toy_methods import box

import inpaintx
from inpaintx.data import generators
from inpaintx.data.sampler import SkippedFileWarning, parse_mask_spec
from inpaintx.errors import InpaintxError
from inpaintx.io.opencv import import_cv2
from inpaintx.plugin.registry import Registry, mask_generators

NAMES = sorted(generators.GENERATORS)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("shape", [(64, 64), (48, 80), (33, 17)])
def test_every_generator_draws_from_its_seed_alone(name, shape):
    draw = generators.GENERATORS[name]
    holes = [draw(np.random.default_rng(seed), *shape) for seed in range(24)]
    for seed, hole in enumerate(holes):
        assert hole.shape == shape
        assert hole.dtype == np.bool_
        assert 0 < hole.sum() < hole.size
        np.testing.assert_array_equal(hole, draw(np.random.default_rng(seed), *shape))
    assert len({hole.tobytes() for hole in holes}) == (1 if name == "center" else 4 if name == "half" else 24)


def test_fixed_shapes():
    rng = np.random.default_rng(0)
    np.testing.assert_array_equal(np.argwhere(generators.center(rng, 8, 8))[[0, -1]], [[2, 2], [5, 5]])
    for side, part in {"left": np.s_[:, :4], "right": np.s_[:, 4:], "top": np.s_[:4], "bottom": np.s_[4:]}.items():
        hole = generators.half(rng, 8, 8, side=side)
        assert hole[part].all()
        assert hole.sum() == 32


def test_a_box_is_one_rectangle_within_its_bounds():
    for seed in range(30):
        hole = generators.box(np.random.default_rng(seed), 40, 80, low=0.25, high=0.5)
        rows, columns = np.flatnonzero(hole.any(1)), np.flatnonzero(hole.any(0))
        assert hole.sum() == len(rows) * len(columns)
        assert 10 <= len(rows) <= 20
        assert 20 <= len(columns) <= 40
    square = generators.box(np.random.default_rng(1), 40, 40, square=True)
    assert len(np.flatnonzero(square.any(1))) == len(np.flatnonzero(square.any(0)))


def test_discard_drops_pixels_one_by_one():
    hole = generators.discard(np.random.default_rng(0), 200, 200, p=0.6)
    assert hole.mean() == pytest.approx(0.6, abs=0.01)
    together = (hole[:, 1:] & hole[:, :-1]).mean()  # independent neighbours: p * p
    assert together == pytest.approx(0.36, abs=0.02)


def test_strokes_are_mirrored_by_chance():
    """The paper's first points are uniform, so mirroring shows only in what the same numbers draw."""

    class Fixed(np.random.Generator):
        """The last two numbers that strokes() asks for decide about mirroring."""

        mirror = 1.0

        def random(self, *arguments, **options):
            return self.mirror

    def draw(mirror):
        rng = Fixed(np.random.PCG64(3))
        rng.mirror = mirror
        return generators.strokes(rng, 64, 64)

    np.testing.assert_array_equal(draw(0.0), draw(1.0)[::-1, ::-1])
    assert not np.array_equal(draw(0.0), draw(1.0))


def test_walk_is_connected_and_reaches_the_border():
    hole = generators.walk(np.random.default_rng(2), 64, 64, steps=4)
    assert import_cv2().connectedComponents(hole.view(np.uint8), connectivity=4)[0] == 2  # outside and one walk
    assert max(hole[0].any(), hole[-1].any(), hole[:, 0].any(), hole[:, -1].any())


@pytest.mark.parametrize("spec", ["strokes:", "walk:steps=0.1,", "quickdraw:"])
@pytest.mark.parametrize(("low", "high"), [(0.01, 0.1), (0.5, 0.6)])
def test_a_ratio_is_reached(spec, low, high):
    holes = parse_mask_spec(f"{spec}ratio={low}-{high}", size=64)
    ratios = [holes((5, index)).mean() for index in range(20)]
    assert all(low < ratio <= high for ratio in ratios)
    assert len(set(ratios)) > 5


def test_an_even_spread_reaches_all_ratios_of_its_range():
    """Quick Draw's holes are said to range from 0.01 to 0.60; single drawings have a median of some 7 %."""
    plain, even = (parse_mask_spec(f"quickdraw:ratio=0.01-0.6{spread}", size=48) for spread in ("", ",spread=uniform"))
    ratios = np.array([even((0, index)).mean() for index in range(200)])
    assert ratios.min() > 0.01
    assert ratios.max() <= 0.6
    assert 0.2 < np.median(ratios) < 0.45
    assert (np.histogram(ratios, bins=5, range=(0, 0.6))[0] > 15).all()
    assert np.median([plain((0, index)).mean() for index in range(200)]) < 0.15
    np.testing.assert_array_equal(even((3, 4)), even((3, 4)))


def test_a_ratio_that_never_comes_is_an_error_at_once():
    with pytest.raises(InpaintxError, match=r"'center:ratio=0.1-0.2': none of 200 .*they had 0.250 to 0.250"):
        parse_mask_spec("center:ratio=0.1-0.2", size=16)


def test_a_hole_is_a_function_of_its_key():
    one, other = parse_mask_spec("strokes+box", size=32), parse_mask_spec("strokes+box", size=32)
    keys = [(0, 5), (0, 6), (1, 5), (5,), (5, 0)]
    drawn = [one(key) for key in keys]
    for key, hole in reversed(list(zip(keys, drawn, strict=True))):
        np.testing.assert_array_equal(other(key), hole)
    assert len({hole.tobytes() for hole in drawn}) == len(keys)


def test_several_sources_share_the_keys():
    holes = parse_mask_spec("center+half:side=left", size=8)
    center = parse_mask_spec("center", size=8)((0,))
    share = np.mean([np.array_equal(holes((0, n)), center) for n in range(400)])
    assert 0.4 < share < 0.6


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("stroks", "neither a mask generator nor a folder; did you mean 'strokes'"),
        ("box:wide=3", "take no option 'wide'; there are: low, high, square, ratio"),
        ("box:low", "written NAME:KEY=VALUE"),
        ("box:low=much", "low must be a number"),
        ("box:low=0.5,high=0.2", "low must not exceed high"),
        ("box:square=perhaps", "square must be true or false"),
        ("discard:p=2", "p must lie between 0 and 1"),
        ("half:side=up", "side must be any, left"),
        ("strokes:ratio=0.4", "ratio must be LOW-HIGH"),
        ("strokes:ratio=0.4-0.2", "ratio must be LOW-HIGH"),
        ("strokes:spread=uniform", "spread=uniform goes with drawn lines"),
        ("box:ratio=0.1-0.2,spread=uniform", "spread=uniform goes with drawn lines"),
        ("strokes:ratio=0.1-0.2,spread=odd", "spread=uniform goes with drawn lines"),
    ],
)
def test_bad_words(spec, words):
    with pytest.raises(InpaintxError, match=words):
        parse_mask_spec(spec, size=16, generators=mask_generators)


@pytest.fixture
def mask_files(tmp_path):
    for number in range(6):
        write(tmp_path / "masks" / f"{number}.png", gray(box(32, 32, top=number, left=3, side=10)))
    return tmp_path / "masks"


def test_a_folder_of_masks(mask_files):
    holes = parse_mask_spec(str(mask_files), size=32)
    expected = {box(32, 32, top=number, left=3, side=10).tobytes() for number in range(6)}
    assert {holes((0, n)).tobytes() for n in range(60)} == expected
    assert any("white = hole; 9.8% of 6 files" in note for note in holes.notes)
    assert parse_mask_spec(str(mask_files), size=16)((0,)).shape == (16, 16)


def test_files_in_a_fixed_order_come_one_after_the_other(mask_files):
    holes = parse_mask_spec(f"{mask_files}:order=fixed", size=32)
    for n in range(15):
        np.testing.assert_array_equal(holes((7, n)), box(32, 32, top=n % 6, left=3, side=10))
    (mask_files / "2.png").write_bytes(b"no picture")
    with pytest.warns(SkippedFileWarning):
        holes = parse_mask_spec(f"{mask_files}:order=fixed", size=32)
    np.testing.assert_array_equal(holes((7, 2)), box(32, 32, top=3, left=3, side=10))
    with pytest.raises(InpaintxError, match=r"order=shuffled\|fixed and ratio=LOW-HIGH; got polarity=white, order=odd"):
        parse_mask_spec(f"{mask_files}:order=odd", size=32)


def test_polarity_is_explicit_or_measured(mask_files):
    black = parse_mask_spec(f"{mask_files}:polarity=black", size=32)
    assert black((0,)).mean() > 0.9
    assert any("mean hole covers 90%: are they inverted?" in note and "polarity=white" in note for note in black.notes)
    for path in mask_files.iterdir():
        hole = ~(parse_mask_spec("center", size=32)((0,)))
        write(path, gray(hole))
    auto = parse_mask_spec(f"{mask_files}:polarity=auto", size=32)
    assert auto((0,)).mean() == 0.25
    assert any("so black = hole" in note for note in auto.notes)


@pytest.mark.parametrize(("dark", "bright"), [(0, 1), (0, 2), (0, 127), (200, 255)])
@pytest.mark.parametrize("inverted", [False, True])
def test_a_folder_of_labels(mask_files, dark, bright, inverted):
    for number, path in enumerate(sorted(mask_files.iterdir())):
        hole = box(32, 32, top=number, left=3, side=10)
        write(path, np.where(hole ^ inverted, bright, dark).astype(np.uint8))
    with (
        pytest.warns(SkippedFileWarning),
        pytest.raises(InpaintxError, match=f"two values, {dark} and {bright}, on one side of 50 %; polarity=auto"),
    ):
        parse_mask_spec(str(mask_files), size=32)
    holes = parse_mask_spec(f"{mask_files}:polarity=auto", size=32)
    assert {holes((0, n)).tobytes() for n in range(60)} == {
        box(32, 32, top=number, left=3, side=10).tobytes() for number in range(6)
    }


@pytest.mark.parametrize("paint", [0, 255])
def test_a_folder_of_paint_on_transparent_layers(mask_files, paint):
    for path in mask_files.iterdir():
        hole = box(32, 32, top=4, left=3, side=10)
        write(path, np.dstack([np.full((32, 32, 3), paint, np.uint8), gray(hole)]))
    holes = parse_mask_spec(f"{mask_files}:polarity=auto", size=32)
    np.testing.assert_array_equal(holes((0,)), box(32, 32, top=4, left=3, side=10))


def test_folders_that_cannot_serve(mask_files, tmp_path):
    with pytest.raises(InpaintxError, match=r"takes polarity=white\|black\|auto"):
        parse_mask_spec(f"{mask_files}:polarity=grey", size=8)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InpaintxError, match="no mask files"):
        parse_mask_spec(str(tmp_path / "empty"), size=8)
    for split in ("train", "test"):
        write(tmp_path / "qd" / split / "0.png", gray(box(8, 8, side=4)))
    with pytest.raises(InpaintxError, match=r"several sets of masks \(test, train\)"):
        parse_mask_spec(str(tmp_path / "qd"), size=8)


def every_hole(folder):
    holes = parse_mask_spec(str(folder), size=32)
    return {holes((0, n)).tobytes() for n in range(60)}


def test_corrupt_mask_files_are_skipped_with_their_name(mask_files):
    (mask_files / "0.png").write_bytes((mask_files / "0.png").read_bytes()[:60])
    with pytest.warns(SkippedFileWarning, match=r"0\.png.*cut off") as caught:
        drawn = every_hole(mask_files)
    assert len(drawn) == 5
    assert len(caught) == 1
    for path in mask_files.iterdir():
        path.write_bytes(b"no picture")
    with pytest.warns(SkippedFileWarning), pytest.raises(InpaintxError, match="none of 6 mask files can be read"):
        parse_mask_spec(str(mask_files), size=32)


def corner(rng, height, width, *, share: float = 0.5, **more):
    hole = np.zeros((height, width), bool)
    hole[: int(height * share), : int(width * share)] = True
    return hole if not more else hole.astype(np.float32)


@pytest.fixture
def plugin(monkeypatch):
    """An entry point whose module registers corner() under a name."""

    def make(name):
        @inpaintx.hookimpl
        def inpaintx_register_masks(register):
            register(name, corner)

        module = types.ModuleType("corner_plugin")
        module.inpaintx_register_masks = inpaintx_register_masks
        monkeypatch.setitem(sys.modules, "corner_plugin", module)
        return importlib.metadata.EntryPoint("corner", "corner_plugin", "inpaintx")

    return make


def test_generators_of_plugins(plugin, monkeypatch):
    registry = Registry([plugin("corner")])
    monkeypatch.setattr("inpaintx.plugin.registry._registry", registry)
    assert parse_mask_spec("corner:share=0.25", size=16, generators=mask_generators)((0,)).sum() == 16
    with pytest.raises(InpaintxError, match=r"'corner' must return bool of shape .* it returned float32"):
        parse_mask_spec("corner:loud=1", size=16, generators=mask_generators)


def test_a_name_that_is_taken_names_both(plugin):
    registry = Registry([plugin("box")])
    assert "mask 'box' is registered by both inpaintx itself (inpaintx.data.generators)" in registry.plugins[0].error
    assert "corner_plugin" in registry.plugins[0].error
    assert registry.masks["box"] is generators.box


def test_the_shared_masks(shared_faces):  # noqa: F811
    holes = parse_mask_spec(f"{shared_faces / 'masks' / 'irregular'}:polarity=auto,ratio=0.2-0.3", size=128)
    assert all(0.2 < holes((0, n)).mean() <= 0.3 for n in range(10))
    assert any("so white = hole" in note for note in holes.notes)
