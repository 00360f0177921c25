"""What the library raises when the input, not the program, is at fault."""

from inpaintx.io.names import printable

__all__ = ["InpaintxError", "UntrainedWarning"]


class InpaintxError(ValueError):
    """Something a user can mend: the message says what came, what was expected and what to do.

    It is one printable line, whatever names it quotes (:func:`inpaintx.io.names.printable`).
    """

    def __init__(self, message: str = "") -> None:
        super().__init__(printable(message))


class UntrainedWarning(UserWarning):
    """A learned method runs with random weights: its fills mean nothing."""
