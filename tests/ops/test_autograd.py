"""Ops with gradients of their own: with nobody asking for one they go another way, and nothing may be lost there; with
more asked for than a gradient (gradients of gradients, tangents, torch.func) they give what their references do.
"""

import pytest
import torch
from torch.autograd import forward_ad, gradcheck, gradgradcheck

import inpaintx
from inpaintx import ops

IMAGE, MASK = torch.rand(1, 2, 12, 14, generator=torch.Generator().manual_seed(0)), torch.zeros(1, 1, 12, 14)
MASK[..., 3:8, 4:9] = 1
WEIGHT = torch.linspace(-1, 1, 2 * 2 * 3 * 3).reshape(2, 2, 3, 3)
OPS = {
    "partial_conv2d": lambda x: ops.partial_conv2d(x, MASK, WEIGHT.to(x))[0],
    "poisson_blend": lambda x: ops.poisson_blend(x, IMAGE.flip(3).to(x), MASK, tol=1e-12),
    "spd_norm": lambda x: ops.spd_norm(x, IMAGE.to(x), IMAGE.flip(2).to(x), 1 - MASK),
    "ssim": lambda x: ops.ssim(x, IMAGE.flip(3).to(x)),
    "conv3x3": lambda x: ops.conv3x3(x, WEIGHT.to(x)),
}
REFERENCES = {
    "partial_conv2d": lambda x: ops.partial_conv2d_ref(x, MASK, WEIGHT.to(x))[0],
    "poisson_blend": lambda x: ops.poisson_blend_ref(x, IMAGE.flip(3).to(x), MASK, tol=1e-12),
    "spd_norm": lambda x: ops.spd_norm_ref(x, IMAGE.to(x), IMAGE.flip(2).to(x), 1 - MASK),
    "ssim": lambda x: ops.ssim_ref(x, IMAGE.flip(3).to(x)),
    "conv3x3": lambda x: ops.conv3x3_ref(x, WEIGHT.to(x)),
}


@pytest.mark.parametrize("op", OPS.values(), ids=OPS)
def test_the_same_with_a_gradient_and_without(op):
    wanted = op(IMAGE.clone().requires_grad_())
    assert wanted.requires_grad
    assert torch.equal(op(IMAGE), wanted)
    with torch.no_grad():
        assert not op(IMAGE.clone().requires_grad_()).requires_grad


def doubles(*sizes):
    generator = torch.Generator().manual_seed(1)
    return [torch.rand(s, generator=generator, dtype=torch.float64).requires_grad_() for s in sizes]


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("stride", [1, 2])
def test_second_derivatives_of_partial_conv2d(channels, stride):
    x, weight, bias = doubles((2, 2, 5, 4), (3, 2, 3, 3), 3)
    mask = (torch.rand(2, channels, 5, 4, generator=torch.Generator().manual_seed(3)) < 0.6).float()
    mask[0, :, :3, :3] = 1  # windows without a known pixel

    def function(*args):
        return ops.partial_conv2d(args[0], mask, *args[1:], stride=stride, padding=1)[0]

    assert gradcheck(function, (x, weight, bias))
    assert gradgradcheck(function, (x, weight, bias))


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_second_derivatives_of_spd_norm(layout):
    inputs = doubles((2, 3, 3, 2), (2, 3, 3, 2), (2, 3, 3, 2), (2, 1, 3, 2))
    inputs[0] = inputs[0].detach().contiguous(memory_format=layout).requires_grad_()
    assert gradgradcheck(ops.spd_norm, inputs)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("mode", ["window", "global"])
def test_second_derivatives_of_ssim(weighted, mode):
    x, y, weight = doubles((2, 2, 6, 7), (2, 2, 6, 7), (2, 1, 6, 7))
    weight = weight.detach() * (weight.detach() > 0.3)

    def function(x, y):
        return ops.ssim(x, y, weight if weighted else None, mode, kernel_size=5, data_range=2.0)

    assert gradgradcheck(function, (x, y))


def test_second_derivatives_of_poisson_blend():
    fill, image = doubles((2, 1, 5, 6), (2, 1, 5, 6))
    mask = torch.zeros(2, 1, 5, 6)
    mask[0, :, 1:4, 1:5], mask[1] = 1, 1  # in one image, everything

    def function(fill, image):  # linear by itself
        return ops.poisson_blend(fill.square(), image.sin(), mask, tol=1e-13)

    assert gradgradcheck(function, (fill, image))


def test_second_derivatives_of_conv3x3():
    assert gradgradcheck(ops.conv3x3, doubles((1, 2, 4, 5), (3, 2, 3, 3), 3))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
@pytest.mark.parametrize("name", OPS)
def test_a_penalty_on_the_gradient(name, dtype):
    """As a critic's: its value and gradient are those of the reference in float64."""
    results = []
    for function, x in ((OPS[name], IMAGE.to(dtype)), (REFERENCES[name], IMAGE.to(dtype).double())):
        x = x.clone().requires_grad_()
        (grad,) = torch.autograd.grad(function(x).square().sum(), x, create_graph=True)
        (second,) = torch.autograd.grad(grad.square().sum(), x)
        assert grad.dtype == second.dtype == x.dtype
        results.append((grad.detach().double(), second.double()))
    for ours, theirs in zip(*results, strict=True):
        near = (1e-4 if dtype == torch.float32 else 1e-1) * theirs.abs().max()
        assert (ours - theirs).abs().max() <= near


@pytest.mark.parametrize("name", OPS)
def test_transforms_of_functions(name):
    ours, theirs = (lambda x, f=f: f(x).square().sum() for f in (OPS[name], REFERENCES[name]))
    x, direction = IMAGE.double(), IMAGE.flip(2).double()
    leaf = x.clone().requires_grad_()
    (wanted,) = torch.autograd.grad(theirs(leaf), leaf, create_graph=True)
    (second,) = torch.autograd.grad((wanted * direction).sum(), leaf)
    torch.testing.assert_close(torch.func.grad(ours)(x), wanted.detach(), atol=1e-7, rtol=1e-6)
    value, tangent = torch.func.jvp(ours, (x,), (direction,))
    torch.testing.assert_close(value, theirs(x))
    torch.testing.assert_close(tangent, (wanted.detach() * direction).sum(), atol=1e-7, rtol=1e-6)
    _, along = torch.func.jvp(torch.func.grad(ours), (x,), (direction,))
    torch.testing.assert_close(along, second, atol=1e-6, rtol=1e-5)
    batch = torch.stack([x, direction])
    each = torch.stack([OPS[name](b) for b in batch])
    torch.testing.assert_close(torch.vmap(OPS[name])(batch), each)
    per_sample = torch.vmap(torch.func.grad(ours))(batch)
    torch.testing.assert_close(per_sample[0], wanted.detach(), atol=1e-7, rtol=1e-6)


@pytest.mark.parametrize("name", OPS)
def test_tangents(name):
    x, direction = IMAGE.double(), IMAGE.flip(2).double()
    _, wanted = torch.func.jvp(OPS[name], (x,), (direction,))
    with forward_ad.dual_level():
        value, tangent = forward_ad.unpack_dual(OPS[name](forward_ad.make_dual(x, direction)))
    torch.testing.assert_close(value, OPS[name](x))
    torch.testing.assert_close(tangent, wanted)


@pytest.mark.skipif(bool(inpaintx.build_info().get("emulated")), reason="of the CPU's kernels")
def test_under_transforms_ops_without_a_gradient_stay():
    grad = torch.func.grad(lambda x: (x * ops.spd_map(MASK, 3) + ops.hog(x.detach(), 4).mean()).sum())(IMAGE)
    assert torch.equal(grad, ops.spd_map(MASK, 3).expand_as(IMAGE))
