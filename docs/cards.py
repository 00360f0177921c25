"""Writes the model card beside each weight file, from what the file and its plugin say: ``python docs/cards.py``."""

from pathlib import Path

from inpaintx.plugin.model_card import model_card
from inpaintx.plugin.registry import registry

WEIGHTS = Path(__file__).parents[1] / "weights"

for method in registry().methods.values():
    for entry in method.weights.values():
        for path in WEIGHTS.glob(f"*/{entry.file}"):
            path.with_suffix(".md").write_text(model_card(path, method), encoding="utf-8")
