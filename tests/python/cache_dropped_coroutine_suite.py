# SPDX-License-Identifier: MIT
"""What is left of calls of cached coroutine functions: nothing. Run by test_cache_coroutines.py on every Python."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import importlib
import sys
import unittest
import warnings
import weakref
from typing import Any

from cache_awaits import Quiet, Thing, drive, times_two
from outpace import lru_cache, ttl_cache


class Memory(Quiet):
    def test_one_that_was_never_awaited_says_so(self) -> None:
        cached: Any = lru_cache(times_two)
        with self.assertWarnsRegex(RuntimeWarning, "^coroutine 'times_two' was never awaited$"):
            cached(1)
        with self.assertWarnsRegex(RuntimeWarning, "^coroutine 'times_two' was never awaited$"):
            cached(1, 2, 3, 4, 5)
        cycle: list[Any] = []
        cycle.append(cached(cycle))
        del cycle
        with self.assertWarnsRegex(RuntimeWarning, "^coroutine 'times_two' was never awaited$"):
            gc.collect()
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            cached(1)
        self.assertEqual(
            [(str(error), "times_two" in what) for error, what in self.said], [("coroutine 'times_two' was never awaited", True)]
        )
        self.said.clear()
        # What is used again tells it each time.
        self.assertEqual(drive(cached(1)), 2)
        for _ in range(40):
            with self.assertWarns(RuntimeWarning):
                cached(1)

    def test_one_that_is_collected_twice_is_dropped_once(self) -> None:
        cached = lru_cache(times_two)

        class Keeps:
            def __init__(self) -> None:
                self.itself = self
                self.call = cached(1)

            def __del__(self) -> None:
                kept.append(self.call)

        kept: list[Any] = []
        Keeps()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            gc.collect()
        self.assertEqual(drive(kept.pop()), 2)

    def test_arguments_are_let_go(self) -> None:
        cached = lru_cache(key=lambda x: 1)(times_two)
        cached.cache_put("value", 1)
        for phase in ("hit", "closed", "thrown"):
            thing = Thing()
            watched = weakref.ref(thing)
            call = cached(thing)
            del thing
            self.assertIsNotNone(watched())
            if phase == "hit":
                self.assertEqual(drive(call), "value")
            elif phase == "closed":
                call.close()
            else:
                with self.assertRaises(OSError):
                    call.throw(OSError())
            self.assertIsNone(watched(), phase)

    async def test_nothing_is_left_of_a_load(self) -> None:
        @lru_cache(key=lambda thing, **more: 1)
        async def loads(thing: Thing, **more: Any) -> Thing:
            if more:
                await asyncio.sleep(0)
            return Thing()

        for more in ({}, {"wait": True}):
            gc.collect()
            gc.disable()
            try:
                thing = Thing()
                watched = weakref.ref(thing)
                task = asyncio.create_task(loads(thing, **more))
                del thing
                result = await task
                await asyncio.sleep(0)
                self.assertIsNone(watched())
                watched = weakref.ref(result)
                loads.cache_clear()
                del result, task
                self.assertIsNone(watched(), more)
            finally:
                gc.enable()

    async def test_a_value_is_not_held_by_what_handed_it_out(self) -> None:
        cached = lru_cache(times_two)
        thing = Thing()
        cached.cache_put(thing, 1)
        before = sys.getrefcount(thing)
        for _ in range(5):
            self.assertIs(await cached(1), thing)
            drive(cached(1))
        self.assertEqual(sys.getrefcount(thing), before)
        watched = weakref.ref(thing)
        del thing
        cached.cache_clear()
        self.assertIsNone(watched())

    async def test_no_references_leak(self) -> None:
        cached = lru_cache(times_two)

        async def all_ways() -> None:
            for i in range(20):
                await cached(i)
                await cached(x=i)
                with self.assertRaises(OSError):
                    cached(i).throw(OSError())
                cached(i).close()
                with contextlib.suppress(TypeError):
                    await cached(None)
            cached.cache_clear()

        await all_ways()
        gc.collect()
        before = sys.getrefcount(cached), sys.getrefcount(times_two), len(gc.get_objects())
        for _ in range(5):
            await all_ways()
        gc.collect()
        after = sys.getrefcount(cached), sys.getrefcount(times_two), len(gc.get_objects())
        self.assertEqual(after[:2], before[:2])
        self.assertLess(after[2] - before[2], 50)

    def test_it_can_be_referenced_weakly(self) -> None:
        cached = lru_cache(times_two)
        gone: list[Any] = []
        call = cached(1)
        watched = weakref.ref(call, gone.append)
        self.assertIs(watched(), call)
        self.assertEqual(drive(call), 2)
        self.assertIs(watched(), call)
        del call
        self.assertIsNone(watched())
        self.assertEqual(gone, [watched])

    def test_cycles_are_collected(self) -> None:
        def makes() -> weakref.ref[Thing]:
            @lru_cache
            async def cached(x: Any) -> Any:
                return thing

            thing: Any = Thing()
            thing.calls = [cached(thing), cached(1)]
            self.assertIs(drive(thing.calls[1]), thing)
            thing.calls[0].close()
            thing.calls.append(cached(1))
            thing.calls[2].close()
            return weakref.ref(thing)

        gc.collect()
        watched = makes()
        self.assertIsNotNone(watched())
        gc.collect()
        self.assertIsNone(watched())

    def test_what_dies_with_a_call_may_call(self) -> None:
        cached = lru_cache(key=lambda x: 1)(times_two)
        cached.cache_put("value", 1)
        got: list[Any] = []

        class Dies:
            def __del__(self) -> None:
                got.append(drive(cached(2)))

        for _ in range(3):
            self.assertEqual(drive(cached(Dies())), "value")
        dies = lru_cache(key=lambda x: 1)(times_two)
        dies.cache_put(Dies(), 1)
        drive(dies(2))
        del dies
        gc.collect()
        self.assertEqual(got, ["value"] * 4)

    def test_the_collector_may_run_at_any_time(self) -> None:
        cached = lru_cache(times_two)
        before = gc.get_threshold()
        gc.set_threshold(1)
        try:
            for again in range(3):
                for i in range(200):
                    self.assertEqual(drive(cached(i % 7)), i % 7 * 2, again)
        finally:
            gc.set_threshold(*before)

    def test_methods_hold_their_instance_weakly(self) -> None:
        class Has:
            @lru_cache
            async def times(self, x: int) -> int:
                return x * 2

        one = Has()
        watched = weakref.ref(one)
        self.assertEqual([drive(one.times(1)), drive(one.times(1))], [2, 2])
        self.assertEqual(Has.times.cache_info()[:2], (1, 1))
        del one
        self.assertIsNone(watched())
        self.assertEqual(Has.times.cache_info().currsize, 0)


class NoMemory(unittest.TestCase):
    """Each allocation fails in turn: that call fails, and the next one does what it should."""

    def test_each_allocation_fails_in_turn(self) -> None:
        try:
            testing: Any = importlib.import_module("_testcapi")
        except ImportError:
            self.skipTest("no _testcapi")
        sys.unraisablehook = lambda unraisable: None
        try:
            # asyncio's debug mode has coroutines note where they were made, which crashes where there is no memory for that.
            asyncio.run(self.fail_in_turn(testing), debug=False)
        finally:
            sys.unraisablehook = sys.__unraisablehook__

    async def fail_in_turn(self, testing: Any) -> None:
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: None)
        now = 0.0

        @ttl_cache(10, stale=10, timer=lambda: now)
        async def load(x: int, y: int = 0) -> int:
            if x < 0:
                raise KeyError(x)
            if y > 0:
                await asyncio.sleep(0)
            return x + y

        for arguments, keywords in (((1,), {}), ((2,), {"y": 3}), ((-1,), {}), ((1, 2, 3, 4), {})):
            for number in range(90):
                load.cache_clear()
                now = 0.0
                if number % 3:
                    load.cache_put(100, 1)
                if number % 3 == 1:
                    now = 10.0
                call: Any = None
                testing.set_nomemory(number, number + 1)
                try:
                    call = load(*arguments, **keywords)
                    call.send(None)
                except BaseException:
                    testing.remove_mem_hooks()
                testing.remove_mem_hooks()
                if call is not None:
                    call.close()
                call = None
                for _ in range(4):
                    await asyncio.sleep(0)
                load.cache_clear()
                self.assertEqual(await asyncio.wait_for(load(1), 60), 1)
                self.assertEqual(await asyncio.wait_for(load(2, y=3), 60), 5)
                self.assertEqual(load.cache_stats().loading, 0)


if __name__ == "__main__":
    unittest.main()
