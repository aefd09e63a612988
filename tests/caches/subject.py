# SPDX-License-Identifier: MIT
"""What is tested: outpace, or the module that CACHES_OF names (functools itself proves tests of what both have)."""

import gc
import importlib
import os
import subprocess
import sys
import textwrap
import time

MODULE = os.environ.get("CACHES_OF", "outpace")
OURS = MODULE == "outpace"
FIRST_SEED, SEEDS = 0, None  # fuzz.py sets these
module = importlib.import_module(MODULE)


def raises(classes, function, *arguments, **keywords):
    """The exception that the call raises; none is a failure."""
    try:
        result = function(*arguments, **keywords)
    except classes as error:
        return error
    raise AssertionError(f"{function!r} gave {result!r}, and raised none of {classes!r}")


def outcome(function, *args):
    """What the call gives, or the class of the exception that it raises."""
    try:
        return function(*args)
    except Exception as error:
        return type(error)


def seeds(count):
    """The seeds of a test by chance: as many as it asks for, the same ones each time."""
    return range(FIRST_SEED, FIRST_SEED + (SEEDS or count))


class Clock:
    """A timer that stands still until it is told to go on."""

    def __init__(self, now=1000.0):
        self.now = now
        self.readings = 0

    def __call__(self):
        self.readings += 1
        return self.now

    def advance(self, seconds):
        self.now += seconds


class Counter:
    """A function that counts its calls and gives their number."""

    def __init__(self):
        self.calls = 0
        self.__name__ = self.__qualname__ = "counter"

    def __call__(self, *args, **kwargs):
        self.calls += 1
        return self.calls


def wait_until(condition, seconds=30.0):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise AssertionError("waited in vain")
        time.sleep(0.001)


def collect():
    for _ in range(3):
        gc.collect()


def child(program, *words, code=0, timeout=200, **variables):
    """Runs a program in an interpreter of its own; what it printed."""
    done = subprocess.run(
        [sys.executable, "-X", "faulthandler", "-c", textwrap.dedent(program), *words],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        timeout=timeout,
    )
    assert done.returncode == code, f"exit code {done.returncode}\n{done.stdout[-2000:]}\n{done.stderr[-6000:]}"
    return done.stdout
