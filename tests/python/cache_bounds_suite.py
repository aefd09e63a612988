# SPDX-License-Identifier: MIT
"""How outpace.Cache keeps within its bounds, what it refuses, and when its entries end. Run by test_cache_mapping.py on every
Python; unittest only.
"""
# ruff: noqa: B023 - what is defined in a loop here is called before the next turn.

from __future__ import annotations

import math
import operator
import sys
import time
import unittest
from collections.abc import Callable
from typing import Any

import outpace
from cache_models import Clock
from outpace import Cache, TTLCache


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
        with self.assertRaisesRegex(ValueError, "too heavy.* 11.* 10"):
            cache.set("c", "z" * 11)
        with self.assertRaisesRegex(ValueError, "too heavy.* 11.* 10"):
            cache["d"] = "z" * 11
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
        wrong: list[tuple[Any, type[Exception], str]] = [
            (-1, ValueError, "weigh=.*negative"),
            ("1", TypeError, "weigh|str"),
            (1.5, TypeError, "weigh|float"),
        ]
        for weight, error, text in wrong:  # noqa: B007 - the weigher gives it
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
        no_sizes: tuple[object, ...] = (1.0, "1", [], math.inf)
        for no_size in no_sizes:
            self.refuses(TypeError, "maxsize", lambda: make(no_size))
        for ttl in (0, 0.0, -1, -math.inf, math.nan, -(1 << 2000)):
            self.refuses(ValueError, "ttl", lambda: make(ttl=ttl))
            self.refuses(ValueError, "ttl", lambda: TTLCache(ttl))
            self.refuses(ValueError, "ttl", lambda: make().set("a", 1, ttl))
        no_ttls: tuple[object, ...] = ("1", [], 1j)
        for no_ttl in no_ttls:
            self.refuses(TypeError, "ttl", lambda: make(ttl=no_ttl))
            self.refuses(TypeError, "ttl", lambda: make().set("a", 1, ttl=no_ttl))
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
    def test_a_timer_may_leap_from_its_least_to_its_most(self) -> None:
        now = -9e9
        cache: Cache[int, str] = Cache(ttl=5, timer=lambda: now)
        cache[1] = "a"
        now = 9e9
        self.assertIsNone(cache.get(1))
        self.assertEqual(len(cache), 0)

    def test_what_has_expired_is_not_there(self) -> None:
        clock = Clock()
        cache: Cache[str, int] = Cache(ttl=2, timer=clock)
        cache["a"] = 1
        clock.now += 1.5
        cache["b"] = 2
        self.assertEqual((cache.get("a"), len(cache)), (1, 2))
        clock.now += 0.5
        self.assertEqual(
            (list(cache), list(cache.items()), list(cache.values()), cache == {"b": 2}), (["b"], [("b", 2)], [2], True)
        )
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


if __name__ == "__main__":
    unittest.main()
