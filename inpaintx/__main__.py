"""``python -m inpaintx`` is the command ``inpaintx``."""

from inpaintx.cli import main

if __name__ == "__main__":
    main()
