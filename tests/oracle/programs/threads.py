# SPDX-License-Identifier: MIT
"""Named threads that appear, work for some milliseconds and vanish: a thread's name tells what it may be doing."""

import threading
import time

from oracle_target import begin


def leaf_a(n):
    x = 0
    for i in range(n):
        x += i
    return x


def leaf_b(n):
    x = 0
    for i in range(n):
        x -= i
    return x


def work_a(seconds):
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        leaf_a(20)


def work_b(seconds):
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        leaf_b(20)


def main(end):
    # One that stays, with others that come and go beside it.
    stays = threading.Thread(target=work_b, args=(3600.0,), name="stays-b", daemon=True)
    stays.start()
    number = 0
    while time.monotonic() < end:
        pair = [
            threading.Thread(target=work_a, args=(0.004,), name="comes-a-%d" % number),
            threading.Thread(target=work_b, args=(0.004,), name="comes-b-%d" % number),
        ]
        for thread in pair:
            thread.start()
        for thread in pair:
            thread.join()
        number += 1


begin(main)
