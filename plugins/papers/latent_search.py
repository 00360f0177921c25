"""Figures of Qiang et al., "Face Inpainting with Deep Generative Models"."""

from functools import cache
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from inpaintx.ops import boundary_weight, context_weight, ssim
from inpaintx.plugin.method import with_options
from inpaintx.viz.plots import Curve, Panel
from inpaintx.viz.plots import draw as draw_curves

from ..latent_search.objectives import QiangLoss
from ..latent_search.search import Frozen, closest, draw, search
from .faces import Pixels, Portrait, cell, fill, holes, loaded, portraits, psnr, sheet, white

__all__ = ["FIGURES"]

SIZE = 64
STEPS = 300  # of a search, as the methods' default
SEARCH = "default searches, weights of 64 x 64 that ship"
CENTER, STROKES, HALVES = ("center",) * 2, ("strokes:ratio=0.2-0.3",) * 2, ("half:side=top", "half:side=left")
DISCARDED = tuple(f"discard:p={p}" for p in (0.2, 0.4, 0.6, 0.8))
LOSSES: dict[str, dict[str, Any]] = {  # figure 5: what each leaves out
    # at the default's rate it finds colours that D takes for a face, and no eye does
    "L_d alone, rate 0.01": {"context_weight": 0.0, "structure_weight": 0.0, "search_lr": 0.01, "decay": False},
    "L_c alone": {"structure_weight": 0.0, "prior_weight": 0.0},
    "L_s alone": {"context_weight": 0.0, "prior_weight": 0.0},
    "all three": {},
}


@cache
def _cases(specs: tuple[str, ...]) -> tuple[tuple[Portrait, Tensor], ...]:
    """A portrait, by turns, and a hole ``[1,1,S,S]`` for each specification."""
    faces = portraits(SIZE)
    return tuple((faces[n % len(faces)], holes(spec, SIZE, n + 1, seed=4)[n:]) for n, spec in enumerate(specs))


def _search(name: str, specs: tuple[str, ...], **options: Any) -> tuple[list[Tensor], list[Tensor]]:
    """Search all cases at once: for each ``[1,3,S,S]``, G(z) and the blended fill."""
    image, mask = (torch.cat(x) for x in zip(*((p.image, m) for p, m in _cases(specs)), strict=True))
    found = fill(name, image, mask, iterations=STEPS, **options)
    raw, blended = ([x[n : n + 1] for n in range(len(x))] for x in (found.raw, found.image))
    return raw, blended


_searched = cache(_search)  # what several figures show


def _compared(title: str, specs: tuple[str, ...], others: tuple[str, ...] = ()) -> Pixels:
    """Rows of one hole each: masked image, other methods, DIP, Qiang, truth."""
    found = {words: _searched(name, specs)[1] for words, name in (("DIP", "yeh"), ("Qiang", "qiang"))}
    rows = []
    for n, (portrait, mask) in enumerate(_cases(specs)):
        made = {name: fill(name, portrait.image, mask).image for name in others}
        made |= {words: images[n] for words, images in found.items()}
        rows.append(
            [
                cell(white(portrait.image, mask), portrait.name, f"hole {float(mask.mean()):.0%}"),
                *(cell(image, words, psnr(image, portrait.image, mask)) for words, image in made.items()),
                cell(portrait.image, "truth"),
            ]
        )
    return sheet(f"{title}: {SEARCH}", *rows)


def classical() -> Pixels:
    """Figure 1: TV, PatchMatch, DIP, Qiang."""
    return _compared("Centre holes", CENTER, ("tv", "patchmatch"))


def losses() -> Pixels:
    """Figure 5: the search with one loss alone."""
    made = {words: _search("qiang", CENTER, **options)[1] for words, options in LOSSES.items()}
    rows = [
        [
            cell(white(portrait.image, mask), portrait.name),
            *(cell(images[n], words, psnr(images[n], portrait.image, mask)) for words, images in made.items()),
            cell(portrait.image, "truth"),
        ]
        for n, (portrait, mask) in enumerate(_cases(CENTER))
    ]
    return sheet(f"One loss alone: {SEARCH}", *rows)


def similarity_by_step() -> Pixels:
    """SSIM of the pasted portraits against the step, for each loss alone."""
    image, mask = (torch.cat(x) for x in zip(*((p.image, m) for p, m in _cases(CENTER)), strict=True))
    net = loaded("qiang")
    frozen = Frozen(net)
    drawn = draw(net.config.candidates, net.config.z, torch.Generator().manual_seed(0), image.device)
    pictures = frozen.pictures(drawn)
    curves = []
    for words, options in LOSSES.items():
        config = with_options(net.config, options, "qiang")
        loss = QiangLoss.of(config, image, mask)
        loss.calibrate(pictures)
        found: list[float] = []

        def distance(z: Tensor, loss: QiangLoss = loss, found: list[float] = found) -> Tensor:
            pasted = torch.where(mask > 0, z[0].detach() / 2 + 0.5, image)
            found.append(float(ssim(pasted, image).mean()))
            return loss(z)

        search(
            frozen,
            closest(drawn, pictures, len(image), loss, 1),
            distance,
            iterations=STEPS,
            rate=config.search_lr,
            decay=config.decay,
            prior_weight=config.prior_weight,
            prior_form=config.prior_form,
        )
        every = max(1, STEPS // 20)
        some = found[::every]
        curves.append(Curve(words, range(0, STEPS, every), some, some, some))
    return draw_curves(
        [Panel(f"Centre holes, mean of two portraits: {SEARCH}", curves)], x_label="step", y_label="SSIM, pasted"
    )


def boundary_weights() -> Pixels:
    """Equation 7: the weights of both methods."""
    rows = []
    for portrait, mask in zip(
        portraits(SIZE), (holes("center", SIZE), holes("strokes:ratio=0.2-0.3", SIZE)), strict=True
    ):
        weight, yeh = boundary_weight(mask), context_weight(mask)
        rows.append(
            [
                cell(white(portrait.image, mask), portrait.name),
                cell(weight / weight.max(), "W (eq. 7)", f"{float(weight.min()):.0f} to {float(weight.max()):.2f}"),
                cell(
                    weight * (1 - mask) / weight.max(),
                    "W M: what counts",
                    f"known: up to {float((weight * (1 - mask)).max()):.2f}",
                ),
                cell(yeh, "DIP's weights", f"up to {float(yeh.max()):.2f}"),
            ]
        )
    return sheet("Weights of the losses, k = 7, alpha = 2", *rows)


def gradient_fields() -> Pixels:
    """Figure 6: the blending step by step, in grey."""
    rows = []
    raw, blended = _searched("qiang", CENTER)
    for n, (portrait, mask) in enumerate(_cases(CENTER)):
        hole = mask > 0.5
        grey = portrait.image.mean(1, keepdim=True)
        sample, result = (x[n].mean(1, keepdim=True) for x in (raw, blended))
        masked = grey.masked_fill(hole, 0.0)
        touched = _touching(hole)
        merged = torch.where(touched, _gradient(sample), _gradient(masked))
        rows += [
            [
                cell(grey, "a: image"),
                cell(result, "b: blended"),
                cell(torch.where(hole, sample, grey), "c: stitched"),
                cell(masked, "d: masked input"),
                cell(_strength(_gradient(masked)), "e: gradients of d"),
            ],
            [
                cell(sample, "f: sample G(z)"),
                cell(_strength(_gradient(sample)), "g: gradients of f"),
                cell(_strength(merged), "h: merged"),
                cell((0.5 + 2 * _divergence(merged)).clamp(0, 1), "i: divergence of h", "grey 0"),
            ],
        ]
    return sheet(f"Poisson blending; gradients as their length. {SEARCH}", *rows)


def _gradient(x: Tensor) -> Tensor:
    """Forward differences ``[1,2,S,S]``, 0 behind the last row and column."""
    return torch.cat([F.pad(x[..., 1:] - x[..., :-1], (0, 1)), F.pad(x[..., 1:, :] - x[..., :-1, :], (0, 0, 0, 1))], 1)


def _touching(hole: Tensor) -> Tensor:
    """Which forward differences have a pixel in the hole, ``[1,2,S,S]``."""
    right, below = F.pad(hole[..., 1:], (0, 1)), F.pad(hole[..., 1:, :], (0, 0, 0, 1))
    return torch.cat([hole | right, hole | below], 1)


def _divergence(field: Tensor) -> Tensor:
    """Backward differences of a field of forward ones, ``[1,1,S,S]``."""
    across, down = field[:, :1], field[:, 1:]
    return across - F.pad(across[..., :-1], (1, 0)) + down - F.pad(down[..., :-1, :], (0, 0, 1, 0))


def _strength(field: Tensor) -> Tensor:
    """The length of the gradients, white from a fifth of the range on."""
    return (5 * field.square().sum(1, keepdim=True).sqrt()).clamp(0, 1)


def blending() -> Pixels:
    """Figure 7: with and without blending."""
    rows = []
    for specs in (CENTER, STROKES):
        for (portrait, mask), raw, blended in zip(_cases(specs), *_searched("qiang", specs), strict=True):
            pasted = torch.where(mask > 0.5, raw, portrait.image)
            rows.append(
                [
                    cell(white(portrait.image, mask), portrait.name),
                    cell(raw, "G(z)"),
                    cell(pasted, "without blending", psnr(pasted, portrait.image, mask)),
                    cell(blended, "with blending", psnr(blended, portrait.image, mask)),
                    cell(portrait.image, "truth"),
                ]
            )
    return sheet(SEARCH, *rows)


def center() -> Pixels:
    """Figure 8: DIP and Qiang, centre holes."""
    return _compared("Centre holes", CENTER)


def standard() -> Pixels:
    """Figure 9: DIP and Qiang, halves."""
    return _compared("Halves", HALVES)


def arbitrary() -> Pixels:
    """Figure 10: DIP and Qiang, arbitrary holes."""
    return _compared("Arbitrary holes", STROKES)


def discarded() -> Pixels:
    """Figure 11: DIP and Qiang, pixels discarded at random."""
    return _compared("Discarded pixels", DISCARDED)


FIGURES = {
    "eq7_boundary_weights": boundary_weights,
    "fig1_classical": classical,
    "fig5_single_losses": losses,
    "ssim_by_step": similarity_by_step,
    "fig6_gradient_fields": gradient_fields,
    "fig7_blending": blending,
    "fig8_center": center,
    "fig9_halves": standard,
    "fig10_arbitrary": arbitrary,
    "fig11_discarded": discarded,
}
