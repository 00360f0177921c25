"""Every method with a term on VGG's features takes a weight file of them, and the run says which."""

import pytest
from vgg_files import vgg_file as written

from inpaintx import InpaintxError
from inpaintx.io.digest import sha256
from inpaintx.plugin.registry import methods, registry

TINY = {
    "pconv": {"preset": "tiny", "levels": 3, "size": 32},
    "pconv_prior": {"preset": "tiny", "levels": 3, "size": 32},
    "pdgan": {"preset": "tiny", "size": 32},
    "hog_guided": {"preset": "tiny"},
    "foreground": {"preset": "tiny"},
}


@pytest.fixture(scope="module")
def vgg_file(tmp_path_factory):
    return written(tmp_path_factory.mktemp("vgg") / "features.safetensors")


def test_all_methods_with_such_a_term_are_tested():
    with_vgg = {name for name in methods() if "vgg" in type(registry().method(name).config()).model_fields}
    assert with_vgg == set(TINY)


@pytest.mark.parametrize("name", TINY)
def test_the_file_is_taken_and_recorded(name, vgg_file):
    method = registry().method(name)
    config = method.config(**TINY[name], vgg_path=str(vgg_file))
    trainer = method.trainer(method.network(config), config)
    assert trainer.frozen["vgg"] == f"file:{vgg_file.name}@{sha256(vgg_file)[:8]}"
    tuned = method.finetune_config(config)
    assert (tuned.vgg_path, tuned.vgg) == ("", "error")  # a training from these weights names its features anew
    plain = method.config(**TINY[name])
    assert method.finetune_config(plain).vgg == plain.vgg
    missing = method.config(**TINY[name], vgg_path="no/such/file.safetensors")
    with pytest.raises(InpaintxError, match="no weight file no/such"):
        method.trainer(method.network(missing), missing)
