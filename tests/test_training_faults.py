"""Faults in a plugin's part of training: one sentence that names the plugin."""

import pytest
from test_training import run
from toy_training import Toy, ToyTrainer

from inpaintx import InpaintxError
from inpaintx.cli import run as cli


@pytest.mark.parametrize(
    ("part", "owner"),
    [
        ("build", Toy),
        ("trainer", Toy),
        ("required_annotations", Toy),
        ("step", ToyTrainer),
        ("advance", ToyTrainer),
        ("state_dict", ToyTrainer),
    ],
)
@pytest.mark.parametrize("error", [KeyError("skin"), SystemExit(3), RuntimeError("first line\nsecond line")])
def test_a_fault_in_a_plugin_is_a_sentence_that_names_it(toy_faces, tmp_path, monkeypatch, part, owner, error):
    def fail(*_):
        raise error

    monkeypatch.setattr(owner, part, fail)
    with pytest.raises(
        InpaintxError, match=rf"method 'toy' \(.*\) failed in {part}\(\).*: {type(error).__name__}"
    ) as caught:
        run(toy_faces, tmp_path / "run")
    assert caught.value.__cause__ is error
    assert "second line" not in str(caught.value)


def test_a_fault_in_load_state_dict_is_a_sentence(toy_faces, tmp_path, monkeypatch):
    run(toy_faces, tmp_path / "run")

    def fail(*_):
        raise AttributeError("gone")

    monkeypatch.setattr(ToyTrainer, "load_state_dict", fail)
    with pytest.raises(InpaintxError, match=r"failed in load_state_dict\(\): AttributeError: gone"):
        run(toy_faces, tmp_path / "run", steps=8, resume=True)


def test_a_fault_in_a_plugins_training_on_the_command_line(toy, toy_faces, tmp_path, monkeypatch, capfd):
    def fail(*_):
        raise ZeroDivisionError("of nothing")

    monkeypatch.setattr(ToyTrainer, "step", fail)
    command = ["train", "toy", str(toy_faces), "-o", str(tmp_path / "run"), "--set", "validate_every=0"]
    assert cli([*command, "--device", "cpu"]) == 2
    err = capfd.readouterr().err
    assert "failed in step(), at step 1: ZeroDivisionError: of nothing (its trace: --debug)" in err
    assert "Traceback" not in err
    assert cli([*command, "--device", "cpu", "--debug", "--resume"]) == 2
    assert "Traceback" in capfd.readouterr().err
