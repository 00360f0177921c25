"""Where weights are found, and how they are fetched: from servers on loopback."""

import hashlib
import http.server
import json
import threading
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

import inpaintx
from inpaintx.cli import run
from inpaintx.errors import InpaintxError
from inpaintx.inference.face_squares import find_aligner
from inpaintx.nn import pretrained
from inpaintx.nn.aligner import load_aligner
from inpaintx.nn.fan import load_fan
from inpaintx.nn.official import FETCHED, WeightFile
from inpaintx.plugin import download, weight_lookup, weights
from inpaintx.plugin.registry import registry

ROOT = Path(__file__).parents[1]


@pytest.fixture
def bare(monkeypatch, tmp_path):
    """No package of weights is installed, and none lies in the user's folders."""
    monkeypatch.setattr(weight_lookup, "_packages", list)
    monkeypatch.setenv("INPAINTX_WEIGHTS", str(tmp_path / "mine"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    return tmp_path


@pytest.fixture
def served(tmp_path):
    """A web server on loopback: the files of a folder, and those of a hub's repository by its addresses."""
    folder = tmp_path / "served"
    folder.mkdir()
    save_file({"a": torch.zeros(3)}, folder / "w.safetensors", {"inpaintx.method": "telea"})
    (folder / "text.safetensors").write_text("not found, but with status 200")

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args):
            super().__init__(*args, directory=str(folder))

        def send_head(self):
            self.path = self.path.replace("/owner/repo/resolve/main/", "/")
            return super().send_head()

        def end_headers(self):
            path = folder / self.path.lstrip("/")
            if path.is_file():
                self.send_header("ETag", f'"{hashlib.sha256(path.read_bytes()).hexdigest()}"')
                self.send_header("X-Repo-Commit", "0" * 40)
            super().end_headers()

        def log_message(self, *args):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", folder
        server.shutdown()


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_every_file_of_the_package_has_a_card_an_owner_and_its_digest():
    named = {entry.file: entry for method in registry().methods.values() for entry in method.weights.values()}
    files = [file for file in (ROOT / "weights").glob("*/*.safetensors") if file.parent.name not in ("aligner", "fan")]
    assert {file.name for file in files} == {name for name, entry in named.items() if entry.sha256}
    for file in files:
        assert digest(file) == named[file.name].sha256
        card = file.with_suffix(".md").read_text()
        assert named[file.name].sha256 in card
        assert "research use only" in card


def test_the_fan_of_the_package_is_found_by_its_name():
    path = weight_lookup.find_file("fan128.safetensors")
    assert digest(path) in path.with_suffix(".md").read_text()
    fan, outcome = load_fan(path=str(path))
    assert (fan.size, fan.points, outcome) == (128, 49, "set:all_age_faces")


def test_the_aligner_of_the_package_is_found_by_its_name():
    path = find_aligner()
    card = path.with_suffix(".md").read_text()
    assert digest(path) in card
    assert f"{sum(p.numel() for p in load_aligner(path).parameters()):,}" in card


def test_the_core_holds_no_weights():
    assert not [p for room in ("inpaintx", "plugins") for p in (ROOT / room).rglob("*.safetensors")]
    assert "safetensors" not in (ROOT / "MANIFEST.in").read_text()


def test_files_are_found_in_a_folder_of_the_method_or_beside_it(bare):
    method = registry().method("pdgan")
    assert weight_lookup.find(method, "default") is None
    for place in (bare / "mine" / "pdgan", bare / "torch" / "hub" / "checkpoints"):
        place.mkdir(parents=True)
        file = place / method.weights["default"].file
        file.write_bytes(b"")
        assert weight_lookup.find(method, "default") == file
        file.unlink()


def test_a_broken_package_of_weights_is_passed_over(monkeypatch):
    entries = [type("Entry", (), {"module": name}) for name in ("no_such_module", "inpaintx_weights")]
    monkeypatch.setattr(weight_lookup.importlib.metadata, "entry_points", lambda group: entries)
    assert [folder.name for folder in weight_lookup._packages.__wrapped__()] == ["weights"]


def test_without_weights_the_main_job_falls_back_and_says_how_to_get_them(bare, capsys, portrait):
    photo, mask = portrait
    assert run(["inpaint", str(photo), str(mask), "-o", str(bare / "out.png")]) == 0
    out = capsys.readouterr().out
    assert "harmonic_texture fills 100.0%" in out
    assert "inpaintx-weights" in out


@pytest.fixture
def portrait():
    demo = ROOT / "inpaintx" / "demo"
    return demo / "eileen_collins.png", demo / "eileen_collins_mask.png"


def test_list_and_path(capsys, bare):
    assert run(["weights", "list", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert {"pdgan", "yeh"} <= {row["method"] for row in rows}
    assert all(row["path"] is None for row in rows)
    assert run(["weights", "list"]) == 0
    assert "inpaintx-weights" in capsys.readouterr().out
    assert run(["weights", "path"]) == 0
    assert capsys.readouterr().out.strip() == str(bare / "mine")
    assert run(["weights", "path", "pdgan"]) == 2
    assert "were not found; install" in capsys.readouterr().err
    assert run(["weights", "path", "pdgan", "nosuch"]) == 2
    assert "it has: default, printed" in capsys.readouterr().err
    (bare / "mine").mkdir()
    (bare / "mine" / registry().method("pdgan").weights["default"].file).touch()
    assert run(["weights", "path", "pdgan"]) == 0
    assert capsys.readouterr().out.strip().endswith(".safetensors")


def test_a_file_is_fetched_from_the_web(served, bare, capsys):
    address, folder = served
    sha = digest(folder / "w.safetensors")
    assert run(["weights", "get", f"{address}/w.safetensors", "--sha256", sha.upper()]) == 0
    assert (bare / "mine" / "w.safetensors").read_bytes() == (folder / "w.safetensors").read_bytes()
    assert download.fetch(f"{address}/w.safetensors", sha) == bare / "mine" / "w.safetensors"  # it is there already
    out = bare / "other.safetensors"
    download.fetch(f"{address}/w.safetensors", sha, out)
    out.write_bytes(b"mine")
    with pytest.raises(InpaintxError, match="exists; give another name"):
        download.fetch(f"{address}/w.safetensors", sha, out)
    assert out.read_bytes() == b"mine"
    download.fetch(f"{address}/w.safetensors", sha, out, overwrite=True)
    assert digest(out) == sha


@pytest.fixture
def official(served, monkeypatch):
    """Files of others, kept by the server on loopback."""
    address, folder = served
    (folder / "one.pth").write_bytes(b"features")
    (folder / "two.onnx").write_bytes(b"another")
    files = [WeightFile(p.name, digest(p), f"{address}/{p.name}") for p in (folder / "one.pth", folder / "two.onnx")]
    monkeypatch.setitem(FETCHED, "lpips", tuple(files))
    monkeypatch.setitem(FETCHED, "vgg16", (files[0],))
    return folder


def test_official_files_are_fetched_by_name(official, bare, capsys):
    assert run(["fetch", "vgg16", "lpips"]) == 0
    mine = bare / "mine"
    assert capsys.readouterr().out.count("is right") == 2
    assert sorted(path.name for path in mine.iterdir()) == ["one.pth", "two.onnx"]
    assert (mine / "one.pth").read_bytes() == b"features"
    assert pretrained.find(FETCHED["vgg16"][0]) == mine / "one.pth"
    (official / "one.pth").unlink()
    assert run(["fetch", "vgg16"]) == 0  # it is there, and no server is asked
    assert run(["fetch", "lpips", "-o", str(bare / "elsewhere")]) == 2
    assert "could not be fetched" in capsys.readouterr().err


def test_an_official_file_that_is_another_one_is_refused(official, bare, capsys):
    (official / "one.pth").write_bytes(b"forged")
    assert run(["fetch", "vgg16"]) == 2
    assert "is another file than was asked for" in capsys.readouterr().err
    assert not list((bare / "mine").iterdir())
    (official / "one.pth").write_bytes(b"features")
    (bare / "mine" / "one.pth").write_bytes(b"damaged")
    assert run(["fetch", "vgg16"]) == 2
    assert "exists; give another name, or overwrite it" in capsys.readouterr().err
    assert run(["fetch", "vgg16", "--overwrite"]) == 0
    assert (bare / "mine" / "one.pth").read_bytes() == b"features"


def test_official_files_have_whole_digests_and_are_fetched_over_https():
    for file in {file for files in FETCHED.values() for file in files}:
        assert len(file.sha256) == 64
        assert file.url.startswith("https://")
        assert file in FETCHED[file.fetched_as]


@pytest.fixture
def hub(served, bare, monkeypatch):
    """The server as a model hub; the folder of the repository owner/repo."""
    constants = pytest.importorskip("huggingface_hub.constants")
    address, folder = served
    monkeypatch.setattr(constants, "ENDPOINT", address)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", address + "/{repo_id}/resolve/{revision}/{filename}")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(bare / "cache"))
    return folder


def test_a_file_is_fetched_from_a_hub(hub):
    sha = digest(hub / "w.safetensors")
    path = download.fetch("hf://owner/repo/w.safetensors", sha)
    assert digest(path) == sha
    with pytest.raises(InpaintxError, match=r"none\.safetensors could not be fetched"):
        download.fetch("hf://owner/repo/none.safetensors", "")


def test_a_model_is_loaded_from_a_hub(hub, tmp_path, capsys):
    method = registry().method("pconv_prior")
    config = method.config("tiny", width=8)
    net = method.network(config).eval()
    weights.save(hub / "model.safetensors", method, config, net, license="free for all")
    model = inpaintx.load("hf://owner/repo", device="cpu", faces="none")
    assert (model.method.name, model.config.width) == ("pconv_prior", 8)
    assert all(
        torch.equal(a, b) for a, b in zip(net.state_dict().values(), model.net.state_dict().values(), strict=True)
    )
    photo, hole = torch.rand(1, 3, 40, 48), torch.zeros(1, 1, 40, 48)
    hole[..., 10:20, 12:30] = 1
    by_name = inpaintx.inpaint(photo, hole, "pconv_prior", weights="hf://owner/repo", device="cpu", faces="none")
    assert torch.equal(model(photo, hole), by_name)

    card = tmp_path / "README.md"
    assert run(["export", "pconv_prior", "--weights", "hf://owner/repo", "--card", str(card)]) == 0
    assert card.read_text() == model.card
    assert 'license_name: "free for all"' in model.card
    assert digest(hub / "model.safetensors") in model.card


@pytest.mark.parametrize(
    ("source", "options", "words"),
    [
        ("hf://owner/repo/w.safetensors", {"weights": "default"}, "brings its own weights"),
        ("hf://owner/repo/none.safetensors", {}, "could not be fetched"),
        ("hf://owner", {}, "is named hf://owner/repo"),
        ("hf://owner/repo/text.safetensors", {}, "cannot be read as safetensors"),
        ("hf://owner/repo/unknown.safetensors", {}, "unknown method 'nobodys'"),
    ],
)
def test_a_model_that_is_not_on_a_hub(hub, source, options, words):
    save_file({"a": torch.zeros(3)}, hub / "unknown.safetensors", {"inpaintx.method": "nobodys"})
    with pytest.raises(InpaintxError, match=words):
        inpaintx.load(source, **options)


@pytest.mark.parametrize(
    ("source", "digits", "words"),
    [
        ("/w.safetensors", "0" * 64, "another file than was asked for"),
        ("/w.safetensors", "", "with --sha256"),
        ("/w.safetensors", "abc", "64 hexadecimal digits"),
        ("/none.safetensors", "0" * 64, "could not be fetched"),
        ("/text.safetensors", "its own", "cannot be read as safetensors"),
        ("/w.pth", "0" * 64, "does not name a .safetensors file"),
    ],
)
def test_what_is_not_what_was_asked_for_leaves_nothing(served, bare, source, digits, words):
    address, folder = served
    digits = digest(folder / source[1:]) if digits == "its own" else digits
    with pytest.raises(InpaintxError, match=words):
        download.fetch(address + source, digits)
    assert not list((bare / "mine").glob("*"))


@pytest.mark.parametrize(
    "source", ["http://example.org/w.safetensors", "file:///etc/passwd", "w.safetensors", "hf://a", "hf://a/b?c"]
)
def test_only_named_kinds_of_sources(source, bare):
    with pytest.raises(InpaintxError, match="weights are fetched from"):
        download.fetch(source, "0" * 64)
