"""What the command line shows of plugins, methods and the machine."""

import json
from pathlib import Path
from typing import Annotated

import pytest
import toy_methods
import typer
from toy_methods import FakeEntryPoint

import inpaintx
import inpaintx.io.atomic
from inpaintx.cli import run

pytestmark = pytest.mark.usefixtures("toys")
ROOT = Path(__file__).parent.parent


def test_plugins_and_methods(capfd):
    assert run(["plugins", "--json"]) == 0
    rows = {row["name"]: row for row in json.loads(capfd.readouterr().out)}
    assert "dice" in rows["toys"]["methods"]
    assert "ImportError: no such thing" in rows["broken"]["error"]
    assert run(["plugins"]) == 0
    assert "no such thing" in capfd.readouterr().out
    assert run(["methods", "--json"]) == 0
    rows = {row["name"]: row for row in json.loads(capfd.readouterr().out)}
    assert rows["learned"]["weights"] == {"default": None, "gone": None}
    assert (rows["dice"]["plugin"], rows["dice"]["trainable"]) == ("toys", False)
    assert run(["methods"]) == 0
    out = capfd.readouterr().out
    assert "https://example.org/dice" in out
    assert "not found" in out


def test_plugins_shows_all_that_they_give(capfd, monkeypatch):
    class Giving:
        inpaintx_register_masks = staticmethod(inpaintx.hookimpl(lambda register: register("dots", print)))
        inpaintx_register_metrics = staticmethod(inpaintx.hookimpl(lambda register: register("likeness", print)))

    entries = [FakeEntryPoint("giving", Giving), FakeEntryPoint("toys", toy_methods)]
    monkeypatch.setattr(inpaintx.plugin.registry, "_registry", inpaintx.plugin.registry.Registry(entries))
    assert run(["plugins", "--json"]) == 0
    giving, toys = json.loads(capfd.readouterr().out)
    assert [giving[kind] for kind in ("methods", "masks", "metrics", "commands")] == [[], ["dots"], ["likeness"], []]
    assert toys["commands"] == ["hello"]
    assert run(["plugins"]) == 0
    assert "masks: dots; metrics: likeness" in capfd.readouterr().out


def test_commands_of_plugins_and_of_bad_ones(capfd, monkeypatch):
    class Loud:
        @staticmethod
        @inpaintx.hookimpl
        def inpaintx_register_commands(app):
            app.command("extra")(lambda: None)
            raise RuntimeError("no")

    class Thief:
        @staticmethod
        @inpaintx.hookimpl
        def inpaintx_register_commands(app):
            app.command("inpaint")(lambda: print("stolen"))

    entries = [FakeEntryPoint("loud", Loud), FakeEntryPoint("thief", Thief), FakeEntryPoint("toys", toy_methods)]
    registry = inpaintx.plugin.registry.Registry(entries)
    monkeypatch.setattr(inpaintx.plugin.registry, "_registry", registry)
    assert run(["hello"]) == 0
    assert capfd.readouterr().out == "hello from a plugin\n"
    errors = {p.name: p.error for p in registry.plugins}
    assert errors == {
        "loud": "its commands: RuntimeError: no",
        "thief": "its commands: ValueError: command 'inpaint' is taken",
        "toys": None,
    }
    assert run(["extra"]) == 2
    capfd.readouterr()
    assert run(["inpaint"]) == 2
    assert "stolen" not in capfd.readouterr().out


def test_a_command_of_a_plugin_that_fails_is_a_sentence(capfd, monkeypatch):
    def fail(how: str = "wrong"):
        if how == "exit":
            raise SystemExit(7)
        if how == "said":
            raise inpaintx.InpaintxError("give another one")
        open(how if how != "wrong" else Path("/none") / how)  # noqa: SIM115

    def parsed(value: str) -> str:
        raise ZeroDivisionError(value)

    def with_option(how: Annotated[str, typer.Option(callback=parsed)] = "x"):
        pass

    class Failing:
        @staticmethod
        @inpaintx.hookimpl
        def inpaintx_register_commands(app):
            app.command("fail")(fail)
            group = typer.Typer()
            group.command("inner")(fail)
            group.command("option")(with_option)
            app.add_typer(group, name="group")

    registry = inpaintx.plugin.registry.Registry([FakeEntryPoint("failing", Failing)])
    monkeypatch.setattr(inpaintx.plugin.registry, "_registry", registry)
    start = "inpaintx: command {!r} of plugin 'failing' (unknown unknown) failed in its function: "
    for words, command in ((["fail"], "fail"), (["group", "inner"], "group"), (["group", "option"], "group")):
        kind = "ZeroDivisionError: x" if words[-1] == "option" else "FileNotFoundError: [Errno 2]"
        assert run(words) == 2
        err = capfd.readouterr().err
        assert err.startswith(start.format(command) + kind)
        assert err.endswith(" (its trace: --debug)\n")
        assert err.count("\n") == 1
        assert run([*words, "--debug"]) == 2
        assert "Traceback" in capfd.readouterr().err
    assert run(["fail", "--how", "exit"]) == 7
    assert run(["fail", "--how", "said"]) == 2
    assert capfd.readouterr().err == "inpaintx: give another one\n"
    assert run(["fail", "--unknown"]) == 2
    assert "No such option" in capfd.readouterr().err
    assert registry.plugins[0].commands == ["fail", "group"]


def test_check(capfd, monkeypatch):
    assert run(["check", "dice"]) == 0
    assert "method 'dice' keeps the contract" in capfd.readouterr().out
    monkeypatch.setattr(toy_methods.Dice, "inpaint", lambda self, net, image, mask, *, generator=None: image[:, :, 1:])
    assert run(["check", "dice"]) == 1
    out = capfd.readouterr().out
    assert "BROKEN  any size: " in out
    assert "method 'dice' breaks" in out
    assert run(["check", "dise"]) == 2
    assert "did you mean 'dice'" in capfd.readouterr().err


def test_doctor(capfd, monkeypatch, tmp_path):
    (tmp_path / "toy_learned.safetensors").write_text("x")
    monkeypatch.setenv("INPAINTX_WEIGHTS", str(tmp_path))
    assert run(["doctor", "--json"]) == 0
    found = json.loads(capfd.readouterr().out)
    assert found["versions"]["inpaintx"] == inpaintx.__version__
    assert {"python", "torch", "numpy", "cv2", "pluggy", "pydantic"} <= set(found["versions"])
    assert found["build"] == json.loads(json.dumps(inpaintx.build_info()))
    assert "cpu" in found["devices"]
    assert found["threads"]["torch"] >= 1
    assert found["memory"].keys() == {"GLIBC_TUNABLES", "INPAINTX_CACHE_MB"}
    assert found["plugins"]["broken"]["error"].startswith("ImportError: no such thing (")
    assert found["weights"]["learned/default"]["file"] == str(tmp_path / "toy_learned.safetensors")
    assert found["weights"]["learned/gone"]["state"] == "not found"
    assert run(["doctor"]) == 0
    out = capfd.readouterr().out
    assert f"inpaintx: {inpaintx.__version__}" in out
    assert "no such thing" in out


def test_doctor_says_why_opencv_does_not_load(capfd, monkeypatch):
    def broken():
        raise inpaintx.InpaintxError("OpenCV does not load (libGL.so.1)")

    monkeypatch.setattr("inpaintx.cli.doctor.import_cv2", broken)
    assert run(["doctor"]) == 0
    assert "libGL.so.1" in capfd.readouterr().out


def test_help_and_version(capfd):
    assert run(["--version"]) == 0
    assert capfd.readouterr().out == f"inpaintx {inpaintx.__version__}\n"
    assert run(["--help"]) == 0
    out = capfd.readouterr().out
    assert "hello" in out
    assert "--install-completion" in out
    assert run(["inpaint", "--nothing"]) == 2
