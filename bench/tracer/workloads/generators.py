# SPDX-License-Identifier: MIT
"""Three generators in a chain: about a million resumes a round."""

ROUNDS = 6
HOTTEST = "squares"
CALLS = 333_335     # with resumes, as pstats counts them: each value, and once more to find the end
HITS = 333_334


def numbers(count):
    for n in range(count):
        yield 3 * n


def squares(source):
    for n in source:
        yield n * n     # hits


def shifted(source):
    for n in source:
        yield n + 1


def drain(source):
    total = 0
    for n in source:
        total += n
    return total


def run(rounds):
    for _ in range(rounds):
        drain(shifted(squares(numbers(333_334))))
