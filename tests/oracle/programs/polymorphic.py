# SPDX-License-Identifier: MIT
"""One call site that calls what it is given: every edge is legal, only a path can be wrong."""

import time

from oracle_target import begin


def leaf_a():
    return 1


def leaf_b(x=2):
    y = x
    z = y
    return z


def middle(function):
    return function()


def caller_a():
    return middle(leaf_a)


def caller_b():
    return middle(leaf_b)


def main(end):
    while time.monotonic() < end:
        for _ in range(300):
            caller_a()
            caller_b()


begin(main)
