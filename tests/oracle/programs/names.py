# SPDX-License-Identifier: MIT
"""Names of all three widths of a Python string. It is run under a file name that is not ASCII either."""

import time

from oracle_target import begin


def größe(n):
    x = 0
    for i in range(n):
        x += i
    return x


def функция(n):
    return größe(n)


def 数える(n):
    return функция(n)


def 𠀀(n):
    return größe(n)


def main(end):
    while time.monotonic() < end:
        for _ in range(50):
            数える(20)
            𠀀(20)


begin(main)
