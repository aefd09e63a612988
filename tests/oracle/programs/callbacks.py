# SPDX-License-Identifier: MIT
"""Python called back from C: sorted, map, reduce, re.sub."""

import functools
import re
import time

from oracle_target import begin

ITEMS = list(range(12))
WORD = re.compile("[a-z]+")


def leaf_key(x):
    return -x


def leaf_map(x):
    return x + 1


def key(x):
    return leaf_key(x)


def mapped(x):
    return leaf_map(x)


def fold(x, y):
    return x ^ y


def swap(match):
    return "z"


def by_sorted():
    return sorted(ITEMS, key=key)


def by_map():
    return list(map(mapped, ITEMS))


def by_reduce():
    return functools.reduce(fold, ITEMS)


def by_sub():
    return WORD.sub(swap, "one two three four")


def main(end):
    pattern_sub = by_sub
    while time.monotonic() < end:
        for _ in range(30):
            by_sorted()
            by_map()
            by_reduce()
            pattern_sub()


begin(main)
