# SPDX-License-Identifier: MIT
"""Runs the interpreter's own tests of functools.lru_cache and functools.cache with those of a module in their place:
started by test_cache_suites.py, with that module's name (outpace, or functools itself, which proves this file) and the
names of tests that are left out as arguments.

Prints one JSON object: the name of each test, and "ok", "skipped", or its traceback. Empty: there are no such tests.
"""

import importlib
import json
import os
import sys
import types
import unittest

try:
    import test.test_functools as theirs
except ModuleNotFoundError:
    theirs = None

chosen = importlib.import_module(sys.argv[1])


class Collected(unittest.TestResult):
    def __init__(self):
        super().__init__()
        self.told = {}

    def addSuccess(self, test):
        # A test whose subtests failed is told of as a success too, in the end.
        self.told.setdefault(name_of(test), "ok")

    def addSkip(self, test, reason):
        self.told[name_of(test)] = "skipped"

    def addError(self, test, error):
        self.told[name_of(test)] = self._exc_info_to_string(error, test)

    addFailure = addError

    def addSubTest(self, test, subtest, error):
        if error is not None:
            self.addError(test, error)


def name_of(test):
    return "%s.%s" % (type(test).__name__, getattr(test, "_testMethodName", test))


def with_ours(module):
    """The names of `module`, our decorators among them."""
    shim = types.SimpleNamespace(**vars(module))
    if chosen.__name__ != "functools":
        shim.lru_cache, shim.cache = chosen.lru_cache, chosen.cache
    return shim


if theirs is not None:
    # The tests ask for what the C flavour alone can do (exact counts with threads, an end to a recursion) by its name.
    c_shim = theirs.c_functools = with_ours(theirs.c_functools)
    py_shim = with_ours(theirs.py_functools)

    @c_shim.lru_cache()
    def c_cached(x, y):
        return 3 * x + y

    @py_shim.lru_cache()
    def py_cached(x, y):
        return 3 * x + y

    # Pickles say where these are, by name: so they stand in this module, and each in its class.
    class LRUC(theirs.TestLRU, unittest.TestCase):
        module = c_shim
        cached_func = (c_cached,)

        @module.lru_cache()
        def cached_meth(self, x, y):
            return 3 * x + y

        @staticmethod
        @module.lru_cache()
        def cached_staticmeth(x, y):
            return 3 * x + y

    class LRUPy(theirs.TestLRU, unittest.TestCase):
        module = py_shim
        cached_func = (py_cached,)

        @module.lru_cache()
        def cached_meth(self, x, y):
            return 3 * x + y

        @staticmethod
        @module.lru_cache()
        def cached_staticmeth(x, y):
            return 3 * x + y

    class CacheC(theirs.TestCache, unittest.TestCase):
        module = c_shim

    class CachePy(theirs.TestCache, unittest.TestCase):
        module = py_shim


def main():
    left_out = set(sys.argv[2:])
    suite = unittest.TestSuite()
    for case in [] if theirs is None else [LRUC, LRUPy, CacheC, CachePy]:
        for test in unittest.defaultTestLoader.loadTestsFromTestCase(case):
            if name_of(test) not in left_out:
                suite.addTest(test)
    result = Collected()
    shown = sys.stdout
    with open(os.devnull, "w") as sys.stdout:
        suite.run(result)
    sys.stdout = shown
    print(json.dumps(result.told))


main()
