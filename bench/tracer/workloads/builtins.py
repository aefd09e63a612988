# SPDX-License-Identifier: MIT
"""Calls of C functions, a method among them, from one loop: 2.1 million a round."""

ROUNDS = 5
HOTTEST = "loop"
CALLS = 1
HITS = 700_000


def loop(text):
    found = []
    total = 0
    for char in text:
        found.append(char)  # hits
        total += ord(char)
        total += len(char)
    return total


def run(rounds):
    text = "outpace" * 100_000
    for _ in range(rounds):
        loop(text)
