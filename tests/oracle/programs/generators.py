# SPDX-License-Identifier: MIT
"""Generators in turn, plain and delegated: their frames lie in the generator objects, not on the thread's stack."""

import time

from oracle_target import begin


def leaf_a():
    return 1


def leaf_b():
    return 2


def gen_a():
    while True:
        yield leaf_a()


def gen_b():
    while True:
        yield leaf_b()


def outer_a():
    yield from gen_a()


def outer_b():
    yield from gen_b()


def next_a(generator):
    return next(generator)


def next_b(generator):
    return next(generator)


def loop_a(iterator):
    for value in iterator:
        return value


def loop_b(iterator):
    for value in iterator:
        return value


def main(end):
    plain_a, plain_b, nested_a, nested_b = gen_a(), gen_b(), outer_a(), outer_b()
    while time.monotonic() < end:
        for _ in range(100):
            next_a(plain_a)
            next_b(plain_b)
            loop_a(nested_a)
            loop_b(nested_b)


begin(main)
