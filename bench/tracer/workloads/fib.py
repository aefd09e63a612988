# SPDX-License-Identifier: MIT
"""Calls and nothing else: recursion."""

ROUNDS = 8
HOTTEST = "fib"
CALLS = 635_621     # of it a round
HITS = 635_621      # of the line marked so


def fib(n):
    if n < 2:   # hits
        return n
    return fib(n - 1) + fib(n - 2)


def run(rounds):
    for _ in range(rounds):
        fib(27)
