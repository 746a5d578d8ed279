"""Registries of classes by name: layer types, solver types, fillers."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

from caffe_pylayers._layer.close_names import close_names
from caffe_pylayers._layer.quote import quoted

T = TypeVar("T", bound=type)


class Registry(Generic[T]):
    """The classes of one kind by Caffe's name for them."""

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self._classes: dict[str, T] = {}

    def register(self, name: str) -> Callable[[T], T]:
        """Class decorator: the class is found under this name. ValueError for a name that is taken."""

        def add(cls: T) -> T:
            if name in self._classes:
                raise ValueError(f"{self._kind} {name} is registered twice: {self._classes[name]} and {cls}")
            self._classes[name] = cls
            return cls

        return add

    def get(self, name: str, hint: str = "", others: Iterable[str] = ()) -> T:
        """Return the class of this name. ValueError suggests a close name and lists those there are.

        others: names that can be written too, and stand for one of these; they are suggested, not listed.
        """
        if name in self._classes:
            return self._classes[name]
        close = close_names(name, sorted({*self._classes, *others}))
        suggestion = f" (did you mean {close[0]}?)" if close else ""
        raise ValueError(f"unknown {self._kind} {quoted(name)}{suggestion}{hint}; known: {', '.join(self.names())}")

    def __contains__(self, name: str) -> bool:
        return name in self._classes

    def names(self) -> list[str]:
        """Return all names, sorted."""
        return sorted(self._classes)
