# SPDX-License-Identifier: MIT
"""Generator expressions that C code runs, and one that a Python function hands to it."""

import time

from oracle_target import begin

ITEMS = list(range(60))
WORDS = [str(item) for item in ITEMS]


def add(x):
    return x + 1


def by_sum():
    return sum(x * x for x in ITEMS)


def by_list():
    return list(x + 1 for x in ITEMS)


def by_join():
    return ",".join(word.upper() for word in WORDS)


def by_any():
    return any(x > 1000 for x in ITEMS)


def by_call():
    return max(add(x) for x in ITEMS)


def consume(numbers):
    return sum(numbers)


def by_function():
    return len(ITEMS) + consume(
        x - 1
        for x
        in ITEMS
    )


def main(end):
    while time.monotonic() < end:
        for _ in range(10):
            by_sum()
            by_list()
            by_join()
            by_any()
            by_call()
            by_function()


begin(main)
