"""METHODS 3.7 on trained weights: what the searches find, on pictures of the generator's own and on real faces."""

import pytest
import torch
from face_sets import shared_faces  # noqa: F401 - fixture
from inpaintx_plugins.latent_search import Qiang, Yeh
from inpaintx_plugins.latent_search.objectives import QiangLoss, YehLoss
from inpaintx_plugins.latent_search.search import Frozen, draw, search
from overfit import psnr, record

from inpaintx.data.dataset import open_dataset
from inpaintx.inference.run import run_method
from inpaintx.ops import ssim
from inpaintx.plugin import weights

pytestmark = pytest.mark.acceptance
CPU = torch.device("cpu")
ITERATIONS = 1000
PRINTED = {"starts": 1, "candidates": 1, "search_lr": 0.01, "decay": False}


def center(count):
    mask = torch.zeros(count, 1, 64, 64)
    mask[..., 16:48, 16:48] = 1
    return mask


@pytest.fixture(scope="module")
def trained():
    method = Qiang()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(weights.warnings, "warn", lambda *a, **k: pytest.skip("no trained weights of the DCGAN"))
        return weights.load(method, method.config(), None, CPU)


def first_faces(folder, count):
    faces = open_dataset(folder / "faces", size=64, split="val")
    return torch.stack([faces[i]["image"] for i in range(count)])


def filler(method, trained, **options):
    """A function (image, mask, blend) to what the method makes of it."""
    net = trained.net
    config = method.config(**{name: getattr(trained.config, name) for name in method.checkpoint_fields}, **options)

    def run(image, mask, blend=None):
        net.config = config
        return run_method(method, net, image, mask, generator=torch.Generator().manual_seed(0), blend=blend)

    return run


@pytest.mark.parametrize("kind", ["yeh", "qiang"])
def test_its_own_pictures_are_found_again(trained, kind):
    """(a) and (b): 4 pictures G(z*), 4 starts each, centre hole."""
    net, config = trained.net, trained.config
    generator = torch.Generator().manual_seed(11)
    with torch.no_grad():
        image = net.generator(draw(4, config.z, generator, CPU)) / 2 + 0.5
        mask = center(4)
        starts = draw(4, config.z, generator, CPU)
        loss = YehLoss(image, mask, 7)
        if kind == "qiang":
            loss = QiangLoss(
                image,
                mask,
                kernel_size=7,
                alpha=2.0,
                context_weight=0.2,
                structure_weight=0.797,
                structure="window",
                clamped=False,
            )
            loss.calibrate(net.generator(draw(64, config.z, generator, CPU)))
        frozen = Frozen(net)
        found = search(
            frozen,
            starts[:, None].expand(-1, 4, -1),
            loss,
            iterations=1500,
            rate=0.01,
            decay=False,
            prior_weight=0.003,
            prior_form="saturating",
        )
        pictures = frozen.picture(found.z.flatten(0, 1)) / 2 + 0.5
        hole = [psnr(p[None], image[i % 4][None], mask[:1]) for i, p in enumerate(pictures)]
        context = YehLoss(image, mask, 7)
        first = context(frozen.picture(starts)[:, None].expand(-1, 4, -1, -1, -1))
        last = context(2 * pictures.view(4, 4, 3, 64, 64) - 1)
    share = sum(p >= 30 for p in hole) / len(hole)
    record(
        f"latent_search_own_pictures_{kind}",
        iterations=1500,
        starts=4,
        hole_psnr=sorted(hole),
        share_of_starts_from_30_db=share,
        context_last_over_first=float((last / first).mean()),
        context_last_over_first_worst=float((last / first).max()),
    )
    assert bool((found.best.diff(dim=0) <= 0).all())
    assert float((last / first).mean()) < 0.6
    assert share >= 0.5


def test_qiang_and_yeh_on_faces(trained, shared_faces):  # noqa: F811
    """(c) and (d): 32 held-out faces, centre hole, the same network, starts and number of steps."""
    image, mask = first_faces(shared_faces, 32), center(32)
    figures = {}
    scores = {}
    for method in (Yeh(), Qiang()):
        result = filler(method, trained, iterations=ITERATIONS, **PRINTED)(image, mask)
        pasted = torch.where(mask > 0, result.raw, image)
        assert torch.equal(torch.where(mask > 0, 0, result.image), torch.where(mask > 0, 0, image))
        scores[method.name] = ssim(result.image, image)
        figures[method.name] = {
            "ssim_blended": float(scores[method.name].mean()),
            "ssim_pasted": float(ssim(pasted, image).mean()),
            "hole_psnr_blended": psnr(result.image, image, mask),
            "hole_psnr_pasted": psnr(pasted, image, mask),
            "raw_psnr": psnr(result.raw, image, torch.ones_like(mask)),
            "seam_blended": seam(result.image, result.raw),
            "seam_pasted": seam(pasted, result.raw),
        }
    paired = scores["qiang"] - scores["yeh"]
    record(
        "latent_search_faces",
        faces=32,
        iterations=ITERATIONS,
        starts=1,
        **figures,
        ssim_difference=float(paired.mean()),
        ssim_difference_standard_error=float(paired.std() / 32**0.5),
    )
    for name in figures:
        assert figures[name]["seam_blended"] < 0.5 * figures[name]["seam_pasted"], name
    assert figures["qiang"]["ssim_blended"] > figures["yeh"]["ssim_blended"]


def seam(x, raw):
    """Mean over the centre hole's rim of | step of ``x`` across it - step of the fill ``raw`` across it |."""
    sides = (lambda t: t[..., 16:48, 15:17], lambda t: t[..., 16:48, 47:49])
    sides += tuple(lambda t, f=f: f(t.mT) for f in sides)
    return float(torch.cat([(f(x) - f(raw)).diff(dim=-1).abs() for f in sides], -2).mean())


def test_four_together_equal_four_alone(trained, shared_faces):  # noqa: F811
    """(e)."""
    image, mask = first_faces(shared_faces, 4), center(4)
    run = filler(Qiang(), trained, iterations=100, **PRINTED)
    together = run(image, mask).image
    worst = max(float((run(image[i : i + 1], mask[:1]).image - together[i]).abs().max()) for i in range(4))
    record("latent_search_batch", iterations=100, starts=1, largest_difference=worst)
    assert worst < 1e-2


def test_which_similarity_the_paper_measured(trained, shared_faces):  # noqa: F811
    """Mean and deviation between samples and faces, beside the printed 0.4836, 0.1198 and 2800, 687."""
    faces = first_faces(shared_faces, 64)
    net = trained.net
    with torch.no_grad():
        made = net.generator(draw(64, trained.config.z, torch.Generator().manual_seed(5), CPU)) / 2 + 0.5
    pairs = [(made.roll(i, 0), faces) for i in range(8)]

    def spread(values):
        values = torch.cat(values)
        return [float(values.mean()), float(values.std())]

    record(
        "latent_search_spread",
        printed={"ssim": [0.4836, 0.1198], "distance": [2800, 687]},
        ssim_global=spread([ssim(a, b, mode="global") for a, b in pairs]),
        ssim_window=spread([ssim(a, b) for a, b in pairs]),
        ssim_global_gray=spread([ssim(a.mean(1, True), b.mean(1, True), mode="global") for a, b in pairs]),
        ssim_window_gray=spread([ssim(a.mean(1, True), b.mean(1, True)) for a, b in pairs]),
        distance=spread([(a - b).abs().sum((1, 2, 3)) for a, b in pairs]),
    )
