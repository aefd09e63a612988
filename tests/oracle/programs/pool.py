# SPDX-License-Identifier: MIT
"""A pool of four workers, each with a function of its own. Arguments: seconds, start method."""

import multiprocessing
import sys
import time

from oracle_target import begin, pin


def spin_0(end):
    while time.monotonic() < end:
        pass


def spin_1(end):
    while time.monotonic() < end:
        pass


def spin_2(end):
    while time.monotonic() < end:
        pass


def spin_3(end):
    while time.monotonic() < end:
        pass


barrier = None


def prepare(given):
    global barrier
    barrier = given


def work(task):
    number, seconds = task
    pin()
    # A worker takes one task only, as none goes on before all four have one.
    barrier.wait(60)
    [spin_0, spin_1, spin_2, spin_3][number](time.monotonic() + seconds)


def main(end):
    context = multiprocessing.get_context(sys.argv[2])
    seconds = float(sys.argv[3])
    with context.Pool(4, prepare, (context.Barrier(4),)) as pool:
        pool.map(work, [(number, seconds) for number in range(4)], chunksize=1)


if __name__ == "__main__":
    begin(main)
