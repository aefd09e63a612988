# SPDX-License-Identifier: MIT
"""Caches as slow and plain as can be: what the fast ones are compared with.

A Model does what outpace.Cache says of itself. A Play applies one step after another to both and compares all that can
be seen. Where that can't be foretold, a LoosePlay checks that nothing that is seen is wrong. Steps are plain tuples, so
that a failing sequence can be printed and played again. Needs the standard library only: every Python plays.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

Value = tuple[int, int]  # a serial number, and what it weighs
Step = tuple[Any, ...]


def weigh(value: Value) -> int:
    return value[1]


@dataclass
class Clock:
    """Whole and half seconds, which are exact in floats and in nanoseconds alike."""

    now: float = 100.0

    def __call__(self) -> float:
        return self.now


class Lru:
    """Keys from the least to the most recently used."""

    def __init__(self) -> None:
        self.keys: list[Hashable] = []

    def __iter__(self) -> Iterator[Hashable]:
        return iter(list(self.keys))

    def add(self, key: Hashable, weight: int) -> None:
        self.keys.append(key)

    def remove(self, key: Hashable, weight: int) -> None:
        self.keys.remove(key)

    def reweigh(self, key: Hashable, before: int, after: int) -> None:
        pass

    def touch(self, key: Hashable) -> None:
        self.keys.remove(key)
        self.keys.append(key)

    def victim(self, weights: dict[Hashable, int]) -> Hashable:
        return self.keys[0]

    def evicted(self, key: Hashable, weight: int) -> None:
        self.keys.remove(key)


class S3Fifo:
    """Two queues and ghosts, as ext/cache/order.h describes them. Without ghosts where their number is not known."""

    def __init__(self, bound: int, entries: int | None) -> None:
        self.small: list[Hashable] = []
        self.main: list[Hashable] = []
        self.hits: dict[Hashable, int] = {}
        self.ghosts: list[int] = []
        self.small_share = max(bound // 10, 1)
        self.ghosts_limit = 0 if entries is None else max(entries - max(entries // 10, 1), 1)
        self.weight = {"small": 0, "main": 0}

    def __iter__(self) -> Iterator[Hashable]:
        return iter(self.small + self.main)

    def queue(self, key: Hashable) -> str:
        return "small" if key in self.small else "main"

    @staticmethod
    def ghost(key: Hashable) -> int:
        return hash(key) or 1

    def add(self, key: Hashable, weight: int) -> None:
        self.hits[key] = 0
        queue = "small"
        if self.ghost(key) in self.ghosts:
            self.ghosts.remove(self.ghost(key))
            queue = "main"
        getattr(self, queue).append(key)
        self.weight[queue] += weight

    def remove(self, key: Hashable, weight: int) -> None:
        queue = self.queue(key)
        getattr(self, queue).remove(key)
        self.weight[queue] -= weight
        del self.hits[key]

    def reweigh(self, key: Hashable, before: int, after: int) -> None:
        self.weight[self.queue(key)] += after - before

    def touch(self, key: Hashable) -> None:
        self.hits[key] = min(self.hits[key] + 1, 3)

    def victim(self, weights: dict[Hashable, int]) -> Hashable:
        while True:
            if self.small and (self.weight["small"] >= self.small_share or not self.main):
                key = self.small[0]
                if self.hits[key] <= 1:
                    return key
                self.small.remove(key)
                self.main.append(key)
                self.weight["small"] -= weights[key]
                self.weight["main"] += weights[key]
                self.hits[key] = 0
            else:
                key = self.main[0]
                if self.hits[key] == 0:
                    return key
                self.hits[key] -= 1
                self.main.remove(key)
                self.main.append(key)

    def evicted(self, key: Hashable, weight: int) -> None:
        if self.queue(key) == "small" and self.ghosts_limit > 0:
            ghost = self.ghost(key)
            self.ghosts = ([each for each in self.ghosts if each != ghost] + [ghost])[-self.ghosts_limit :]
        self.remove(key, weight)


@dataclass(frozen=True)
class Bounds:
    maxsize: int | None = None
    max_bytes: int | None = None
    weighed: bool = False
    ttl: float | None = None
    policy: str = "lru"

    def keywords(self) -> dict[str, Any]:
        """Those of outpace.Cache, but for the timer."""
        return {
            "maxsize": self.maxsize,
            "max_bytes": self.max_bytes,
            "weigh": weigh if self.weighed else None,
            "ttl": self.ttl,
            "policy": self.policy,
        }

    @property
    def bounded(self) -> bool:
        return self.maxsize is not None or self.max_bytes is not None

    @property
    def exact(self) -> bool:
        """Whether all that is evicted can be foretold. S3-FIFO without maxsize has as many ghosts as its table has room for."""
        return self.policy == "lru" or self.maxsize is not None or self.max_bytes is None


class TooHeavy(ValueError):
    pass


@dataclass
class Entry:
    key: Hashable  # the one that was set first, as with dict
    value: Any
    weight: int
    expires: float


@dataclass
class Model:
    bounds: Bounds
    clock: Clock
    entries: dict[Hashable, Entry] = field(default_factory=dict)
    hits: int = 0
    misses: int = 0
    evictions: int = 0
    expiries: int = 0

    def __post_init__(self) -> None:
        self.order: Lru | S3Fifo = self.new_order()

    def new_order(self) -> Lru | S3Fifo:
        bounds = self.bounds
        if bounds.policy == "lru" or not bounds.bounded:
            return Lru()
        return S3Fifo(bounds.max_bytes or bounds.maxsize or 0, bounds.maxsize)

    # What the order counts: weights where they are bounded, else entries.
    def ordered(self, weight: int) -> int:
        return weight if self.bounds.max_bytes is not None else 1

    def expire(self) -> None:
        for key, entry in list(self.entries.items()):
            if self.clock.now >= entry.expires:
                self.remove(key)
                self.expiries += 1

    def remove(self, key: Hashable) -> Entry:
        entry = self.entries.pop(key)
        self.order.remove(entry.key, self.ordered(entry.weight))
        return entry

    @property
    def weight(self) -> int:
        return sum(entry.weight for entry in self.entries.values())

    def currsize(self) -> int:
        return self.weight if self.bounds.weighed else len(self.entries)

    def look(self, key: Hashable) -> Entry | None:
        return self.entries.get(key)

    def use(self, key: Hashable) -> Entry | None:
        entry = self.entries.get(key)
        if entry is None:
            self.misses += 1
            return None
        self.hits += 1
        self.order.touch(entry.key)
        return entry

    def is_over(self, more: int) -> bool:
        maxsize, most = self.bounds.maxsize, self.bounds.max_bytes
        return (maxsize is not None and len(self.entries) >= maxsize) or (most is not None and self.weight + more > most)

    def make_room(self, weight: int) -> None:
        while self.is_over(weight):
            victim = self.order.victim({entry.key: self.ordered(entry.weight) for entry in self.entries.values()})
            entry = self.entries.pop(victim)
            self.order.evicted(entry.key, self.ordered(entry.weight))
            self.evictions += 1

    def set(self, key: Hashable, value: Any, ttl: float | None = None) -> None:
        if self.bounds.maxsize == 0:
            return
        weight = weigh(value) if self.bounds.weighed else 1
        if self.bounds.max_bytes is not None and weight > self.bounds.max_bytes:
            raise TooHeavy
        lifetime = ttl or self.bounds.ttl or math.inf
        entry = self.entries.get(key)
        if entry is not None:
            most = self.bounds.max_bytes
            if most is None or self.weight - entry.weight + weight <= most:
                self.order.reweigh(entry.key, self.ordered(entry.weight), self.ordered(weight))
                self.order.touch(entry.key)
                entry.value, entry.weight, entry.expires = value, weight, self.clock.now + lifetime
                return
            self.remove(key)
        self.make_room(weight)
        self.entries[key] = Entry(key, value, weight, self.clock.now + lifetime)
        self.order.add(key, self.ordered(weight))

    def clear(self) -> None:
        self.entries.clear()
        self.order = self.new_order()

    def keys(self) -> list[Hashable]:
        return list(self.order)


class Difference(AssertionError):
    pass


RAISED = {KeyError: "KeyError", ValueError: "too heavy", TooHeavy: "too heavy"}


def outcome(action: Callable[[], Any]) -> Any:
    """What it gives, or the name of the exception."""
    try:
        return action()
    except (KeyError, ValueError) as error:
        return RAISED[type(error)]


class Stage:
    """One cache, and each step as it is played on it."""

    def __init__(self, bounds: Bounds, make: Callable[..., Any]) -> None:
        self.clock = Clock()
        self.bounds = bounds
        self.cache = make(**bounds.keywords(), timer=self.clock)
        self.serial = 0

    def new(self, weight: int) -> Value:
        return self.serial, weight

    def cache_tick(self, seconds: float) -> None:
        self.clock.now += seconds

    def cache_get(self, key: Hashable) -> Any:
        return self.cache.get(key, "default")

    def cache_item(self, key: Hashable) -> Any:
        return self.cache[key]

    def cache_set(self, key: Hashable, weight: int, ttl: float | None = None) -> None:
        if ttl is None:
            self.cache[key] = self.new(weight)
        else:
            self.cache.set(key, self.new(weight), ttl)

    def cache_setdefault(self, key: Hashable, weight: int) -> Any:
        return self.cache.setdefault(key, self.new(weight))

    def cache_load(self, key: Hashable, weight: int) -> Any:
        return self.cache.get_or_load(key, lambda key: self.new(weight))

    def cache_delete(self, key: Hashable) -> None:
        del self.cache[key]

    def cache_pop(self, key: Hashable) -> Any:
        return self.cache.pop(key, "default")

    def cache_peek(self, key: Hashable) -> Any:
        return self.cache.peek(key)

    def cache_contains(self, key: Hashable) -> bool:
        return key in self.cache

    def cache_popitem(self) -> Any:
        return self.cache.popitem()

    def cache_clear(self) -> None:
        self.cache.clear()

    def cache_expire(self) -> None:
        self.cache.expire()

    def step(self, step: Step) -> None:
        raise NotImplementedError

    def play(self, steps: list[Step]) -> None:
        for step in steps:
            self.step(step)


class Play(Stage):
    """Each step gives what the model gives, and leaves the cache as it leaves the model.

    An entry that has expired takes room until somebody comes across it. Here they are swept out before each step.
    """

    ordered = True  # whether the cache tells its keys in the order of eviction

    def __init__(self, bounds: Bounds, make: Callable[..., Any]) -> None:
        super().__init__(bounds, make)
        self.model = Model(bounds, self.clock)

    def step(self, step: Step) -> None:
        self.serial += 1
        self.model.expire()
        self.cache.expire()
        name, *arguments = step
        expected = outcome(lambda: getattr(self, "model_" + name)(*arguments))
        found = outcome(lambda: getattr(self, "cache_" + name)(*arguments))
        if name == "popitem" and not self.bounds.bounded and found != "KeyError":
            # Whichever it likes.
            expected = found[0], self.model.remove(found[0]).value
        if found != expected:
            raise Difference(f"{step}: {found!r} instead of {expected!r}")
        self.model.expire()
        self.compare(step)

    def compare(self, step: Step) -> None:
        model, cache = self.model, self.cache
        length, stats = len(cache), cache.stats()
        told = {
            "length": (length, len(model.entries)),
            "entries": (dict(cache.items()), {key: entry.value for key, entry in model.entries.items()}),
            "values": (sorted(cache.values()), sorted(entry.value for entry in model.entries.values())),
            "currsize": (cache.currsize, model.currsize()),
            "hits": (stats.hits, model.hits),
            "misses": (stats.misses, model.misses),
            "evictions": (stats.evictions, model.evictions),
            "expiries": (stats.expiries, model.expiries),
        }
        if self.bounds.bounded and self.ordered:
            told["keys in order"] = (list(cache), model.keys())
        for what, (found, expected) in told.items():
            if found != expected:
                raise Difference(f"after {step}: {what} {found!r} instead of {expected!r}")

    def model_tick(self, seconds: float) -> None:
        pass

    def model_get(self, key: Hashable) -> Any:
        entry = self.model.use(key)
        return "default" if entry is None else entry.value

    def model_item(self, key: Hashable) -> Any:
        entry = self.model.use(key)
        if entry is None:
            raise KeyError(key)
        return entry.value

    def model_set(self, key: Hashable, weight: int, ttl: float | None = None) -> None:
        self.model.set(key, self.new(weight), ttl)

    def model_setdefault(self, key: Hashable, weight: int) -> Any:
        entry = self.model.use(key)
        if entry is None:
            self.model.set(key, self.new(weight))
            return self.new(weight)
        return entry.value

    def model_load(self, key: Hashable, weight: int) -> Any:
        entry = self.model.use(key)
        if entry is not None:
            return entry.value
        with suppress(TooHeavy):
            self.model.set(key, self.new(weight))
        return self.new(weight)

    def model_delete(self, key: Hashable) -> None:
        if key not in self.model.entries:
            raise KeyError(key)
        self.model.remove(key)

    def model_pop(self, key: Hashable) -> Any:
        return self.model.remove(key).value if key in self.model.entries else "default"

    def model_peek(self, key: Hashable) -> Any:
        return self.model.entries[key].value

    def model_contains(self, key: Hashable) -> bool:
        return key in self.model.entries

    def model_popitem(self) -> Any:
        if not self.model.entries:
            raise KeyError
        if self.bounds.bounded:
            key = self.model.keys()[0]
            return key, self.model.remove(key).value
        return None

    def model_clear(self) -> None:
        self.model.clear()

    def model_expire(self) -> None:
        pass


class LoosePlay(Stage):
    """Nobody sweeps, and it can't be foretold what is evicted. But nothing is wrong, nothing is too old, nothing is beyond the
    bounds; and of an LRU cache with maxsize N the N keys that were used last are there, unless they expired.
    """

    def __init__(self, bounds: Bounds, make: Callable[..., Any]) -> None:
        super().__init__(bounds, make)
        self.latest: dict[Hashable, tuple[Value, float]] = {}  # what was set last, and when it expires
        self.used: list[Hashable] = []  # what may take room, the most recently used last
        self.sure: set[Hashable] = set()  # what can't have been evicted

    def step(self, step: Step) -> None:
        self.serial += 1
        name, *arguments = step
        found = outcome(lambda: getattr(self, "cache_" + name)(*arguments))
        getattr(self, "see_" + name)(found, *arguments)
        pairs = dict(self.cache.items())
        self.check(step, pairs)

    def check(self, step: Step, pairs: dict[Hashable, Value]) -> None:
        bounds = self.bounds
        for key, value in pairs.items():
            if not self.is_right(key, value):
                raise Difference(f"after {step}: {key!r} is {value!r}, and was {self.latest.get(key)}")
        if bounds.maxsize is not None and len(pairs) > bounds.maxsize:
            raise Difference(f"after {step}: {len(pairs)} entries")
        if bounds.max_bytes is not None and sum(map(weigh, pairs.values())) > bounds.max_bytes:
            raise Difference(f"after {step}: too heavy: {pairs}")
        for key in self.sure:
            if self.clock.now < self.latest[key][1] and key not in pairs:
                raise Difference(f"after {step}: {key!r} is gone, of {self.used} from the last {bounds.maxsize}")

    def is_right(self, key: Hashable, value: object) -> bool:
        latest = self.latest.get(key)
        return latest is not None and latest[0] == value and self.clock.now < latest[1]

    def use(self, key: Hashable) -> None:
        if key in self.used:
            self.used.remove(key)
        self.used.append(key)
        self.sure.add(key)
        keep = self.bounds.maxsize or 0
        certain = self.bounds.policy == "lru" and self.bounds.max_bytes is None and self.bounds.maxsize is not None
        self.sure &= set(self.used[max(len(self.used) - keep, 0) :]) if certain else set()

    def forget(self, key: Hashable) -> None:
        self.latest.pop(key, None)
        self.sure.discard(key)
        if key in self.used:
            self.used.remove(key)

    def see(self, found: object, key: Hashable) -> None:
        """`found` was given out for the key, or it was said that there is none."""
        if found in ("default", "KeyError"):
            if key in self.sure and self.clock.now < self.latest[key][1]:
                raise Difference(f"{key!r} is gone")
        elif self.is_right(key, found):
            self.use(key)
        else:
            raise Difference(f"{key!r} is {found!r}, and was {self.latest.get(key)}")

    def see_set(self, found: object, key: Hashable, weight: int, ttl: float | None = None) -> None:
        if found == "too heavy":
            return
        self.latest[key] = self.new(weight), self.clock.now + (ttl or self.bounds.ttl or math.inf)
        self.use(key)

    def see_load(self, found: object, key: Hashable, weight: int) -> None:
        if found != self.new(weight):
            self.see(found, key)
        elif self.bounds.max_bytes is None or weight <= self.bounds.max_bytes:
            self.see_set(None, key, weight)

    def see_setdefault(self, found: object, key: Hashable, weight: int) -> None:
        if found != "too heavy":
            self.see_load(found, key, weight)

    def see_get(self, found: object, key: Hashable) -> None:
        self.see(found, key)

    see_item = see_get

    def see_peek(self, found: object, key: Hashable) -> None:
        if found != "KeyError" and not self.is_right(key, found):
            raise Difference(f"{key!r} is {found!r}, and was {self.latest.get(key)}")

    def see_pop(self, found: object, key: Hashable) -> None:
        self.see(found, key)
        self.forget(key)

    def see_delete(self, found: object, key: Hashable) -> None:
        self.forget(key)

    def see_contains(self, found: object, key: Hashable) -> None:
        if found and self.clock.now >= self.latest[key][1]:
            raise Difference(f"{key!r} is too old")

    def see_popitem(self, found: Any) -> None:
        if found != "KeyError":
            key, value = found
            self.see(value, key)
            self.forget(key)

    def see_clear(self, found: object) -> None:
        self.latest.clear()
        self.used.clear()
        self.sure.clear()

    def see_tick(self, found: object, seconds: float) -> None:
        pass

    def see_expire(self, found: object) -> None:
        pass


def stage(bounds: Bounds, make: Callable[..., Any], tidy: bool) -> Stage:
    return (Play if tidy and bounds.exact else LoosePlay)(bounds, make)
