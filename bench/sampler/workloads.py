# SPDX-License-Identifier: MIT
"""The programs that are watched. Runs on Python 3.8 and later, alone.

    python workloads.py NAME [THREADS]        NAME: fib, real, deep, chains, ticks

Reads commands from stdin, a line each, and answers each with one line; the end of stdin ends it, so that nothing is left
behind when the runner goes away:

    work N       does N units; answers the elapsed nanoseconds
    spin S       does units for S seconds; answers how many
    stack        address and size of its stack at the deepest place of fib, in bytes (from Python 3.11 on)
    ticks        runs through the ticks; answers the clock at which they began, before the first
"""

import ast
import importlib.util
import io
import os
import sys
import threading
import time
import tokenize

TICK_NS = 500_000
TICKS = 4000
DEPTH = 2000


def fib(n):
    return n if n < 2 else fib(n - 1) + fib(n - 2)


def fib_unit():
    fib(16)


class StackOfFib:
    """Frames like those of fib tell where they lie: PyFrameObject names its frame behind its header and f_back."""

    def __init__(self):
        import ctypes

        self.word = ctypes.c_size_t.from_address
        self.addresses = []

    def address(self, frame):
        return self.word(id(frame) + 3 * 8).value

    def note(self, n):
        self.addresses.append(self.address(sys._getframe(1)))
        return n

    def probe(self, n):
        def like_fib(n):
            return self.note(n) if n < 2 else like_fib(n - 1) + like_fib(n - 2)

        return like_fib(n)

    def __call__(self):
        self.probe(16)
        root = sys._getframe()
        while root.f_back is not None:
            root = root.f_back
        start = self.address(root) & ~63
        return start, max(self.addresses) + 128 - start


# Two chains that never meet: a stack that holds frames of both, or skips one, cannot have existed.
def left_a():
    left_b()


def left_b():
    left_c()


def left_c():
    left_leaf()


def left_leaf():
    return sum((1, 2, 3, 4))


def right_a():
    right_b()


def right_b():
    right_c()


def right_c():
    right_leaf()


def right_leaf():
    return sum((5, 6, 7, 8))


def chains_unit():
    for _ in range(200):
        left_a()
        right_a()


# The same two chains, DEPTH frames deep; most of the time is spent at the bottom.
def left_down(n):
    if n > 0:
        left_down(n - 1)
    else:
        left_bottom(time.perf_counter() + 0.005)


def left_bottom(end):
    while time.perf_counter() < end:
        pass


def right_down(n):
    if n > 0:
        right_down(n - 1)
    else:
        right_bottom(time.perf_counter() + 0.005)


def right_bottom(end):
    while time.perf_counter() < end:
        pass


def deep_unit():
    left_down(DEPTH)
    right_down(DEPTH)


class Real:
    """Tokenises and parses modules of the standard library, one a unit, which are read beforehand."""

    NAMES = ("argparse", "ast", "collections", "datetime", "decimal", "difflib", "doctest", "inspect", "locale", "mailbox",
             "optparse", "pickle", "pickletools", "pydoc", "statistics", "subprocess", "tarfile", "tempfile", "threading",
             "turtle", "typing", "zipfile")

    def __init__(self):
        self.texts = []
        for name in self.NAMES:
            spec = importlib.util.find_spec(name)
            if spec and spec.origin and spec.origin.endswith(".py"):
                with tokenize.open(spec.origin) as file:
                    self.texts.append(file.read())
        self.next = 0

    def __call__(self):
        text = self.texts[self.next % len(self.texts)]
        self.next += 1
        self.count(text)
        self.parse(text)

    @staticmethod
    def count(text):
        return sum(token.type == tokenize.NAME for token in tokenize.generate_tokens(io.StringIO(text).readline))

    @staticmethod
    def parse(text):
        return sum(isinstance(node, ast.Call) for node in ast.walk(ast.parse(text)))


class Ticks:
    """One function for each half millisecond: the first one that a profile names tells when its first sample was taken."""

    def __init__(self):
        source = "\n".join(f"def tick_{n}(end, now=now):\n    while now() < end:\n        pass" for n in range(TICKS))
        names = {"now": time.monotonic_ns}
        exec(compile(source, __file__, "exec"), names)
        self.functions = [names[f"tick_{n}"] for n in range(TICKS)]

    def run(self):
        start = time.monotonic_ns()
        print(start, flush=True)
        for n, function in enumerate(self.functions, 1):
            function(start + n * TICK_NS)


def work(unit, count):
    start = time.perf_counter_ns()
    for _ in range(count):
        unit()
    return time.perf_counter_ns() - start


def spin(unit, seconds):
    end, count = time.perf_counter() + seconds, 0
    while time.perf_counter() < end:
        unit()
        count += 1
    return count


def main():
    name = sys.argv[1]
    idle = int(sys.argv[2]) - 1 if len(sys.argv) > 2 else 0
    sys.setrecursionlimit(4 * DEPTH)
    unit = {"fib": lambda: fib_unit, "real": Real, "deep": lambda: deep_unit, "chains": lambda: chains_unit,
            "ticks": Ticks}[name]()
    never = threading.Event()
    for _ in range(idle):
        threading.Thread(target=never.wait, daemon=True).start()
    print("ready", flush=True)
    for line in sys.stdin:
        verb, _, argument = line.strip().partition(" ")
        if verb == "work":
            print(work(unit, int(argument)), flush=True)
        elif verb == "spin":
            print(spin(unit, float(argument)), flush=True)
        elif verb == "stack":
            print(*StackOfFib()(), flush=True)
        elif verb == "ticks":
            unit.run()


if __name__ == "__main__":
    try:
        main()
    except (BrokenPipeError, KeyboardInterrupt):    # the runner went away
        os._exit(0)
