# SPDX-License-Identifier: MIT
"""Profiles a test module of the standard library and prints the table: started by test_parity.py.

    parity_shim.py cProfile|outpace MODULE

The timer is a counter, so that the times tell how many events lay between an entry and a return. What the profilers
allocate differs, so the garbage collector is off.
"""

import cProfile
import gc
import importlib
import json
import os
import random
import sys
import unittest

import outpace


def main():
    which, name = sys.argv[1:]
    module = importlib.import_module(name)
    # Both are loaded for both, as tests go over all modules.
    Profile = {"cProfile": cProfile.Profile, "outpace": outpace.Profiler}[which]
    ticks = 0

    def timer():
        nonlocal ticks
        ticks += 1
        return ticks

    suite = unittest.defaultTestLoader.loadTestsFromModule(module)
    result = unittest.TestResult()
    profiler = Profile(timer, 1.0)
    random.seed(1)
    gc.collect()
    gc.disable()
    shown = sys.stdout
    with open(os.devnull, "w") as sys.stdout:
        # Not by runcall(), whose source file a test may read because it stands in a traceback.
        profiler.enable()
        suite.run(result)
        profiler.disable()
    sys.stdout = shown
    # By ours for both: cProfile's own keeps only one of several functions of a name, file and line.
    outpace.Profiler.snapshot_stats(profiler)
    rows = [
        [list(key), list(entry[:4]), sorted([list(caller), list(times)] for caller, times in entry[4].items())]
        for key, entry in profiler.stats.items()
    ]
    print(json.dumps({"tests": result.testsRun, "wrong": len(result.errors) + len(result.failures), "rows": sorted(rows)}))


main()
