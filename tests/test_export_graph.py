"""``inpaintx export`` to ONNX and .pt2: the files compute what eager computes, and say what they are."""

import json

import pytest
import torch
from torch import Tensor, nn

import inpaintx
from inpaintx import Config, InpaintxError, Method, ops
from inpaintx.cli import run
from inpaintx.inference.export_graph import export_graph
from inpaintx.inference.graph import InpaintGraph
from inpaintx.plugin.registry import registry
from inpaintx.plugin.weights import load

onnxruntime = pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")
CPU = torch.device("cpu")


class NoisyConfig(Config):
    mirrored: bool = False
    drawn: str = "randn"


class Noisy(Method):
    """A partial convolution, with a drawn vector added."""

    name, paper, Config, multiple, blend = "noisy", "https://example.org/noisy", NoisyConfig, 4, "poisson"

    def build(self, config):
        from inpaintx.ops import PartialConv2d

        net = nn.Module()
        net.conv = PartialConv2d(3, 3, 3, padding=1)
        return net

    def inpaint(self, net, image: Tensor, mask: Tensor, *, generator=None) -> Tensor:
        filled = net.conv(image, mask)[0]
        if net.config.drawn == "none":
            return filled
        if net.config.drawn == "normal":
            return filled + torch.empty_like(image).normal_(generator=generator)
        return filled + 0.1 * torch.randn(1, 3, generator=generator)[..., None, None]


def loaded(method=None, **options):
    method = method or Noisy()
    return load(method, method.config(**options), None, CPU)


def session(path):
    return onnxruntime.InferenceSession(path.read_bytes(), providers=["CPUExecutionProvider"])


@pytest.mark.parametrize("suffix", [".onnx", ".pt2"])
def test_a_graph_of_any_size_with_its_draw_as_an_input(tmp_path, suffix):
    made = export_graph(Noisy(), loaded(), tmp_path / f"net{suffix}", size=16, dynamic=True, about={"license": "free"})
    assert made.sizes == [(16, 16), (20, 16), (16, 24)]
    assert made.difference < 1e-5
    assert "`z` [1, 3] float32, drawn anew" in made.notes
    assert "Blending stays outside" in made.notes
    assert str(inpaintx.__path__[0]).encode() not in made.path.read_bytes()
    graph = InpaintGraph(Noisy(), loaded().net)
    if suffix == ".onnx":
        runs = session(made.path)
        assert [i.name for i in runs.get_inputs()] == graph.names == ["image", "mask", "z"]
        meta = runs.get_modelmeta().custom_metadata_map
        assert {node.domain for node in _nodes(made.path)} == {""}
        found = meta["notes"]
    else:
        files = {"README.md": "", "inpaintx.method": "", "license": ""}
        torch.export.load(made.path, extra_files=files)
        meta, found = files, files["README.md"]
    assert (meta["inpaintx.method"], meta["license"], found) == ("noisy", "free", made.notes)


def _nodes(path):
    import onnx

    return onnx.load(path).graph.node


def test_another_draw_gives_another_fill(tmp_path):
    runs = session(export_graph(Noisy(), loaded(), tmp_path / "net.onnx", size=16).path)
    image, mask, z = (x.numpy() for x in InpaintGraph(Noisy(), loaded().net).inputs(16, 16))
    first, second = (runs.run(None, {"image": image, "mask": mask, "z": draw})[0] for draw in (z, z + 1))
    hole = (mask > 0).repeat(3, 1)
    assert (first[~hole] == image[~hole]).all()
    assert (second[~hole] == image[~hole]).all()
    assert (first[hole] != second[hole]).any()


def test_plain_ops_need_no_inpaintx(tmp_path):
    for plain in (False, True):
        made = export_graph(Noisy(), loaded(), tmp_path / f"{plain}.pt2", size=16, plain=plain)
        assert ("inpaintx.partial_conv2d" in str(torch.export.load(made.path).graph)) is not plain
        assert ("import inpaintx.ops" in made.notes) is not plain


def test_mirrored_fills_are_in_the_graph(tmp_path):
    config = {"mirrored": True, "drawn": "none"}
    assert export_graph(Noisy(), loaded(**config), tmp_path / "net.pt2", size=16).difference < 1e-6
    with pytest.raises(InpaintxError, match="set mirrored=false"):
        InpaintGraph(Noisy(), loaded(mirrored=True).net)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"size": 18}, "sides that are multiples of 4"),
        ({"size": 1 << 20}, "at most"),
    ],
)
def test_sizes_that_do_not_fit(tmp_path, options, words):
    with pytest.raises(InpaintxError, match=words):
        export_graph(Noisy(), loaded(), tmp_path / "net.pt2", **options)
    assert not list(tmp_path.iterdir())


def test_a_graph_that_computes_something_else_is_not_written(tmp_path, monkeypatch):
    monkeypatch.setattr(InpaintGraph, "difference", lambda *_: 1e-3)
    with pytest.raises(InpaintxError, match=r"differs from eager by 0\.001.*nothing was written"):
        export_graph(Noisy(), loaded(), tmp_path / "net.pt2", size=16)
    assert not list(tmp_path.iterdir())


def test_a_changed_known_pixel_is_found():
    graph = InpaintGraph(Noisy(), loaded(drawn="none").net)
    with pytest.raises(InpaintxError, match="known pixels were changed"):
        graph.difference([(16, 16)], lambda image, mask: (image + 1e-6, image))


@pytest.mark.parametrize(
    ("method", "options", "words"),
    [
        ("telea", {}, "has no network"),
        ("yeh", {"starts": 1, "steps": 1}, "no single pass of a network"),
        (Noisy(), {"drawn": "normal"}, r"draws by aten\.normal"),
    ],
)
@pytest.mark.filterwarnings("ignore::inpaintx.UntrainedWarning")
def test_what_no_graph_can_stand_for(tmp_path, method, options, words):
    method = registry().method(method) if isinstance(method, str) else method
    options = {k: v for k, v in options.items() if k in type(method.config()).model_fields}
    with pytest.raises(InpaintxError, match=words):
        export_graph(method, loaded(method, **options), tmp_path / "net.pt2")
    assert not list(tmp_path.iterdir())


FORWARD = (
    *("context_encoder", "deepfill", "foreground", "hog_guided"),
    *("pconv", "pconv_prior", "pdgan", "pix2pix_attention"),
)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::inpaintx.UntrainedWarning")
@pytest.mark.parametrize("name", [*(f"{name}.pt2" for name in FORWARD), "pconv_prior.onnx"])
def test_every_feed_forward_method_leaves(name, tmp_path):  # docs/exports.py does all of them as ONNX
    method = registry().method(name.split(".")[0])
    net = load(method, method.config("tiny"), None, CPU, preset="tiny")
    assert export_graph(method, net, tmp_path / name).difference <= 1e-4


@pytest.mark.slow
def test_attention_to_patches_leaves_with_free_sizes():
    def attend(x, mask):
        return ops.contextual_attention(x, x, mask)

    class Net(nn.Module):
        def forward(self, x, mask):
            return attend(x, mask)

    free = {2: 2 * torch.export.Dim("h", min=1), 3: 2 * torch.export.Dim("w", min=1)}  # whole steps of the rate
    x, mask = torch.rand(1, 2, 16, 20), torch.zeros(1, 1, 16, 20)
    mask[..., 4:8, 6:10] = 1
    program = torch.export.export(Net(), (x, mask), dynamic_shapes=(free, free), strict=False).module()
    for size in ((16, 20), (18, 12), (30, 24)):
        other, hole = torch.rand(1, 2, *size), torch.zeros(1, 1, *size)
        hole[..., 3:6, 2:5] = 1
        torch.testing.assert_close(program(other, hole), attend(other, hole), atol=0, rtol=0)


def test_the_command(tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(registry().methods, "noisy", Noisy())
    file = tmp_path / "net.pt2"
    command = ["export", "noisy", "--torch-export", str(file), "--size", "16", "--dynamic"]
    assert run(command) == 0
    said = capsys.readouterr().out
    assert "tracing noisy at 16 x 16 pixels" in said
    assert "comparing with eager at 16 x 16, 20 x 16, 16 x 24" in said
    assert f"wrote {file}, SHA-256 " in said
    meta = {"inpaintx.config": ""}
    torch.export.load(file, extra_files=meta)
    assert json.loads(meta["inpaintx.config"]) == {"mirrored": False, "drawn": "randn"}
    before = file.read_bytes()
    for arguments, words in (
        (command[1:], "exists; give another name"),
        (["noisy"], "nothing to write"),
        (["noisy", "--onnx", "net.pt2"], "expected the name of a .onnx file"),
        (["noisy", "-o", "w.safetensors"], "'inpaintx weights path noisy'"),
        (["nosuch", "--card", "c.md"], "neither the folder of a run nor a method"),
        (["noisy", "--card", str(tmp_path / "c.md")], "there are no weights to write a card of"),
        ([str(tmp_path), "--card", str(tmp_path / "c.md")], "write that too, with -o"),
        ([str(tmp_path), "--onnx", "a.onnx", "--weights", "x"], "--which names the checkpoint"),
    ):
        assert run(["export", *arguments]) == 2, arguments
        assert words in capsys.readouterr().err
    assert file.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["net.pt2"]
