# SPDX-License-Identifier: MIT
"""60, 30 and 10 % by the thread's own clock."""

import time

from oracle_target import begin


def spin_sixty(seconds):
    begun = time.thread_time()
    while time.thread_time() - begun < seconds:
        pass


def spin_thirty(seconds):
    begun = time.thread_time()
    while time.thread_time() - begun < seconds:
        pass


def spin_ten(seconds):
    begun = time.thread_time()
    while time.thread_time() - begun < seconds:
        pass


def main(end):
    unit = 0.0007
    while time.monotonic() < end:
        spin_sixty(6 * unit)
        spin_thirty(3 * unit)
        spin_ten(unit)


begin(main)
