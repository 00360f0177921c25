"""Attributes of methods that plugins of earlier versions set and read: taken for one release, with a warning."""

import inspect
from typing import Any

from inpaintx.errors import warn_renamed

__all__ = ["ATTRIBUTES", "RenamedAttribute", "adopt"]

ATTRIBUTES = {
    "takes": "compatible_weights",
    "stored": "checkpoint_fields",
    "draws": "is_stochastic",
    "fixed": "fixed_size",
    "trained": "requires_weights",
    "multiple_of": "size_divisor",
    "needs": "required_annotations",
    "tuned": "finetune_config",
    "side": "input_size",
}


class RenamedAttribute:
    """An attribute under its old name: reading it warns, and gives what stands under the new one."""

    def __init__(self, new: str, owner: type | None = None, old: str = "") -> None:
        self._new = new
        if owner is not None:
            self.__set_name__(owner, old)

    def __set_name__(self, owner: type, name: str) -> None:
        self._old, self._base = name, owner

    def __get__(self, instance: Any, owner: type) -> Any:
        warn_renamed(f"{owner.__name__}.{self._old}", self._new, 3)
        if inspect.getattr_static(owner, self._old) is not self:  # super().old(...) in an override: the base's own
            return vars(self._base)[self._new].__get__(instance, owner)
        return getattr(owner if instance is None else instance, self._new)


def adopt(cls: type) -> None:
    """Give what a class sets under old names their new ones.

    A function stays under the old name too, so that its ``super().old(...)`` ends at the base class.
    """
    for old, new in ATTRIBUTES.items():
        value = vars(cls).get(old)
        if value is None or isinstance(value, RenamedAttribute):
            continue
        warn_renamed(f"{cls.__name__}.{old}", new, 4)
        if new not in vars(cls):
            setattr(cls, new, value)
        if not inspect.isfunction(value):
            delattr(cls, old)
    for old, new in ATTRIBUTES.items():  # a new name above an old one: the old name reads the new one
        if new in vars(cls) and old not in vars(cls) and inspect.isfunction(inspect.getattr_static(cls, old)):
            setattr(cls, old, RenamedAttribute(new, cls, old))
