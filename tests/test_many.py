"""Folders of photos: read ahead, filled in batches, failures collected."""

import json
from pathlib import Path

import numpy as np
import pytest
import toy_methods
from toy_methods import HOLE, box, listing, noise

from inpaintx.cli import run
from inpaintx.inference.files import Report, inpaint_many
from inpaintx.inference.inpainter import Inpainter
from inpaintx.inference.jobs import Failure, Job, find_jobs
from inpaintx.io.photo import read_photo, write_photo

pytestmark = pytest.mark.usefixtures("toys")
ROOT = Path(__file__).parent.parent


@pytest.fixture
def many(folder):
    (folder / "photos").mkdir()
    (folder / "masks").mkdir()
    for i, name in enumerate(("a.png", "b.webp", "c.tif", "d.png")):
        write_photo(folder / "photos" / name, noise(60, 80 if i < 3 else 100, seed=i))
    for stem in "abx":
        write_photo(folder / "masks" / f"{stem}.png", np.where(HOLE, 255, 0).astype(np.uint8))
    write_photo(folder / "masks" / "d.png", np.where(box(60, 100), 255, 0).astype(np.uint8))
    (folder / "photos" / "x.png").write_text("broken")
    (folder / "photos" / "readme.txt").write_text("not a photo")
    return folder


def test_a_folder_with_masks_of_the_same_stem(many, capfd):
    assert run(["inpaint", "photos", "masks", "-o", "out"]) == 1
    out, err = capfd.readouterr()
    assert listing(many / "out") == ["a.png", "b.webp", "d.png"]
    assert "3 done, 2 failed" in out
    assert "failed: photos/x.png: photo photos/x.png cannot be read" in err
    assert "failed: photos/c.tif: no mask with the stem 'c'" in err
    assert "Traceback" not in err
    for i, name in ((0, "a.png"), (1, "b.webp")):
        got = read_photo(many / "out" / name).pixels
        np.testing.assert_array_equal(got[~HOLE], noise(60, 80, seed=i)[~HOLE])


def test_a_glob_with_one_mask_for_all(many, capfd):
    assert run(["inpaint", "photos/[a-c].*", "m.png", "-o", "out", "--json"]) == 0
    report = json.loads(capfd.readouterr().out)
    assert [r["photo"] for r in report["results"]] == ["photos/a.png", "photos/b.webp", "photos/c.tif"]
    assert report["failures"] == []
    assert run(["inpaint", "photos/*.png", "m.png", "-o", "out2", "--json"]) == 1
    report = json.loads(capfd.readouterr().out)
    assert [f["photo"] for f in report["failures"]] == ["photos/d.png", "photos/x.png"]
    assert "100 x 60" in report["failures"][0]["error"]


def test_a_folder_goes_through_in_batches(many):
    assert run(["inpaint", "photos/[a-c].*", "m.png", "-o", "out", "-m", "square", "--batch-size", "2"]) == 0
    assert [shape[0] for shape in toy_methods.Square.seen] == [2, 1]
    single = read_photo(many / "out" / "c.tif").pixels
    assert run(["inpaint", "photos/c.tif", "m.png", "-o", "c.png", "-m", "square"]) == 0
    np.testing.assert_array_equal(read_photo("c.png").pixels, single)


def test_one_photo_that_spoils_a_batch_is_found(many, capfd):
    write_photo(many / "photos" / "b.webp", np.full((60, 80, 3), (255, 0, 0), np.uint8), overwrite=True)
    assert run(["inpaint", "photos/[a-c].*", "m.png", "-o", "out", "-m", "failing"]) == 1
    assert listing(many / "out") == ["a.png", "c.tif"]
    assert "failed: photos/b.webp: method 'failing' of plugin 'toys'" in capfd.readouterr().err


def test_existing_results_fail_one_by_one(many, capfd):
    assert run(["inpaint", "photos/a.png", "m.png", "-o", "a.png"]) == 0
    (many / "out").mkdir()
    (many / "out" / "a.png").touch()
    assert run(["inpaint", "photos/[ab].*", "m.png", "-o", "out"]) == 1
    assert listing(many / "out") == ["a.png", "b.webp"]
    assert "failed: photos/a.png: out/a.png exists" in capfd.readouterr().err


def test_inpaint_many_yields_as_results_are_written(many):
    jobs = find_jobs("photos/[a-c].*", "m.png", ".").jobs
    jobs = [Job(j.photo, j.mask, many / f"r-{j.photo.name}") for j in jobs]
    seen = []
    for result in inpaint_many(jobs, Inpainter("telea", batch_size=1)):
        assert isinstance(result, Report)
        assert Path(result.out[0]).exists()
        seen.append(len(list(many.glob("r-*"))))
    assert seen == [1, 2, 3]
    assert isinstance(next(iter(inpaint_many(jobs, Inpainter("telea")))), Failure)  # they exist now
