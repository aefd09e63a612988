# SPDX-License-Identifier: MIT
"""Two asyncio tasks that hand a ball to each other."""

import asyncio
import time

from oracle_target import begin


def hit_ping(n):
    x = 0
    for i in range(n):
        x += i
    return x


def hit_pong(n):
    x = 0
    for i in range(n):
        x -= i
    return x


async def take_ping(queue):
    ball = await queue.get()
    return ball + hit_ping(30)


async def take_pong(queue):
    ball = await queue.get()
    return ball + hit_pong(30)


async def ping(mine, other, end):
    while time.monotonic() < end:
        await take_ping(mine)
        other.put_nowait(1)


async def pong(mine, other, end):
    while time.monotonic() < end:
        await take_pong(mine)
        other.put_nowait(2)


async def match(end):
    first, second = asyncio.Queue(), asyncio.Queue()
    first.put_nowait(0)
    await asyncio.wait([asyncio.ensure_future(ping(first, second, end)), asyncio.ensure_future(pong(second, first, end))])


def main(end):
    asyncio.run(match(end))


begin(main)
