# SPDX-License-Identifier: MIT
"""Copies the same bytes of a process again and again, and nothing else: what any sampler that reads a stack does at least.

    python bare_copy.py PID ADDRESS BYTES HZ        until it is ended
"""

import ctypes
import sys
import time


class Span(ctypes.Structure):
    _fields_ = (("start", ctypes.c_void_p), ("bytes", ctypes.c_size_t))


def main() -> None:
    pid, address, size, hz = int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])
    read = ctypes.CDLL(None, use_errno=True).process_vm_readv
    into = ctypes.create_string_buffer(size)
    here, there = Span(ctypes.addressof(into), size), Span(address, size)
    here_at, there_at = ctypes.byref(here), ctypes.byref(there)
    interval, clock = round(1e9 / hz), time.perf_counter_ns
    due = clock()
    while True:
        now = clock()
        if due - now > 200_000:
            time.sleep((due - now - 100_000) / 1e9)
        while now < due:
            now = clock()
        if read(pid, here_at, 1, there_at, 1, 0) != size:
            raise SystemExit(f"error: cannot read process {pid}: errno {ctypes.get_errno()}")
        due = max(due, now - interval) + interval       # what was missed is not made up for


if __name__ == "__main__":
    main()
