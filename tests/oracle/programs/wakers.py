# SPDX-License-Identifier: MIT
"""Forty threads that sleep; one after the other wakes for 60 ms, in turn with the GIL and mostly without."""

import hashlib
import threading
import time

from oracle_target import begin

BLOCK = bytes(1 << 18)


def with_gil(seconds):
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass


def without_gil(seconds):
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        hashlib.sha256(BLOCK)


def sleeper(work, wake, done):
    while True:
        wake.wait()
        wake.clear()
        work(0.06)
        done.set()


def main(end):
    done = threading.Event()
    wakes = []
    for number in range(40):
        wakes.append(threading.Event())
        work = with_gil if number % 2 else without_gil
        threading.Thread(target=sleeper, args=(work, wakes[-1], done), daemon=True).start()
    number = 0
    while time.monotonic() < end:
        wakes[number % 40].set()
        done.wait()
        done.clear()
        number += 1


begin(main)
