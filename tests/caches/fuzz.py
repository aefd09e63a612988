#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The tests by chance of cached functions, with new seeds for as long as is said: the same calls to functools, and code of
the program that does anything to the cache that it runs in.

    tests/caches/fuzz.py [--seconds N] [--seed N]

A failure tells its seed. Needs the standard library only, and runs on every Python.
"""

import argparse
import random
import sys
import time
import traceback

import chaos
import differential
import subject

TESTS = [each for name, each in vars(chaos).items() if name.startswith("test_")] + [differential.test_seeded_sequences]
A_ROUND = 3  # seeds of each test


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=10.0, help="stop after so many (10)")
    parser.add_argument("--seed", type=int, default=None, help="of the first round")
    options = parser.parse_args()
    first = subject.FIRST_SEED = random.SystemRandom().randrange(1 << 32) if options.seed is None else options.seed
    subject.SEEDS = A_ROUND
    end = time.monotonic() + options.seconds
    while time.monotonic() < end:
        for test in TESTS:
            try:
                test()
            except Exception:
                print(f"--seed {subject.FIRST_SEED}: {test.__name__}")
                traceback.print_exc(file=sys.stdout)
                return 1
        subject.FIRST_SEED += A_ROUND
    print(f"{subject.FIRST_SEED - first} seeds of {len(TESTS)} tests from seed {first}: nothing found")
    return 0


if __name__ == "__main__":
    sys.exit(main())
