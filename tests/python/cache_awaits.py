# SPDX-License-Identifier: MIT
"""What the suites of cached coroutine functions share."""

from __future__ import annotations

import asyncio
import gc
import sys
import unittest
from collections.abc import Coroutine
from typing import Any

ASYNCIO: Any = asyncio  # as newer versions have it


class Thing:
    """Can be watched."""


def drive(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """The result of a coroutine that is to end in its first step."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        return stop.value
    raise AssertionError("it waits")


async def times_two(x: Any) -> Any:
    return x * 2


async def turns(number: int = 3) -> None:
    """What is ready gets so many turns of the loop."""
    for _ in range(number):
        await asyncio.sleep(0)


class Gate:
    """Loads wait at it. `number` of them have come."""

    def __init__(self) -> None:
        self.number = 0
        self.come = asyncio.Condition()
        self.opened = asyncio.Event()

    async def passes(self) -> int:
        self.number += 1
        number = self.number
        async with self.come:
            self.come.notify_all()
        await self.opened.wait()
        return number

    async def has(self, number: int) -> None:
        async with self.come:
            await self.come.wait_for(lambda: self.number >= number)

    def open(self) -> None:
        self.opened.set()


class Quiet(unittest.IsolatedAsyncioTestCase):
    """Nothing is said behind the program's back: no exception that is ignored, none that nobody retrieved. In debug mode."""

    def setUp(self) -> None:
        self.said: list[Any] = []
        sys.unraisablehook = lambda unraisable: self.said.append((unraisable.exc_value, repr(unraisable.object)))

    async def asyncSetUp(self) -> None:
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: self.said.append(context))

    async def asyncTearDown(self) -> None:
        gc.collect()

    def tearDown(self) -> None:
        gc.collect()
        sys.unraisablehook = sys.__unraisablehook__
        self.assertEqual(self.said, [])
