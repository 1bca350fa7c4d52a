"""One decorator-over-a-dict, used by every family of interchangeable things.

An entry is the thing itself or a 'module:attribute' string that is imported when first asked for, so that
listing names costs nothing.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from typing import Any, Generic, TypeVar, cast

from seewhy.errors import UnknownName, did_you_mean, message

T = TypeVar("T")


class Registry(Generic[T]):
    """Names to things, with aliases and helpful misses.

    >>> colours: Registry[str] = Registry("colour")
    >>> _ = colours.add("red", "#f00", aliases=("rouge",))
    >>> colours["rouge"]
    '#f00'
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._entries: dict[str, T | str] = {}
        self._lazy: set[str] = set()
        self._aliases: dict[str, str] = {}

    def add(self, name: str, thing: T, *, aliases: tuple[str, ...] = ()) -> T:
        """Register `thing` under `name`; a second registration of a name is a mistake of ours."""
        assert name not in self._entries, f"{self.kind} {name!r} is registered twice"
        self._entries[name] = thing
        for alias in aliases:
            assert alias not in self._aliases and alias not in self._entries, f"alias {alias!r} is taken"
            self._aliases[alias] = name
        return thing

    def add_lazy(self, name: str, where: str, *, aliases: tuple[str, ...] = ()) -> None:
        """Register 'module:attribute', imported at the first look-up."""
        self.add(name, cast(T, where), aliases=aliases)
        self._lazy.add(name)

    def register(self, name: str, *, aliases: tuple[str, ...] = ()) -> Callable[[T], T]:
        """Use as a decorator: `@METHODS.register("rise")`."""
        return lambda thing: self.add(name, thing, aliases=aliases)

    def canonical(self, name: str) -> str:
        """The registered name behind a name or alias ('-' and '_' and case do not matter)."""
        key = name.lower().replace("-", "_")
        for candidate in (name, key, self._aliases.get(name), self._aliases.get(key)):
            if candidate in self._entries:
                return candidate
        raise UnknownName(
            message(
                f"There is no {self.kind} {name!r}.",
                did_you_mean(name, [*self._entries, *self._aliases]),
                f"Known: {', '.join(sorted(self._entries))}.",
            )
        )

    def __getitem__(self, name: str) -> T:
        name = self.canonical(name)
        entry = self._entries[name]
        if name in self._lazy:
            module, attribute = cast(str, entry).split(":")
            entry = cast(T, getattr(importlib.import_module(module), attribute))
            self._entries[name] = entry
            self._lazy.discard(name)
        return cast(T, entry)

    def __contains__(self, name: object) -> bool:
        return name in self._entries or name in self._aliases

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._entries))

    def __len__(self) -> int:
        return len(self._entries)


VIEWS: Registry[Callable[..., Any]] = Registry("view")
"""What can be made of an answer (figure, saved file, table): filled from above, called from `explanation`."""
