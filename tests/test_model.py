"""inpaintx.load: a method that is loaded once, and the models that inpaintx.inpaint keeps."""

import threading

import numpy as np
import pytest
import torch
from PIL import Image
from toy_methods import Learned

import inpaintx
from inpaintx.errors import UntrainedWarning
from inpaintx.inference import pipeline
from inpaintx.io.photo import write_photo
from inpaintx.plugin import weights


@pytest.fixture
def photo():
    pixels = np.random.default_rng(0).integers(0, 256, (40, 48, 3), dtype=np.uint8)
    hole = np.zeros((40, 48), bool)
    hole[10:20, 12:30] = True
    return pixels, hole


@pytest.fixture
def loads(monkeypatch):
    """Counts how often a model is loaded."""
    made = []
    real = pipeline.load
    monkeypatch.setattr(pipeline, "load", lambda *a, **k: made.append(a) or real(*a, **k))
    return made


def test_it_gives_what_it_gets_and_the_same_as_inpaint(photo, tmp_path):
    pixels, hole = photo
    model = inpaintx.load("telea")
    whole = model(pixels, hole)
    assert (whole == inpaintx.inpaint(pixels, hole, "telea")).all()
    for name, content in (("p.png", pixels), ("m.png", hole.astype(np.uint8) * 255)):
        write_photo(tmp_path / name, content)
    assert (model(tmp_path / "p.png", tmp_path / "m.png") == whole).all()
    image = torch.from_numpy(pixels).permute(2, 0, 1)[None] / 255
    filled = model(image, torch.from_numpy(hole)[None, None])
    assert filled.shape == image.shape
    drawn = model(Image.fromarray(pixels), Image.fromarray(hole))
    assert isinstance(drawn, Image.Image)
    assert (np.asarray(drawn) == whole).all()
    assert len(model(pixels, hole, samples=2)) == 2
    assert (model.method.name, model.source, model.card) == ("telea", "none needed", "")


def test_a_network_its_options_and_its_card():
    model = inpaintx.load("pconv_prior", faces="none")
    assert model.config.width == 24
    assert isinstance(model.net, torch.nn.Module)
    assert "# pconv_prior: features128.safetensors" in model.card
    assert "features128" in repr(model)
    auto = inpaintx.load()
    assert auto.method.name == "auto"
    assert auto.source == model.source


def test_a_model_leaves_as_a_graph(tmp_path):
    model = inpaintx.load("pconv_prior", preset="tiny", weights=None, device="cpu", faces="none", seed=1)
    made = model.export(tmp_path / "net.pt2")
    assert made.sizes[0] == (model.config.size, model.config.size)
    assert made.difference < 1e-5


def test_inpaint_keeps_the_last_few(photo, loads):
    pixels, hole = photo
    first = inpaintx.inpaint(pixels, hole, "telea")
    assert (inpaintx.inpaint(pixels, hole, "telea", seed=3) == first).all()
    assert len(loads) == 1
    inpaintx.inpaint(pixels, hole, "telea", radius=9)
    assert len(loads) == 2
    for name in ("ns", "harmonic"):
        inpaintx.inpaint(pixels, hole, name)
    inpaintx.inpaint(pixels, hole, "telea")  # three others since
    assert len(loads) == 5


def test_other_weights_in_the_same_file_are_read(photo, tmp_path, loads, toys):
    method, path = Learned(), tmp_path / "w.safetensors"
    outs = []
    for value in (0.25, 0.75):
        net = method.network(method.config())
        for p in net.parameters():
            torch.nn.init.constant_(p, value)
        weights.save(path, method, method.config(), net)
        outs += [inpaintx.inpaint(*photo, "learned", weights=path) for _ in range(2)]
    assert len(loads) == 2
    assert (outs[0] == outs[1]).all()
    assert (outs[1] != outs[2]).any()


def test_random_weights_are_of_their_seed(photo, toys):
    with pytest.warns(UntrainedWarning):
        one, other, again = (inpaintx.inpaint(*photo, "learned", seed=seed) for seed in (0, 1, 0))
    assert (one == again).all()
    assert (one != other).any()


def test_threads_share_no_model(photo, loads):
    threads = [threading.Thread(target=inpaintx.inpaint, args=(*photo, "telea")) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(loads) == 3
