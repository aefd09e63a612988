# SPDX-License-Identifier: MIT
"""One load a key on asyncio, in one loop: who gets what of it. Run by test_cache_coroutines.py on every Python."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import sys
import time
import traceback
import types
import unittest
import weakref
from collections.abc import Callable
from typing import Any

from cache_awaits import ASYNCIO, Gate, Quiet, Thing, turns
from outpace import Cache, lru_cache, ttl_cache
from outpace._cache import Loaded


class Sharing(Quiet):
    async def asyncSetUp(self) -> None:
        await super().asyncSetUp()
        gate = self.gate = Gate()

        @lru_cache
        async def load(key: str) -> Any:
            return key, await gate.passes()

        self.load = load

    async def test_a_hundred_tasks_have_one_load(self) -> None:
        tasks = [asyncio.create_task(self.load("a")) for _ in range(100)]
        await self.gate.has(1)
        await turns()
        stats = self.load.cache_stats()
        self.assertEqual((stats.loading, stats.waits, stats.loads), (1, 99, 0))
        self.gate.open()
        self.assertEqual(await asyncio.gather(*tasks), [("a", 1)] * 100)
        stats = self.load.cache_stats()
        self.assertEqual((stats.loading, stats.waits, stats.loads, stats.misses, stats.hits), (0, 99, 1, 100, 0))
        self.assertGreater(stats.load_time, 0)
        self.assertEqual(await self.load("a"), ("a", 1))

    async def test_keys_load_beside_each_other(self) -> None:
        tasks = [asyncio.create_task(self.load(key)) for key in "abab"]
        await self.gate.has(2)
        self.gate.open()
        got = await asyncio.gather(*tasks)
        self.assertEqual((got[0], got[1]), (got[2], got[3]))
        self.assertEqual([key for key, _ in got], list("abab"))

    async def test_a_mapping_shares_loads(self) -> None:
        cache: Cache[str, Any] = Cache()

        async def loader(key: str) -> Any:
            return key, await self.gate.passes()

        tasks = [asyncio.create_task(cache.get_or_load("a", loader)) for _ in range(10)]
        await self.gate.has(1)
        self.gate.open()
        self.assertEqual(await asyncio.gather(*tasks), [("a", 1)] * 10)
        self.assertEqual((cache["a"], cache.stats().waits), (("a", 1), 9))

    async def test_what_is_loaded_for_one_is_what_all_get(self) -> None:
        result: Any = object()

        @lru_cache
        async def load() -> Any:
            await turns()
            return result

        got = await asyncio.gather(*[load() for _ in range(5)])
        self.assertEqual({id(each) for each in got}, {id(result)})

        @lru_cache(copy=lambda value: [*value, "copied"])
        async def copies() -> Any:
            await turns()
            return ["loaded"]

        got = await asyncio.gather(*[copies() for _ in range(5)])
        self.assertEqual(got, [["loaded", "copied"]] * 5)
        self.assertEqual(len({id(each) for each in got}), 5)

        now = 0.0

        @ttl_cache(60, timer=lambda: now)
        async def lives(ttl: float) -> Any:
            await turns()
            return Loaded("loaded", ttl)

        self.assertEqual(await asyncio.gather(*[lives(5) for _ in range(3)]), ["loaded"] * 3)
        now = 4.9
        self.assertTrue(lives.cache_contains(5))
        now = 5.0
        self.assertFalse(lives.cache_contains(5))

    async def test_the_load_sees_the_context_of_the_first(self) -> None:
        who: contextvars.ContextVar[str] = contextvars.ContextVar("who")
        seen: list[str] = []

        @lru_cache
        async def load() -> None:
            seen.append(who.get())
            await turns()
            seen.append(who.get())
            who.set("the load")

        async def calls(name: str) -> str:
            who.set(name)
            await load()
            return who.get()

        tasks = [asyncio.create_task(calls(name)) for name in ("first", "second")]
        self.assertEqual(await asyncio.gather(*tasks), ["first", "second"])
        self.assertEqual(seen, ["first", "first"])

    async def test_recursion_may_be_deep(self) -> None:
        @lru_cache(maxsize=None)
        async def fibonacci(n: int) -> int:
            return n if n < 2 else await fibonacci(n - 1) + await fibonacci(n - 2)

        self.assertEqual(await fibonacci(90), 2880067194370816120)
        stats = fibonacci.cache_stats()
        self.assertEqual((stats.loads, stats.waits, stats.currsize), (91, 0, 91))
        self.assertGreater(await fibonacci(1500), 1 << 1000)

    async def test_task_factories_are_asked(self) -> None:
        made: list[str] = []

        def factory(loop: asyncio.AbstractEventLoop, coro: Any, **more: Any) -> Any:
            made.append(coro.__name__)
            return asyncio.Task(coro, loop=loop, **more)

        loop = asyncio.get_running_loop()
        loop.set_task_factory(factory)
        try:
            self.gate.open()
            self.assertEqual(await self.load("a"), ("a", 1))
        finally:
            loop.set_task_factory(None)
        self.assertEqual(made, ["run"])
        if sys.version_info >= (3, 12):
            loop.set_task_factory(asyncio.eager_task_factory)
            try:
                tasks = [asyncio.create_task(self.load("b")) for _ in range(3)]
                self.assertEqual([await task for task in tasks], [("b", 2)] * 3)
                self.assertEqual(self.load.cache_stats().loads, 2)
            finally:
                loop.set_task_factory(None)

    async def test_a_task_factory_that_raises_leaves_nothing(self) -> None:
        def factory(loop: asyncio.AbstractEventLoop, coro: Any, **more: Any) -> Any:
            raise OSError("no tasks")

        loop = asyncio.get_running_loop()
        loop.set_task_factory(factory)
        try:
            with self.assertRaisesRegex(OSError, "no tasks"):
                await self.load("a")
        finally:
            loop.set_task_factory(None)
        self.gate.open()
        self.assertEqual(await self.load("a"), ("a", 1))

    async def test_wrong_arguments_are_told_when_awaited(self) -> None:
        call: Any = self.load
        for _ in range(2):
            with self.assertRaisesRegex(TypeError, "missing 1 required positional argument"):
                await call()
        self.assertEqual((self.load.cache_stats().load_errors, self.load.cache_stats().loading), (2, 0))

    @unittest.skipIf(sys.version_info < (3, 11), "no TaskGroup")
    async def test_a_task_group_shares_a_load(self) -> None:
        async with ASYNCIO.TaskGroup() as group:
            tasks = [group.create_task(self.load("a")) for _ in range(3)]
            await self.gate.has(1)
            self.gate.open()
        self.assertEqual([task.result() for task in tasks], [("a", 1)] * 3)


class Errors(Quiet):
    async def test_all_get_the_same_exception(self) -> None:
        loads: list[int] = []

        async def fails() -> None:
            await turns()
            raise KeyError("it")

        @lru_cache
        async def load(x: int) -> None:
            loads.append(x)
            await fails()

        async def calls() -> tuple[BaseException, list[str]]:
            try:
                await load(1)
            except KeyError as error:
                return error, [frame.name for frame in traceback.extract_tb(error.__traceback__)]
            raise AssertionError

        got = await asyncio.gather(*[calls() for _ in range(20)])
        self.assertEqual(len({id(error) for error, _ in got}), 1)
        # Each sees its own way to the load, and the whole load; nothing of the others.
        for _, names in got:
            self.assertEqual(names, ["calls", "load", "load", "fails"])
        self.assertEqual((loads, load.cache_info().currsize, load.cache_stats().load_errors), ([1], 0, 1))
        with self.assertRaises(KeyError):
            await load(1)
        self.assertEqual(loads, [1, 1])

    async def test_nothing_holds_the_frames_of_a_load_that_failed(self) -> None:
        watched: list[weakref.ref[Thing]] = []

        @lru_cache
        async def load(wait: bool) -> None:
            thing = Thing()
            watched.append(weakref.ref(thing))
            if wait:
                await turns()
            raise OSError

        async def calls(wait: bool) -> None:
            thing = Thing()
            watched.append(weakref.ref(thing))
            try:
                await load(wait)
            except OSError:
                pass

        for wait in (False, True):
            gc.collect()
            gc.disable()
            try:
                await asyncio.gather(*[calls(wait) for _ in range(3)])
                await turns()
                self.assertEqual([thing() for thing in watched], [None] * len(watched))
            finally:
                gc.enable()

    async def test_exceptions_are_kept_where_that_is_asked_for(self) -> None:
        loads: list[int] = []

        @lru_cache(cache_exceptions=(KeyError, IndexError))
        async def load(x: int) -> None:
            loads.append(x)
            await turns()
            raise [KeyError, OSError][x](x)

        for _ in range(3):
            got = await asyncio.gather(load(0), load(0), return_exceptions=True)
            self.assertEqual([type(error) for error in got], [KeyError, KeyError])
        self.assertEqual(loads, [0])
        for _ in range(3):
            with self.assertRaises(OSError):
                await load(1)
        self.assertEqual(loads, [0, 1, 1, 1])

    async def test_a_weigher_that_raises(self) -> None:
        def weigh(value: int) -> int:
            raise ZeroDivisionError("weigh")

        @lru_cache(weigh=weigh, max_bytes=100)
        async def load() -> int:
            await turns()
            return 1

        got = await asyncio.gather(*[load() for _ in range(3)], return_exceptions=True)
        self.assertEqual([type(error) for error in got], [ZeroDivisionError] * 3)
        self.assertEqual((load.cache_info().currsize, load.cache_stats().loading), (0, 0))

    def test_an_interrupt_ends_the_program(self) -> None:
        for wait in (False, True):
            for kind in (KeyboardInterrupt, SystemExit):

                @lru_cache
                async def load(wait: bool, kind: type[BaseException]) -> int:
                    if wait:
                        await turns()
                    raise kind("it")

                async def calls(load: Any, wait: bool, kind: Any) -> None:
                    others = [asyncio.create_task(load(wait, kind)) for _ in range(wait)]
                    await load(wait, kind)
                    self.fail(str(others))

                with self.assertRaises(kind):
                    asyncio.run(calls(load, wait, kind))
                self.assertEqual((load.cache_info().currsize, load.cache_stats().loading), (0, 0))

    async def test_keys_that_cannot_be_compared(self) -> None:
        class Key:
            broken = False

            def __init__(self, name: str) -> None:
                self.name = name

            def __hash__(self) -> int:
                return 1

            def __eq__(self, other: object) -> bool:
                if Key.broken:
                    raise ZeroDivisionError("__eq__")
                return isinstance(other, Key) and self.name == other.name

        gate = Gate()

        @lru_cache
        async def load(key: Key) -> int:
            return await gate.passes()

        tasks = [asyncio.create_task(load(Key(name))) for name in "abcabc"]
        await gate.has(3)
        await turns()
        Key.broken = True
        gate.open()
        got = await asyncio.gather(*tasks, return_exceptions=True)
        self.assertIn(ZeroDivisionError, [type(each) for each in got])
        self.assertEqual(got[:3], got[3:])
        with self.assertRaises(ZeroDivisionError):
            await load(Key("a"))
        Key.broken = False
        for name in "abc":
            self.assertIsInstance(await load(Key(name)), int)
        self.assertEqual((load.cache_stats().loading, load.cache_info().currsize), (0, 3))


class Forgetting(Quiet):
    async def test_what_is_forgotten_during_a_load_is_not_kept(self) -> None:
        gate = Gate()

        @lru_cache
        async def load(key: str) -> int:
            return await gate.passes()

        ways: list[tuple[Callable[[], Any], int | None]] = [
            (lambda: load.cache_invalidate("a"), None),
            (load.cache_clear, None),
            (lambda: load.cache_put(100, "a"), 100),
        ]
        for forget, kept in ways:
            gate.number = 0
            gate.opened.clear()
            load.cache_clear()
            before = [asyncio.create_task(load("a")) for _ in range(2)]
            await gate.has(1)
            await turns()
            forget()
            after = [asyncio.create_task(load("a")) for _ in range(2)]
            if kept is None:
                await gate.has(2)
            await turns()
            gate.open()
            self.assertEqual(await asyncio.gather(*before), [1, 1])
            self.assertEqual(await asyncio.gather(*after), [kept or 2] * 2)
            self.assertEqual(await load("a"), kept or 2)
            self.assertEqual(load.cache_stats().loading, 0)

    async def test_who_waits_for_a_forgotten_load_may_still_cancel_it(self) -> None:
        gate = Gate()
        ended: list[str] = []

        @lru_cache
        async def load(key: str) -> int:
            try:
                return await gate.passes()
            finally:
                ended.append("ended")

        before = asyncio.create_task(load("a"))
        await gate.has(1)
        load.cache_invalidate("a")
        after = asyncio.create_task(load("a"))
        await gate.has(2)
        before.cancel()
        with self.assertRaises(asyncio.CancelledError):
            await before
        self.assertEqual(ended, ["ended"])
        gate.open()
        self.assertEqual((await after, await load("a")), (2, 2))

    async def test_an_expired_value_is_not_given_out_by_a_blocked_loop(self) -> None:
        loads: list[int] = []

        @ttl_cache(0.05)
        async def load() -> int:
            loads.append(1)
            return len(loads)

        self.assertEqual(await load(), 1)
        call = load()
        task = asyncio.create_task(load())
        time.sleep(0.06)
        self.assertEqual(await call, 2)
        self.assertEqual(await task, 2)


class Stale(Quiet):
    async def asyncSetUp(self) -> None:
        await super().asyncSetUp()
        self.now = 0.0
        self.loads = 0
        gate = self.gate = Gate()

        @ttl_cache(10, stale=20, timer=lambda: self.now)
        async def load(fails: bool = False) -> int:
            self.loads += 1
            if self.loads > 1:
                await gate.passes()
                if fails:
                    raise OSError
            return self.loads

        self.load = load

    async def test_the_old_value_is_given_out_while_one_refreshes(self) -> None:
        self.assertEqual(await self.load(), 1)
        self.now = 10.0
        self.assertEqual([await self.load() for _ in range(5)], [1] * 5)
        await self.gate.has(1)
        self.assertEqual([await self.load() for _ in range(5)], [1] * 5)
        self.assertEqual((self.loads, self.load.cache_stats().loading), (2, 1))
        self.gate.open()
        await turns()
        self.assertEqual([await self.load() for _ in range(5)], [2] * 5)
        self.assertEqual((self.loads, self.load.cache_info().misses), (2, 1))

    async def test_a_refresh_that_fails_is_tried_again(self) -> None:
        self.gate.open()
        self.assertEqual(await self.load(True), 1)
        self.now = 10.0
        self.assertEqual(await self.load(True), 1)
        await turns()
        self.assertEqual(await self.load(True), 1)
        await turns()
        self.assertEqual((self.loads, self.load.cache_stats().load_errors), (3, 2))
        self.now = 30.0
        with self.assertRaises(OSError):
            await self.load(True)

    async def test_a_kept_exception_gets_stale_and_is_refreshed(self) -> None:
        loads: list[int] = []

        @ttl_cache(10, stale=20, timer=lambda: self.now, cache_exceptions=OSError)
        async def load() -> int:
            loads.append(1)
            if len(loads) == 1:
                raise OSError
            return len(loads)

        for now in (0.0, 9.0, 10.0):
            self.now = now
            with self.assertRaises(OSError):
                await load()
        await turns()
        self.assertEqual((await load(), len(loads)), (2, 2))

    async def test_a_refresh_is_joined_once_the_stale_time_is_over(self) -> None:
        self.assertEqual(await self.load(), 1)
        self.now = 10.0
        self.assertEqual(await self.load(), 1)
        await self.gate.has(1)
        self.now = 30.0
        tasks = [asyncio.create_task(self.load()) for _ in range(2)]
        await turns()
        # The cancellation of all who wait is none of the refresh.
        tasks[0].cancel()
        tasks[1].cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        task = asyncio.create_task(self.load())
        await turns()
        self.gate.open()
        self.assertEqual((await task, self.loads), (2, 2))

    async def test_what_is_forgotten_during_a_refresh_is_not_kept(self) -> None:
        self.assertEqual(await self.load(), 1)
        self.now = 10.0
        self.assertEqual(await self.load(), 1)
        await self.gate.has(1)
        self.load.cache_put(100)
        self.gate.open()
        await turns()
        self.assertEqual((await self.load(), self.loads, self.load.cache_stats().loading), (100, 2, 0))

    def test_without_a_loop_the_old_value_is_all_there_is(self) -> None:
        async def load() -> int:
            return 1

        now = 0.0
        cached: Any = ttl_cache(10, stale=20, timer=lambda: now)(load)
        cached.cache_put("old")
        now = 10.0
        with self.assertRaises(StopIteration) as stopped:
            cached().send(None)
        self.assertEqual(stopped.exception.value, "old")
        now = 30.0
        with self.assertRaises(StopIteration) as stopped:
            cached().send(None)
        self.assertEqual(stopped.exception.value, 1)

    def test_the_end_of_a_loop_ends_a_refresh(self) -> None:
        now = 0.0

        @ttl_cache(10, stale=20, timer=lambda: now)
        async def load() -> int:
            if now:
                await asyncio.Event().wait()
            return 1

        async def calls() -> int:
            got = await load()
            await turns()
            return got

        self.assertEqual(asyncio.run(calls()), 1)
        now = 10.0
        self.assertEqual(asyncio.run(calls()), 1)
        self.assertEqual((load.cache_stats().loading, load.cache_stats().load_errors), (0, 0))


class OtherLoops(Quiet):
    """Frameworks with loops of their own: each call that misses runs the function itself."""

    def test_a_miss_without_asyncio(self) -> None:
        loads: list[int] = []

        @types.coroutine
        def their_sleep() -> Any:
            return (yield "their own")

        @lru_cache
        async def load(x: int) -> Any:
            loads.append(x)
            got = await their_sleep()
            if got == "fail":
                raise OSError
            return x, got

        calls = [load(1), load(1)]
        self.assertEqual([call.send(None) for call in calls], ["their own"] * 2)
        self.assertEqual(load.cache_stats().loading, 2)
        for call in calls:
            with self.assertRaises(StopIteration) as stopped:
                call.send("got")
            self.assertEqual(stopped.exception.value, (1, "got"))
        with self.assertRaises(StopIteration) as stopped:
            load(1).send(None)
        call = load(2)
        call.send(None)
        with self.assertRaises(OSError):
            call.send("fail")
        call.close()
        call = load(2)
        call.send(None)
        call.close()
        stats = load.cache_stats()
        self.assertEqual((loads, stats.loads, stats.load_errors, stats.loading), ([1, 1, 2, 2], 2, 1, 0))


if __name__ == "__main__":
    unittest.main()
