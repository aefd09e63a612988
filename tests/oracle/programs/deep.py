# SPDX-License-Identifier: MIT
"""5,000 frames deep, with two leaves in turn at the bottom."""

import sys
import time

from oracle_target import begin

DEPTH = 5000


def leaf_a(n):
    x = 0
    for i in range(n):
        x += i
    return x


def leaf_b(n):
    x = 0
    for i in range(n):
        x -= i
    return x


def down(n, end):
    if n > 1:
        return down(n - 1, end)
    # About 20 ms at the bottom, then up and down again.
    stop = time.monotonic() + 0.02
    while time.monotonic() < stop:
        leaf_a(50)
        leaf_b(50)
    return 0


def main(end):
    sys.setrecursionlimit(DEPTH + 1000)
    while time.monotonic() < end:
        down(DEPTH, end)


begin(main)
