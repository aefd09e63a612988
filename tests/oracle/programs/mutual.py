# SPDX-License-Identifier: MIT
"""Two functions that call each other: they can only alternate, and a stack begins with even."""

import time

from oracle_target import begin


def even(n):
    if n == 0:
        return True
    return odd(n - 1)


def odd(n):
    if n == 0:
        return False
    return even(n - 1)


def main(end):
    while time.monotonic() < end:
        for n in range(40):
            even(n)


begin(main)
