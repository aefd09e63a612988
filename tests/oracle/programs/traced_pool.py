# SPDX-License-Identifier: MIT
"""A pool of processes whose workers make 0 to 19 calls a task. NAME.py METHOD"""

import multiprocessing
import sys


class Told:
    """Of __main__, so that it is pickled by that name."""

    def __init__(self, count):
        self.count = count


def leaf():
    pass


def work(n):
    for _ in range(n):
        leaf()
    return Told(n)


def main():
    context = multiprocessing.get_context(sys.argv[1])
    try:
        context.Lock()
    except OSError:
        print("no semaphores here")
        return
    with context.Pool(2) as pool:
        told = pool.map(work, range(20), chunksize=5)
    print(sum(each.count for each in told))


if __name__ == "__main__":
    main()
