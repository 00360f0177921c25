"""Faults of a plugin's code, in one sentence that names it."""

from collections.abc import Iterator
from contextlib import contextmanager

from inpaintx.errors import InpaintxError
from inpaintx.io.memory import ran_out
from inpaintx.plugin.method import Method
from inpaintx.plugin.registry import registry

__all__ = ["blamed", "owner_of"]


@contextmanager
def blamed(owner: Method | str, call: str) -> Iterator[None]:
    """Turn what a plugin's code raises, or its exit, into one sentence that names it; want of memory stays itself.

    Parameters
    ----------
    owner
        A method, or words that name what failed and its plugin.
    call
        The function of the plugin.

    Raises
    ------
    InpaintxError
        Names the owner, ``call`` and what was raised, which is its cause.
    """
    try:
        yield
    except InpaintxError:
        raise
    except (Exception, SystemExit) as error:
        if ran_out(error):
            raise
        words = (str(error).strip().splitlines() or ["no message"])[0]
        whose = owner if isinstance(owner, str) else owner_of(owner)
        raise InpaintxError(
            f"{whose} failed in {call}: {type(error).__name__}: {words} (its trace: --debug)"
        ) from error


def owner_of(method: Method) -> str:
    """A method and the plugin that it comes from, in words."""
    if type(registry().methods.get(method.name)) is type(method):
        return f"method {method.name!r} of {registry().plugin_of(method.name).words}"
    return f"method {method.name!r} ({type(method).__module__})"
