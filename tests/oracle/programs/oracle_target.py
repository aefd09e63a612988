# SPDX-License-Identifier: MIT
"""How each program with a known profile begins. Old syntax: runs on Python 3.8 too."""

import os
import sys
import time

DEADLINE_SECONDS = 120.0


def pin():
    cpu = os.environ.get("ORACLE_CPU", "")
    if cpu:
        os.sched_setaffinity(0, {int(cpu)})


def begin(main):
    # First argument: for how long to go on, 0 for "until ended from outside".
    pin()
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 0.0
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    main(time.monotonic() + (seconds or DEADLINE_SECONDS))
