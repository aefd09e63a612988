# SPDX-License-Identifier: MIT
"""A cached function, played as a cache whose keys are calls: so the models of cache_models.py hold for it, too."""

from __future__ import annotations

import functools
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass
from typing import Any

from cache_models import Bounds, LoosePlay, Play, Stage, Step, Value


@dataclass(frozen=True, eq=False)
class Call:
    """Equal to another by functools' own words. Its hash is that of a lone argument and knows no types, as the C side's: ghosts
    of S3-FIFO are hashes.
    """

    arguments: tuple[Any, ...]
    keywords: tuple[tuple[str, Any], ...] = ()
    typed: bool = False

    @property
    def key(self) -> Hashable:
        key: Hashable = functools._make_key(self.arguments, dict(self.keywords), self.typed)
        return key

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Call) and bool(self.key == other.key)

    def __hash__(self) -> int:
        alone = len(self.arguments) == 1 and not self.keywords and not self.typed
        return hash(self.arguments[0]) if alone else hash(functools._make_key(self.arguments, dict(self.keywords), False))

    def of(self, function: Callable[..., Any], *first: Any) -> Any:
        return function(*first, *self.arguments, **dict(self.keywords))


class Called:
    """What Stage needs of a cache, by what a decorated function offers."""

    def __init__(self, decorate: Callable[..., Any], **keywords: Any) -> None:
        self.loader: Callable[[Any], Value] | None = None
        self.seen: dict[Call, None] = {}
        self.function = decorate(**keywords)(self.load)

    def load(self, *arguments: Any, **keywords: Any) -> Value:
        assert self.loader is not None
        return self.loader(None)

    def get_or_load(self, call: Call, loader: Callable[[Any], Value]) -> Any:
        self.seen[call] = None
        self.loader = loader
        return call.of(self.function)

    def __setitem__(self, call: Call, value: Value) -> None:
        self.seen[call] = None
        call.of(self.function.cache_put, value)

    def __delitem__(self, call: Call) -> None:
        if not call.of(self.function.cache_invalidate):
            raise KeyError(call)

    def __contains__(self, call: Call) -> bool:
        there: bool = call.of(self.function.cache_contains)
        return there

    def peek(self, call: Call) -> Any:
        return call.of(self.function.cache_peek)

    def pop(self, call: Call, default: object) -> object:
        value = self.peek(call) if call in self else default
        if call.of(self.function.cache_invalidate) != (value is not default):
            raise AssertionError(f"what cache_invalidate of {call} says")
        return value

    def clear(self) -> None:
        self.function.cache_clear()

    def expire(self) -> None:
        self.function.cache_info()

    def __iter__(self) -> Iterator[Call]:
        return iter([call for call in self.seen if call in self])

    def items(self) -> list[tuple[Call, Any]]:
        return [(call, self.peek(call)) for call in self]

    def values(self) -> list[Any]:
        return [self.peek(call) for call in self]

    def __len__(self) -> int:
        size: int = self.function.cache_info().currsize
        return size

    @property
    def currsize(self) -> int:
        weight: int = self.function.cache_stats().weight
        return weight

    def stats(self) -> Any:
        return self.function.cache_stats()


class FunctionPlay(Play):
    ordered = False

    def model_clear(self) -> None:
        super().model_clear()
        model = self.model
        model.hits = model.misses = model.evictions = model.expiries = 0


STEPS = frozenset({"load", "set", "delete", "pop", "peek", "contains", "clear", "expire", "tick"})


def as_function(steps: list[Step], shape: Callable[[Any], Call]) -> list[Step]:
    """The steps that a function can play; `shape` makes a call of a key."""
    played: list[Step] = []
    for name, *rest in steps:
        name = "load" if name in ("get", "item", "setdefault") else name
        if name in ("tick", "clear", "expire"):
            played.append((name, *rest))
        elif name in STEPS:
            played.append((name, shape(rest[0]), *(rest[1:2] or ([1] if name == "load" else []))))
    return played


def stage(bounds: Bounds, decorate: Callable[..., Any], tidy: bool) -> Stage:
    make = functools.partial(Called, decorate)
    return (FunctionPlay if tidy and bounds.exact else LoosePlay)(bounds, make)
