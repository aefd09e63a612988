# SPDX-License-Identifier: MIT
"""Classes made in turn: __init__ is entered from C, or inlined with a shim frame, by version."""

import time

from oracle_target import begin


class First:
    def __init__(self, n):
        fill_a(self, n)


class Second:
    def __init__(self, n):
        self.n = fill_b(n)

    @property
    def value(self):
        return get_b(self)


class Third(First):
    def __init__(self, n):
        super().__init__(n)


def fill_a(item, n):
    item.n = n


def fill_b(n):
    return n + 1


def get_b(item):
    return item.n


def make_a():
    return First(1)


def make_b():
    return Second(2).value


def make_c():
    return Third(3)


def main(end):
    while time.monotonic() < end:
        for _ in range(200):
            make_a()
            make_b()
            make_c()


begin(main)
