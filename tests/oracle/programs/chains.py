# SPDX-License-Identifier: MIT
"""Two call chains in turn, entered at three depths: a frame of one under a frame of the other cannot be."""

import time

from oracle_target import begin


def leaf_a(n):
    x = 0
    for i in range(n):
        x += i
    return x


def a12(n):
    return leaf_a(n)


def a11(n):
    return a12(n)


def a10(n):
    return a11(n)


def a9(n):
    return a10(n)


def a8(n):
    return a9(n)


def a7(n):
    return a8(n)


def a6(n):
    return a7(n)


def a5(n):
    return a6(n)


def a4(n):
    return a5(n)


def a3(n):
    return a4(n)


def a2(n):
    return a3(n)


def a1(n):
    return a2(n)


def leaf_b(n):
    x = 0
    for i in range(n):
        x -= i
    return x


def b12(n):
    return leaf_b(n)


def b11(n):
    return b12(n)


def b10(n):
    return b11(n)


def b9(n):
    return b10(n)


def b8(n):
    return b9(n)


def b7(n):
    return b8(n)


def b6(n):
    return b7(n)


def b5(n):
    return b6(n)


def b4(n):
    return b5(n)


def b3(n):
    return b4(n)


def b2(n):
    return b3(n)


def b1(n):
    return b2(n)


def main(end):
    while time.monotonic() < end:
        for _ in range(100):
            a1(3)
            b1(3)
            a8(0)
            b8(0)
            a12(10)
            b12(10)
            a11(0)
            b11(0)


begin(main)
