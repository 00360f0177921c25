"""How many images weights have seen, over the runs behind them."""

from inpaintx_plugins.hog_guided import HOGGuided
from inpaintx_plugins.pconv_prior import PConvPrior

from inpaintx.training.begin import Seen, seen_before


def test_weights_of_earlier_versions_say_their_last_run():
    assert seen_before(PConvPrior(), "l1") == Seen(32_000 * 8, whole=True)
    assert seen_before(HOGGuided(), "default").whole is False


def test_weights_say_what_those_before_them_had_seen():
    assert seen_before(PConvPrior(), "default") == Seen(32_000 * 8 + (6_000 + 3_600 + 3_300) * 8, whole=True)


def test_nothing_before_and_nothing_known(tmp_path):
    assert seen_before(PConvPrior(), "") == Seen(0, whole=True)
    assert seen_before(PConvPrior(), str(tmp_path / "gone.safetensors")) == Seen(0, whole=False)
