# SPDX-License-Identifier: MIT
"""Runs the interpreter's own tests of cProfile and profile with Outpace in place: started by test_suites.py, with the
names of tests that are left out as arguments.

Prints one JSON object: the name of each test, and "ok", "skipped", or its traceback. Empty: there are no such tests.
"""

import importlib
import json
import os
import sys
import unittest

COMMANDS = ("cProfile", "profiling.tracing", "profile")


class Collected(unittest.TestResult):
    def __init__(self):
        super().__init__()
        self.told = {}

    def addSuccess(self, test):
        self.told[name_of(test)] = "ok"

    def addSkip(self, test, reason):
        self.told[name_of(test)] = "skipped"

    def addError(self, test, error):
        self.told[name_of(test)] = self._exc_info_to_string(error, test)

    addFailure = addError


def name_of(test):
    return "%s.%s" % (type(test).__name__, getattr(test, "_testMethodName", test))


def with_outpace(function):
    """assert_python_ok and the like: our module for theirs, and its place in the environment, which takes -I away."""

    def wrapper(*arguments, **variables):
        for name in ("PYTHONPATH", "OUTPACE_TRACE_AGENT"):
            variables.setdefault(name, os.environ[name])
        return function(*("outpace.trace" if word in COMMANDS else word for word in arguments), **variables)

    return wrapper


def module_of(*names):
    for name in names:
        try:
            return importlib.import_module(name)
        except ModuleNotFoundError:
            continue
    return None


def cases():
    """The classes of tests, ours in place; none where the tests are not installed."""
    module = module_of("test.test_cprofile", "test.test_profiling.test_tracing_profiler")
    if module is None:
        return []
    import outpace.trace

    c_tests = module.CProfileTest
    tests = c_tests.__mro__[1]
    for space in (vars(module), vars(sys.modules[tests.__module__])):
        for name in ("assert_python_ok", "assert_python_failure"):
            if name in space:
                space[name] = with_outpace(space[name])
    sys.modules["_lsprof"] = outpace._agent  # for tests that make the C type
    members = {
        "profilerclass": outpace.Profiler,
        "profilermodule": outpace.trace,
        "expected_max_output": c_tests.expected_max_output,
        # The table of `profile` has corrections for its own cost in it.
        "get_expected_output": c_tests.get_expected_output,
    }
    others = [
        each
        for each in vars(module).values()
        if isinstance(each, type) and issubclass(each, unittest.TestCase) and each not in (c_tests, tests)
    ]
    return [type("CProfileTest", (c_tests,), members), type("ProfileTest", (tests,), members), *others]


def main():
    left_out = set(sys.argv[1:])
    suite = unittest.TestSuite()
    for case in cases():
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
