# SPDX-License-Identifier: MIT
"""Two coroutines that are driven in turn, with an awaitable of their own at the bottom."""

import time

from oracle_target import begin


def leaf_a():
    return 1


def leaf_b():
    return 2


class TurnA:
    def __await__(self):
        leaf_a()
        yield


class TurnB:
    def __await__(self):
        leaf_b()
        yield


async def inner_a():
    await TurnA()


async def inner_b():
    await TurnB()


async def outer_a():
    while True:
        await inner_a()


async def outer_b():
    while True:
        await inner_b()


def drive_a(coroutine):
    coroutine.send(None)


def drive_b(coroutine):
    coroutine.send(None)


def main(end):
    first, second = outer_a(), outer_b()
    while time.monotonic() < end:
        for _ in range(100):
            drive_a(first)
            drive_b(second)


begin(main)
