# SPDX-License-Identifier: MIT
"""Three coroutines of one event loop: 60, 30 and 10 % of their time by the thread's own clock, 120, 60 and 20 us a step."""

import asyncio
import time

from oracle_target import begin


async def spin_sixty(seconds, end):
    while time.monotonic() < end:
        begun = time.thread_time()
        while time.thread_time() - begun < seconds:
            pass
        await asyncio.sleep(0)


async def spin_thirty(seconds, end):
    while time.monotonic() < end:
        begun = time.thread_time()
        while time.thread_time() - begun < seconds:
            pass
        await asyncio.sleep(0)


async def spin_ten(seconds, end):
    while time.monotonic() < end:
        begun = time.thread_time()
        while time.thread_time() - begun < seconds:
            pass
        await asyncio.sleep(0)


async def spin(unit, end):
    await asyncio.gather(spin_sixty(6 * unit, end), spin_thirty(3 * unit, end), spin_ten(unit, end))


def main(end):
    asyncio.run(spin(0.00002, end))


begin(main)
