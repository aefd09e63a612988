# SPDX-License-Identifier: MIT
"""per_instance=True: each instance has a cache of its own, which is gone with it."""

from __future__ import annotations

import caches
import pytest
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

KINDS = """
class Plain:
    def __init__(self, x=0): self.x = x
    @outpace.lru_cache(maxsize=3, per_instance=True)
    def method(self, *args, **more): return [self.x, args, more]

class Slotted:
    __slots__ = ("x", "__weakref__")
    def __init__(self, x=0): self.x = x
    @outpace.lru_cache(maxsize=3, per_instance=True)
    def method(self, *args, **more): return [self.x, args, more]

@dataclass(frozen=True)
class Frozen:
    x: int = 0
    @outpace.lru_cache(maxsize=3, per_instance=True)
    def method(self, *args, **more): return [self.x, args, more]

@dataclass
class Unhashable:
    x: int = 0
    __hash__ = None
    @outpace.lru_cache(maxsize=3, per_instance=True)
    def method(self, *args, **more): return [self.x, args, more]

class Closed:
    def __init__(self, x=0): object.__setattr__(self, "x", x)
    def __setattr__(self, *_): raise AttributeError("closed")
    def __getattr__(self, name): raise AttributeError(name)
    @outpace.lru_cache(maxsize=3, per_instance=True)
    def method(self, *args, **more): return [self.x, args, more]

KINDS = [Plain, Slotted, Frozen, Unhashable, Closed]
"""


def run(place: Place, program: str, *words: str) -> list[str]:
    return caches.run(place, START + program, *words)


def test_each_instance_has_a_cache(place: Place) -> None:
    program = """
for kind in KINDS:
    one, two = kind(1), kind(1)
    assert one.method(1) is one.method(1) == [1, (1,), {}]
    assert one.method(1) is not two.method(1)
    assert kind.method(one, 1) is one.method(1) is getattr(one, "method")(1)
    assert one.method(1, a=2) is one.method(1, a=2) == [1, (1,), {"a": 2}]
    assert one.method() is one.method() == [1, (), {}]
    many = list(range(20))
    assert two.method(*many, b=1) is two.method(*many, b=1) == [1, tuple(many), {"b": 1}]
    print(kind.__name__, one.method.cache_info(), two.method.cache_info()[1:])
    references = [weakref.ref(one), weakref.ref(two), weakref.ref(kind.method)]
    result = one.method(1)
    held = sys.getrefcount(result)
    del one, two
    print([gone(reference) for reference in references], held - sys.getrefcount(result))
"""
    kinds = ("Plain", "Slotted", "Frozen", "Unhashable", "Closed")
    lines = run(place, KINDS + program)
    assert lines[::2] == [f"{kind} CacheInfo(hits=7, misses=3, maxsize=3, currsize=3) (2, 3, 2)" for kind in kinds]
    assert lines[1::2] == ["[True, True, False] 1"] * len(kinds)


def test_the_methods_of_a_bound_one(place: Place) -> None:
    program = """
for kind in (Plain, Slotted):
    one, two = kind(1), kind(2)
    bound = one.method
    assert bound.cache_put("put", 1, 2, a=3) is None
    assert one.method(1, 2, a=3) == "put" and two.method(1, 2, a=3) == [2, (1, 2), {"a": 3}]
    assert bound.cache_contains(1, 2, a=3) and not bound.cache_contains(1, 2) and not two.method.cache_contains(1)
    assert bound.cache_peek(1, 2, a=3) == "put"
    assert bound.cache_invalidate(1, 2, a=3) is True and bound.cache_invalidate(1, 2, a=3) is False
    assert two.method.cache_contains(1, 2, a=3)
    errors(lambda: bound.cache_peek(5), lambda: bound.cache_put(), lambda: bound([]))
    print(bound.cache_info(), bound.cache_stats().misses, bound.cache_parameters())
    one.method(1), two.method(1)
    bound.cache_clear()
    print(one.method.cache_info(), two.method.cache_info().currsize)
    one.method(1)
    kind.method.cache_clear()
    print(one.method.cache_info(), two.method.cache_info())
    print(bound.__self__ is one, bound.__func__ is kind.method, bound.__wrapped__ is kind.method.__wrapped__)
    print(bound == one.method, hash(bound) == hash(one.method), bound == two.method, bound != two.method, bound == 1)
    print(bound.__name__, bound.__qualname__, bound.__module__, bound.__doc__, inspect.signature(bound))
    print(repr(bound).startswith(f"<bound cached method {kind.__name__}.method of <__main__."))
    errors(lambda: bound.nothing)
    assert weakref.ref(bound)() is bound and kind.method is kind.__dict__["method"]
"""
    lines = run(place, KINDS + program)
    for kind, rest in (("Plain", lines[:11]), ("Slotted", lines[11:])):
        assert rest == [
            "KeyError: 'nothing is kept for these arguments'",
            "TypeError: cache_put(value, /, *args, **kwargs) misses the value",
            f"TypeError: {kind}.method(): argument 2: unhashable type: 'list'",
            "CacheInfo(hits=1, misses=0, maxsize=3, currsize=0) 0 {'maxsize': 3, 'typed': False, 'per_instance': True}",
            "CacheInfo(hits=0, misses=0, maxsize=3, currsize=0) 2",
            "CacheInfo(hits=0, misses=0, maxsize=3, currsize=0) CacheInfo(hits=0, misses=0, maxsize=3, currsize=0)",
            "True True True",
            "True True False True False",
            f"method {kind}.method __main__ None (*args, **more)",
            "True",
            "AttributeError: 'outpace._cache.CachedMethod' object has no attribute 'nothing'",
        ]


def test_cycles_through_an_instance_s_cache(place: Place) -> None:
    program = """
class Node:
    @outpace.lru_cache(per_instance=True)
    def itself(self): return self
    @outpace.lru_cache(per_instance=True)
    def bound(self): return self.itself

one = Node()
one.itself(), one.bound()
one.kept = one.bound
reference = weakref.ref(one)
del one
print(gone(reference), gc.collect() > 0, gone(reference))

def all_of_it():
    class Node:
        __slots__ = ("__weakref__",)
        @outpace.lru_cache(per_instance=True)
        def itself(self): return self, Node
    one = Node()
    one.itself()
    return weakref.ref(Node), weakref.ref(Node.itself), weakref.ref(one)

references = all_of_it()
gc.collect()
print([gone(reference) for reference in references])

# Those that the collector raises from the dead begin anew, and go in the end.
saved = []
class Phoenix(Node):
    def __del__(self):
        saved.append(self.itself())

phoenix = Phoenix()
phoenix.itself()
del phoenix
gc.collect()
phoenix = saved.pop()
print(phoenix.itself() is phoenix, phoenix.itself.cache_info()[:2])
reference = weakref.ref(phoenix)
del phoenix
gc.collect()
saved.clear()
gc.collect()
print(gone(reference))
"""
    assert run(place, program) == ["False True True", "[True, True, True]", "True (1, 1)", "True"]


def test_copies_and_pickles_of_instances(place: Place) -> None:
    program = """
NAME = "<cache of __main__.{}.method>"
for kind in (Plain, Frozen, Unhashable):
    one = kind(1)
    result = one.method(1)
    twin = copy.copy(one)
    name = NAME.format(kind.__name__)
    print(sorted(vars(one)), vars(twin)[name] is vars(one)[name], end=" ")
    # What the original has is not the copy's.
    assert twin.method(1) == result and twin.method(1) is not result and one.method(1) is result
    print(vars(twin)[name] is vars(one)[name])
    deep = copy.deepcopy(one)
    assert vars(deep)[name] is None and deep.method(1) is deep.method(1) is not result
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        loaded = pickle.loads(pickle.dumps(one, protocol))
        assert vars(loaded)[name] is None and loaded.x == 1
        assert loaded.method(1) is loaded.method(1) is not result and vars(loaded)[name] is not None
    assert copy.copy(vars(one)[name]) is None

# A copy keeps nothing alive of what died.
one = Plain(1)
class Value: pass
one.method.cache_put(Value(), 1)
value = weakref.ref(one.method(1))
twin = copy.copy(one)
print(gone(value), end=" ")
del one
print(gone(value), twin.method.cache_contains(1))

slotted = Slotted(1)
slotted.method(1)
print(copy.copy(slotted).method.cache_info()[:2], pickle.loads(pickle.dumps(slotted)).method.cache_contains(1))

# The methods themselves, by name.
print(pickle.loads(pickle.dumps(Plain.method)) is copy.copy(Plain.method) is copy.deepcopy(Plain.method) is Plain.method)
twin.method(1)
loaded = pickle.loads(pickle.dumps(twin.method))
print(loaded.__self__.x, loaded.__func__ is Plain.method, copy.copy(twin.method) == twin.method)
errors(lambda: type(vars(twin)[NAME.format("Plain")])())
"""
    lines = run(place, KINDS + program)
    for line, kind in zip(lines, ("Plain", "Frozen", "Unhashable"), strict=False):
        assert line == f"['<cache of __main__.{kind}.method>', 'x'] True False"
    assert lines[3:7] == ["False True False", "(0, 0) False", "True", "1 True True"]
    assert lines[7].startswith("TypeError: cannot create 'outpace._cache.InstanceCache' instances")


def test_a_dict_that_is_cleared(place: Place) -> None:
    program = """
class Thing:
    @outpace.lru_cache(per_instance=True)
    def method(self, x): return [x]

thing = Thing()
for clear in (lambda: vars(thing).clear(), lambda: setattr(thing, "__dict__", {}), lambda: delattr(thing, *vars(thing))):
    before = thing.method(1)
    assert thing.method(1) is before
    clear()
    assert thing.method(1) is not before and thing.method(1) is thing.method(1)
# In the midst of a call.
class Careless:
    @outpace.lru_cache(per_instance=True)
    def method(self, x):
        vars(self).clear()
        gc.collect()
        return x
careless = Careless()
print(careless.method(1), careless.method(2), len(vars(careless)))

# The method goes before the instance: nothing of its cache stays.
class Value: pass
Thing.other = outpace.lru_cache(per_instance=True)(lambda self: Value())
value = weakref.ref(thing.other())
print(gone(value), end=" ")
del Thing.other
print(gone(value))
"""
    assert run(place, program) == ["1 2 0", "False True"]


def test_inheritance(place: Place) -> None:
    program = """
class Base:
    @outpace.lru_cache(per_instance=True)
    def method(self, x): return ["base", x]
    @outpace.lru_cache(per_instance=True)
    def inherited(self): return [type(self).__name__]

class Derived(Base):
    @outpace.lru_cache(per_instance=True)
    def method(self, x): return ["derived", *super().method(x)]

one = Derived()
print(one.method(1), one.method(1) is one.method(1), super(Derived, one).method(1), one.inherited())
print(one.method.cache_info()[:2], super(Derived, one).method.cache_info()[:2], Base.method is Derived.method)
print(Base.method(one, 1) is super(Derived, one).method(1))
print(sorted(vars(one)))

# Classes with one name: their methods' caches don't push each other out of the instance's __dict__.
def grown(base):
    class Grown(base):
        @outpace.lru_cache(per_instance=True)
        def method(self): return [super().method()]
    return Grown
class Root:
    def method(self): return []
two = grown(grown(grown(Root)))()
print(two.method(), two.method() is two.method(), len(vars(two)))
for each in type(two).__mro__[:3]:
    print(each.method.__get__(two).cache_info()[:2], end=" ")
print()

# Told late of its place, or twice.
class Late:
    pass
Late.method = outpace.lru_cache(per_instance=True)(lambda self: [])
class Twice:
    @outpace.lru_cache(per_instance=True)
    def one(self): return []
    other = one
late, twice = Late(), Twice()
print(late.method() is late.method(), Late().method() is late.method(), twice.one() is twice.other())
print([*vars(late), *vars(twice)])

class Meta(type):
    @outpace.lru_cache(per_instance=True)
    def method(cls): return [cls.__name__]
class One(metaclass=Meta): pass
class Two(metaclass=Meta): pass
print(One.method(), One.method() is One.method(), Two.method(), [name for name in vars(One) if "<" in name])
reference = weakref.ref(Two)
del Two
gc.collect()
print(gone(reference))
"""
    assert run(place, program) == [
        "['derived', 'base', 1] True ['base', 1] ['Derived']",
        "(2, 1) (1, 1) False",
        "True",
        "['<cache of __main__.Base.inherited>', '<cache of __main__.Base.method>', '<cache of __main__.Derived.method>']",
        "[[[[]]]] True 3",
        "(2, 1) (0, 1) (0, 1) ",
        "True False True",
        "['<cache of __main__.Late.method>', '<cache of __main__.Twice.one>']",
        "['One'] True ['Two'] []",
        "True",
    ]


@pytest.mark.parametrize(
    ("expression", "error"),
    [
        ("Thing.method()", "Thing.method() has a cache for each instance (per_instance=True) and was called without one"),
        ("Thing.method(x=1)", "Thing.method() has a cache for each instance (per_instance=True) and was called without one"),
        (
            "Thing.method(1)",
            "Thing.method() can't have a cache for each 'int' (per_instance=True), as these take no weak references:"
            " '__weakref__' among its __slots__ (of a dataclass: weakref_slot=True) lets them",
        ),
        (
            "Slotted().method()",
            "Slotted.method() can't have a cache for each 'Slotted' (per_instance=True), as these take no weak references:"
            " '__weakref__' among its __slots__ (of a dataclass: weakref_slot=True) lets them",
        ),
        (
            "Thing.static(Thing())",
            "Thing.static() has a cache for each instance (per_instance=True), but is no method of 'Thing':"
            " a function or a @staticmethod is cached without per_instance",
        ),
        (
            "function(Thing())",
            "function() has a cache for each instance (per_instance=True), but is no method of 'Thing':"
            " a function or a @staticmethod is cached without per_instance",
        ),
        (
            "Thing.of_class()",
            "Thing.of_class() has a cache for each instance (per_instance=True) and got the class 'Thing' as one:"
            " a @classmethod is cached without per_instance",
        ),
        (
            "Thing().of_class()",
            "Thing.of_class() has a cache for each instance (per_instance=True) and got the class 'Thing' as one:"
            " a @classmethod is cached without per_instance",
        ),
    ],
)
def test_what_can_have_no_cache_of_its_own(place: Place, expression: str, error: str) -> None:
    program = f"""
per_instance = outpace.lru_cache(per_instance=True)

class Thing:
    @per_instance
    def method(self, x=0): return x
    @staticmethod
    @per_instance
    def static(x): return x
    @classmethod
    @per_instance
    def of_class(cls): return cls

class Slotted:
    __slots__ = ()
    @per_instance
    def method(self): return self

@per_instance
def function(x): return x

errors(lambda: {expression}, lambda: {expression})
"""
    assert run(place, program) == [f"TypeError: {error}"] * 2


def test_options_reach_each_instance_s_cache(place: Place) -> None:
    program = """
now = 0.0
class Thing:
    @outpace.ttl_cache(10, 2, timer=lambda: now, per_instance=True)
    def timed(self, x): return [x]
    @outpace.lru_cache(key=lambda self, x: x % 10, per_instance=True)
    def keyed(self, x): return [x]
    @outpace.lru_cache(typed=True, per_instance=True)
    def typed(self, x): return [x]
    @outpace.lru_cache(copy=True, per_instance=True)
    def copied(self): return []
    @outpace.lru_cache(0, per_instance=True)
    def nothing(self): return []
    @outpace.lru_cache(cache_exceptions=True, per_instance=True)
    def fails(self): raise ValueError(self.__dict__.setdefault("failed", []).append(1))

one, two = Thing(), Thing()
value = one.timed(1)
print(one.timed(1) is value, end=" ")
now = 11.0
print(one.timed(1) is value, one.timed.cache_stats().expiries)
print(one.keyed(13), one.keyed(23), two.keyed(23))
print(one.typed(1), one.typed(1.0), one.typed.cache_info()[:2])
print(one.copied() is one.copied(), one.copied.cache_info()[:2])
print(one.nothing() is one.nothing(), one.nothing.cache_info()[:2])
errors(one.fails, one.fails)
print(one.failed)
errors(lambda: outpace.lru_cache(ttl=0, per_instance=True))
"""
    assert run(place, program) == [
        "True False 1",
        "[13] [13] [23]",
        "[1] [1.0] (0, 2)",
        "False (1, 1)",
        "False (0, 2)",
        "ValueError: None",
        "ValueError: None",
        "[1]",
        "ValueError: lru_cache: ttl must be more than 0 seconds, not 0",
    ]


def test_threads_make_one_cache(place: Place) -> None:
    program = """
import threading
sys.setswitchinterval(1e-6)

class Thing:
    @outpace.lru_cache(once=True, per_instance=True)
    def method(self, x): return [x]

for slots in (False, True):
    if slots:
        class Thing:
            __slots__ = ("__weakref__",)
            method = outpace.lru_cache(once=True, per_instance=True)(lambda self, x: [x])
    for _ in range(100):
        thing, results, barrier = Thing(), [], threading.Barrier(4)
        def work(thing=thing):
            barrier.wait()
            results.append(thing.method(1))
        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads: thread.start()
        for thread in threads: thread.join()
        assert len(set(map(id, results))) == 1
        reference = weakref.ref(thing)
        work.__defaults__ = None
        del thing, threads, thread
        assert gone(reference)
print("done")
"""
    assert run(place, program) == ["done"]


def test_coroutine_functions(place: Place) -> None:
    program = """
import asyncio

class Thing:
    loads = 0
    @outpace.lru_cache(per_instance=True)
    async def method(self, x):
        Thing.loads += 1
        await asyncio.sleep(0)
        return [self, x]

async def main():
    one, two = Thing(), Thing()
    results = await asyncio.gather(*[one.method(1) for _ in range(9)], two.method(1))
    print(Thing.loads, len(set(map(id, results))), await one.method(1) is results[0], two.method.cache_info()[:2])
    print(one.method.cache_peek(1) is results[0], one.method.cache_contains(2), inspect.signature(one.method))
    print(inspect.iscoroutinefunction(one.method), inspect.iscoroutinefunction(Thing.method))
    return weakref.ref(one)

reference = asyncio.run(main())
gc.collect()
print(gone(reference))
"""
    assert run(place, program) == ["2 2 True (0, 1)", "True False (x)", "True True", "True"]
