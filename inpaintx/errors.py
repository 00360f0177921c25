"""What the library raises when the input, not the program, is at fault."""

__all__ = ["InpaintxError", "UntrainedWarning"]


class InpaintxError(ValueError):
    """Something a user can mend: the message says what came, what was expected and what to do."""


class UntrainedWarning(UserWarning):
    """A learned method runs with random weights: its fills mean nothing."""
