"""The face paper's table beside what the acceptance runs have recorded: ``python tests/acceptance/ablation.py``."""

import json

from overfit import RESULTS

# Row: α, β, PSNR and SSIM of the paper; our result file.
ROWS = {
    "PD-GAN": (0, 0, 22.4371, 0.9448, "paper"),
    "FAN only": (0, 10, 22.7748, 0.9390, "fan_only"),
    "Mask only": (0.5, 0, 23.4279, 0.9562, "mask_only"),
    "full": (0.5, 10, 24.0219, 0.9593, "full"),
}
KEYS = ("hole_psnr", "skin_psnr", "diversity_levels", "diversity_vgg")


def table() -> str:
    """The table in Markdown, with what differs in protocol below it."""
    lines = [
        "# PD-GAN's rows side by side",
        "",
        "| row | α | β | paper PSNR | paper SSIM | ours: hole PSNR | skin-in-hole PSNR | diversity, grey levels | "
        "diversity, features | steps | frozen |",
        "|" + "---|" * 11,
    ]
    prior = json.loads((RESULTS / "pdgan_prior.json").read_text())["hole_psnr"]
    lines.append(f"| PConv | | | 21.35 | 0.9307 | {prior:.2f} | | | | 1500 | the prior of the rows below |")
    for row, (alpha, beta, psnr, ssim, name) in ROWS.items():
        path = RESULTS / f"pdgan_{name}.json"
        ours = ["not run"] * 6
        if path.exists():
            result = json.loads(path.read_text())
            steps = max((k for k in result if k.startswith("steps_")), key=lambda k: int(k[6:]))
            frozen = "; ".join(f"{k}: {v}" for k, v in result["frozen"].items())
            ours = [f"{result[steps][key]:.2f}" for key in KEYS] + [steps[6:], frozen]
        lines.append("| " + " | ".join([row, str(alpha), str(beta), f"{psnr:.2f}", f"{ssim:.4f}", *ours]) + " |")
    return "\n".join(
        [
            *lines,
            "",
            "The paper: 7,000 images of CelebAMask-HQ at 256x256, 100 hand-made masks, 105,000 steps of 8 images, full",
            "width, measured on the images and masks of training, PSNR and SSIM of an unstated kind. Ours: eight faces",
            "at 64x64 learnt by heart in the steps named, width 4, two images a step, seed 0, one prior for all rows;",
            "measured on the faces of training with other holes (strokes and boxes), PSNR in the hole. The figures are",
            "not comparable; only the order of the rows is of interest, and one seed does not settle it.",
        ]
    )


if __name__ == "__main__":
    (RESULTS / "ablation.md").write_text(table() + "\n")
    print(table())
