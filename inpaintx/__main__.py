"""``python -m inpaintx`` is the command ``inpaintx``."""

from inpaintx.cli import main

main()
