"""Weights of inpaintx's methods: a folder a method, each file with its model card. Research use only (LICENSE)."""

__version__ = "0.2.0.dev0"
