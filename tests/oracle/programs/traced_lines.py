# SPDX-License-Identifier: MIT
"""Lines: statements of every kind, exceptions, recursion. See traced_marks.py for the marks."""

import contextlib
import time

import traced_marks
from traced_marks import lines, seconds_of


# --- plain ------------------------------------------------------------------------------------------------------------


def looped():
    total = 0  #: 1
    for i in range(10):  #: 11
        if i % 2:  #: 10
            total += i  #: 5
        else:
            total -= i  #: 5
    while total > 0:  #: 6
        total -= 1  #: 5
    return total  #: 1


@lines(looped)
def loops():
    looped()


def called(n):
    if n > 2:  #: 5
        return n  #: 2
    return -n  #: 3


def caller():
    total = 0  #: 1
    for n in range(5):  #: 6
        total += called(n)  #: 5
    return total  #: 1


@lines(called, caller)
def calls():
    caller()


def several(a, b):
    total = (  #: 1
        a  #: 2
        + b  #: 1
    )
    text = [a, b, a]  #: 1
    return (total,  #: 2
            text)  #: 1  # fmt: skip


# fmt: off
def one_liners(n):
    a = 1; b = 2; c = a + b  #: 1
    for _ in range(n): c += 1  #: 1 before 3.12: 5
    return c  #: 1


def one_line_function(n): return n + 1  #: 3


def one_line_generator(): yield 1; yield 2  #: 2
# fmt: on


def matched(value):
    match value:  #: 4
        case 1:  #: 4
            return "one"  #: 1
        case [a, b]:  #: 3
            return a + b  #: 1
        case {"key": found}:  #: 2
            return found  #: 1
        case _:  #: 1
            return None  #: 1


@lines(matched)
def match_statement():
    matched(1)
    matched([1, 2])
    matched({"key": 3})
    matched("other")


def comprehended(n):
    squares = [i * i for i in range(n)]  #: 1
    return squares  #: 1


@lines(comprehended)
def comprehension_on_a_line():
    comprehended(10)


def conjugated(n):
    return [  #: as traced
        i * i  #: as traced
        for i in range(n)  #: as traced
        if i % 2  #: as traced
    ]


@lines(conjugated)
def comprehension_on_lines():
    conjugated(10)


@lines(one_line_function, one_line_generator)
def functions_on_a_line():
    for _ in range(3):
        one_line_function(1)
    list(one_line_generator())
    list(one_line_generator())


def decorate(function):
    return function


@decorate
def decorated(n):
    def inner(m):  #: 3
        return m + n  #: 0

    return inner(n)  #: 3


@lines(several)
def statements_on_several_lines():
    several(1, 2)


@lines(one_liners)
def statements_on_a_line():
    one_liners(4)


@lines(decorated)
def decorators():
    for _ in range(3):
        decorated(1)


# --- exceptions -------------------------------------------------------------------------------------------------------


def raising(n):
    if n == 0:  #: 4
        raise ValueError  #: 1
    raising(n - 1)  #: 3


def handling():
    for n in (3,):  #: 2
        try:  #: 1
            raising(n)  #: 1
        except KeyError:  #: 1
            pass  #: 0
        except ValueError:  #: 1
            n = 1  #: 1
        else:
            n = 2  #: 0
    return n  #: 1


@lines(raising, handling)
def exceptions():
    handling()


def finishing(fail):
    try:  #: 2
        if fail:  #: 2
            raise KeyError  #: 1
        fail = 3  #: 1
    finally:
        fail = 4  #: 2
    return fail  #: 1


@lines(finishing)
def try_finally():
    finishing(False)
    with contextlib.suppress(KeyError):
        finishing(True)


class Manager:
    def __enter__(self):
        return self  #: 2

    def __exit__(self, *args):
        return True  #: 2


def managing(fail):
    with Manager():  #: 4
        if fail:  #: 2
            raise KeyError  #: 1
        fail = 2  #: 1
    return fail  #: 2


@lines(managing, Manager.__enter__, Manager.__exit__)
def with_statement():
    managing(False)
    managing(True)


# --- recursion --------------------------------------------------------------------------------------------------------


def fib(n):
    if n < 2:  #: 177
        return n  #: 89
    return fib(n - 1) + fib(n - 2)  #: 88


@lines(fib)
def recursion():
    fib(10)


def nap(n):
    time.sleep(0.01)
    if n:
        nap(n - 1)


@lines()
def recursion_counts_a_moment_once(profiler):
    profiler.add_code(nap.__code__)
    begun = time.perf_counter()
    nap(4)
    took = time.perf_counter() - begun
    found = seconds_of(profiler, "nap")
    assert 0.05 <= found * 1.001 and found <= took * 1.01, (found, took)


def naps_below(n):
    time.sleep(0.01)
    above(n - 1) if n else None


def above(n):
    naps_below(n)


@lines()
def recursion_through_another(profiler):
    profiler.add_code(naps_below.__code__)
    profiler.add_code(above.__code__)
    begun = time.perf_counter()
    above(2)
    took = time.perf_counter() - begun
    for name in ("naps_below", "above"):
        found = seconds_of(profiler, name)
        assert 0.03 <= found * 1.001 and found <= took * 1.01, (name, found, took)


if __name__ == "__main__":
    traced_marks.main()
