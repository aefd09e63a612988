# SPDX-License-Identifier: MIT
"""What a call of a cached coroutine function gives: an awaitable in C. Run by test_cache_coroutines.py on every Python."""

from __future__ import annotations

import asyncio
import collections.abc
import functools
import inspect
import io
import sys
import types
import unittest
from collections.abc import Callable, Generator
from typing import Any

from cache_awaits import Quiet, Thing, drive, times_two
from outpace import Cache, lru_cache, ttl_cache


class Kind(Quiet):
    """What it is, for those who look."""

    def setUp(self) -> None:
        super().setUp()
        self.cached = lru_cache(times_two)
        self.cached.cache_put("aa", "a")

    def test_it_is_a_coroutine(self) -> None:
        call = self.cached("a")
        self.assertEqual(f"{type(call).__module__}.{type(call).__qualname__}", "outpace._cache.CachedCoroutine")
        self.assertTrue(asyncio.iscoroutine(call))
        self.assertTrue(inspect.isawaitable(call))
        self.assertIsInstance(call, collections.abc.Coroutine)
        self.assertIsInstance(call, collections.abc.Awaitable)
        call.close()

    def test_the_function_is_a_coroutine_function(self) -> None:
        self.assertTrue(inspect.iscoroutinefunction(self.cached))
        self.assertTrue(inspect.iscoroutinefunction(ttl_cache(5)(times_two)))
        if sys.version_info < (3, 14):
            self.assertTrue(asyncio.iscoroutinefunction(self.cached))
        self.assertEqual(list(inspect.signature(self.cached).parameters), ["x"])

    def test_what_wraps_the_function_is_not_taken_for_it(self) -> None:
        @functools.wraps(self.cached)
        def runs(x: str) -> Any:
            return drive(self.cached(x))

        self.assertFalse(inspect.iscoroutinefunction(runs))
        self.assertEqual(runs("a"), "aa")

        @lru_cache
        def plain() -> None:
            pass

        self.assertFalse(inspect.iscoroutinefunction(plain))
        self.assertFalse(inspect.iscoroutinefunction(type(plain)))

        class Has:
            @lru_cache
            async def shared(self) -> None:
                pass

            @lru_cache(per_instance=True)
            async def own(self) -> None:
                pass

            @lru_cache(per_instance=True)
            def plain(self) -> None:
                pass

        coroutine_functions: list[Any] = [Has.shared, Has().shared, Has.own, Has().own]
        self.assertEqual([inspect.iscoroutinefunction(each) for each in coroutine_functions], [True] * 4)
        plain_ones: list[Any] = [Has.plain, Has().plain]
        self.assertEqual([inspect.iscoroutinefunction(each) for each in plain_ones], [False] * 2)

    def test_it_has_the_names_of_the_function(self) -> None:
        call: Any = self.cached("a")
        self.assertEqual((call.__name__, call.__qualname__), ("times_two", "times_two"))
        self.assertRegex(repr(call), "^<cached coroutine object times_two at 0x[0-9a-f]+>$")
        self.assertEqual(drive(call), "aa")
        self.assertEqual((call.__name__, call.__qualname__), ("times_two", "times_two"))

        class Unnamed:
            async def __call__(self) -> int:
                return 1

        unnamed: Any = lru_cache(Unnamed())()
        self.assertEqual(unnamed.__qualname__, Unnamed.__qualname__)
        unnamed.close()

    def test_it_cannot_be_made_by_hand(self) -> None:
        call: Any = self.cached("a")
        call.close()
        with self.assertRaisesRegex(TypeError, "cannot create"):
            call.__class__()

    async def test_asyncio_tells_what_a_task_does(self) -> None:
        release = asyncio.Event()

        @lru_cache
        async def waits(x: int) -> int:
            await release.wait()
            return x

        name = "Kind.test_asyncio_tells_what_a_task_does.<locals>.waits()"
        task = asyncio.create_task(waits(1))
        self.assertIn(f"coro=<{name}>", repr(task))
        self.assertEqual(task.get_stack(), [])
        await asyncio.sleep(0)
        self.assertRegex(repr(task), rf"coro=<{name.replace('(', '[(]').replace(')', '[)]')} running at .*_loads.py:\d+>")
        self.assertEqual([frame.f_code.co_name for frame in task.get_stack()], ["load"])
        stack = io.StringIO()
        task.print_stack(file=stack)
        self.assertIn("in load", stack.getvalue())
        release.set()
        self.assertEqual(await task, 1)
        self.assertIn(f"coro=<{name}> result=1", repr(task))
        self.assertEqual(task.get_stack(), [])
        done = asyncio.create_task(waits(1))
        self.assertEqual(await done, 1)
        self.assertIn(f"coro=<{name}> result=1", repr(done))

    async def test_its_state_can_be_seen(self) -> None:
        states: list[Any] = []

        @lru_cache
        async def looks() -> None:
            states.append((call.cr_running, call.cr_suspended))
            await asyncio.sleep(0)

        call: Any = looks()
        self.assertEqual(
            (call.cr_running, call.cr_suspended, call.cr_frame, call.cr_code, call.cr_await), (False, False, *[None] * 3)
        )
        self.assertIsNone(call.cr_origin)
        self.assertEqual(call.cr_state, "CORO_CREATED")
        task = asyncio.ensure_future(call)
        await asyncio.sleep(0)
        self.assertEqual((call.cr_running, call.cr_suspended), (False, True))
        self.assertIsInstance(call.cr_frame, types.FrameType)
        self.assertIsNotNone(call.cr_await)
        self.assertEqual(inspect.getcoroutinestate(call), "CORO_SUSPENDED")
        await task
        self.assertEqual(
            (call.cr_running, call.cr_suspended, call.cr_frame, call.cr_code, call.cr_await), (False, False, *[None] * 3)
        )
        self.assertEqual(inspect.getcoroutinestate(call), "CORO_CLOSED")


class Hits(Quiet):
    def test_a_hit_needs_no_loop(self) -> None:
        cached = lru_cache(times_two)
        for value in (None, 5, (1, 2), (), ValueError("kept"), StopIteration(3), StopIteration, [1], "x"):
            cached.cache_put(value, "key")
            call = cached("key")
            if value is None or value == 5:
                self.assertEqual(drive(call), value)
            else:
                self.assertIs(drive(call), value)

    def test_an_await_gets_the_value(self) -> None:
        cached = lru_cache(times_two)

        async def awaits(x: str) -> Any:
            return await cached(x)

        class Awaitable:
            def __await__(self) -> Generator[Any, None, Any]:
                return (yield from cached("key").__await__())

        async def awaits_by_hand() -> Any:
            return await Awaitable()

        for value in (None, 5, (1, 2), (), ValueError("kept"), StopIteration(3), [1]):
            cached.cache_put(value, "key")
            self.assertIs(drive(awaits("key")), value)
            self.assertIs(drive(awaits_by_hand()), value)
        self.assertEqual(cached.cache_info().hits, 14)

    async def test_a_hit_does_not_enter_the_loop(self) -> None:
        cached = lru_cache(times_two)
        self.assertEqual(await cached(1), 2)
        turns: list[int] = []
        asyncio.get_running_loop().call_soon(turns.append, 1)
        for _ in range(100):
            self.assertEqual(await cached(1), 2)
        self.assertEqual(turns, [])
        await asyncio.sleep(0)
        self.assertEqual(turns, [1])

    def test_it_is_looked_up_when_awaited(self) -> None:
        now = 0.0
        cached = ttl_cache(10, timer=lambda: now)(times_two)
        cached.cache_put("old", 1)
        call = cached(1)
        self.assertEqual(cached.cache_info().hits, 0)
        cached.cache_put("new", 1)
        self.assertEqual(drive(call), "new")
        call = cached(1)
        now = 10.0
        self.assertEqual(drive(call), 2)
        self.assertEqual((cached.cache_info().hits, cached.cache_info().misses), (1, 1))

    def test_all_kinds_of_arguments(self) -> None:
        async def takes(*args: Any, **keywords: Any) -> Any:
            return args, keywords

        cached = lru_cache(takes)
        cases: list[tuple[tuple[Any, ...], dict[str, Any]]] = [
            ((), {}),
            ((1,), {}),
            ((1, 2, 3, 4), {}),
            ((1, 2, 3, 4, 5), {}),
            (tuple(range(100)), {}),
            ((), {"a": 1}),
            ((1, 2, 3), {"a": 1}),
            ((1, 2, 3), {"a": 1, "b": 2, "c": 3}),
        ]
        for again in range(2):
            for args, keywords in cases:
                self.assertEqual(drive(cached(*args, **keywords)), (args, keywords))
            self.assertEqual((cached.cache_info().hits, cached.cache_info().misses), (again * len(cases), len(cases)))

    def test_many_at_a_time(self) -> None:
        cached = lru_cache(maxsize=None)(times_two)
        for again in range(3):
            calls = [cached(i) for i in range(100)]
            self.assertEqual([drive(call) for call in calls], [2 * i for i in range(100)], again)
            calls = [cached(i) for i in range(100)]
            for call in calls:
                call.close()

    def test_what_stops_an_await_can_be_kept(self) -> None:
        cached = lru_cache(times_two)
        things = [Thing(), Thing(), Thing()]
        stops: list[StopIteration] = []
        for i, thing in enumerate(things):
            cached.cache_put(thing, i)
        for i in range(3):
            try:
                next(cached(i))  # type: ignore[call-overload]
            except StopIteration as stop:
                stops.append(stop)
        self.assertEqual([stop.value for stop in stops], things)
        self.assertEqual(len({id(stop) for stop in stops}), 3)
        self.assertEqual([stop.__context__ for stop in stops], [None] * 3)
        self.assertTrue(all(stop.__traceback__ is not None for stop in stops))
        str(stops), repr(stops)
        stops[0].value = "other"
        stops[1].note = "mine"  # type: ignore[attr-defined]
        self.assertEqual(stops[2].args, (things[2],))
        stops[2].args = ("other", "more")
        self.assertEqual(stops[2].args, ("other", "more"))
        for kept in stops:
            kept.__traceback__ = None
        del kept
        while stops:  # the last one is used again, or else would be
            stops.pop(0)
        for i in range(3):
            try:
                next(cached(i))  # type: ignore[call-overload]
            except StopIteration as stop:
                self.assertIs(stop.value, things[i])
                self.assertFalse(hasattr(stop, "note"))
                self.assertEqual(stop.args, (things[i],))

    def test_a_kept_exception_is_raised(self) -> None:
        loads: list[int] = []

        @lru_cache(cache_exceptions=KeyError)
        async def fails(x: int) -> int:
            loads.append(x)
            raise KeyError(x)

        for _ in range(3):
            with self.assertRaises(KeyError) as raised:
                drive(fails(1))
            self.assertEqual(raised.exception.args, (1,))
        self.assertEqual(loads, [1])

    def test_copies_are_handed_out(self) -> None:
        @lru_cache(copy=True)
        async def makes() -> list[int]:
            return [1]

        got = [drive(makes()) for _ in range(3)]
        self.assertEqual(got, [[1]] * 3)
        self.assertEqual(len({id(each) for each in got}), 3)
        got[0].append(2)
        self.assertEqual(drive(makes()), [1])

    def test_an_unhashable_argument_is_named_when_awaited(self) -> None:
        cached = lru_cache(times_two)
        call = cached([])
        with self.assertRaisesRegex(TypeError, "times_two.*argument 1"):
            drive(call)
        with self.assertRaisesRegex(RuntimeError, "cannot reuse"):
            call.send(None)

    def test_a_mapping_loads(self) -> None:
        loads: list[str] = []

        async def loader(key: str) -> str:
            loads.append(key)
            return key * 2

        cache: Cache[str, str] = Cache()
        call: Any = cache.get_or_load("a", loader)
        self.assertTrue(asyncio.iscoroutine(call))
        self.assertIn("loader", call.__qualname__)
        self.assertIn("loader", repr(call))
        self.assertEqual([drive(call), drive(cache.get_or_load("a", loader))], ["aa", "aa"])
        self.assertIn("CachedCoroutine", repr(call))
        self.assertEqual((loads, cache["a"]), (["a"], "aa"))


class Steps(Quiet):
    """send, throw and close, by hand."""

    def setUp(self) -> None:
        super().setUp()

        class Stops:
            def __await__(self) -> Generator[str, Any, Any]:
                try:
                    got = yield "first"
                except LookupError as error:
                    got = yield repr(error)
                return got

        @lru_cache
        async def waits(x: int) -> Any:
            return x, await Stops()

        self.waits = waits

    def test_what_is_sent_is_passed_on(self) -> None:
        call = self.waits(1)
        self.assertEqual(call.send(None), "first")
        with self.assertRaises(StopIteration) as stopped:
            call.send("sent")
        self.assertEqual(stopped.exception.value, (1, "sent"))
        self.assertEqual(drive(self.waits(1)), (1, "sent"))

    def test_a_first_step_takes_nothing(self) -> None:
        call = self.waits(1)
        with self.assertRaisesRegex(TypeError, "can't send non-None value to a just-started coroutine"):
            call.send(1)
        self.assertEqual(call.send(None), "first")
        call.close()

    def test_what_is_thrown_is_passed_on(self) -> None:
        call = self.waits(1)
        self.assertEqual(call.send(None), "first")
        self.assertEqual(call.throw(KeyError("k")), "KeyError('k')")
        with self.assertRaisesRegex(OSError, "thrown"):
            call.throw(OSError("thrown"))
        with self.assertRaisesRegex(RuntimeError, "cannot reuse already awaited coroutine"):
            call.throw(OSError("thrown"))
        self.assertFalse(self.waits.cache_contains(1))

    def test_what_is_thrown_before_the_first_step_is_raised(self) -> None:
        error = ValueError("x")
        try:
            raise OSError
        except OSError as other:
            traceback = other.__traceback__
        cases: list[tuple[Any, ...]] = [
            (error,),
            (ValueError,),
            (ValueError, "x"),
            (ValueError, None, None),
            (ValueError, ValueError("x"), traceback),
            (error, None, traceback),
        ]
        for arguments in cases:
            call = self.waits(2)
            try:
                call.throw(*arguments)
            except ValueError as raised:
                self.assertEqual(raised is error, arguments[0] is error)
                if len(arguments) > 2 and arguments[2] is not None:
                    self.assertIs(raised.__traceback__.tb_next, traceback)  # type: ignore[union-attr]
            else:
                self.fail("nothing was raised")
            with self.assertRaisesRegex(RuntimeError, "cannot reuse already awaited coroutine"):
                call.send(None)
        self.assertEqual(self.waits.cache_info().misses, 0)

    def test_what_cannot_be_thrown(self) -> None:
        cases: list[tuple[tuple[Any, ...], str]] = [
            ((), "1 to 3"),
            ((1, 2, 3, 4), "1 to 3"),
            ((3,), "exceptions must be"),
            ((int,), "exceptions must be"),
            ((ValueError("x"), 3), "separate value"),
            ((ValueError, None, 3), "traceback"),
        ]
        for arguments, said in cases:
            call = self.waits(2)
            with self.assertRaisesRegex(TypeError, said):
                call.throw(*arguments)
            call.close()

    def test_it_is_closed(self) -> None:
        call = self.waits(1)
        call.close()
        call.close()
        with self.assertRaisesRegex(RuntimeError, "cannot reuse already awaited coroutine"):
            call.send(None)
        ended: list[str] = []

        @lru_cache
        async def ends() -> None:
            try:
                await Never()
            finally:
                ended.append("closed")

        class Never:
            def __await__(self) -> Generator[None, Any, None]:
                yield None

        waiting = ends()
        waiting.send(None)
        self.assertEqual(ended, [])
        waiting.close()
        self.assertEqual(ended, ["closed"])
        self.assertEqual((ends.cache_info().currsize, ends.cache_stats().loading), (0, 0))
        dropped = ends()
        dropped.send(None)
        del dropped
        self.assertEqual((ended, ends.cache_stats().loading), (["closed"] * 2, 0))

    def test_one_that_ignores_its_close_says_so(self) -> None:
        class Stubborn:
            def __await__(self) -> Generator[int, Any, None]:
                try:
                    yield 1
                except GeneratorExit:
                    yield 2

        @lru_cache
        async def stubborn() -> None:
            await Stubborn()

        call = stubborn()
        call.send(None)
        with self.assertRaisesRegex(RuntimeError, "ignored GeneratorExit"):
            call.close()
        with self.assertRaisesRegex(RuntimeError, "cannot reuse"):
            call.send(None)

    def test_it_is_awaited_once(self) -> None:
        cached = lru_cache(times_two)
        call = cached(1)
        self.assertEqual(drive(call), 2)
        steps: list[Callable[[], Any]] = [
            lambda: call.send(None),
            lambda: call.send(1),
            lambda: drive(call),
            lambda: call.throw(OSError),
        ]
        for step in steps:
            with self.assertRaisesRegex(RuntimeError, "cannot reuse already awaited coroutine"):
                step()
        call.close()

    def test_it_does_not_run_in_itself(self) -> None:
        class Key:
            def __hash__(self) -> int:
                return 1

            def __eq__(self, other: object) -> bool:
                steps: list[Callable[[], Any]] = [lambda: call.send(None), call.close, lambda: call.throw(OSError)]
                for step in steps:
                    try:
                        step()
                    except ValueError as error:
                        said.append(str(error))
                return True

        said: list[str] = []
        cached = lru_cache(times_two)
        cached.cache_put("found", Key())
        call = cached(Key())
        self.assertEqual(drive(call), "found")
        self.assertEqual(said, ["coroutine already executing"] * 3)


if __name__ == "__main__":
    unittest.main()
