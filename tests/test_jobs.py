"""Which photos are meant, which mask is whose, and what is said of the rest."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from toy_methods import HOLE, PHOTO, listing, noise

import inpaintx
from inpaintx.cli import run
from inpaintx.inference.jobs import Job, find_jobs, is_done
from inpaintx.io.photo import read_photo, write_photo

pytestmark = pytest.mark.usefixtures("toys")
WHITE = np.where(HOLE, 255, 0).astype(np.uint8)


@pytest.fixture
def put(folder):
    def touch(*names):
        for name in names:
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()

    return touch


def pairs(found):
    return {str(job.photo): str(job.mask) for job in found.jobs}


def test_names_that_collide(put, folder):
    put("p/a.png", "q/a.png")
    found = find_jobs("[pq]/a.png", "m.png", "out")
    assert [str(j.photo) for j in found.jobs] == ["p/a.png"]
    assert [f.error for f in found.failures] == ["another photo of the same name is written to out/a.png already"]
    put("r/a.gif", "r/a.png", "r/b.bmp")
    assert [str(j.out) for j in find_jobs("r", "m.png", "out").jobs] == ["out/a.gif.png", "out/a.png", "out/b.png"]


def test_a_photo_alone_with_a_folder_of_masks(put):
    put("p/a.png", "masks/a.webp", "masks/b.png")
    assert find_jobs("p/a.png", "masks", "out.png").jobs == [
        Job(Path("p/a.png"), Path("masks/a.webp"), Path("out.png"))
    ]


def test_two_masks_of_one_stem_concern_one_photo(put):
    put("p/a.png", "p/b.png", "masks/a.png", "masks/a.jpg", "masks/b.png", "masks/c.png", "masks/c.jpg")
    found = find_jobs("p", "masks", "out")
    assert pairs(found) == {"p/b.png": "masks/b.png"}
    assert [(f.photo, f.error) for f in found.failures] == [
        ("p/a.png", "2 masks have the stem 'a': a.jpg and a.png in masks")
    ]
    with pytest.raises(inpaintx.InpaintxError, match="2 masks have the stem 'a'"):
        find_jobs("p/a.png", "masks", "out.png")


def test_accents_and_case_are_looked_through_where_no_doubt_is_left(put):
    put("p/cafe\u0301.jpg", "p/IMG_1.JPG", "p/x.png", "p/X.png", "p/y.png")
    put("masks/caf\u00e9.png", "masks/img_1.PNG", "masks/x.png", "masks/Y.png", "masks/y.tif")
    found = find_jobs("p", "masks", "out")
    assert pairs(found) == {
        "p/cafe\u0301.jpg": "masks/caf\u00e9.png",
        "p/IMG_1.JPG": "masks/img_1.PNG",
        "p/x.png": "masks/x.png",
        "p/y.png": "masks/y.tif",
    }
    assert [f.error for f in found.failures] == ["no mask with the stem 'X' in masks"]


def test_hidden_and_other_files_are_passed_over_and_counted_once(put, folder):
    put("p/a.png", "p/._a.png", "p/.b.png", "p/Thumbs.db", "p/desktop.ini", "p/readme.txt", "p/c.mp4", "p/sub/e.png")
    os.mkfifo(folder / "p" / "pipe.png")
    (folder / "p" / "loop.png").symlink_to("loop.png")
    found = find_jobs("p", "m.png", "out")
    assert [job.name for job in found.jobs] == ["p/a.png"]
    assert found.notes == [
        "passed over: 4 hidden files, 1 folder (--recursive goes through the folders in a folder), 2 special files "
        "(a dead link, a pipe or a device), 2 other files (.mp4, .txt)"
    ]
    assert find_jobs("p/a*", "m.png", "out").notes == []
    with pytest.raises(inpaintx.InpaintxError, match=r"no photos at 'p/\[rc\]\*'.*passed over: 2 other files"):
        find_jobs("p/[rc]*", "m.png", "out")


def test_what_was_passed_over_stands_in_both_reports(folder, capfd):
    (folder / "p").mkdir()
    write_photo("p/a.png", PHOTO)
    (folder / "p" / ".DS_Store").touch()
    assert run(["inpaint", "p", "m.png", "-o", "out"]) == 0
    assert capfd.readouterr().out.count("passed over: 1 hidden file\n") == 1
    assert run(["inpaint", "p", "m.png", "-o", "out2", "--json"]) == 0
    assert json.loads(capfd.readouterr().out)["notes"] == ["passed over: 1 hidden file"]


def test_folders_in_a_folder(folder, capfd):
    for place in ("p/a.png", "p/sub/a.png", "p/sub/deep/c.png", "p/.hidden/d.png"):
        (folder / place).parent.mkdir(parents=True, exist_ok=True)
        write_photo(place, PHOTO)
    (folder / "p" / "sub" / "back").symlink_to("..")
    for place in ("masks/a.png", "masks/sub/a.png", "masks/sub/deep/c.png"):
        (folder / place).parent.mkdir(parents=True, exist_ok=True)
        write_photo(place, WHITE)
    for _ in range(2):  # the second run does not take the first one's results for photos
        assert run(["inpaint", "p", "masks", "-o", "p/out", "--recursive", "--overwrite"]) == 0
        assert "3 done, 0 failed" in capfd.readouterr().out
    assert listing(folder / "p" / "out") == ["a.png", "sub/a.png", "sub/deep/c.png"]


def test_lamas_layout(folder, capfd):
    (folder / "d").mkdir()
    for stem in ("x", "y", "z"):
        write_photo(f"d/{stem}.png", PHOTO)
    for name in ("x_mask.png", "y_mask001.png", "alone_mask.png"):
        write_photo(f"d/{name}", WHITE)
    assert run(["inpaint", "d", "d", "-o", "out"]) == 2
    assert "LaMa's layout), leave this argument out" in capfd.readouterr().err
    assert not (folder / "out").exists()
    assert run(["inpaint", "d", "-o", "out", "--json"]) == 1
    report = json.loads(capfd.readouterr().out)
    assert {r["photo"]: r["mask"] for r in report["results"]} == {
        "d/x.png": "d/x_mask.png",
        "d/y.png": "d/y_mask001.png",
    }
    assert [f["photo"] for f in report["failures"]] == ["d/alone_mask.png", "d/z.png"]
    assert run(["inpaint", "d/x.png", "-o", "x.png"]) == 0
    assert run(["inpaint", "d/x.png", "d", "-o", "x2.png"]) == 0
    assert "d/x_mask.png" in capfd.readouterr().out
    assert run(["inpaint", "d/z.png", "-o", "z.png"]) == 2
    assert "give a mask" in capfd.readouterr().err
    (folder / "masks").mkdir()
    (folder / "d" / "x_mask.png").rename(folder / "masks" / "x_mask.png")
    assert pairs(find_jobs("d/x.png", "masks", "out")) == {"d/x.png": "masks/x_mask.png"}


def test_masks_beside_photos_whose_names_are_stored_in_another_way(put):
    put(
        "p/cafe\u0301.png",
        "p/caf\u00e9_mask.png",
        "p/B.png",
        "p/b_mask.png",
        "p/two\nlines.png",
        "p/two\nlines_mask.png",
    )
    found = find_jobs("p", None, "out", beside=True)
    assert pairs(found) == {
        "p/cafe\u0301.png": "p/caf\u00e9_mask.png",
        "p/B.png": "p/b_mask.png",
        "p/two\nlines.png": "p/two\nlines_mask.png",
    }
    assert not found.failures


def test_a_photo_of_another_folder_makes_no_mask(put):
    put("p/a.png", "q/a_mask.png", "q/b.png", "q/b_mask.png")
    found = find_jobs("[pq]/*", None, "out", beside=True)
    assert pairs(found) == {"q/b.png": "q/b_mask.png"}
    assert [failure.photo for failure in found.failures] == ["p/a.png", "q/a_mask.png"]
    put("c.png", "c_mask.png")
    assert pairs(find_jobs("c*", None, "out", beside=True)) == {"c.png": "c_mask.png"}


def test_one_mask_among_the_photos_is_no_photo(put):
    put("p/a.png", "p/mask.png")
    assert pairs(find_jobs("p", "p/mask.png", "out")) == {"p/a.png": "p/mask.png"}


def test_one_doubtful_mask_does_not_stop_the_folder(folder, capfd):
    for name, pixels in (("a", WHITE), ("b", WHITE // 255), ("c", WHITE[:, :70]), ("d", PHOTO)):
        for place in ("p", "masks"):
            (folder / place).mkdir(exist_ok=True)
        write_photo(f"p/{name}.png", PHOTO)
        write_photo(f"masks/{name}.png", pixels)
    assert run(["inpaint", "p", "masks", "-o", "out"]) == 1
    assert listing(folder / "out") == ["a.png"]
    err = capfd.readouterr().err
    assert "failed: p/b.png: mask masks/b.png has two values" in err
    assert "failed: p/d.png: mask masks/d.png is the photo itself" in err


def test_a_stopped_run_goes_on(folder, capfd):
    (folder / "p").mkdir()
    for i, name in enumerate("abc"):
        write_photo(f"p/{name}.png", noise(60, 80, seed=i))
    assert run(["inpaint", "p/[ab].png", "m.png", "-o", "out", "-m", "dice", "--samples", "2"]) == 0
    (folder / "out" / "b-1.png").unlink()
    kept = (folder / "out" / "b-2.png").stat().st_mtime_ns
    before = (folder / "out" / "a-1.png").stat().st_mtime_ns
    capfd.readouterr()
    again = ["inpaint", "p", "m.png", "-o", "out", "-m", "dice", "--samples", "2"]
    assert run([*again, "--skip-existing", "--json"]) == 0
    report = json.loads(capfd.readouterr().out)
    assert report["skipped"] == 1
    assert [r["photo"] for r in report["results"]] == ["p/b.png", "p/c.png"]
    assert listing(folder / "out") == [f"{s}-{k}.png" for s in "abc" for k in (1, 2)]
    assert (folder / "out" / "b-2.png").stat().st_mtime_ns == kept
    assert (folder / "out" / "a-1.png").stat().st_mtime_ns == before
    assert run([*again, "--skip-existing"]) == 0
    assert "3 skipped: their results exist" in capfd.readouterr().out
    assert run(["inpaint", "p.png", "m.png", "-o", "out/a-1.png", "--skip-existing"]) == 0
    assert run([*again, "--skip-existing", "--overwrite"]) == 2
    assert is_done(find_jobs("p/a.png", "m.png", "out/a.png").jobs[0], 2)


def test_resize_mask_and_its_stretch(folder, capfd):
    write_photo("turned.png", np.ascontiguousarray(WHITE.T))
    assert run(["inpaint", "p.png", "turned.png", "--resize-mask", "-o", "o.png"]) == 2
    assert "it lies on its side; give a mask of the photo's size, or --resize-mask=stretch" in capfd.readouterr().err
    assert run(["inpaint", "p.png", "--resize-mask=stretch", "turned.png", "-o", "o.png"]) == 0
    assert read_photo("o.png").pixels.shape == PHOTO.shape


def test_jobs_of_many_photos_take_little_memory(put):
    put(*(f"p/{n:08}.jpg" for n in range(3000)), *(f"masks/{n:08}.png" for n in range(3000)))
    jobs = find_jobs("p", "masks", "out").jobs
    assert len(jobs) == 3000
    assert list(jobs)[1500] == Job(Path("p/00001500.jpg"), Path("masks/00001500.png"), Path("out/00001500.jpg"))
    jobs.pack()
    assert sum(map(len, jobs.blocks)) < 3000 * 15
    assert len(jobs) == len(list(jobs)) == 3000
