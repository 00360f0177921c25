"""Options of the project's own methods: described, one word for one thing, and taken under their earlier names."""

import json

import pytest
import torch
from pydantic import Field

import inpaintx
from inpaintx.cli import run
from inpaintx.plugin import weights
from inpaintx.plugin.method import LearnedConfig, with_options
from inpaintx.plugin.registry import registry
from inpaintx.testing import count_ops
from inpaintx.training.config import TrainConfig

PLUGINS = "inpaintx_plugins."
OWN = {name: method for name, method in registry().methods.items() if type(method).__module__.startswith(PLUGINS)}
EARLIER = [
    ("context_encoder", {"learning_rate": 1e-4}, {"lr": 1e-3, "discriminator_lr": 1e-4}),
    ("context_encoder", {"learning_rate": 1e-4, "generator_rate": 2}, {"lr": 2e-4, "discriminator_lr": 1e-4}),
    ("deepfill", {"critic_steps": 3}, {"discriminator_steps": 3}),
    ("foreground", {"critic_lr": 1e-3, "critic_width": 8}, {"discriminator_lr": 1e-3, "discriminator_width": 8}),
    ("foreground", {"losses": "literal", "critic_norm": True}, {"equations": "literal", "discriminator_norm": True}),
    ("pconv", {"taps": "light", "batch": 3}, {"layers": "light", "batch_size": 3}),
    ("pconv_prior", {"taps": "light"}, {"layers": "light"}),
    ("yeh", {"critic": 8, "rate": 0.1, "window": 5}, {"discriminator_width": 8, "search_lr": 0.1, "kernel_size": 5}),
    ("qiang", {"learning_rate": 1e-3, "prior": "nonsaturating"}, {"lr": 1e-3, "prior_form": "nonsaturating"}),
    ("efros_leung", {"window": 9}, {"kernel_size": 9}),
    ("patchmatch", {"patch": 9}, {"kernel_size": 9}),
]


@pytest.mark.parametrize("name", OWN)
def test_every_option_is_described(name):
    fields = OWN[name].Config.model_fields
    assert [option for option, field in fields.items() if not field.description] == []


def test_every_option_of_the_loop_is_described():
    assert [option for option, field in TrainConfig.model_fields.items() if not field.description] == []


def test_a_name_means_one_type():
    kinds = {}
    for name, method in OWN.items():
        for option, field in method.Config.model_fields.items():
            kinds.setdefault(option, {}).setdefault(repr(field.annotation), []).append(name)
    assert {option: found for option, found in kinds.items() if len(found) > 1} == {}


def test_rates_and_sizes_have_one_word():
    odd = {"learning_rate", "generator_rate", "rate", "batch", "critic", "critic_lr", "critic_width", "window", "patch"}
    assert {name: used for name, m in OWN.items() if (used := odd & m.Config.model_fields.keys())} == {}


@pytest.mark.parametrize(("name", "old", "new"), EARLIER)
def test_earlier_names(name, old, new):
    method = OWN[name]
    assert method.config(**old) == method.config(**new) == method.Config(**old)
    assert method.config(**old) != method.config()
    assert with_options(method.config(), old, "these") == method.config(**new)


def test_weights_with_options_of_earlier_names(tmp_path):
    method = OWN["yeh"]
    config = method.config("tiny", discriminator_width=12)
    torch.manual_seed(0)
    net = method.network(config)
    options = {"critic" if key == "discriminator_width" else key: value for key, value in config.model_dump().items()}
    options["batch"] = options.pop("batch_size")
    weights.save(tmp_path / "w.safetensors", method, config, net, **{"inpaintx.config": json.dumps(options)})
    loaded = weights.load(method, method.config("tiny"), str(tmp_path / "w.safetensors"), torch.device("cpu"))
    assert loaded.config.discriminator_width == 12
    for key, value in net.state_dict().items():
        assert torch.equal(value, loaded.net.state_dict()[key])


def test_a_plugins_batch_is_its_batch_size():
    with pytest.warns(DeprecationWarning, match=r"Own\.batch is deprecated and goes in 0\.3; use batch_size"):

        class Own(LearnedConfig):
            batch: int = Field(default=5, ge=1)

    assert Own().batch_size == 5
    assert Own(batch=3) == Own(batch_size=3)
    assert Own.model_fields.keys() == LearnedConfig.model_fields.keys()
    with pytest.warns(DeprecationWarning, match=r"Own\.batch is deprecated"):
        assert Own(batch_size=4).batch == 4
    assert isinstance(Own(), inpaintx.Config)
    assert "batch" not in Own().model_dump()


@pytest.mark.parametrize(
    ("name", "fill", "step"),
    [
        ("pconv", {"partial_conv2d", "poisson_blend"}, {"partial_conv2d", "partial_conv2d_backward"}),
        ("tv", {"tv_inpaint"}, None),
        ("patchmatch", {"patchmatch", "tv_inpaint"}, None),
    ],
)
def test_ops_are_counted_where_they_are_called(name, fill, step):
    found = count_ops(OWN[name])
    assert set(found["fill"]) == fill
    assert ("step" in found) == (step is not None)
    assert set(found.get("step", ())) == (step or set())
    assert all(calls > 0 for part in found.values() for calls in part.values())


def test_methods_shows_one_method(capsys):
    assert run(["methods", "tv", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["options"]["tol"] == {
        "type": "float",
        "default": 1e-4,
        "description": "primal-dual gap relative to the energy",
    }
    assert found["presets"] == ["default", "paper", "tiny"]
    assert found["paper"] == OWN["tv"].paper
    assert found["ops"] == {"fill": {"tv_inpaint": 1}}
    assert run(["methods", "tv"]) == 0
    words = capsys.readouterr().out
    assert "ops, fill (preset tiny): tv_inpaint x1" in words
    assert "primal-dual gap relative to the energy" in words
    assert run(["methods", "teleq"]) == 2
    assert "did you mean 'telea'?" in capsys.readouterr().err


def test_methods_shows_choices_and_weights(capsys):
    assert run(["methods", "yeh", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["options"]["prior_form"]["type"] == "saturating | nonsaturating"
    assert found["weights"]["default"]["preset"] == "default"
    assert "poisson_blend" in found["ops"]["fill"]
