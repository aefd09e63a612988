# SPDX-License-Identifier: MIT
"""One cache of a method for all instances, which it holds weakly: they die, and their entries with them."""

from __future__ import annotations

import caches
from places import Place

START = """
import copy, gc, inspect, pickle, sys, weakref
from dataclasses import dataclass
import outpace

# Garbage goes when a test says so.
gc.disable()

def gone(reference):
    return reference() is None

def errors(*calls):
    for call in calls:
        try:
            print(call())
        except Exception as error:
            print(f"{type(error).__name__}: {error}")
"""


def run(place: Place, program: str, *words: str) -> list[str]:
    return caches.run(place, START + program, *words)


def test_instances_die_with_their_entries(place: Place) -> None:
    program = """
class Thing:
    @outpace.lru_cache(maxsize=1000)
    def method(self, x):
        return [x]

one, two = Thing(), Thing()
results = one.method(1), one.method(2), two.method(1)
print(one.method(1) is results[0], two.method(1) is results[2], Thing.method.cache_info())
value = weakref.ref(one)
held = sys.getrefcount(results[0])
del one
print(gone(value), Thing.method.cache_info().currsize, held - sys.getrefcount(results[0]))
del two
print(Thing.method.cache_info())
# Addresses are used again; entries are not found for those who come later.
print(all(Thing().method(3) is not results for _ in range(1000)), Thing.method.cache_info()[1:])
things = [Thing() for _ in range(500)]
for thing in things:
    for x in range(4):
        thing.method(x)
print(Thing.method.cache_info().currsize, sum(things[-1].method.cache_contains(things[-1], x) for x in range(4)))
del things[250:], thing
print(Thing.method.cache_info().currsize)
del things
print(Thing.method.cache_info().currsize, Thing.method.cache_stats().evictions)
"""
    assert run(place, program) == [
        "True True CacheInfo(hits=2, misses=3, maxsize=1000, currsize=3)",
        "True 1 1",
        "CacheInfo(hits=2, misses=3, maxsize=1000, currsize=0)",
        "True (1003, 1000, 0)",
        "1000 4",
        "0",
        "0 1000",
    ]


def test_weights_and_orders_are_right_after_a_death(place: Place) -> None:
    program = """
for policy in ("lru", "s3fifo"):
    class Thing:
        @outpace.lru_cache(maxsize=None, max_bytes=1000, weigh=len, policy=policy)
        def method(self, size):
            return "x" * size

    one, two = Thing(), Thing()
    for size in (100, 200, 300):
        one.method(size)
        two.method(size // 2)
    print(Thing.method.cache_stats()[-2:], end=" ")
    del one
    print(Thing.method.cache_stats()[-2:], end=" ")
    for size in range(60, 70):
        two.method(size)
    stats = Thing.method.cache_stats()
    print(stats.weight <= 1000, stats.evictions, end=" ")
    del two
    print(Thing.method.cache_stats()[-2:])
"""
    assert run(place, program) == ["(6, 900) (3, 300) True 0 (0, 0)"] * 2


def test_what_is_not_held_weakly(place: Place) -> None:
    program = """
class Valued:
    def __init__(self, x): self.x = x
    def __eq__(self, other): return self.x == other.x
    def __hash__(self): return hash(self.x)
    @outpace.lru_cache
    def method(self): return [self.x]

class Slotted:
    __slots__ = ()
    @outpace.lru_cache
    def method(self): return []

class Number(int):
    @outpace.lru_cache
    def method(self): return [self]

print(Valued(1).method() is Valued(1).method(), Valued.method.cache_info()[:2])
one, two = Slotted(), Slotted()
print(one.method() is one.method(), one.method() is two.method())
print(Number(3).method() is Number(3).method())
# Held weakly and held otherwise stand in one table.
class Plain: pass
plain = Plain()
first = Valued.method.__wrapped__
Plain.x = 1
print(Valued.method(plain) is Valued.method(plain), Valued.method(Valued(1)) is Valued.method(plain))
del plain
print(Valued.method.cache_info().currsize)
"""
    assert run(place, program) == ["True (1, 1)", "True False", "True", "True False", "1"]


def test_deaths_by_the_collector(place: Place) -> None:
    program = """
class Thing:
    @outpace.lru_cache(maxsize=None)
    def method(self, x): return [x]

def ring():
    one, two = Thing(), Thing()
    one.other, two.other = two, one
    one.method(1), two.method(2)

ring()
print(Thing.method.cache_info().currsize, gc.collect() > 0, Thing.method.cache_info().currsize)

# Together with the cache that they stand in.
def all_of_it():
    class Thing:
        @outpace.lru_cache(maxsize=None)
        def method(self, x): return [x, Thing]
    one = Thing()
    one.itself = one
    one.method(1)
    Thing.method.one = one
    return weakref.ref(one), weakref.ref(Thing.method)

references = all_of_it()
gc.collect()
print([gone(reference) for reference in references])

# Raised from the dead: the collector has cut the weak reference, so the entries went; new ones are made.
saved = []
class Phoenix(Thing):
    def __del__(self):
        if not saved:
            saved.append((self, self.method(1)))

phoenix = Phoenix()
phoenix.itself = phoenix
before = phoenix.method(1)
del phoenix
gc.collect()
(phoenix, during), = saved
print(phoenix.method(1) is during, phoenix.method(1) is before, Thing.method.cache_info().currsize)
saved.append(None)
del phoenix, before, during
saved.clear()
saved.append(None)
gc.collect()
print(Thing.method.cache_info().currsize)

# A call in __del__ by reference counts: a hit, and then the entries go.
class Calls(Thing):
    def __del__(self): print(self.method(1) is expected)
calls = Calls()
expected = calls.method(1)
del calls
print(Thing.method.cache_info().currsize)
"""
    assert run(place, program) == ["2 True 0", "[True, True]", "True False 1", "0", "True", "0"]


def test_weak_references_that_were_cut_without_a_callback(place: Place) -> None:
    program = """
# In the callback of a weak reference the object is dead already: a new reference to it would be cut without a word.
class Thing:
    @outpace.lru_cache(maxsize=None)
    def method(self, x): return [x]

class Late(Thing):
    def __del__(self): self.method(0)

# Many deaths, at addresses that are used again, and deaths in which the cache is called.
for kind in (Thing, Late):
    for turn in range(300):
        things = [kind() for _ in range(10)]
        for thing in things:
            thing.method(turn)
            thing.itself = thing if turn % 3 == 0 else None
        del things, thing
    gc.collect()
    # Who comes later finds what is left.
    for _ in range(3000):
        Thing().method(0)
    print(Thing.method.cache_info().currsize)
"""
    assert run(place, program) == ["0", "0"]


def test_destructors_that_call_the_cache(place: Place) -> None:
    program = """
class Value:
    def __init__(self, thing): self.thing = weakref.ref(thing)
    def __del__(self):
        Thing.method.cache_info()
        assert self.thing() is None
        other.method(1)
        Thing.method.cache_invalidate(other, 2)

class Thing:
    @outpace.lru_cache(maxsize=20)
    def method(self, x): return Value(self) if self is not other else x

other = None
other = Thing()
for turn in range(50):
    thing = Thing()
    for x in range(10):
        thing.method(x)
    del thing
    other.method(2)
print(Thing.method.cache_info().currsize)

# The last reference to the function goes in the middle of it.
class Last:
    def __del__(self): del Fragile.method
class Fragile:
    @outpace.lru_cache
    def method(self, x): return Last() if x == 2 else Value(self)
for x in range(3):
    fragile = Fragile()
    for each in range(x + 1):
        Fragile.method(fragile, each)
reference = weakref.ref(Fragile.method)
del fragile
print(hasattr(Fragile, "method"), gone(reference))
"""
    assert run(place, program) == ["2", "False True"]


def test_an_invalid_call_of_the_callback(place: Place) -> None:
    program = """
class Thing:
    @outpace.lru_cache
    def method(self, x): return [x]
thing = Thing()
value = thing.method(1)
owner, = [each for each in weakref.getweakrefs(thing) if each.__callback__ is not None]
print(owner() is thing)
errors(lambda: owner.__callback__(None), lambda: type(owner)(thing), lambda: owner.__callback__(owner))
print(thing.method(1) is value, thing.method(1) is thing.method(1))
callback = owner.__callback__
del Thing, thing
gc.collect()
print(owner(), callback(owner))
"""
    lines = run(place, program)
    assert lines[:2] == ["True", "TypeError: not an owner"]
    assert lines[2].startswith("TypeError: cannot create 'outpace._cache.Owner' instances")
    assert lines[3:] == ["None", "False True", "None None"]
