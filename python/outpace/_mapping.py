# SPDX-License-Identifier: MIT
"""outpace.Cache and outpace.TTLCache: mappings with bounds.

All that is called often is the C type's, outpace._cache.Mapping; here is what makes it a MutableMapping.
"""

from __future__ import annotations

import reprlib
from collections.abc import Callable, ItemsView, Iterator, MutableMapping, ValuesView
from itertools import islice
from typing import Any, Literal, TypeVar

from outpace import _agents

try:
    from outpace._cache import Mapping
except ImportError as error:
    raise _agents.missing_cache(error) from error

K = TypeVar("K")
V = TypeVar("V")

SHOWN = 8  # entries that a repr shows
ABSENT = object()


class Cache(Mapping[K, V], MutableMapping[K, V]):
    """A mapping that keeps within bounds: it forgets what was not used, or what is too old.

    maxsize    the most entries; 0 keeps nothing, None is without bound
    ttl        seconds that an entry lives; ``set`` can say otherwise for one
    jitter     each entry lives up to so many seconds less than ``ttl``, by chance, so that not all expire at once
    max_bytes  the most that all values may weigh together; what is heavier alone is a ValueError
    weigh      gives the weight of a value, an int; ``sys.getsizeof`` where only ``max_bytes`` is given
    policy     what goes first: "lru", what was not used for longest; "s3fifo", what was used once, which keeps a
               scan over many keys from driving out what is used again and again
    timer      gives seconds, for tests; the default is the kernel's monotonic clock

    An entry that has expired is not there: not for ``[]``, ``get``, ``in``, ``len`` or iteration. ``c[key]``, ``get``,
    ``setdefault`` and ``get_or_load`` count as a use and in ``stats()``; ``in``, ``peek`` and iteration do not.

    Iteration is over the keys of the moment at which it begins: the cache may be changed meanwhile. A bounded cache
    gives them in the order of eviction, the least recently used first.

    A subclass may have ``__missing__(self, key)``, which ``c[key]`` calls for what is absent, as with dict.

    ``copy.copy`` and pickle keep the bounds and the entries with the time that they have left; a copy's statistics
    begin at zero. It may be shared by threads.
    """

    __slots__ = ()

    def items(self) -> ItemsView[K, V]:
        return _Items(self)

    def values(self) -> ValuesView[V]:
        return _Values(self)

    @reprlib.recursive_repr("Cache(...)")
    def __repr__(self) -> str:
        pairs = self._pairs()
        shown = [f"{reprlib.repr(key)}: {reprlib.repr(value)}" for key, value in islice(_pairwise(pairs), SHOWN)]
        if len(pairs) > 2 * SHOWN:
            shown.append("...")
        return f"{type(self).__name__}({{{', '.join(shown)}}}, maxsize={self.maxsize}, currsize={self.currsize})"

    def __reduce__(self) -> tuple[Any, ...]:
        # The entries are a part of the state, not an argument, so that a cache may hold itself.
        return _new, (type(self),), self.__getstate__()

    def __getstate__(self) -> dict[str, Any]:
        bounds = {name: getattr(self, name) for name in ("maxsize", *_KEYWORDS)}
        return {"bounds": bounds, "entries": self._times(), "attributes": _attributes(self)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        Mapping.__init__(self, **state["bounds"])  # a subclass may give its own other parameters
        flat = iter(state["entries"])
        for key, value, seconds in zip(flat, flat, flat, strict=True):
            self.set(key, value, seconds)
        for name, value in state["attributes"].items():
            object.__setattr__(self, name, value)


class TTLCache(Cache[K, V]):
    """A Cache whose entries live for ``ttl_seconds``: ``c.set("k", v)``, and ``c.get("k")`` is None once that is over."""

    __slots__ = ()

    def __init__(
        self,
        ttl_seconds: float,
        maxsize: int | None = None,
        *,
        jitter: float | None = None,
        max_bytes: int | None = None,
        weigh: Callable[[V], int] | None = None,
        policy: Literal["lru", "s3fifo"] = "lru",
        timer: Callable[[], float] | None = None,
    ) -> None:
        if ttl_seconds is None:
            raise TypeError("ttl_seconds must be a number of seconds, not None")
        super().__init__(maxsize, ttl=ttl_seconds, jitter=jitter, max_bytes=max_bytes, weigh=weigh, policy=policy, timer=timer)


_KEYWORDS = ("ttl", "jitter", "max_bytes", "weigh", "policy", "timer")


def _pairwise(flat: list[Any]) -> Iterator[tuple[Any, Any]]:
    each = iter(flat)
    return zip(each, each, strict=True)


# The views of collections.abc would look each key up again, which counts as a use, and it may have expired by then.


class _Items(ItemsView[K, V]):
    __slots__ = ()
    _mapping: Cache[K, V]

    def __contains__(self, item: object) -> bool:
        if not isinstance(item, tuple) or len(item) != 2:
            return False
        try:
            value = self._mapping.peek(item[0])
        except KeyError:
            return False
        return value is item[1] or bool(value == item[1])

    def __iter__(self) -> Iterator[tuple[K, V]]:
        return _pairwise(self._mapping._pairs())


class _Values(ValuesView[V]):
    __slots__ = ()
    _mapping: Cache[Any, V]

    def __contains__(self, value: object) -> bool:
        return any(each is value or each == value for each in self)

    def __iter__(self) -> Iterator[V]:
        return islice(self._mapping._pairs(), 1, None, 2)


def _new(cls: type[Cache[K, V]]) -> Cache[K, V]:
    return cls.__new__(cls)


def _attributes(cache: Cache[Any, Any]) -> dict[str, Any]:
    """What a subclass added to the instance, in its __dict__ or in slots."""
    names = {name for cls in type(cache).__mro__ for name in _slots(cls)}
    found = {name: value for name in names if (value := getattr(cache, name, ABSENT)) is not ABSENT}
    return {**getattr(cache, "__dict__", {}), **found}


def _slots(cls: type) -> list[str]:
    slots = cls.__dict__.get("__slots__", ())
    names = [slots] if isinstance(slots, str) else list(slots)
    return [
        f"_{cls.__name__.lstrip('_')}{name}" if name.startswith("__") and not name.endswith("__") else name
        for name in names
        if name not in ("__dict__", "__weakref__")
    ]
