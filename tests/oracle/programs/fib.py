# SPDX-License-Identifier: MIT
"""The recursive fib: 18 deep at most."""

import time

from oracle_target import begin


def fib(n):
    return n if n < 2 else fib(n - 1) + fib(n - 2)


def main(end):
    while time.monotonic() < end:
        fib(18)


begin(main)
