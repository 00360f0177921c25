"""What a DataLoader or Ray sends to its workers arrives whole, however they are started."""

import multiprocessing
import pickle

import numpy as np
import pytest
import torch
from face_sets import landmarks_csv, plain, write

import inpaintx
from inpaintx.data.dataset import open_dataset
from inpaintx.data.generators import GENERATORS
from inpaintx.data.layouts import find_layout
from inpaintx.data.loader import _Maker, _Source
from inpaintx.data.sampler import parse_mask_spec
from inpaintx.errors import InpaintxError, UntrainedWarning
from inpaintx.inference.crop_layout import Box
from inpaintx.inference.inpainter import Inpainter
from inpaintx.plugin.registry import mask_generators, registry

STARTS = [s for s in ("fork", "forkserver", "spawn") if s in multiprocessing.get_all_start_methods()]


def specs(folder):
    return ["strokes:ratio=0.1-0.4+box", "centre:side=0.3", str(folder), f"{folder}:ratio=0.1-0.9,polarity=black"]


@pytest.fixture
def folder(tmp_path):
    for number in range(3):
        write(
            tmp_path / "holes" / f"{number}.png",
            np.pad(np.full((number + 3, 8), 255, np.uint8), ((0, 13 - number), (4, 4))),
        )
    return tmp_path / "holes"


@pytest.fixture
def faces(tmp_path):
    root = plain(tmp_path / "faces", [f"{i}.png" for i in range(5)], 32)
    points = np.array([(10, 12), (20, 12), (15, 17), (11, 22), (19, 22)], float)
    landmarks_csv(root / "landmarks.csv", {f"{i}.png": points for i in range(5)})
    return open_dataset(root, size=16, wants=frozenset({"landmarks", "skin"}))


class Drawn(torch.utils.data.Dataset):
    """As a user writes it: faces, and a hole for each."""

    def __init__(self, faces, holes):
        self.faces, self.holes = faces, holes

    def __len__(self):
        return len(self.faces)

    def __getitem__(self, index):
        sample = self.faces[index]
        return {"image": sample["image"], "hole": torch.from_numpy(self.holes((0, index)))}


def test_holes_are_the_same_after_pickling(folder):
    for spec in [*specs(folder), *GENERATORS]:
        holes = parse_mask_spec(spec, size=16, generators=mask_generators)
        again = pickle.loads(pickle.dumps(holes))
        for key in range(4):
            np.testing.assert_array_equal(again((0, key)), holes((0, key)))
        assert again.content() == holes.content()


def test_a_closure_of_a_plugin_is_looked_up_by_its_name(monkeypatch):
    def closure(rng, height, width):
        return np.eye(height, width, dtype=bool)

    monkeypatch.setitem(registry().masks, "diagonal", closure)
    again = pickle.loads(pickle.dumps(parse_mask_spec("diagonal", size=8, generators=mask_generators)))
    np.testing.assert_array_equal(again((0,)), np.eye(8, dtype=bool))


def test_a_set_leaves_its_decoded_images_behind(faces):
    before = [faces[i] for i in range(len(faces))]
    data = pickle.dumps(faces)
    assert len(data) < 16 * 16 * 3 * len(faces)
    again = pickle.loads(data)
    for one, other in zip(before, (again[i] for i in range(len(again))), strict=True):
        assert all(torch.equal(one[key], other[key]) for key in ("image", "landmarks", "skin"))
    assert len(faces._kept) == len(faces)


def test_a_stream_maker_is_sent(faces, folder):
    maker = _Maker([_Source(faces, 3, 0, False)], 0.0, parse_mask_spec(str(folder), size=16), 3, True, None)
    first = [maker(n) for n in range(7)]
    again = pickle.loads(pickle.dumps(maker))
    for n, sample in enumerate(first):
        np.testing.assert_array_equal(again(n)["image"], sample["image"])
        np.testing.assert_array_equal(again(n)["mask"], sample["mask"])


@pytest.mark.filterwarnings("ignore::inpaintx.UntrainedWarning")
@pytest.mark.parametrize("name", ["telea", "pconv"])
def test_a_painter_is_sent(name):
    options = {"preset": "tiny"} if name == "pconv" else {}
    inpainter = Inpainter(name, device="cpu", **options)
    again = pickle.loads(pickle.dumps(inpainter))
    hole = np.zeros((40, 40), bool)
    hole[10:20, 10:20] = True
    pixels = np.zeros((40, 40, 3), np.uint8)
    assert again.plan(pixels, hole) == inpainter.plan(pixels, hole)
    assert again.loaded.config == inpainter.loaded.config


def test_small_public_objects_are_sent(faces):
    config = registry().method("pconv").config("tiny")
    objects = [
        config,
        registry().method("pconv"),
        inpaintx.Weights("a.safetensors"),
        InpaintxError("words"),
        Box(0, 0, 8, 8),
        find_layout(faces._layout.root),
    ]
    for one in objects:
        again = pickle.loads(pickle.dumps(one))
        assert type(again) is type(one)
        assert str(again) == str(one) or type(one).__repr__ is object.__repr__
    assert issubclass(UntrainedWarning, UserWarning)


@pytest.mark.parametrize("start", STARTS)
def test_a_data_loader(start, faces, folder):
    data = Drawn(faces, parse_mask_spec(f"strokes+{folder}", size=16))
    loader = torch.utils.data.DataLoader(data, batch_size=2, num_workers=1, multiprocessing_context=start, timeout=200)
    found, expected = list(loader), [data[i] for i in range(5)]
    for key in ("image", "hole"):
        assert torch.equal(torch.cat([b[key] for b in found]), torch.stack([sample[key] for sample in expected]))
