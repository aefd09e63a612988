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


def work(task):
    number, end = task
    pin()
    [spin_0, spin_1, spin_2, spin_3][number](end)


def main(end):
    seconds = float(sys.argv[3])
    context = multiprocessing.get_context(sys.argv[2])
    with context.Pool(4) as pool:
        # From now on: a worker takes one task only, as none ends before all have begun.
        end = time.monotonic() + seconds
        pool.map(work, [(number, end) for number in range(4)], chunksize=1)


if __name__ == "__main__":
    begin(main)
