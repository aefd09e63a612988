# SPDX-License-Identifier: MIT
"""Who cancels what of a load that is shared, and that nobody waits for ever. Run by test_cache_coroutines.py on every Python."""

from __future__ import annotations

import asyncio
import sys
import unittest
from collections.abc import Awaitable, Callable
from typing import Any

from cache_awaits import ASYNCIO, Gate, Quiet, turns
from outpace import Cache, lru_cache


class Cancellation(Quiet):
    async def asyncSetUp(self) -> None:
        await super().asyncSetUp()
        gate = self.gate = Gate()
        ended: list[str] = []
        self.ended = ended

        @lru_cache
        async def load(key: str) -> Any:
            try:
                return key, await gate.passes()
            except asyncio.CancelledError:
                ended.append("cancelled")
                await turns()
                ended.append("cleaned up")
                raise

        self.load = load

    async def test_the_first_one_leaves_the_load_to_the_others(self) -> None:
        tasks = [asyncio.create_task(self.load("a")) for _ in range(3)]
        await self.gate.has(1)
        await turns()
        tasks[0].cancel()
        with self.assertRaises(asyncio.CancelledError):
            await tasks[0]
        tasks[2].cancel()
        await turns()
        self.gate.open()
        self.assertEqual(await tasks[1], ("a", 1))
        self.assertEqual((self.ended, await self.load("a")), ([], ("a", 1)))

    async def test_the_last_one_cancels_the_load(self) -> None:
        tasks = [asyncio.create_task(self.load("a")) for _ in range(3)]
        await self.gate.has(1)
        await turns()
        for task in tasks:
            task.cancel()
        got = await asyncio.gather(*tasks, return_exceptions=True)
        # It is the load's end that they ended with.
        self.assertEqual((self.ended, [type(each) for each in got]), (["cancelled", "cleaned up"], [asyncio.CancelledError] * 3))
        self.assertEqual((self.load.cache_info().currsize, self.load.cache_stats().loading), (0, 0))
        self.gate.open()
        self.assertEqual(await self.load("a"), ("a", 2))

    async def test_nobody_joins_a_load_that_is_cancelled(self) -> None:
        task = asyncio.create_task(self.load("a"))
        await self.gate.has(1)
        task.cancel()
        while not self.ended:
            await asyncio.sleep(0)
        self.assertEqual(self.ended, ["cancelled"])
        later = asyncio.create_task(self.load("a"))
        await self.gate.has(2)
        with self.assertRaises(asyncio.CancelledError):
            await task
        self.gate.open()
        self.assertEqual(await later, ("a", 2))

    async def test_a_load_may_be_cancelled_twice(self) -> None:
        task = asyncio.create_task(self.load("a"))
        await self.gate.has(1)
        task.cancel()
        while not self.ended:
            await asyncio.sleep(0)
        task.cancel()
        with self.assertRaises(asyncio.CancelledError):
            await task
        self.assertEqual(self.ended, ["cancelled"])
        self.assertEqual(self.load.cache_stats().loading, 0)

    async def test_before_anything_has_begun(self) -> None:
        for number in range(3):
            task = asyncio.create_task(self.load("a"))
            await turns(number)
            task.cancel()
            with self.assertRaises(asyncio.CancelledError):
                await task
            self.assertEqual((self.load.cache_stats().loading, len(asyncio.all_tasks())), (0, len(asyncio.all_tasks())))
        self.gate.open()
        self.assertEqual((await self.load("a"))[0], "a")

    async def test_what_a_cancelled_load_ends_with_is_what_its_last_caller_gets(self) -> None:
        async def ends_with(end: Callable[[], Any]) -> Any:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                await turns()
                return end()

        def fails() -> None:
            raise OSError("while it was cleaned up")

        for cached in (False, True):
            load = lru_cache(ends_with) if cached else ends_with
            task = asyncio.create_task(load(lambda: "its last word"))
            await turns()
            task.cancel()
            self.assertEqual(await task, "its last word")
            task = asyncio.create_task(load(fails))
            await turns()
            task.cancel()
            with self.assertRaisesRegex(OSError, "while it was cleaned up"):
                await task

    async def test_a_load_that_is_cancelled_from_within(self) -> None:
        @lru_cache
        async def load() -> None:
            other = asyncio.ensure_future(asyncio.sleep(60))
            asyncio.get_running_loop().call_soon(other.cancel)
            await other

        got = await asyncio.gather(load(), load(), return_exceptions=True)
        self.assertEqual([type(each) for each in got], [asyncio.CancelledError] * 2)
        self.assertEqual(load.cache_stats().loading, 0)

    async def test_wait_for(self) -> None:
        with self.assertRaises(asyncio.TimeoutError):
            await asyncio.wait_for(self.load("a"), 0.01)
        self.assertEqual(self.ended, ["cancelled", "cleaned up"])
        other = asyncio.create_task(self.load("a"))
        await self.gate.has(2)
        with self.assertRaises(asyncio.TimeoutError):
            await asyncio.wait_for(self.load("a"), 0.01)
        self.gate.open()
        self.assertEqual(await other, ("a", 2))
        self.assertEqual(await asyncio.wait_for(self.load("a"), 60), ("a", 2))

    @unittest.skipIf(sys.version_info < (3, 11), "no asyncio.timeout")
    async def test_timeout(self) -> None:
        with self.assertRaises(TimeoutError):
            async with ASYNCIO.timeout(0.01):
                await self.load("a")
        self.assertEqual(self.ended, ["cancelled", "cleaned up"])
        task: Any = asyncio.current_task()
        self.assertEqual(task.cancelling(), 0)

        @lru_cache
        async def load() -> str:
            try:
                async with ASYNCIO.timeout(0.01):
                    await asyncio.Event().wait()
            except TimeoutError:
                return "in time"
            return "never"

        self.assertEqual(await asyncio.gather(load(), load()), ["in time"] * 2)

    async def test_a_coroutine_that_is_closed_leaves(self) -> None:
        call = self.load("a")
        future = call.send(None)
        self.assertTrue(asyncio.isfuture(future))
        await self.gate.has(1)
        call.close()
        await turns(8)
        self.assertEqual(self.ended, ["cancelled", "cleaned up"])
        self.assertEqual(self.load.cache_stats().loading, 0)

    async def test_what_is_thrown_into_a_coroutine_ends_it(self) -> None:
        call = self.load("a")
        call.send(None)
        other = asyncio.create_task(self.load("a"))
        await self.gate.has(1)
        await turns()
        with self.assertRaises(ZeroDivisionError):
            call.throw(ZeroDivisionError())
        self.gate.open()
        self.assertEqual((await other, self.ended), (("a", 1), []))

    def test_the_end_of_a_loop_ends_its_loads(self) -> None:
        async def begins(number: int) -> None:
            self.tasks = [asyncio.create_task(load("a")) for _ in range(number)]
            await turns()

        ended: list[str] = []

        @lru_cache
        async def load(key: str) -> None:
            try:
                await asyncio.Event().wait()
            finally:
                await turns()
                ended.append("cleaned up")

        for number in (1, 2):
            ended.clear()
            asyncio.run(begins(number))
            self.assertTrue(all(task.cancelled() for task in self.tasks))
            if sys.version_info >= (3, 11):
                self.assertEqual(ended, ["cleaned up"])
            self.assertEqual((load.cache_info().currsize, load.cache_stats().loading), (0, 0))


class Circles(Quiet):
    """Nobody waits for ever. Where one would, the program would run into the time limit."""

    async def in_time(self, awaited: Awaitable[Any]) -> Any:
        return await asyncio.wait_for(asyncio.ensure_future(awaited), 60)

    async def test_a_load_may_ask_for_its_own_key(self) -> None:
        depth = 0

        @lru_cache
        async def load(key: str) -> str:
            nonlocal depth
            depth += 1
            await turns()
            return "innermost" if depth == 3 else await load(key)

        self.assertEqual(await self.in_time(asyncio.gather(load("a"), load("a"))), ["innermost"] * 2)
        self.assertEqual(depth, 3)

    async def test_loads_may_cross(self) -> None:
        for way in ("directly", "in tasks", "shielded"):
            seen: set[str] = set()

            async def ask(awaited: Any, way: str) -> Any:
                if way == "in tasks":
                    return (await asyncio.gather(asyncio.sleep(0), awaited))[1]
                return await (asyncio.shield(awaited) if way == "shielded" else awaited)

            @lru_cache
            async def load(key: str, other: str, way: str) -> str:
                first = key not in seen  # noqa: B023
                seen.add(key)  # noqa: B023
                while len(seen) < 2:  # noqa: B023
                    await asyncio.sleep(0)
                return key + (await ask(load(other, key, way), way) if first else "")

            got = await self.in_time(asyncio.gather(load("a", "b", way), load("b", "a", way)))
            self.assertEqual({each[0] for each in got}, {"a", "b"}, way)

    async def test_a_circle_of_many(self) -> None:
        number = 10
        begun: set[int] = set()

        @lru_cache
        async def load(i: int) -> int:
            first = i not in begun
            begun.add(i)
            while len(begun) < number:
                await asyncio.sleep(0)
            return 1 + await load((i + 1) % number) if first else 0

        got = await self.in_time(asyncio.gather(*[load(i) for i in range(number)]))
        self.assertEqual(len(got), number)

    async def test_a_circle_of_two_caches(self) -> None:
        cache: Cache[str, Any] = Cache()

        @lru_cache
        async def outer(key: str) -> Any:
            await turns()
            return await cache.get_or_load(key, loader)

        depth = 0

        async def loader(key: str) -> Any:
            nonlocal depth
            depth += 1
            await turns()
            return "end" if depth > 1 else await outer(key)

        self.assertEqual(await self.in_time(asyncio.gather(outer("a"), cache.get_or_load("a", loader))), ["end"] * 2)

    async def test_what_is_no_circle_shares(self) -> None:
        loads: list[str] = []

        @lru_cache
        async def bottom() -> str:
            loads.append("bottom")
            await turns(5)
            return "bottom"

        @lru_cache
        async def middle(x: int) -> str:
            loads.append("middle")
            await turns(x)
            return await bottom()

        @lru_cache
        async def top() -> list[str]:
            loads.append("top")
            return list(await asyncio.gather(middle(1), middle(2), bottom(), middle(1)))

        self.assertEqual(await self.in_time(asyncio.gather(top(), top(), bottom())), [["bottom"] * 4] * 2 + ["bottom"])
        self.assertEqual(sorted(loads), ["bottom", "middle", "middle", "top"])

    async def test_a_wait_that_ended_closes_no_circle(self) -> None:
        gate = Gate()
        loads: list[str] = []

        @lru_cache
        async def inner() -> int:
            loads.append("inner")
            return await gate.passes()

        @lru_cache
        async def outer() -> list[str]:
            loads.append("outer")
            try:
                await asyncio.wait_for(inner(), 0.01)
            except asyncio.TimeoutError:
                pass
            asyncio.get_running_loop().call_later(0.01, gate.open)
            return ["outer", await other()]

        @lru_cache
        async def other() -> str:
            loads.append("other")
            await inner()
            return "other"

        # `other` waits for `inner`, for which `outer` no longer waits: so `outer` may wait for `other`.
        got = await self.in_time(asyncio.gather(other(), outer()))
        self.assertEqual(got, ["other", ["outer", "other"]])
        self.assertEqual(sorted(loads), ["inner", "other", "outer"])

    async def test_a_task_that_outlives_its_load(self) -> None:
        tasks: list[asyncio.Task[Any]] = []
        go = asyncio.Event()

        @lru_cache
        async def load(key: str) -> str:
            if key == "a":

                async def later() -> str:
                    await go.wait()
                    return await load("b")

                tasks.append(asyncio.create_task(later()))
            await turns()
            return key

        self.assertEqual(await load("a"), "a")
        go.set()
        self.assertEqual(await self.in_time(asyncio.gather(load("b"), *tasks)), ["b", "b"])
        self.assertEqual(load.cache_stats().loads, 2)


if __name__ == "__main__":
    unittest.main()
