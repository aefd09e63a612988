# SPDX-License-Identifier: MIT
"""Two callers of one function that picks its leaf by argument: every edge is legal, only a path can be wrong."""

import time

from oracle_target import begin


def leaf_a():
    return 1


def leaf_b():
    return 2


def middle(which):
    if which:
        return leaf_a()
    return leaf_b()


def caller_a():
    return middle(1)


def caller_b():
    return middle(0)


def far_a():
    return caller_a()


def far_b():
    return caller_b()


def main(end):
    while time.monotonic() < end:
        for _ in range(200):
            caller_a()
            caller_b()
            far_a()
            far_b()


begin(main)
