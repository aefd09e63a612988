# SPDX-License-Identifier: MIT
"""asyncio.gather of 2,000 coroutines that give way in turn."""

import asyncio

ROUNDS = 10
HOTTEST = "work"
CALLS = 8_000       # with resumes: each starts once and gives way three times
HITS = 6_000


async def leaf(n):
    await asyncio.sleep(0)
    return n


async def work(n):
    total = 0
    for step in range(3):
        total += await leaf(n + step)   # hits
    return total


async def gathered(rounds):
    for _ in range(rounds):
        await asyncio.gather(*(work(n) for n in range(2_000)))


def run(rounds):
    asyncio.run(gathered(rounds))
