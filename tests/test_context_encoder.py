"""Plugin context_encoder: the contract and the parts of the acceptance list that need no faces."""

import pytest
import torch
from inpaintx_plugins.context_encoder import ContextEncoder
from inpaintx_plugins.context_encoder.network import ChannelwiseDense, Network
from inpaintx_plugins.context_encoder.trainer import loss_weights, squared_error
from inpaintx_plugins.context_encoder.window import shown_to_network, square

from inpaintx.errors import InpaintxError
from inpaintx.inference.run import run_method
from inpaintx.testing import run_rules


def count(module):
    return sum(p.numel() for p in module.parameters())


def box(size, top, bottom, batch=1):
    mask = torch.zeros(batch, 1, size, size)
    mask[..., top:bottom, top:bottom] = 1
    return mask


def small(variant, **options):
    method = ContextEncoder()
    torch.manual_seed(0)
    config = method.config("tiny", variant=variant, **options)
    return method, config, method.network(config)


def test_contract():
    assert not [r for r in run_rules(ContextEncoder) if r.error]


def test_parameters():
    convs = 16 * (3 * 64 + 64 * 64 + 64 * 128 + 128 * 256 + 256 * 512)  # the encoder's, and the whole decoder's
    norms = 2 * (64 + 128 + 256 + 512)
    code = 2 * 16 * 512 * 4000 + 2 * 4000
    whole = Network(128, 64, "random", "conv", 4000)
    assert count(whole) == 71_190_208 == 2 * convs + code + norms + 2 * (512 + 256 + 128 + 64 + 64)
    # the decoder for the middle has one layer of 64 channels less
    assert count(Network(128, 64, "center", "conv", 4000)) == 71_190_208 - 16 * 64 * 64 - 2 * 64
    narrow = ContextEncoder().config()
    net = Network(narrow.size, narrow.width, narrow.variant, narrow.bottleneck, narrow.code)
    assert count(net) < 6_000_000  # 12 MB in half precision


@pytest.mark.parametrize(("variant", "side"), [("center", 32), ("random", 64)])
@pytest.mark.parametrize("bottleneck", ["conv", "cfc"])
def test_every_corner_is_seen_from_every_corner(variant, side, bottleneck):
    torch.manual_seed(0)
    net = Network(64, 4, variant, bottleneck, 32).double().eval()
    x = torch.rand(1, 3, 64, 64, dtype=torch.float64, requires_grad=True)
    y = net(x)
    assert y.shape == (1, 3, side, side)
    for row in (0, -1):
        for column in (0, -1):
            (seen,) = torch.autograd.grad(y[0, :, row, column].sum(), x, retain_graph=True)
            assert all(bool(seen[0, :, r, c].any()) for r in (0, -1) for c in (0, -1))


def test_the_dense_layer_keeps_channels_apart():
    layer = ChannelwiseDense(3, 4)
    x = torch.rand(1, 3, 4, 4, requires_grad=True)
    apart = torch.einsum("bci,cij->bcj", x.flatten(2), layer.weight).view_as(x)
    mixed = torch.stack([(apart * w).sum((1, 2, 3)) for w in torch.eye(3)[:, None, :, None, None]])
    (gradient,) = torch.autograd.grad(mixed[1].sum(), x)
    assert bool(gradient[:, 1].all())
    assert not gradient[:, [0, 2]].any()
    assert torch.allclose(layer(x), layer.mix(apart))


def test_weights_of_the_overlap():
    weights = loss_weights(128, 4, 10.0)
    assert weights.shape == (64, 64)
    assert weights[4:60, 4:60].eq(1).all()
    assert int((weights == 10).sum()) == 64**2 - 56**2
    a = torch.zeros(1, 3, 64, 64)
    rim, inside = a.clone(), a.clone()
    rim[..., 3, 30], inside[..., 4, 30] = 1, 1
    assert float(squared_error(rim, a, weights)) == pytest.approx(10 * float(squared_error(inside, a, weights)))
    assert float(squared_error(a + 1, a, torch.ones(64, 64))) == 1


def test_known_pixels_count_in_the_loss_only_if_asked():
    hole = box(64, 10, 20)
    image = torch.rand(2, 3, 64, 64)
    errors = []
    for known in (0.0, 2.0):
        method, config, net = small("random", known_weight=known)
        trainer = method.trainer(net.train(), config)
        seen = {}
        trainer.networks["net"] = lambda x, seen=seen: seen.setdefault("out", torch.zeros_like(x, requires_grad=True))
        trainer.update = lambda name, loss, seen=seen: seen.update({name: loss})
        trainer.step({"image": image, "mask": hole.expand(2, -1, -1, -1)})
        (gradient,) = torch.autograd.grad(seen["net"], seen["out"])
        errors.append(bool(gradient[:, :, 40:, 40:].any()))
    assert errors == [False, True]


def test_the_center_variant_fills_its_square_alone():
    method, config, net = small("center")
    net.eval()
    image = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    inner = square(64, config.overlap)[-1]
    assert (inner.start, inner.stop) == (20, 44)
    out = run_method(method, net, image, box(64, 20, 44, 2)).image
    known = (box(64, 20, 44, 2) == 0).expand_as(image)
    assert torch.equal(out[known], image[known])
    assert not torch.equal(out, image)
    run_method(method, net, image, box(64, 30, 40, 2))  # any hole inside it
    with pytest.raises(InpaintxError, match=r"square of 24 pixels in the middle of 64x64, from 20 to 43, .* 'random'"):
        run_method(method, net, image, box(64, 19, 44, 2))


def test_the_center_variant_trains_on_its_square_and_does_not_look_into_it():
    losses = []
    for other in (0, 1):
        method, config, net = small("center")
        trainer = method.trainer(net.train(), config)
        image = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(1))
        mask = box(64, 0, 9 + other, 2)
        losses.append(trainer.step({"image": image, "mask": mask}))
    assert losses[0]["l2"] == losses[1]["l2"]
    hidden = torch.zeros(2, 1, 64, 64, dtype=torch.bool)
    hidden[square(64, 4)] = True
    changed = torch.where(hidden, 1 - image, image)
    assert torch.equal(shown_to_network(image, hidden), shown_to_network(changed, hidden))


@pytest.mark.parametrize(("options", "words"), [({"size": 96}, "power of two"), ({"overlap": 16}, "leaves nothing")])
def test_options_that_do_not_fit(options, words):
    with pytest.raises(InpaintxError, match=words):
        ContextEncoder().config("tiny", **options)


@pytest.mark.parametrize("variant", ["random", "center"])
def test_two_pictures_are_learnt(variant):
    """A short run: the squared error falls far below that of each picture's mean colour."""
    method, config, net = small(variant, bottleneck="conv", code=64)
    trainer = method.trainer(net.train(), config)
    y, x = torch.meshgrid(torch.arange(64.0), torch.arange(64.0), indexing="ij")
    image = torch.stack(
        [0.5 + 0.4 * torch.sin(x / 9 + k) * torch.cos(y / (7 + 5 * b)) for b in (0, 1) for k in range(3)]
    ).view(2, 3, 64, 64)
    mask = box(64, 20, 44, 2)
    true = 2 * image[..., 20:44, 20:44] - 1
    flat = (true - true.mean((2, 3), keepdim=True)).square().mean()
    torch.manual_seed(1)
    errors = [float(trainer.step({"image": image, "mask": mask})["l2"]) for _ in range(80)]
    assert errors[0] > flat
    assert min(errors[-5:]) < 0.25 * flat
