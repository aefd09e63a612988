# SPDX-License-Identifier: MIT
"""What outpace.Cache and outpace.TTLCache do, method by method. Run by test_cache_mapping.py on every Python; unittest only."""

from __future__ import annotations

import collections.abc
import copy
import functools
import math
import operator
import pickle
import sys
import time
import unittest
from collections.abc import Callable
from typing import Any

import cache_models
import outpace
from outpace import Cache, TTLCache


class Clock(cache_models.Clock):
    pass


class Mapping(unittest.TestCase):
    """As a dict, where no bound is met."""

    def setUp(self) -> None:
        self.cache: Cache[Any, Any] = Cache()

    def test_it_is_a_mutable_mapping(self) -> None:
        self.assertIsInstance(self.cache, collections.abc.MutableMapping)
        self.assertTrue(issubclass(TTLCache, collections.abc.MutableMapping))
        self.cache["a"] = 1
        match self.cache:
            case {"a": 1}:
                pass
            case _:
                self.fail("no mapping for a pattern")

    def test_what_is_called_often_is_the_c_side(self) -> None:
        base = Cache.__mro__[1]
        for name in ("__getitem__", "__setitem__", "__delitem__", "__contains__", "__len__", "__iter__"):
            self.assertIs(getattr(TTLCache, name), base.__dict__[name])
            self.assertEqual(type(getattr(Cache, name)).__name__, "wrapper_descriptor")
        for name in ("get", "set", "pop", "popitem", "setdefault", "clear", "peek", "get_or_load"):
            self.assertIs(getattr(TTLCache, name), base.__dict__[name])

    def test_items_are_set_read_and_deleted(self) -> None:
        cache = self.cache
        cache["a"] = 1
        cache["a"] = 2
        cache[None] = cache[1.5] = cache["t", 1] = 3
        self.assertEqual((cache["a"], cache[None], cache[1.5], cache["t", 1], len(cache)), (2, 3, 3, 3, 4))
        del cache["a"]
        self.assertNotIn("a", cache)
        self.assertIn(None, cache)
        with self.assertRaises(KeyError) as raised:
            cache["a"]
        self.assertEqual(raised.exception.args, ("a",))
        with self.assertRaises(KeyError) as raised:
            del cache["t", 2]
        self.assertEqual(raised.exception.args, (("t", 2),))

    def test_keys_are_equal_as_in_a_dict(self) -> None:
        cache = self.cache
        cache[1] = "one"
        self.assertEqual((cache[1.0], cache[True]), ("one", "one"))
        cache[True] = "true"
        self.assertEqual((cache[1], len(cache), list(map(type, cache))), ("true", 1, [int]))
        nan = float("nan")
        cache[nan] = 1
        self.assertIn(nan, cache)
        self.assertNotIn(float("nan"), cache)
        cache[-1], cache[-2] = "a", "b"  # of one hash
        self.assertEqual((cache[-1], cache[-2]), ("a", "b"))
        cache[1 << 70] = "large"
        self.assertEqual((cache[1 << 70], cache[float(1 << 70)]), ("large", "large"))

    def test_get(self) -> None:
        cache = self.cache
        cache["a"] = None
        self.assertEqual((cache.get("a"), cache.get("b"), cache.get("b", 1)), (None, None, 1))
        self.assertEqual((cache.get("b", default=2), cache.get(key="a", default=2)), (2, None))

    def test_set_pop_and_peek(self) -> None:
        cache = self.cache
        self.assertIsNone(cache.set("a", 1))
        cache.set(key="b", value=2, ttl=None)
        self.assertEqual((cache.peek("a"), cache.pop("a"), cache.pop("a", None), cache.pop("b", default=7)), (1, 1, None, 2))
        for missing in (cache.pop, cache.peek):
            with self.assertRaises(KeyError) as raised:
                missing(("t",))
            self.assertEqual(raised.exception.args, (("t",),))

    def test_setdefault(self) -> None:
        cache = self.cache
        self.assertEqual((cache.setdefault("a", 1), cache.setdefault("a", 2), cache.setdefault("b")), (1, 1, None))
        self.assertEqual(dict(cache), {"a": 1, "b": None})

    def test_popitem_empties(self) -> None:
        for cache in (Cache(), Cache(50), Cache(50, policy="s3fifo")):
            wanted = {number: str(number) for number in range(50)}
            cache.update(wanted)
            found = {}
            while cache:
                key, found[key] = cache.popitem()
            self.assertEqual(found, wanted)
            with self.assertRaises(KeyError):
                cache.popitem()

    def test_update_clear_and_equality(self) -> None:
        cache = self.cache
        cache.update({"a": 1}, b=2)
        cache.update([("c", 3)])
        self.assertEqual(cache, {"a": 1, "b": 2, "c": 3})
        self.assertNotEqual(cache, {"a": 1})
        self.assertNotEqual(cache, 5)
        with self.assertRaises(TypeError):
            hash(cache)
        cache.clear()
        self.assertEqual((len(cache), list(cache), bool(cache)), (0, [], False))

    def test_views(self) -> None:
        cache = self.cache
        cache.update(a=1, b=2)
        keys, items, values = cache.keys(), cache.items(), cache.values()
        self.assertEqual((set(keys), set(items), sorted(values)), ({"a", "b"}, {("a", 1), ("b", 2)}, [1, 2]))
        self.assertEqual((keys & {"a", "z"}, items - {("b", 2)}), ({"a"}, {("a", 1)}))
        self.assertEqual((len(keys), len(items), len(values)), (2, 2, 2))
        self.assertTrue(("a", 1) in items and ("a", 2) not in items and "a" not in items and ("z", 1) not in items)
        self.assertTrue(2 in values and 3 not in values and "a" in keys)
        cache["c"] = 3  # a view looks at what is there now
        self.assertEqual((sorted(keys), sorted(values)), (["a", "b", "c"], [1, 2, 3]))
        self.assertEqual((cache.stats().hits, cache.stats().misses), (0, 0))

    def test_statistics(self) -> None:
        cache = self.cache
        cache["a"] = 1
        cache["a"], cache.get("a"), cache.get("b"), cache.setdefault("a")
        cache.get_or_load("c", str)
        with self.assertRaises(ZeroDivisionError):
            cache.get_or_load("d", lambda key: 1 / 0)
        for free in (cache.peek, cache.__contains__):
            free("a")
        dict(cache.items())
        stats = cache.stats()
        self.assertEqual((stats.hits, stats.misses, stats.loads, stats.load_errors), (3, 3, 1, 1))
        self.assertEqual((stats.currsize, stats.weight, stats.evictions, stats.expiries, stats.loading), (2, 2, 0, 0, 0))
        self.assertGreaterEqual(stats.load_time, 0)
        cache.clear()
        self.assertEqual(cache.stats()[:2], (3, 3))

    def test_repr(self) -> None:
        self.cache["a"] = 1
        self.assertEqual(repr(self.cache), "Cache({'a': 1}, maxsize=None, currsize=1)")
        self.cache["a"] = self.cache
        self.assertEqual(repr(self.cache), "Cache({'a': Cache(...)}, maxsize=None, currsize=1)")
        large = Cache(100_000)
        large.update({"k" * 1000 + str(number): "v" * 1000 for number in range(10_000)})
        self.assertLess(len(repr(large)), 1000)
        self.assertIn("...", repr(large))

    def test_its_size_grows_with_its_entries(self) -> None:
        empty = sys.getsizeof(self.cache)
        self.cache.update(dict.fromkeys(range(1000)))
        self.assertGreater(sys.getsizeof(self.cache), empty + 1000 * 24)


class Bounded(unittest.TestCase):
    def test_the_least_recently_used_goes(self) -> None:
        cache: Cache[str, int] = Cache(2)
        cache["a"], cache["b"] = 1, 2
        cache.get("a")
        cache["c"] = 3
        self.assertEqual(list(cache.items()), [("a", 1), ("c", 3)])
        cache.peek("a"), "a" in cache
        list(cache)
        cache["d"] = 4
        self.assertEqual((list(cache), cache.stats().evictions), (["c", "d"], 2))
        cache["c"] = 5  # to be set is to be used
        self.assertEqual(cache.popitem(), ("d", 4))

    def test_nothing_is_kept_with_maxsize_0(self) -> None:
        cache: Cache[str, int] = Cache(0)
        cache["a"] = 1
        cache.set("a", 1)
        self.assertEqual((cache.setdefault("a", 2), cache.get_or_load("a", len)), (2, 1))
        self.assertEqual((len(cache), cache.get("a"), cache.maxsize), (0, None, 0))

    def test_a_scan_does_not_drive_out_what_is_used_again_with_s3fifo(self) -> None:
        kept = {}
        for policy in ("lru", "s3fifo"):
            cache: Cache[int, int] = Cache(100, policy=policy)
            for _ in range(5):
                for key in range(50):
                    cache.get_or_load(key, abs)
            for key in range(1000, 3000):
                cache.get_or_load(key, abs)
            kept[policy] = sum(key in cache for key in range(50))
        self.assertEqual(kept, {"lru": 0, "s3fifo": 50})

    def test_weights(self) -> None:
        cache: Cache[str, str] = Cache(max_bytes=10, weigh=len)
        cache["a"], cache["b"] = "xxxx", "yyyyy"
        self.assertEqual((cache.currsize, len(cache), cache.stats().weight), (9, 2, 9))
        cache["c"] = "zz"
        self.assertEqual((list(cache), cache.currsize), (["b", "c"], 7))
        cache["c"] = "z" * 6  # grows, and b has to go
        self.assertEqual((list(cache), cache.currsize), (["c"], 6))
        for set in (lambda: cache.set("c", "z" * 11), lambda: operator.setitem(cache, "d", "z" * 11)):
            with self.assertRaisesRegex(ValueError, "too heavy.* 11.* 10"):
                set()
        with self.assertRaisesRegex(ValueError, "too heavy"):
            cache.setdefault("d", "z" * 11)
        self.assertEqual(cache.get_or_load("d", lambda key: "z" * 11), "z" * 11)
        self.assertEqual(dict(cache), {"c": "z" * 6})

    def test_weights_without_a_weigher_are_bytes(self) -> None:
        cache: Cache[int, bytes] = Cache(max_bytes=5000)
        for key in range(10):
            cache[key] = bytes(1000)
        self.assertEqual((list(cache), cache.currsize), ([6, 7, 8, 9], 4 * sys.getsizeof(bytes(1000))))
        self.assertIs(cache.weigh, sys.getsizeof)

    def test_weights_that_nothing_bounds(self) -> None:
        cache: Cache[int, str] = Cache(2, weigh=len)
        cache[1], cache[2], cache[3] = "a", "bb", "ccc"
        self.assertEqual((cache.currsize, len(cache)), (5, 2))

    def test_a_weigher_that_fails_stores_nothing(self) -> None:
        weight: Any = 0
        cache: Cache[str, Any] = Cache(5, weigh=lambda value: weight)
        cache["a"] = "old"
        wrong: list[tuple[Any, type[Exception], str]] = [(-1, ValueError, "weigh=.*negative"), ("1", TypeError, "weigh|str"), (1.5, TypeError, "weigh|float")]
        for weight, error, text in wrong:
            calls: list[Callable[[], Any]] = [
                lambda: cache.set("a", "new"),
                lambda: cache.set("b", "new"),
                lambda: operator.setitem(cache, "b", "new"),
                lambda: cache.setdefault("b", "new"),
                lambda: cache.get_or_load("b", lambda key: "new"),
            ]
            for call in calls:
                with self.assertRaisesRegex(error, text):
                    call()
                self.assertEqual(dict(cache), {"a": "old"})

        def weigh(value: object) -> int:
            raise LookupError("no scales")

        cache = Cache(5, weigh=weigh)
        with self.assertRaisesRegex(LookupError, "no scales"):
            cache["a"] = 1
        self.assertEqual((len(cache), cache.currsize), (0, 0))

    def test_attributes(self) -> None:
        clock = Clock()
        cache: Cache[Any, Any] = Cache(3, ttl=2, jitter=0.5, max_bytes=100, weigh=len, policy="s3fifo", timer=clock)
        found = (cache.maxsize, cache.ttl, cache.jitter, cache.max_bytes, cache.weigh, cache.policy, cache.timer)
        self.assertEqual(found, (3, 2.0, 0.5, 100, len, "s3fifo", clock))
        cache = Cache()
        found = (cache.maxsize, cache.ttl, cache.jitter, cache.max_bytes, cache.weigh, cache.policy, cache.timer)
        self.assertEqual(found, (None, None, None, None, None, "lru", None))
        with self.assertRaises(AttributeError):
            cache.maxsize = 5  # type: ignore[misc]
        self.assertEqual(Cache(ttl=0.3).ttl, 0.3)


class BadInput(unittest.TestCase):
    def refuses(self, error: type[Exception], text: str, call: Callable[[], Any]) -> None:
        with self.assertRaisesRegex(error, text):
            call()

    def test_bounds(self) -> None:
        make: Any = Cache
        for maxsize in (-1, -(1 << 80)):
            self.refuses(ValueError, "maxsize", lambda: make(maxsize))
        for maxsize in (1.0, "1", [], math.inf):
            self.refuses(TypeError, "maxsize", lambda: make(maxsize))
        for ttl in (0, 0.0, -1, -math.inf, math.nan, -(1 << 2000)):
            self.refuses(ValueError, "ttl", lambda: make(ttl=ttl))
            self.refuses(ValueError, "ttl", lambda: TTLCache(ttl))
            self.refuses(ValueError, "ttl", lambda: make().set("a", 1, ttl))
        for ttl in ("1", [], 1j):
            self.refuses(TypeError, "ttl", lambda: make(ttl=ttl))
            self.refuses(TypeError, "ttl", lambda: make().set("a", 1, ttl=ttl))
        self.refuses(TypeError, "ttl_seconds", lambda: TTLCache(None))  # type: ignore[arg-type]
        for jitter in (-0.5, math.nan, 1.0, 2):
            self.refuses(ValueError, "jitter", lambda: make(ttl=1, jitter=jitter))
        self.refuses(ValueError, "jitter needs a ttl", lambda: make(jitter=1))
        self.refuses(TypeError, "jitter", lambda: make(ttl=1, jitter="1"))
        for most in (0, -1):
            self.refuses(ValueError, "max_bytes", lambda: make(max_bytes=most))
        self.refuses(TypeError, "max_bytes", lambda: make(max_bytes="1k"))
        self.refuses(ValueError, "policy.*'fifo'", lambda: make(policy="fifo"))
        for policy in (None, 1):
            self.refuses(TypeError, "policy", lambda: make(policy=policy))
        for name in ("weigh", "timer"):
            self.refuses(TypeError, name, lambda: make(**{name: 5}))
        self.refuses(TypeError, "argument", lambda: make(1, 2))
        self.refuses(TypeError, "stale", lambda: make(stale=1))

    def test_numbers_of_other_types(self) -> None:
        from fractions import Fraction

        self.assertEqual((Cache(True).maxsize, Cache(ttl=Fraction(1, 2)).ttl), (1, 0.5))  # type: ignore[arg-type]
        self.assertEqual(Cache(1 << 100).maxsize, sys.maxsize)
        for ever in (math.inf, 1e300, 1 << 2000):
            self.assertIsNone(Cache(ttl=ever).ttl)
        cache: Cache[str, int] = Cache(ttl=1e-12, timer=Clock())
        cache["a"] = 1
        self.assertIn("a", cache)  # a nanosecond at least

    def test_keys_without_a_hash(self) -> None:
        cache: Cache[Any, Any] = Cache()
        calls: list[Callable[[Any], Any]] = [
            cache.__getitem__,
            cache.__delitem__,
            cache.__contains__,
            cache.get,
            cache.pop,
            cache.peek,
            cache.setdefault,
            lambda key: cache.set(key, 1),
            lambda key: operator.setitem(cache, key, 1),
            lambda key: cache.get_or_load(key, repr),
        ]
        for call in calls:
            self.refuses(TypeError, r"key \[1, 2\] .*list", lambda: call([1, 2]))
            self.refuses(TypeError, r"key \('a', {}\) .*dict", lambda: call(("a", {})))
        self.assertEqual((len(cache), cache.stats().misses), (0, 0))

    def test_wrong_calls(self) -> None:
        cache: Any = Cache()
        self.refuses(TypeError, "'key'", lambda: cache.get())
        self.refuses(TypeError, "at most 2", lambda: cache.get(1, 2, 3))
        self.refuses(TypeError, "'value'", lambda: cache.set(1))
        self.refuses(TypeError, "no argument 'tll'", lambda: cache.set(1, 2, tll=3))
        self.refuses(TypeError, "'key' twice", lambda: cache.get(1, key=2))
        self.refuses(TypeError, "loader", lambda: cache.get_or_load(1, 2))
        self.refuses(TypeError, "'loader'", lambda: cache.get_or_load(1))

    def test_bounds_are_set_once(self) -> None:
        cache: Any = Cache(2)
        self.refuses(TypeError, "once", lambda: cache.__init__(3))
        bare: Any = Cache.__new__(Cache)
        bare["a"] = 1
        self.assertEqual(bare["a"], 1)
        self.refuses(TypeError, "once", lambda: bare.__init__(3))
        self.assertEqual(bare["a"], 1)


class Expiring(unittest.TestCase):
    def test_what_has_expired_is_not_there(self) -> None:
        clock = Clock()
        cache: Cache[str, int] = Cache(ttl=2, timer=clock)
        cache["a"] = 1
        clock.now += 1.5
        cache["b"] = 2
        self.assertEqual((cache.get("a"), len(cache)), (1, 2))
        clock.now += 0.5
        self.assertEqual((list(cache), list(cache.items()), list(cache.values()), cache == {"b": 2}), (["b"], [("b", 2)], [2], True))
        self.assertEqual((cache.get("a"), "a" in cache, cache.pop("a", 5), len(cache)), (None, False, 5, 1))
        with self.assertRaises(KeyError):
            cache["a"]
        with self.assertRaises(KeyError):
            del cache["a"]
        clock.now += 1.5
        self.assertEqual((len(cache), cache.currsize, bool(cache)), (0, 0, False))
        with self.assertRaises(KeyError):
            cache.popitem()
        self.assertEqual((cache.setdefault("b", 3), cache["b"], cache.stats().expiries), (3, 3, 2))

    def test_a_time_of_its_own(self) -> None:
        clock = Clock()
        cache: Cache[str, int] = Cache(timer=clock)
        cache["ever"] = 1
        cache.set("short", 2, 1)
        cache.set("long", 3, ttl=5)
        clock.now += 1
        self.assertEqual(sorted(cache), ["ever", "long"])
        cache["long"] = 4  # without a time of its own, so it lives on
        clock.now += 1000
        self.assertEqual(dict(cache), {"ever": 1, "long": 4})
        timed: Cache[str, int] = Cache(ttl=1, timer=clock)
        timed.set("ever", 1, math.inf)
        clock.now += 1e6
        self.assertEqual(dict(timed), {"ever": 1})

    def test_expire_gives_memory_back(self) -> None:
        clock = Clock()
        cache: Cache[int, int] = Cache(ttl=1, timer=clock)
        cache.update(dict.fromkeys(range(1000), 0))
        clock.now += 1
        before = sys.getsizeof(cache)
        cache.expire()
        self.assertLess(sys.getsizeof(cache), before / 2)

    def test_jitter_only_shortens(self) -> None:
        clock = Clock()
        cache: Cache[int, int] = Cache(ttl=10, jitter=4, timer=clock)
        cache.update(dict.fromkeys(range(2000), 0))
        alive = []
        for _ in range(20):
            alive.append(len(cache))
            clock.now += 0.5
        self.assertEqual(alive[:13], [2000] * 13)  # up to 6 s
        self.assertEqual(alive, sorted(alive, reverse=True))
        self.assertTrue(all(1500 * part / 8 < alive[20 - part] <= 2000 * part / 8 + 200 for part in range(1, 8)), alive)
        self.assertEqual(len(cache), 0)

    def test_by_the_kernels_clock(self) -> None:
        for ttl in (0.02, 1.02):  # read precisely, or by the tick
            cache: TTLCache[str, str] = TTLCache(ttl)
            began = time.monotonic()
            cache.set("k", "v")
            if ttl < 1:
                deadline = time.monotonic() + ttl  # no earlier than its end
                while time.monotonic() < deadline:
                    time.sleep(0.005)
                self.assertIsNone(cache.get("k"))
                continue
            value = cache.get("k")
            if time.monotonic() - began < 1.0:  # else the machine stood still
                self.assertEqual(value, "v")
            deadline = began + ttl
            while time.monotonic() < deadline + 0.001:
                time.sleep(0.01)
            self.assertIsNone(cache.get("k"))

    def test_a_timer_that_fails(self) -> None:
        for told in ("now", None, math.nan, math.inf):
            cache: Cache[str, int] = Cache(ttl=1, timer=lambda: told)  # type: ignore[arg-type,return-value]
            calls: list[Callable[[], Any]] = [
                lambda: operator.setitem(cache, "a", 1),
                lambda: cache.get("a"),
                lambda: "a" in cache,
                lambda: len(cache),
                lambda: list(cache),
                lambda: cache.stats(),
                lambda: cache.pop("a", None),
                lambda: cache.popitem(),
                lambda: cache.currsize,
            ]
            failed = [type(error) for call in calls if (error := raised_by(call)) is not None]
            self.assertEqual(set(failed), {TypeError} if told in ("now", None) else {ValueError})
            self.assertGreaterEqual(len(failed), len(calls) - 1)  # popitem of an empty one need not ask

    def test_the_class_of_the_guide(self) -> None:
        c: TTLCache[str, str] = outpace.TTLCache(ttl_seconds=300, maxsize=None)
        c.set("k", "v")
        self.assertEqual((c.get("k"), c.ttl, c.maxsize), ("v", 300.0, None))
        clock = Clock()
        c = TTLCache(1.5, 2, timer=clock)
        for key in "abc":
            c[key] = key
        self.assertEqual(list(c), ["b", "c"])
        clock.now += 1.5
        self.assertIsNone(c.get("c"))


def raised_by(call: Callable[[], Any]) -> Exception | None:
    try:
        call()
    except KeyError:
        return None
    except Exception as error:
        return error
    return None


class WithMissing(Cache[str, str]):
    def __missing__(self, key: str) -> str:
        value = self[key] = key.upper()
        return value


class Labelled(Cache[str, int]):
    """Other parameters than Cache, and attributes of both kinds."""

    __slots__ = ("__secret", "label")

    def __init__(self, label: str) -> None:
        super().__init__(3)
        self.label = label
        self.__secret = 5

    @property
    def secret(self) -> int:
        return self.__secret


class Open(Cache[Any, Any]):
    pass


class Inherited(unittest.TestCase):
    def test_missing(self) -> None:
        cache = WithMissing(2)
        self.assertEqual((cache["a"], cache["a"], cache.get("b"), "b" in cache, cache.pop("b", None)), ("A", "A", None, False, None))
        self.assertEqual(cache.stats()[:2], (1, 2))

    def test_generic(self) -> None:
        cache = Cache[str, int](2)
        self.assertEqual((type(cache), cache.maxsize), (Cache, 2))

    def twins(self, cache: Any) -> list[Any]:
        pickled = [pickle.loads(pickle.dumps(cache, protocol)) for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1)]
        return [copy.copy(cache), copy.deepcopy(cache), *pickled]

    def test_copies(self) -> None:
        cache: Cache[str, Any] = Cache(3, max_bytes=10_000, weigh=len, policy="lru")
        cache["a"], cache["b"], cache["c"] = [1], [2], [3]
        cache.get("a")
        for twin in self.twins(cache):
            self.assertEqual((type(twin), twin, list(twin), twin.currsize), (Cache, cache, ["b", "c", "a"], 3))
            self.assertEqual((twin.maxsize, twin.max_bytes, twin.weigh, twin.policy), (3, 10_000, len, "lru"))
            self.assertEqual(twin.stats()[:5], (0, 0, 0, 0, 0))
            twin["d"] = []
            self.assertNotIn("d", cache)
            self.assertNotIn("b", twin)
        self.assertIs(copy.copy(cache)["a"], cache["a"])
        self.assertIsNot(copy.deepcopy(cache)["a"], cache["a"])

    def test_copies_keep_the_time_that_is_left(self) -> None:
        clock = Clock()
        cache: TTLCache[str, int] = TTLCache(10, timer=clock)
        cache["a"] = 1
        cache.set("ever", 1, math.inf)
        clock.now += 6
        cache["b"] = 2
        twin = copy.copy(cache)
        self.assertEqual((type(twin), twin.ttl), (TTLCache, 10.0))
        clock.now += 4
        self.assertEqual(sorted(twin), ["b", "ever"])
        clock.now += 6
        self.assertEqual(sorted(twin), ["ever"])

    def test_copies_of_subclasses(self) -> None:
        cache = Labelled("new")
        cache["a"] = 1
        for twin in self.twins(cache):
            self.assertEqual((twin.label, twin.secret, twin.maxsize, dict(twin)), ("new", 5, 3, {"a": 1}))
        with_dict = Open(3)
        with_dict.note, with_dict["self"] = ["a"], with_dict
        for twin in self.twins(with_dict):
            self.assertEqual((twin.note, type(twin["self"])), (["a"], Open))
        self.assertIs((twin := copy.deepcopy(with_dict))["self"], twin)


class Loading(unittest.TestCase):
    def test_a_loader_is_called_once(self) -> None:
        cache: Cache[str, list[str]] = Cache()
        calls: list[str] = []

        def load(key: str) -> list[str]:
            calls.append(key)
            return [key]

        first = cache.get_or_load("a", load)
        self.assertIs(cache.get_or_load("a", load), first)
        self.assertIs(cache.get_or_load(loader=load, key="a"), first)
        self.assertIs(cache["a"], first)
        self.assertEqual(calls, ["a"])

    def test_what_it_raises_is_not_kept(self) -> None:
        cache: Cache[str, int] = Cache()
        with self.assertRaises(ZeroDivisionError):
            cache.get_or_load("a", lambda key: 1 // 0)
        self.assertEqual((cache.get_or_load("a", len), len(cache)), (1, 1))

    def test_a_loader_may_load(self) -> None:
        cache: Cache[int, int] = Cache()

        def fibonacci(n: int) -> int:
            return n if n < 2 else cache.get_or_load(n - 1, fibonacci) + cache.get_or_load(n - 2, fibonacci)

        self.assertEqual((cache.get_or_load(60, fibonacci), cache.stats().loads), (1548008755920, 61))
        # The very key: it goes through.
        self.assertEqual(cache.get_or_load(-1, lambda key: cache.get_or_load(key, abs) + 1), 2)

    def test_what_is_forgotten_while_it_loads_is_not_kept(self) -> None:
        forgetting: list[Callable[[Cache[str, str]], Any]] = [
            lambda cache: cache.clear(),
            lambda cache: cache.pop("a", None),
            lambda cache: cache.set("a", "set"),
        ]
        for forget in forgetting:
            cache: Cache[str, str] = Cache()

            def load(key: str) -> str:
                forget(cache)
                return "loaded"

            self.assertEqual(cache.get_or_load("a", load), "loaded")
            self.assertIn(cache.get("a"), (None, "set"))

    def test_what_can_be_used_only_once_is_refused(self) -> None:
        def generate(key: str) -> Any:
            yield key

        async def generate_late(key: str) -> Any:
            yield key

        async def late() -> None:
            pass

        coroutine = late()
        cache: Cache[str, Any] = Cache()
        loaders = [generate, generate_late, functools.partial(generate), lambda key: generate(key), lambda key: coroutine]
        for loader in loaders:
            with self.assertRaisesRegex(TypeError, "loader"):
                cache.get_or_load("a", loader)
        coroutine.close()
        self.assertEqual(len(cache), 0)

    def test_loaders_of_all_kinds(self) -> None:
        class Callable_:
            def __call__(self, key: str) -> str:
                return key * 2

            def method(self, key: str) -> str:
                return key * 3

            @classmethod
            def of_class(cls, key: str) -> str:
                return key * 4

        @functools.wraps(len)
        def wrapped(key: str) -> int:
            return 7

        cache: Cache[str, Any] = Cache(0)
        loaders: list[Any] = [Callable_(), Callable_().method, Callable_.of_class, functools.partial(max, "y"), wrapped, list, outpace.lru_cache(wrapped)]
        found = [cache.get_or_load("x", loader) for loader in loaders]
        self.assertEqual(found, ["xx", "xxx", "xxxx", "y", 7, ["x"], 7])


if __name__ == "__main__":
    unittest.main()
