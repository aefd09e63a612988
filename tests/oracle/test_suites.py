# SPDX-License-Identifier: MIT
"""CPython's own tests of cProfile and profile pass with outpace.Profiler and python -m outpace.trace in their place."""

from __future__ import annotations

import json

import interpreters
import places
import pytest

GETPROFILE = "sys.getprofile() gives what the hook was given, which serves all threads: not the Profiler itself"
TOOL_NAME = "the tool in sys.monitoring is called outpace, and leaves cProfile its id as long as it can"
# Left out: the first and the last minor version, and why.
LEFT_OUT = {
    "CProfileTest.test_bad_counter_during_dealloc": (
        10,
        11,
        "these versions want _lsprof.Profiler(1) to be taken, and to fail at each call: we refuse a timer that can't be called",
    ),
    "CProfileTest.test_profile_enable_disable": (10, 15, f"to 3.11 {GETPROFILE}; from 3.12 on {TOOL_NAME}"),
    "CProfileTest.test_profile_as_context_manager": (10, 15, f"to 3.11 {GETPROFILE}; from 3.12 on {TOOL_NAME}"),
    "CProfileTest.test_second_profiler": (12, 15, "two profilers may run at once: there are three tool ids for them"),
}

WHAT_THEY_WANT = """
import sys, outpace
def active():
    if sys.version_info < (3, 12):
        return type(sys.getprofile()).__name__
    return [sys.monitoring.get_tool(number) for number in (2, 3, 4)].count("outpace")
before = active()
profiler = outpace.Profiler()
profiler.enable()
during = active()
profiler.disable()
with outpace.Profiler() as other:
    again = active()
print(before, during, active(), again, type(other).__name__)
"""


def test_tests_of_cpython(interpreter: interpreters.Interpreter) -> None:
    with places.of(interpreter) as place:
        left_out = {name for name, (first, last, _) in LEFT_OUT.items() if first <= interpreter.minor <= last}
        done = place.run(str(place.oracle / "suite_shim.py"), *left_out)
        assert done.returncode == 0, done.stderr
        told: dict[str, str] = json.loads(done.stdout.splitlines()[-1])
        if not told:
            pytest.skip(f"{interpreter.version} has no test package")
        bad = {name: text for name, text in told.items() if text not in ("ok", "skipped")}
        assert not bad, "\n".join(f"{name}\n{text}" for name, text in bad.items())
        passed = [name for name, text in told.items() if text == "ok"]
        assert len(passed) >= 13, told
        assert not left_out & set(passed)


def test_what_was_left_out_holds_in_our_words(interpreter: interpreters.Interpreter) -> None:
    with places.of(interpreter) as place:
        done = place.run("-c", WHAT_THEY_WANT)
        assert done.returncode == 0, done.stderr
        off, on = ("0", "1") if interpreter.minor >= 12 else ("NoneType", "Callback")
        assert done.stdout.split() == [off, on, off, on, "Profiler"]


def test_two_profilers_at_once(interpreter: interpreters.Interpreter) -> None:
    program = """
import outpace
one, other = outpace.Profiler(), outpace.Profiler()
def f(): pass
one.enable()
try:
    other.enable()
except ValueError as error:
    print("refused:", error)
f()
other.disable(); one.disable()
for profiler in (one, other):
    profiler.create_stats()
    print(sum(entry[1] for key, entry in profiler.stats.items() if key[2] == "f"))
"""
    with places.of(interpreter) as place:
        done = place.run("-c", program)
        assert done.returncode == 0, done.stderr
        told = done.stdout.splitlines()
        if interpreter.minor >= 12:
            assert told == ["1", "1"]
        else:
            assert told == ["refused: Another profiling tool is already active: an Outpace profiler", "1", "0"]
