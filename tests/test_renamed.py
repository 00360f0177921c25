"""What had other names in version 0.1: attributes of methods, set on the class or read, keywords and options."""

import numpy as np
import pytest
import torch

import inpaintx
from inpaintx.data.sampler import parse_mask_spec
from inpaintx.inference.run import run_method
from inpaintx.plugin.registry import registry
from inpaintx.plugin.renamed import ATTRIBUTES, RenamedAttribute

VALUES = {
    "takes": frozenset({"other"}),
    "stored": frozenset({"width"}),
    "draws": True,
    "fixed": True,
    "trained": True,
    "multiple_of": lambda self, config: 4,
    "needs": lambda self, config: frozenset({"skin"}),
    "tuned": lambda self, config: "tuned",
    "side": lambda self, config: 16,
}


def define(bases=(inpaintx.Method,), **attributes):
    return type("Old", bases, {"name": "old", "paper": "", **attributes})


def value(holder, name):
    found = getattr(holder, name)
    return found(None) if callable(found) else found


@pytest.mark.parametrize("old", ATTRIBUTES)
def test_set_on_the_class(old):
    new = ATTRIBUTES[old]
    with pytest.warns(DeprecationWarning, match=rf"Old\.{old} is deprecated and goes in 0\.3; use {new}") as warned:
        cls = define(**{old: VALUES[old]})
    assert warned[0].filename == __file__
    given = VALUES[old](None, None) if callable(VALUES[old]) else VALUES[old]
    assert value(cls(), new) == given
    assert value(define((cls,))(), new) == given  # and by what derives from it
    assert value(inpaintx.Method(), new) != given


@pytest.mark.parametrize("old", ATTRIBUTES)
def test_read(old):
    new = ATTRIBUTES[old]
    method = define(**{new: VALUES[old]})()
    with pytest.warns(DeprecationWarning, match=rf"Old\.{old} is deprecated and goes in 0\.3; use {new}") as warned:
        assert value(method, old) == value(method, new)
    assert warned[0].filename == __file__
    with pytest.warns(DeprecationWarning, match=old):
        assert getattr(type(method), old) == VALUES[old]


def test_every_old_name_is_there():
    names = {name for name, found in vars(inpaintx.Method).items() if isinstance(found, RenamedAttribute)}
    assert names == set(ATTRIBUTES)


@pytest.mark.filterwarnings("ignore:.* is deprecated and goes in 0.3:DeprecationWarning")
def test_an_old_override_that_calls_the_base_class():
    class Old(inpaintx.Method):
        def needs(self, config):
            return super().needs(config) | {"skin"}

    class More(Old):
        def needs(self, config):
            return super().needs(config) | {"landmarks"}

    assert Old().required_annotations(None) == Old().needs(None) == {"skin"}
    assert More().required_annotations(None) == More().needs(None) == {"skin", "landmarks"}

    class New(More):
        def required_annotations(self, config):
            return super().required_annotations(config) | {"foreground"}

    assert New().required_annotations(None) == New().needs(None) == {"skin", "landmarks", "foreground"}


@pytest.mark.filterwarnings("ignore:.* is deprecated and goes in 0.3:DeprecationWarning")
def test_the_main_job_goes_by_old_names():
    seen = []

    class Old(inpaintx.Method):
        name, paper, fixed = "old", "", True

        def side(self, config):
            return 16

        def inpaint(self, net, image, mask, *, generator=None):
            seen.append(list(image.shape))
            return image

    method, mask = Old(), torch.zeros(1, 1, 20, 24)
    run_method(method, method.network(method.config()), torch.rand(1, 3, 20, 24), mask)
    assert seen == [[1, 3, 16, 16]]


def test_terms_of_weights():
    with pytest.warns(DeprecationWarning, match=r"Weights\(licence=\) is deprecated and goes in 0\.3; use license="):
        weights = inpaintx.Weights("file.safetensors", licence="mine")
    assert weights == inpaintx.Weights("file.safetensors", license="mine")
    with pytest.warns(DeprecationWarning, match=r"Weights\.licence is deprecated"):
        assert weights.licence == weights.license == "mine"
    assert inpaintx.Weights("file.safetensors").license == ""


def test_options_spelt_otherwise():
    old, new = (parse_mask_spec(f"{name}:side=0.3+box", size=32) for name in ("centre", "center"))
    for i in range(4):
        np.testing.assert_array_equal(old((i,)), new((i,)))
    method = registry().method("context_encoder")
    assert method.config(variant="centre", bottleneck="conv") == method.config(variant="center", bottleneck="conv")
