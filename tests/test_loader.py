"""The stream of batches: a function of seed and step, whatever the workers, processes and restarts."""

import itertools

import numpy as np
import pytest
import torch
from face_sets import gray, landmarks_csv, picture, plain, shared_faces, write  # noqa: F401

from inpaintx.data.dataset import open_dataset
from inpaintx.data.jitter import Jitter
from inpaintx.data.landmarks import MIRRORED, mirrored
from inpaintx.data.loader import make_loader
from inpaintx.data.sampler import SkippedFileWarning, parse_mask_spec
from inpaintx.errors import InpaintxError

NAMES = [f"{i}.png" for i in range(7)]


@pytest.fixture
def root(tmp_path):
    plain(tmp_path, NAMES, side=16)
    ramp = np.linspace(1, 14, 5)
    landmarks_csv(tmp_path / "landmarks.csv", {n: np.stack([ramp, ramp + i / 8], 1) for i, n in enumerate(NAMES)})
    for number, name in enumerate(NAMES):
        inside = np.zeros((16, 16), bool)
        inside[:, : 2 + number] = True
        write(tmp_path / "skin" / name, gray(inside))
    return tmp_path


def take(root, steps, **options):
    faces = open_dataset(root, size=16, wants=frozenset({"skin", "landmarks"}))
    options = {"batch": 3, "seed": 4, **options}
    stream = make_loader(faces, parse_mask_spec("strokes", size=16), **options)
    taken = list(itertools.islice(stream, steps))
    stream.close()
    return taken


def assert_equal(one, other):
    assert one.keys() == other.keys()
    for key, value in one.items():
        assert value == other[key] if key == "name" else torch.equal(value, other[key]), key


def test_the_agreed_batch(root):
    (batch,) = take(root, 1)
    shapes = {key: tuple(value.shape) for key, value in batch.items() if key != "name"}
    assert shapes == {
        "image": (3, 3, 16, 16),
        "mask": (3, 1, 16, 16),
        "skin": (3, 1, 16, 16),
        "landmarks": (3, 5, 2),
    }
    assert all(batch[key].dtype == torch.float32 for key in shapes)
    assert set(batch["mask"].unique().tolist()) == {0, 1}
    assert all(isinstance(name, str) for name in batch["name"])


def test_workers_and_restarts_do_not_change_it(root):
    alone = take(root, 8)
    for one, other in zip(alone, take(root, 8, workers=3), strict=True):
        assert_equal(one, other)
    for one, other in zip(alone[5:], take(root, 3, start=5, workers=1), strict=True):
        assert_equal(one, other)


def test_a_fixed_order_pairs_an_image_with_its_mask_in_every_epoch(root, tmp_path):
    for number in range(7):
        hole = np.zeros((16, 16), bool)
        hole[: 2 + number] = True
        write(tmp_path / "masks" / f"{number}.png", gray(hole))
    faces = open_dataset(root, size=16, limit=4)
    assert any("the first 4 of 7 images" in note for note in faces.notes)
    holes = parse_mask_spec(f"{tmp_path / 'masks'}:order=fixed", size=16)
    stream = make_loader(faces, holes, batch=2, seed=1, flip=False, fixed_order=True)
    taken = list(itertools.islice(stream, 14))  # seven epochs of four images
    assert [name for batch in taken for name in batch["name"]] == NAMES[:4] * 7
    rows = [int(mask[0, :, 0].sum()) for batch in taken for mask in batch["mask"]]
    assert rows == [2 + number % 7 for number in range(28)]
    with pytest.raises(InpaintxError, match="limit must be 1 or more"):
        open_dataset(root, size=16, limit=0)


def test_two_processes_share_the_batch_of_one(root):
    for whole, *parts in zip(
        take(root, 4, batch=4), *(take(root, 4, batch=2, rank=r, world=2) for r in (0, 1)), strict=True
    ):
        for key, value in whole.items():
            halves = [part[key] for part in parts]
            assert value == halves[0] + halves[1] if key == "name" else torch.equal(value, torch.cat(halves))


def test_every_epoch_shows_every_image_once_in_another_order(root):
    names = [name for batch in take(root, 7, batch=2) for name in batch["name"]]
    assert sorted(names[:7]) == sorted(names[7:]) == NAMES
    assert names[:7] != names[7:]
    assert [n for b in take(root, 7, batch=2, seed=5) for n in b["name"]] != names


def test_a_mirrored_sample_is_mirrored_with_all_that_belongs_to_it(root):
    plainly = {name: i for i, name in enumerate(NAMES)}
    faces = open_dataset(root, size=16, wants=frozenset({"skin", "landmarks"}))
    turned = 0
    for batch in take(root, 10):
        for image, skin, points, name in zip(
            batch["image"], batch["skin"], batch["landmarks"], batch["name"], strict=True
        ):
            own = faces[plainly[name]]
            if torch.equal(image, own["image"]):
                assert torch.equal(skin, own["skin"])
                assert torch.equal(points, own["landmarks"])
                continue
            turned += 1
            assert torch.equal(image, own["image"].flip(-1))
            assert torch.equal(skin, own["skin"].flip(-1))
            expected = own["landmarks"][[1, 0, 2, 4, 3]]
            assert torch.equal(points[:, 0], 15 - expected[:, 0])
            assert torch.equal(points[:, 1], expected[:, 1])
    assert 5 <= turned <= 25  # of 30
    assert all(
        torch.equal(i, faces[plainly[n]]["image"])
        for b in take(root, 5, flip=False)
        for i, n in zip(b["image"], b["name"], strict=True)
    )


@pytest.mark.parametrize("count", sorted(MIRRORED))
def test_mirroring_twice_changes_nothing(count):
    points = np.random.default_rng(0).uniform(0, 63, (count, 2)).astype(np.float32)
    np.testing.assert_allclose(mirrored(mirrored(points, 64), 64), points, atol=1e-5)
    assert sorted(MIRRORED[count]) == list(range(count))


def test_the_sides_of_49_points_change_places():
    order = MIRRORED[49]
    assert order[0:5] == [9, 8, 7, 6, 5]  # brows
    assert order[10:14] == [10, 11, 12, 13]  # bridge of the nose
    assert order[14:19] == [18, 17, 16, 15, 14]
    assert order[19:25] == [28, 27, 26, 25, 30, 29]  # eyes
    assert order[31:38] == [37, 36, 35, 34, 33, 32, 31]  # upper edge of the outer lip
    assert order[38:43] == [42, 41, 40, 39, 38]
    assert order[43:49] == [45, 44, 43, 48, 47, 46]


def test_mirrored_faces_keep_their_landmarks_in_place(shared_faces):  # noqa: F811
    """A face is nearly symmetric: mirrored points lie near the plain ones, unless sides were mixed up."""
    faces = open_dataset(shared_faces / "faces", size=128, split="val", wants=frozenset({"landmarks"}))
    points = np.stack([faces[i]["landmarks"].numpy() for i in range(60)])
    mean = points.mean(0)
    assert np.abs(mirrored(mean, 128) - mean).max() < 4


def test_landmarks_of_an_unknown_layout_are_not_mirrored(tmp_path):
    plain(tmp_path, NAMES, side=16)
    landmarks_csv(tmp_path / "landmarks.csv", {n: np.full((7, 2), 2.0) for n in NAMES})
    faces = open_dataset(tmp_path, size=16, wants=frozenset({"landmarks"}))
    assert any("no sample is mirrored" in note and "7 landmarks" in note for note in faces.notes)
    for batch in itertools.islice(make_loader(faces, parse_mask_spec("box", size=16), batch=7, seed=0), 2):
        for image, name in zip(batch["image"], batch["name"], strict=True):
            assert torch.equal(image, faces[NAMES.index(name)]["image"])
        assert batch["landmarks"].unique().tolist() == [2.0]


@pytest.mark.parametrize("workers", [0, 2])
def test_a_corrupt_image_is_passed_over_for_the_next(root, workers):
    whole = [name for batch in take(root, 7, batch=1, flip=False) for name in batch["name"]]
    (root / whole[3]).write_bytes((root / whole[3]).read_bytes()[:50])
    with pytest.warns(SkippedFileWarning, match=whole[3]) as caught:
        without = [name for batch in take(root, 7, batch=1, flip=False, workers=workers) for name in batch["name"]]
    assert len(caught) == 1
    assert without == [*whole[:3], whole[4], *whole[4:]]


def test_all_images_corrupt_is_an_error(root):
    for name in NAMES:
        (root / name).write_bytes(b"no picture")
    with pytest.warns(SkippedFileWarning), pytest.raises(InpaintxError, match="none of the 7 images can be read"):
        take(root, 1, workers=1)


def test_the_sets_own_masks(tmp_path):
    plain(tmp_path, ["a.png"], side=16)
    hole = np.zeros((16, 16), bool)
    hole[:4, :8] = True
    write(tmp_path / "masks" / "a.png", gray(hole))
    faces = open_dataset(tmp_path, size=16, wants=frozenset({"mask"}))
    assert len(faces) == 1
    batch = next(make_loader(faces, None, batch=1, seed=0, flip=False))
    np.testing.assert_array_equal(batch["mask"][0, 0].numpy() > 0, hole)


def test_bad_arguments_in_words(root):
    faces, holes = open_dataset(root, size=16), parse_mask_spec("box", size=16)
    with pytest.raises(InpaintxError, match="rank 2 of 2"):
        make_loader(faces, holes, batch=1, seed=0, rank=2, world=2)
    with pytest.raises(InpaintxError, match="holes of size 8 do not fit a set of size 16"):
        make_loader(faces, parse_mask_spec("box", size=8), batch=1, seed=0)
    with pytest.raises(InpaintxError, match="needs holes, or a set"):
        make_loader(faces, None, batch=1, seed=0)


def test_jittered_samples_depend_on_seed_and_number_alone(root):
    jitter = Jitter(0.1, 10)
    alone = take(root, 6, jitter=jitter)
    for one, other in zip(alone[4:], take(root, 2, start=4, workers=2, jitter=jitter), strict=True):
        assert_equal(one, other)
    for one, other in zip(alone, take(root, 6, jitter=Jitter()), strict=True):
        assert one["name"] == other["name"]
        assert torch.equal(one["mask"], other["mask"])  # holes stay where they are
        assert not torch.equal(one["image"], other["image"])
    for one, other in zip(take(root, 2), take(root, 2, jitter=Jitter()), strict=True):
        assert_equal(one, other)


@pytest.fixture
def other_faces(tmp_path_factory):
    names = ["x.png", "y.png", "z.png"]
    root = plain(tmp_path_factory.mktemp("other"), names, side=16)
    landmarks_csv(root / "landmarks.csv", {name: np.full((5, 2), 3.0) for name in names})
    return open_dataset(root, size=16, wants=frozenset({"skin", "landmarks"}))


def test_a_second_set_gives_its_share_of_every_batch(root, other_faces):
    plainly = [name for batch in take(root, 7) for name in batch["name"]]
    mixed = take(root, 7, batch=4, extra=other_faces, extra_share=0.25)
    for batch in mixed:
        assert sum(name in other_faces.names for name in batch["name"]) == 1
    names = [name for batch in mixed for name in batch["name"]]
    first = [name for name in names if name not in other_faces.names]
    assert first == plainly  # the same order as alone
    extra = [name for name in names if name in other_faces.names]
    assert sorted(extra[:3]) == sorted(extra[3:6]) == other_faces.names
    again = take(root, 2, batch=4, start=5, workers=2, extra=other_faces, extra_share=0.25)
    for one, other in zip(mixed[5:], again, strict=True):
        assert_equal(one, other)


def test_sets_of_one_stream_are_opened_alike(root, other_faces):
    holes = parse_mask_spec("box", size=16)
    for options, words in (
        ({"wants": frozenset({"skin"})}, "opened alike"),
        ({"wants": other_faces.wants, "size": 8}, "sizes 8 and 16"),
    ):
        faces = open_dataset(root, **{"size": 16, **options})
        with pytest.raises(InpaintxError, match=words):
            make_loader(
                faces, parse_mask_spec("box", size=faces.size), batch=1, seed=0, extra=other_faces, extra_share=0.5
            )
    faces = open_dataset(root, size=16, wants=other_faces.wants)
    with pytest.raises(InpaintxError, match="between 0 and 1"):
        make_loader(faces, holes, batch=1, seed=0, extra=other_faces, extra_share=1.0)
