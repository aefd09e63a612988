# SPDX-License-Identifier: MIT
"""outpace.Cache amid code that does what it likes: in comparisons, destructors, the collector, threads; and without memory.

Run by test_cache_mapping.py on every Python, with the allocator's checks on; unittest only.
"""
# ruff: noqa: B023 - what is defined in a loop here is called before the next turn.

from __future__ import annotations

import gc
import importlib
import random
import sys
import threading
import unittest
import weakref
from collections.abc import Callable
from itertools import islice
from typing import Any

from outpace import Cache

SHAPES: list[dict[str, Any]] = [
    {},
    {"maxsize": 8},
    {"maxsize": 8, "policy": "s3fifo"},
    {"maxsize": 8, "ttl": 1000},
    {"max_bytes": 8, "weigh": lambda value: 1},
    {"max_bytes": 8, "weigh": lambda value: 1, "policy": "s3fifo"},
]


class Failure(Exception):
    pass


class Hostile:
    """A key that does something whenever it is compared with another one, or hashed: but not while it does so."""

    busy = False

    def __init__(self, number: int, action: Callable[[], Any] | None = None, when_hashed: bool = False) -> None:
        self.number = number
        self.action = action
        self.when_hashed = when_hashed

    def __hash__(self) -> int:
        if self.when_hashed:
            self.act()
        return 7

    def act(self) -> None:
        if self.action is not None and not Hostile.busy:
            Hostile.busy = True
            try:
                self.action()
            finally:
                Hostile.busy = False

    def __eq__(self, other: object) -> bool:
        if not self.when_hashed:
            self.act()
        return isinstance(other, Hostile) and self.number == other.number


class Value:
    """Says when it goes."""

    def __init__(self, action: Callable[[], Any] | None = None) -> None:
        self.action = action

    def __del__(self) -> None:
        if self.action is not None:
            self.action()


def all_calls(cache: Cache[Any, Any], key: Any, value: Any) -> list[Callable[[], Any]]:
    return [
        lambda: cache[key],
        lambda: cache.get(key),
        lambda: cache.peek(key),
        lambda: key in cache,
        lambda: cache.set(key, value),
        lambda: cache.set(key, value, 500),
        lambda: cache.setdefault(key, value),
        lambda: cache.get_or_load(key, lambda key: value),
        lambda: cache.pop(key, None),
        lambda: cache.__delitem__(key),
    ]


def check(test: unittest.TestCase, cache: Cache[Any, Any]) -> None:
    """What has to hold whatever happened."""
    pairs = list(cache.items())
    stats = cache.stats()
    test.assertEqual((len(cache), len(list(cache)), stats.currsize), (len(pairs),) * 3)
    test.assertEqual(stats.loading, 0)
    for bound in (cache.maxsize, cache.max_bytes):
        test.assertLessEqual(len(cache), len(cache) if bound is None else bound)
    for key, value in pairs:
        test.assertIs(cache.peek(key), value)
    while cache:
        cache.popitem()
    test.assertEqual((list(cache), cache.currsize), ([], 0))
    for number in range(20):
        cache[number] = number
    test.assertEqual(cache.peek(19), 19)


class Comparisons(unittest.TestCase):
    def play(self, action_of: Callable[[Cache[Any, Any], list[Any]], Callable[[], Any]], **more: Any) -> None:
        for shape in SHAPES:
            for at in range(10):
                cache: Cache[Any, Any] = Cache(**shape)
                keys: list[Any] = [Hostile(number) for number in range(5)]
                for key in keys:
                    cache[key] = Value()
                action = action_of(cache, keys)
                asked = Hostile(4, action, **more)
                try:
                    all_calls(cache, asked, Value())[at]()
                except (KeyError, Failure):
                    pass
                asked.action = None
                # And where it is a key of the cache that acts.
                for key in keys:
                    key.action = action
                    try:
                        all_calls(cache, Hostile(9), Value())[at]()
                    except (KeyError, Failure):
                        pass
                    key.action = None
                check(self, cache)

    def test_it_raises(self) -> None:
        def fail() -> None:
            raise Failure

        self.play(lambda cache, keys: fail)
        self.play(lambda cache, keys: fail, when_hashed=True)
        cache: Cache[Any, Any] = Cache()
        cache[Hostile(1, fail)] = 1
        for call in all_calls(cache, Hostile(1), 2):
            with self.assertRaises(Failure):
                call()
        self.assertEqual(list(cache.values()), [1])

    def test_it_clears(self) -> None:
        self.play(lambda cache, keys: cache.clear)

    def test_it_pops(self) -> None:
        self.play(lambda cache, keys: lambda: cache.popitem() if cache else None)

    def test_it_adds(self) -> None:
        # As with dict, a search begins again where entries were moved: without an end to the adding there may be none.
        def adder(cache: Cache[Any, Any]) -> Callable[[], None]:
            numbers = iter(range(100, 1000))
            return lambda: cache.update(dict.fromkeys(islice(numbers, 20), 0))

        self.play(lambda cache, keys: adder(cache))

    def test_it_adds_and_clears(self) -> None:
        def grow_and_clear(cache: Cache[Any, Any]) -> None:
            cache.clear()
            cache.update(dict.fromkeys(range(100), 0))

        self.play(lambda cache, keys: lambda: grow_and_clear(cache))

    def test_it_drops_the_last_reference(self) -> None:
        def drop(cache: Cache[Any, Any], keys: list[Any]) -> None:
            keys.clear()
            cache.clear()
            gc.collect()

        self.play(lambda cache, keys: lambda: drop(cache, keys))

    def test_it_asks_for_the_very_key(self) -> None:
        depth = 0

        def again(cache: Cache[Any, Any]) -> None:
            nonlocal depth
            if depth < 3:
                depth += 1
                try:
                    for key in list(cache)[:2]:
                        cache.get(key)
                finally:
                    depth -= 1

        self.play(lambda cache, keys: lambda: again(cache))

    def test_it_iterates(self) -> None:
        self.play(lambda cache, keys: lambda: (list(cache), len(cache), cache.stats(), cache._times(), sys.getsizeof(cache)))

    def test_keys_that_are_equal_only_once(self) -> None:
        class Moody:
            def __hash__(self) -> int:
                return 3

            def __eq__(self, other: object) -> bool:
                return random.random() < 0.5

        for shape in SHAPES:
            cache: Cache[Any, Any] = Cache(**shape)
            for _ in range(300):
                try:
                    random.choice(all_calls(cache, Moody(), 1))()
                except KeyError:
                    pass
            while cache:
                cache.popitem()
            self.assertEqual(list(cache), [])


class Destructors(unittest.TestCase):
    def test_values_that_call_the_cache_as_they_go(self) -> None:
        for shape in SHAPES:
            for action in range(10):
                cache: Cache[Any, Any] = Cache(**shape)
                gone = 0

                def at_end() -> None:
                    nonlocal gone
                    gone += 1
                    if gone % 3 == 0:
                        try:
                            all_calls(cache, gone % 11, gone)[action]()
                            len(cache)
                        except KeyError:
                            pass

                for number in range(60):
                    cache[number % 13] = Value(at_end)
                cache.pop(3, None)
                cache.clear()
                self.assertGreater(gone, 50)
                check(self, cache)

    def test_keys_that_clear_the_cache_as_they_go(self) -> None:
        class Key:
            def __del__(self) -> None:
                cache.clear()

        for shape in SHAPES:
            cache: Cache[Any, Any] = Cache(**shape)
            for number in range(40):
                cache[Key()] = number
                if number % 7 == 0:
                    cache.popitem()
            cache.clear()
            check(self, cache)

    def test_an_exception_on_its_way_is_not_changed(self) -> None:
        def swallow() -> None:
            try:
                raise Failure
            except Failure:
                pass

        cache: Cache[Any, Any] = Cache(1)
        cache[1] = Value(swallow)

        def fail(key: object) -> None:
            cache.clear()
            raise ZeroDivisionError

        with self.assertRaises(ZeroDivisionError):
            cache.get_or_load(2, fail)


class Lifetimes(unittest.TestCase):
    def test_a_cache_can_be_referred_to_weakly(self) -> None:
        cache: Cache[int, int] = Cache()
        reference = weakref.ref(cache)
        self.assertIs(reference(), cache)
        del cache
        self.assertIsNone(reference())

    def test_cycles_through_a_cache_are_collected(self) -> None:
        class Key:
            cache: Any

        for shape in SHAPES:
            for policy_of_loop in ("value", "key", "weigh", "timer", "self"):
                key = Key()
                more = dict(shape)
                if policy_of_loop == "weigh":
                    more["weigh"] = lambda value, key=key: 1
                if policy_of_loop == "timer":
                    more["timer"] = lambda key=key: 1.0
                cache: Cache[Any, Any] = Cache(**more)
                key.cache = cache
                cache["value" if policy_of_loop == "value" else key] = key if policy_of_loop == "value" else 1
                if policy_of_loop == "self":
                    cache["self"] = cache
                references = weakref.ref(key), weakref.ref(cache)
                del key, cache, more
                gc.collect()
                self.assertEqual([reference() for reference in references], [None, None])

    def test_nothing_is_held_for_longer(self) -> None:
        for shape in SHAPES:
            cache: Cache[Any, Any] = Cache(**shape)
            value = Value()
            before = sys.getrefcount(value)
            for call in all_calls(cache, "a", value) * 3:
                try:
                    call()
                except KeyError:
                    pass
            self.assertGreaterEqual(sys.getrefcount(value), before)
            cache.clear()
            self.assertEqual(sys.getrefcount(value), before)

    def test_a_long_chain_of_caches_ends(self) -> None:
        chain: Any = None
        for _ in range(100_000):
            cache: Cache[int, Any] = Cache(2)
            cache[0] = chain
            chain = cache
        del chain, cache

    def test_a_cache_in_its_own_finalizer(self) -> None:
        class Finalized(Cache[Any, Any]):
            def __del__(self) -> None:
                told.append((dict(self), self.get("a")))
                self["b"] = self.setdefault("c", 2)

        told: list[Any] = []
        cache = Finalized(3)
        cache["a"] = 1
        cache["cycle"] = [cache]
        cache.pop("cycle")
        del cache
        self.assertEqual(told, [({"a": 1}, 1)])
        cache = Finalized(3)
        cache["a"] = cache
        del cache
        gc.collect()
        self.assertEqual(len(told), 2)

    def test_many_caches(self) -> None:
        before = len(gc.get_objects())
        for _ in range(3):
            for shape in SHAPES:
                caches: list[Cache[int, Any]] = [Cache(**shape) for _ in range(100)]
                for cache in caches:
                    cache.update({number: [number] for number in range(10)})
        del caches, cache
        gc.collect()
        self.assertLess(len(gc.get_objects()), before + 100)


class Iterations(unittest.TestCase):
    def test_a_cache_may_change_while_it_is_gone_over(self) -> None:
        for shape in SHAPES:
            cache: Cache[int, int] = Cache(**shape)
            cache.update(dict.fromkeys(range(8), 1))
            seen = []
            for key in cache:
                seen.append(key)
                cache.pop(key, None)
                cache[key + 100] = 1
                if key == 5:
                    cache.clear()
            self.assertEqual(seen, list(range(8)))
            cache.update(dict.fromkeys(range(8), 1))
            for key, value in cache.items():
                cache[key] = value + 1
            self.assertEqual(set(cache.values()), {2})

    def test_entries_may_expire_meanwhile(self) -> None:
        now = 1.0
        cache: Cache[int, int] = Cache(ttl=1, timer=lambda: now)
        cache.update(dict.fromkeys(range(4), 1))
        seen = []
        for key, _ in cache.items():
            seen.append(key)
            now += 0.5
        self.assertEqual((seen, len(cache)), ([0, 1, 2, 3], 0))


class Threads(unittest.TestCase):
    def run_all(self, *targets: Callable[[], Any]) -> None:
        errors: list[BaseException] = []

        def guarded(target: Callable[[], Any]) -> None:
            try:
                target()
            except BaseException as error:
                errors.append(error)

        threads = [threading.Thread(target=guarded, args=(target,)) for target in targets]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if errors:
            raise errors[0]

    def test_one_load_for_all(self) -> None:
        cache: Cache[str, object] = Cache()
        barrier = threading.Barrier(8)
        release = threading.Event()
        loads, found = [], []

        def load(key: str) -> object:
            loads.append(key)
            release.wait(60)
            return object()

        def ask() -> None:
            barrier.wait(60)
            found.append(cache.get_or_load("a", load))

        def free_them() -> None:
            while cache.stats().misses < 8:
                threading.Event().wait(0.001)
            release.set()

        self.run_all(*[ask] * 8, free_them)
        self.assertEqual((len(loads), len(found), len(set(map(id, found)))), (1, 8, 1))
        self.assertEqual(cache.stats().loads, 1)

    def test_they_do_all_at_once(self) -> None:
        interval = sys.getswitchinterval()
        sys.setswitchinterval(1e-6)
        self.addCleanup(sys.setswitchinterval, interval)

        class Key:
            def __init__(self, number: int) -> None:
                self.number = number

            def __hash__(self) -> int:
                return self.number % 4

            def __eq__(self, other: object) -> bool:
                return isinstance(other, Key) and self.number == other.number

        for shape in SHAPES:
            cache: Cache[Any, Any] = Cache(**shape)

            def work() -> None:
                chance = random.Random(threading.get_ident())
                for turn in range(1500):
                    number = chance.randrange(16)
                    key = Key(number) if number % 2 else number
                    try:
                        value = chance.choice(all_calls(cache, key, (number, turn)))()
                    except KeyError:
                        continue
                    assert not isinstance(value, tuple) or value[0] == number, value
                    if turn % 100 == 0:
                        list(cache.items()), len(cache), cache.stats()
                    if turn % 500 == 0:
                        cache.clear()

            self.run_all(*[work] * 4)
            check(self, cache)

    def test_setdefault_is_one_step(self) -> None:
        for _ in range(50):
            cache: Cache[str, object] = Cache()
            barrier = threading.Barrier(4)
            found: list[object] = []

            def ask() -> None:
                barrier.wait(60)
                found.append(cache.setdefault("a", object()))

            self.run_all(*[ask] * 4)
            self.assertEqual(len(set(map(id, found))), 1)


class Number(int):
    """As an int, but each is an object of its own."""


class WithoutMemory(unittest.TestCase):
    def hooks(self) -> tuple[Any, Any]:
        try:
            testing = importlib.import_module("_testcapi")
        except ImportError:
            self.skipTest("no _testcapi")
        return testing.set_nomemory, testing.remove_mem_hooks

    def test_each_allocation_may_fail(self) -> None:
        set_nomemory, remove_mem_hooks = self.hooks()
        weighed = {"max_bytes": 60, "weigh": abs}
        shapes: list[dict[str, Any]] = [{}, {"maxsize": 30}, {"maxsize": 30, "policy": "s3fifo", "ttl": 5}, weighed]
        for shape in shapes:
            for filled in (0, 5, 10, 40):
                for at in range(10):
                    self.fail_each(shape, filled, at, set_nomemory, remove_mem_hooks)

    def fail_each(self, shape: dict[str, Any], filled: int, at: int, set_nomemory: Any, remove_mem_hooks: Any) -> None:
        key, value = ("key", filled), Number(1)
        for start in range(1, 40):
            held = sys.getrefcount(key), sys.getrefcount(value)
            cache: Cache[Any, int] = Cache(**shape)
            for number in range(filled):
                cache[number] = 1
            before = dict(cache)
            call = all_calls(cache, key, value)[at]
            failed = False
            set_nomemory(start, start + 1)
            try:
                call()
            except MemoryError:
                failed = True
            except KeyError:
                pass
            finally:
                remove_mem_hooks()
            after = dict(cache)
            added = after.pop(key, None)
            self.assertIn(added, (None, value))
            self.assertLessEqual(after.items(), before.items())
            self.assertGreaterEqual(len(after), min(len(before), 29))
            check(self, cache)
            del added, call
            self.assertEqual((sys.getrefcount(key), sys.getrefcount(value)), held)
            if not failed:
                return

    def test_lists_and_copies(self) -> None:
        set_nomemory, remove_mem_hooks = self.hooks()
        cache: Cache[int, int] = Cache(10, ttl=5)
        cache.update(dict.fromkeys(range(10), 1))
        calls: list[Callable[[], Any]] = [
            cache.__iter__,
            cache._pairs,
            cache._times,
            cache.popitem,
            cache.stats,
            cache.__len__,
            cache.__sizeof__,
        ]
        for call in calls:
            for start in range(1, 40):
                cache.update(dict.fromkeys(range(10), 1))
                failed = False
                set_nomemory(start, start + 1)
                try:
                    call()
                except MemoryError:
                    failed = True
                finally:
                    remove_mem_hooks()
                if not failed:
                    break
            else:
                self.fail(f"{call} fails for ever")
        check(self, cache)


if __name__ == "__main__":
    unittest.main()
