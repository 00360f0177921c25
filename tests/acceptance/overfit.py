"""What the acceptance runs share: a few real faces, a loop, measures in the hole, and results on disk."""

import json
import math
from pathlib import Path

import numpy as np
import torch

from inpaintx.data.dataset import open_dataset
from inpaintx.data.loader import make_loader
from inpaintx.data.sampler import parse_mask_spec
from inpaintx.inference.run import run_method
from inpaintx.io.atomic import atomic_write

RESULTS = Path(__file__).with_name("results")


def eight_faces(shared_faces, size, wants=frozenset()):
    """The first eight real faces of the tiny set."""
    faces = open_dataset(shared_faces / "tiny", size=size, wants=wants)
    faces.faces = [face for face in faces.faces if "aaf" in face.name][:8]
    assert len(faces) == 8
    return faces


def tensors(faces, holes, key=7):
    """All faces as one batch, each with a hole of its own that training does not draw."""
    samples = [faces[i] for i in range(len(faces))]
    batch = {k: torch.stack([s[k] for s in samples]) for k in samples[0] if k != "name"}
    masks = np.stack([holes((key, 10**6 + i)) for i in range(len(faces))])
    return {**batch, "mask": torch.from_numpy(masks)[:, None].float()}


def overfit(trainer, faces, holes, steps, *, batch, seed=0):
    """Train for ``steps`` steps; the losses of each as numbers."""
    stream = make_loader(faces, parse_mask_spec(holes, size=faces.size), batch=batch, seed=seed, start=trainer.steps)
    history = []
    for _ in range(steps):
        losses = trainer.step(next(stream))
        trainer.advance()
        history.append({name: float(value) for name, value in losses.items()})
        assert all(map(math.isfinite, history[-1].values())), history[-1]
    return history


def filled(method, net, batch, seed=0):
    """The composites as they are pasted, from the network in eval mode."""
    was = net.training
    result = run_method(
        method, net.eval(), batch["image"], batch["mask"], generator=torch.Generator().manual_seed(seed), blend="none"
    )
    net.train(was)
    return result.image


def psnr(a, b, where):
    """Mean over images of the PSNR inside ``where`` ``[B,1,H,W]``, in dB."""
    where = where.expand_as(a)
    square = ((a - b) ** 2 * where).sum((1, 2, 3)) / where.sum((1, 2, 3)).clamp_min(1)
    return float((-10 * square.log10()).mean())


def mean_color(batch):
    """The mean of each image's known pixels in its hole."""
    known = 1 - batch["mask"]
    mean = (batch["image"] * known).sum((2, 3), keepdim=True) / known.sum((2, 3), keepdim=True)
    return torch.where(batch["mask"] > 0.5, mean, batch["image"])


def record(name, **figures):
    """Write figures to ``results/NAME.json``; they are committed."""
    RESULTS.mkdir(exist_ok=True)
    rounded = json.loads(json.dumps(figures), parse_float=lambda text: round(float(text), 4))
    with atomic_write(RESULTS / f"{name}.json") as part:
        part.write_text(json.dumps(rounded, indent=1) + "\n")


def learn_by_heart(shared_faces, name, method, config, holes, **notes):
    """Fit a network to eight faces and record it; returns it and how many dB its holes are above the mean colour's.

    ``notes`` go into the record; functions among them are given the trainer.
    """
    faces = eight_faces(shared_faces, config.size)
    torch.manual_seed(0)
    net = method.network(config).train()
    trainer = method.trainer(net, config)
    history = overfit(trainer, faces, holes, config.steps, batch=config.batch_size)
    batch = tensors(faces, parse_mask_spec(holes, size=config.size))
    ours, floor = (psnr(x, batch["image"], batch["mask"]) for x in (filled(method, net, batch), mean_color(batch)))
    record(
        name,
        holes=holes,
        steps=config.steps,
        hole_psnr=ours,
        mean_color=floor,
        **{key: note(trainer) if callable(note) else note for key, note in notes.items()},
        first_losses=history[0],
        last_losses=history[-1],
    )
    return net, ours - floor
