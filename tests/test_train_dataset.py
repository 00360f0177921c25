"""Training on a dataset that a program hands in, and by a metric of a plugin."""

import numpy as np
import pytest
import torch
from toy_training import Toy, differing

import inpaintx
from inpaintx import InpaintxError
from inpaintx.data.dataset import open_dataset
from inpaintx.plugin.registry import registry
from inpaintx.training.validate import is_improvement

OPTIONS = {"workers": 0, "val_images": 2, "validate_every": 0}


class Listed(torch.utils.data.Dataset):
    """A dataset of what a list holds."""

    def __init__(self, samples):
        self.samples = samples

    def __len__(self):
        return len(self.samples)

    def __getitem__(self, index):
        return self.samples[index]


def train(data, out, resume=False, val_data=None, **options):
    return inpaintx.train(
        Toy(), data, out, device="cpu", resume=resume, val_data=val_data, options={**OPTIONS, **options}
    )


def test_a_dataset_trains_as_its_files_do(toy_faces, tmp_path):
    train(toy_faces, tmp_path / "files", validate_every=2)
    parts = [Listed([open_dataset(toy_faces, size=16, split=s)[i]["image"] for i in range(n)])
             for s, n in (("train", 10), ("val", 4))]  # fmt: skip
    done = train(parts[0], tmp_path / "given", val_data=parts[1], validate_every=2)
    assert not differing(tmp_path / "files", tmp_path / "given")
    assert done.last["hole/psnr"] > 0
    arrays = Listed([{"image": np.rint(x.permute(1, 2, 0).numpy() * 255).astype(np.uint8)} for x in parts[0].samples])
    train(arrays, tmp_path / "arrays", steps=3)
    train(arrays, tmp_path / "arrays", resume=True, steps=6)
    assert not differing(tmp_path / "files", tmp_path / "arrays")
    with pytest.raises(InpaintxError, match="data images"):
        train(Listed(arrays.samples[:5]), tmp_path / "arrays", resume=True, steps=7)


def test_masks_of_the_dataset_itself(tmp_path):
    hole = torch.zeros(1, 16, 16)
    hole[:, 3:7, 4:9] = 1
    data = Listed([{"image": torch.rand(3, 16, 16), "mask": hole} for _ in range(4)])
    done = train(data, tmp_path / "run", val_data=data, holes="own", validate_every=6, flip=False)
    assert done.last["hole/psnr"] > 0


@pytest.mark.parametrize(
    ("samples", "options", "words"),
    [
        ([], {}, "dataset Listed is empty"),
        ([torch.rand(3, 16, 15)], {}, r"sample 0 of the dataset Listed: an image must be .*got \[3, 16, 15\]"),
        ([torch.rand(3, 16, 16) * 255], {}, r"floating in \[0,1\]"),
        ([torch.ones(3, 16, 16, dtype=torch.int64)], {}, "must be uint8"),
        ([{"picture": torch.rand(3, 16, 16)}], {}, "has no image; it has: picture"),
        ([torch.rand(3, 16, 16)], {"holes": "own"}, "has no mask; it has: image"),
        ([{"image": torch.rand(3, 16, 16), "mask": torch.rand(8, 8)}], {"holes": "own"}, r"mask must be \[16,16\]"),
    ],
)
def test_samples_that_do_not_fit(tmp_path, samples, options, words):
    with pytest.raises(InpaintxError, match=words):
        train(Listed(samples), tmp_path / "run", **options)
    assert not (tmp_path / "run").exists()


def test_a_folder_has_splits_of_its_own(toy_faces, tmp_path):
    with pytest.raises(InpaintxError, match="val_split= names"):
        train(toy_faces, tmp_path / "run", val_data=Listed([torch.rand(3, 16, 16)]))


@pytest.mark.usefixtures("toy")
def test_a_metric_of_a_plugin_chooses_the_best(toy_faces, tmp_path, monkeypatch):
    def metric(result, truth, mask):
        assert result.shape == truth.shape == (len(mask), 3, 16, 16)
        return torch.full((len(result),), values.pop(0))

    monkeypatch.setitem(registry().metrics, "likeness", metric)
    monkeypatch.setitem(registry()._owner, ("metric", "likeness"), registry().plugins[0])
    for higher, best in ((True, 4), (False, 2)):
        metric.higher_is_better = higher
        values = [0.1, 0.5, 0.7, 0.6]  # of the mean colour, and of three validations
        done = train(toy_faces, tmp_path / f"run{higher}", validate_every=2, best="full/likeness")
        assert done.best == {"step": best, "metric": "full/likeness", "value": pytest.approx({4: 0.7, 2: 0.5}[best])}
        assert done.last["full/likeness"] == pytest.approx(0.6)
        assert is_improvement("full/likeness", 0.7, 0.6) is higher
    nan = float("nan")
    values = [nan, nan, 0.7, 0.6]
    done = train(toy_faces, tmp_path / "unknown", validate_every=2, best="full/likeness")
    assert done.best == {"step": 6, "metric": "full/likeness", "value": pytest.approx(0.6)}
    with pytest.raises(InpaintxError, match=r"best=full/other is no metric.*full/likeness"):
        train(toy_faces, tmp_path / "other", best="full/other")


@pytest.mark.usefixtures("toy")
def test_a_metric_that_cannot_be_measured_stops_who_asks_for_it_alone(toy_faces, tmp_path, monkeypatch):
    def metric(result, truth, mask):
        raise AssertionError

    metric.missing = lambda: "its weights are not here"
    monkeypatch.setitem(registry().metrics, "likeness", metric)
    monkeypatch.setitem(registry()._owner, ("metric", "likeness"), registry().plugins[0])
    done = train(toy_faces, tmp_path / "without", validate_every=3)
    assert "full/likeness" not in done.last
    words = "cannot be measured; likeness: left out, its weights are not here"
    with pytest.raises(InpaintxError, match=words):
        train(toy_faces, tmp_path / "asked", validate_every=3, best="full/likeness")
