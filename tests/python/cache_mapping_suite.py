# SPDX-License-Identifier: MIT
"""What outpace.Cache and outpace.TTLCache do, method by method. Run by test_cache_mapping.py on every Python; unittest only."""
# ruff: noqa: B023 - what is defined in a loop here is called before the next turn.

from __future__ import annotations

import asyncio
import collections.abc
import copy
import functools
import math
import pickle
import sys
import unittest
from collections.abc import Callable
from typing import Any

import outpace
from cache_models import Clock
from outpace import Cache, TTLCache


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
        cache.set("a", 1)
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
        caches: list[Cache[int, str]] = [Cache(), Cache(50), Cache(50, policy="s3fifo")]
        for cache in caches:
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
        keys, values = cache.keys(), cache.values()
        items: Any = cache.items()
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
        large: Cache[str, str] = Cache(100_000)
        large.update({"k" * 1000 + str(number): "v" * 1000 for number in range(10_000)})
        self.assertLess(len(repr(large)), 1000)
        self.assertIn("...", repr(large))

    def test_its_size_grows_with_its_entries(self) -> None:
        empty = sys.getsizeof(self.cache)
        self.cache.update(dict.fromkeys(range(1000)))
        self.assertGreater(sys.getsizeof(self.cache), empty + 1000 * 24)


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
    note: Any


class Inherited(unittest.TestCase):
    def test_missing(self) -> None:
        cache = WithMissing(2)
        self.assertEqual(
            (cache["a"], cache["a"], cache.get("b"), "b" in cache, cache.pop("b", None)), ("A", "A", None, False, None)
        )
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
        loaders: list[Callable[[str], Any]] = [
            generate,
            generate_late,
            functools.partial(generate),
            lambda key: generate(key),
            lambda key: coroutine,
        ]
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
        loaders: list[Any] = [
            Callable_(),
            Callable_().method,
            Callable_.of_class,
            functools.partial(max, "y"),
            wrapped,
            list,
            outpace.lru_cache(wrapped),
        ]
        found = [cache.get_or_load("x", loader) for loader in loaders]
        self.assertEqual(found, ["xx", "xxx", "xxxx", "y", 7, ["x"], 7])


class Awaiting(unittest.TestCase):
    """With an `async def` loader."""

    def test_one_load_for_all(self) -> None:
        cache: Cache[str, str] = Cache(ttl=100)
        loads = []

        async def load(key: str) -> str:
            loads.append(key)
            await asyncio.sleep(0)
            return key * 2

        async def main() -> None:
            found = await asyncio.gather(*[cache.get_or_load("a", load) for _ in range(100)])
            self.assertEqual((found, loads), (["aa"] * 100, ["a"]))
            self.assertEqual((await cache.get_or_load("a", load), cache["a"]), ("aa", "aa"))
            partial = functools.partial(load)
            self.assertEqual((await cache.get_or_load("a", partial), loads), ("aa", ["a"]))
            awaitable = cache.get_or_load("b", load)
            self.assertTrue(asyncio.iscoroutine(awaitable))
            self.assertEqual((await asyncio.create_task(awaitable), loads), ("bb", ["a", "b"]))

        asyncio.run(main())
        self.assertEqual((cache.stats().loads, cache.stats().waits, cache.stats().loading), (2, 99, 0))

    def test_what_fails_or_is_forgotten_is_not_kept(self) -> None:
        cache: Cache[str, int] = Cache()

        async def fail(key: str) -> int:
            raise ZeroDivisionError

        async def forget(key: str) -> int:
            cache.pop(key, None)
            return 1

        async def main() -> None:
            told = await asyncio.gather(*[cache.get_or_load("a", fail) for _ in range(3)], return_exceptions=True)
            self.assertEqual([type(error) for error in told], [ZeroDivisionError] * 3)
            self.assertEqual((await cache.get_or_load("a", forget), "a" in cache), (1, False))

        asyncio.run(main())

    def test_what_is_too_heavy_or_has_no_weight_is_not_kept(self) -> None:
        cache: Cache[str, Any] = Cache(max_bytes=3, weigh=len)

        async def heavy(key: str) -> str:
            return "long"

        async def weightless(key: str) -> int:
            return 5

        async def main() -> None:
            self.assertEqual(await cache.get_or_load("a", heavy), "long")
            with self.assertRaises(TypeError):
                await cache.get_or_load("a", weightless)

        asyncio.run(main())
        self.assertEqual(dict(cache), {})

    def test_what_is_wrong_is_said_at_the_call(self) -> None:
        async def load(key: Any) -> int:
            return 1

        cache: Cache[Any, int] = Cache()
        with self.assertRaisesRegex(TypeError, r"key \[1\] .*list"):
            cache.get_or_load([1], load)


if __name__ == "__main__":
    unittest.main()
