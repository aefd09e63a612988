# SPDX-License-Identifier: MIT
"""One load a key in several event loops, threads and processes. Run by test_cache_coroutines.py on every Python."""

from __future__ import annotations

import asyncio
import gc
import os
import subprocess
import sys
import threading
import time
import traceback
import unittest
import warnings
from collections.abc import Callable, Coroutine
from typing import Any

from cache_awaits import Quiet
from outpace import _loads, lru_cache


def until(true: Callable[[], Any]) -> None:
    """A test that fails runs into the time limit."""
    while not true():
        time.sleep(0.001)


class Loop(threading.Thread):
    """A coroutine in a loop of its own in a thread of its own."""

    def __init__(self, main: Callable[[], Coroutine[Any, Any, Any]]) -> None:
        super().__init__()
        self.main = main
        self.result: Any = None
        self.loop: Any = None
        self.task: Any = None
        self.start()

    def run(self) -> None:
        async def watched() -> Any:
            self.task = asyncio.current_task()
            self.loop = asyncio.get_running_loop()
            return await self.main()

        try:
            self.result = asyncio.run(watched(), debug=True)
        except BaseException as error:
            self.result = error

    def end(self) -> Any:
        self.join()
        return self.result


class Threads(Quiet):
    def setUp(self) -> None:
        super().setUp()
        opened = self.opened = threading.Event()
        loads: list[Any] = []
        self.loads = loads
        ended: list[Any] = []
        self.ended = ended

        @lru_cache
        async def load(key: str) -> Any:
            loads.append(threading.get_ident())
            try:
                while not opened.is_set():
                    await asyncio.sleep(0.001)
                if key == "fails":
                    raise OSError(key)
                return key, len(loads)
            except asyncio.CancelledError:
                ended.append(threading.get_ident())
                raise

        self.load = load

    def waits(self, number: int) -> None:
        until(lambda: self.load.cache_stats().waits >= number)

    def test_loops_share_a_load(self) -> None:
        async def calls() -> Any:
            return await asyncio.gather(*[self.load("a") for _ in range(10)])

        loops = [Loop(calls) for _ in range(8)]
        self.waits(79)
        self.opened.set()
        self.assertEqual([loop.end() for loop in loops], [[("a", 1)] * 10] * 8)
        stats = self.load.cache_stats()
        self.assertEqual((stats.loads, stats.waits, stats.loading), (1, 79, 0))

    def test_all_get_the_same_exception(self) -> None:
        async def calls() -> Any:
            try:
                await self.load("fails")
            except OSError as error:
                return error, [frame.name for frame in traceback.extract_tb(error.__traceback__)]

        loops = [Loop(calls) for _ in range(4)]
        self.waits(3)
        self.opened.set()
        got = [loop.end() for loop in loops]
        self.assertEqual(len({id(error) for error, _ in got}), 1)
        self.assertLessEqual(max(len(names) for _, names in got), 3 * len(loops))
        self.assertEqual((len(self.loads), self.load.cache_stats().load_errors), (1, 1))

    def test_the_end_of_a_loop_is_not_the_end_for_others(self) -> None:
        leave = threading.Event()

        async def begins() -> None:
            task = asyncio.create_task(self.load("a"))
            while not leave.is_set():
                await asyncio.sleep(0.001)
            self.assertFalse(task.done())

        async def calls() -> Any:
            return await self.load("a")

        first = Loop(begins)
        until(lambda: self.loads)
        others = [Loop(calls) for _ in range(3)]
        self.waits(3)
        leave.set()
        first.end()
        self.assertEqual(self.ended, [first.ident])
        until(lambda: len(self.loads) == 2)
        self.opened.set()
        self.assertEqual([other.end() for other in others], [("a", 2)] * 3)
        self.assertEqual((self.load.cache_stats().loads, self.load.cache_stats().loading), (1, 0))

    def test_a_loop_that_is_cancelled_in_the_load_of_others(self) -> None:
        async def calls() -> Any:
            return await self.load("a")

        first = Loop(calls)
        until(lambda: self.loads)
        other = Loop(calls)
        self.waits(1)
        # It only leaves; the load in its loop goes on for the other, until that loop ends, and the other starts over.
        first.loop.call_soon_threadsafe(first.task.cancel)
        self.assertIsInstance(first.end(), asyncio.CancelledError)
        until(lambda: len(self.loads) == 2)
        self.opened.set()
        self.assertEqual(other.end(), ("a", 2))

    def test_the_last_one_cancels_the_load_in_its_own_loop(self) -> None:
        left, leave = threading.Event(), threading.Event()

        async def begins() -> None:
            task = asyncio.create_task(self.load("a"))
            await asyncio.get_running_loop().run_in_executor(None, self.waits, 1)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            left.set()
            while not leave.is_set():
                await asyncio.sleep(0.001)

        async def calls() -> Any:
            return await self.load("a")

        first = Loop(begins)
        until(lambda: self.loads)
        other = Loop(calls)
        left.wait()
        self.assertEqual(self.ended, [])
        other.loop.call_soon_threadsafe(other.task.cancel)
        self.assertIsInstance(other.end(), asyncio.CancelledError)
        self.assertEqual(self.ended, [first.ident])
        leave.set()
        self.assertIsNone(first.end())
        self.assertEqual((self.load.cache_info().currsize, self.load.cache_stats().loading), (0, 0))

    def test_loads_of_two_loops_may_cross(self) -> None:
        seen: set[str] = set()

        @lru_cache
        async def load(key: str, other: str) -> str:
            first = key not in seen
            seen.add(key)
            while len(seen) < 2:
                await asyncio.sleep(0)
            return key + (await load(other, key) if first else "")

        async def calls(key: str, other: str) -> str:
            return await load(key, other)

        for _ in range(20):
            seen.clear()
            load.cache_clear()
            loops = [Loop(lambda: calls("a", "b")), Loop(lambda: calls("b", "a"))]
            self.assertEqual([loop.end()[0] for loop in loops], ["a", "b"])

    def test_a_thread_of_the_load_may_ask_for_its_key(self) -> None:
        depth = 0

        @lru_cache
        async def load() -> str:
            nonlocal depth
            depth += 1
            return "innermost" if depth > 1 else await asyncio.to_thread(asyncio.run, calls())

        async def calls() -> str:
            return await load()

        self.assertEqual(asyncio.run(calls()), "innermost")

    def test_what_many_threads_do_at_a_time(self) -> None:
        loads = [0] * 4

        @lru_cache(maxsize=2)
        async def load(key: int) -> int:
            loads[key] += 1
            await asyncio.sleep(0)
            if loads[key] % 5 == 0:
                raise OSError
            return key

        async def calls(seed: int) -> int:
            for i in range(300):
                key = (i * 7 + seed) % 4
                task = asyncio.create_task(load(key))
                if i % 11 == seed:
                    await asyncio.sleep(0)
                    task.cancel()
                if i % 13 == seed:
                    load.cache_invalidate(key)
                try:
                    self.assertEqual(await task, key)
                except (OSError, asyncio.CancelledError):
                    pass
            return seed

        loops = [Loop(lambda seed=seed: calls(seed)) for seed in range(4)]  # type: ignore[misc]
        self.assertEqual([loop.end() for loop in loops], list(range(4)))
        stats = load.cache_stats()
        self.assertEqual((stats.loading, stats.hits + stats.misses >= 1200), (0, True))


class Lost(unittest.TestCase):
    """Loads whose loops rest, or are closed with tasks in them, which asyncio complains about."""

    def setUp(self) -> None:
        opened = self.opened = threading.Event()
        loads: list[Any] = []
        self.loads = loads

        @lru_cache
        async def load(key: str) -> Any:
            loads.append(key)
            number = len(loads)
            while not opened.is_set():
                await asyncio.sleep(0.001)
            return key, number

        self.load = load
        self.said: list[str] = []
        self.loop = asyncio.new_event_loop()
        self.addCleanup(self.loop.close)
        self.loop.set_exception_handler(lambda loop, context: self.said.append(context["message"]))

    def begin(self) -> asyncio.Task[Any]:
        async def begins() -> asyncio.Task[Any]:
            task = asyncio.ensure_future(self.load("a"))
            while not self.loads:
                await asyncio.sleep(0)
            return task

        return self.loop.run_until_complete(begins())

    async def calls(self) -> Any:
        return await self.load("a")

    def test_a_loop_that_rests_in_this_thread_is_not_waited_for(self) -> None:
        task = self.begin()
        self.opened.set()
        self.assertEqual(asyncio.run(self.calls()), ("a", 2))
        # Who waits there takes part in what was loaded meanwhile; what was given up for lost is not kept.
        self.assertEqual(self.loop.run_until_complete(task), ("a", 2))
        self.assertEqual(asyncio.run(self.calls()), ("a", 2))
        self.loop.run_until_complete(asyncio.sleep(0.01))
        self.assertEqual((self.load.cache_peek("a"), self.load.cache_stats().loading), (("a", 2), 0))

    def test_a_loop_that_runs_again_is_joined(self) -> None:
        task = self.begin()

        async def joins() -> Any:
            self.opened.set()
            return await self.load("a")

        self.assertEqual(self.loop.run_until_complete(joins()), ("a", 1))
        self.assertEqual(self.loop.run_until_complete(task), ("a", 1))

    def test_a_loop_that_rests_in_another_thread_is_given_up_in_the_end(self) -> None:
        task = self.begin()
        other = Loop(self.calls)
        until(lambda: len(self.loads) == 2)
        self.opened.set()
        self.assertEqual(other.end(), ("a", 2))
        self.assertEqual(self.loop.run_until_complete(task), ("a", 2))

    def test_a_closed_loop_is_not_waited_for(self) -> None:
        for way in ("here", "in a thread", "in a thread that waits"):
            self.setUp()
            task = self.begin()
            waiter = Loop(self.calls) if way == "in a thread that waits" else None
            if waiter is not None:
                until(lambda: self.load.cache_stats().waits)
            self.loop.close()
            if waiter is None:
                self.opened.set()
            if way == "here":
                self.assertEqual(asyncio.run(self.calls()), ("a", 2))
            else:
                waiter = waiter or Loop(self.calls)
                until(lambda: len(self.loads) == 2)
                self.opened.set()
                self.assertEqual(waiter.end(), ("a", 2))
            del task
            gc.collect()
            self.assertEqual(set(self.said), {"Task was destroyed but it is pending!"})
            self.assertEqual((self.load.cache_peek("a"), self.load.cache_stats().loading), (("a", 2), 0))

    def test_loops_one_after_another(self) -> None:
        """As test runners make them: one a test."""
        self.opened.set()
        for _ in range(3):
            loop = asyncio.new_event_loop()
            self.assertEqual(loop.run_until_complete(self.load("a")), ("a", 1))
            loop.close()

    @unittest.skipUnless(hasattr(os, "fork"), "no fork")
    def test_a_child_does_not_wait_for_loads_of_its_parent(self) -> None:
        task = self.begin()
        self.opened.set()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            child = os.fork()
        if child == 0:
            try:
                os._exit(0 if asyncio.run(self.calls()) == ("a", 2) else 1)
            except BaseException:
                traceback.print_exc()
            os._exit(2)
        self.assertEqual(os.waitpid(child, 0)[1], 0)
        self.assertEqual(self.loop.run_until_complete(task), ("a", 1))

    @unittest.skipUnless(hasattr(os, "fork"), "no fork")
    def test_a_lock_that_was_held_when_a_child_was_made(self) -> None:
        self.opened.set()
        held, leave = threading.Event(), threading.Event()

        def holds() -> None:
            with _loads.lock:
                held.set()
                leave.wait()

        thread = threading.Thread(target=holds)
        thread.start()
        held.wait()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            child = os.fork()
        if child == 0:
            try:
                os._exit(0 if asyncio.run(self.calls()) == ("a", 1) else 1)
            except BaseException:
                traceback.print_exc()
            os._exit(2)
        leave.set()
        thread.join()
        self.assertEqual(os.waitpid(child, 0)[1], 0)


END = """
import asyncio, atexit, sys, threading, outpace

@outpace.lru_cache
async def load(key):
    await asyncio.sleep(key)
    return key

@outpace.ttl_cache(0.01, stale=60)
async def slow():
    await asyncio.sleep(calls * 60)
    return 1

calls = 0
async def main():
    global calls
    await load(0)
    await slow()
    calls += 1
    await asyncio.sleep(0.02)
    assert await slow() == 1
    tasks.append(asyncio.ensure_future(load(60)))
    await asyncio.sleep(0.01)

tasks = []
if sys.argv[1] == "run":
    asyncio.run(main())
elif sys.argv[1] == "daemon":
    begun = threading.Event()
    async def forever():
        await main()
        begun.set()
        await load(60)
    threading.Thread(target=asyncio.run, args=[forever()], daemon=True).start()
    begun.wait()
elif sys.argv[1] == "late":
    asyncio.run(main())
    atexit.register(lambda: print(asyncio.run(load(0))))
    import gc
    keep = [load(0)]
    keep[0].close()
    keep.append(keep)
print("end")
"""


class Ends(unittest.TestCase):
    def test_the_end_of_a_program(self) -> None:
        environment = {**os.environ, "PYTHONWARNINGS": "error"}
        for way, said in (("run", "end\n"), ("daemon", "end\n"), ("late", "end\n0\n")):
            done = subprocess.run(
                [sys.executable, "-X", "dev", "-c", END, way], env=environment, capture_output=True, text=True, timeout=60
            )
            # asyncio's debug mode tells of steps that took long: of the first miss, say, which imports what it needs.
            told = [line for line in done.stderr.splitlines() if not line.startswith("Executing ")]
            self.assertEqual((done.returncode, done.stdout, told), (0, said, []), way)


if __name__ == "__main__":
    unittest.main()
