# SPDX-License-Identifier: MIT
"""Code made by exec, run once and thrown away: its name, file, lines and callee all tell which of ten kinds it is."""

import time

from oracle_target import begin


def leaf_0(n):
    return n


def leaf_1(n):
    return n


def leaf_2(n):
    return n


def leaf_3(n):
    return n


def leaf_4(n):
    return n


def leaf_5(n):
    return n


def leaf_6(n):
    return n


def leaf_7(n):
    return n


def leaf_8(n):
    return n


def leaf_9(n):
    return n


SOURCE = """%(lines)sdef made_%(kind)d_%(number)d(leaf, clock, seconds):
    end = clock() + seconds
    while clock() < end:
        leaf(1)
    return %(number)d
"""
LEAVES = [leaf_0, leaf_1, leaf_2, leaf_3, leaf_4, leaf_5, leaf_6, leaf_7, leaf_8, leaf_9]


def one(number):
    kind = number % 10
    words = {"lines": "\n" * (10 * kind), "kind": kind, "number": number}
    names = {}
    exec(compile(SOURCE % words, "made_%d_%d.py" % (kind, number), "exec"), names)
    # Some live for long enough to be named, some hardly.
    names["made_%d_%d" % (kind, number)](LEAVES[kind], time.monotonic, 0.00005 if number % 3 else 0.004)


def main(end):
    number = 0
    while time.monotonic() < end:
        one(number)
        number += 1


begin(main)
