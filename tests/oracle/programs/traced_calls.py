# SPDX-License-Identifier: MIT
"""Plain calls, recursion and callbacks from C whose table is known by construction."""

import contextlib
import functools
import sys

import traced
from traced import Clock, case

clock = Clock()


# --- plain ------------------------------------------------------------------------------------------------------------


def leaf():
    clock.now += 1


def mid():
    clock.now += 10
    leaf()
    leaf()


@case(
    """
case 1/1 100 124
  mid 2/2 20 24
leaf 4/4 4 4
mid 2/2 20 24
  leaf 4/4 4 4
"""
)
def plain():
    clock.now += 100
    mid()
    mid()


def left():
    clock.now += 10
    leaf()


def right():
    clock.now += 20
    leaf()
    leaf()
    leaf()


@case(
    """
case 1/1 0 35
  leaf 1/1 1 1
  left 1/1 10 11
  right 1/1 20 23
leaf 5/5 5 5
left 1/1 10 11
  leaf 1/1 1 1
right 1/1 20 23
  leaf 3/3 3 3
"""
)
def callers_apart():
    left()
    right()
    leaf()


@case(
    """
case 1/1 0 35
leaf 5/5 5 5
left 1/1 10 11
right 1/1 20 23
""",
    subcalls=False,
)
def without_subcalls():
    left()
    right()
    leaf()


# --- recursion --------------------------------------------------------------------------------------------------------


def down(n):
    clock.now += 1
    if n:
        down(n - 1)
    clock.now += 1


@case(
    """
case 1/1 0 10
  down 1/1 2 10
down 5/1 10 10
  down 4/1 8 8
"""
)
def recursion():
    down(4)


def fib(n):
    clock.now += 1
    return n if n < 2 else fib(n - 1) + fib(n - 2)


@case(
    """
case 1/1 0 177
  fib 1/1 1 177
fib 177/1 177 177
  fib 176/2 176 176
"""
)
def recursion_twice():
    fib(10)


def even(n):
    clock.now += 1
    return True if n == 0 else odd(n - 1)


def odd(n):
    clock.now += 10
    return False if n == 0 else even(n - 1)


@case(
    """
case 1/1 0 34
  even 1/1 1 34
even 4/1 4 34
  odd 3/1 30 33
odd 3/1 30 33
  even 3/1 3 23
"""
)
def mutual_recursion():
    even(6)


def by_sort(n):
    clock.now += 1
    if n:
        sorted([n - 1], key=by_sort)
    return n


@case(
    """
<built-in method builtins.sorted> 3/1 0 3
  by_sort 3/1 3 3
by_sort 4/1 4 4
  <built-in method builtins.sorted> 3/1 0 3
case 1/1 0 4
  by_sort 1/1 1 4
""",
    builtins=True,
)
def recursion_through_c():
    by_sort(3)


@case(
    """
by_sort 4/1 4 4
  by_sort 3/1 3 3
case 1/1 0 4
  by_sort 1/1 1 4
"""
)
def recursion_through_c_unseen():
    by_sort(3)


def by_reduce(n):
    clock.now += 1
    if n:
        functools.reduce(lambda a, b: by_reduce(b), [0, n - 1])
    return n


@case(
    """
<built-in method _functools.reduce> 2/1 0 2
  <lambda> 2/1 0 2
<lambda> 2/1 0 2
  by_reduce 2/1 2 2
by_reduce 3/1 3 3
  <built-in method _functools.reduce> 2/1 0 2
case 1/1 0 3
  by_reduce 1/1 1 3
""",
    builtins=True,
)
def recursion_through_reduce():
    by_reduce(2)


@case(
    """
case 1/1 0 10002
  down 1/1 2 10002
down 5001/1 10002 10002
  down 5000/1 10000 10000
"""
)
def recursion_deep():
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(6000)
    try:
        down(5000)
    finally:
        sys.setrecursionlimit(limit)


@case(manual=True)
def recursion_error(_):
    def depth():
        count = 0

        def deeper():
            nonlocal count
            count += 1
            deeper()

        with contextlib.suppress(RecursionError):
            deeper()
        return count

    bare = depth()
    p = traced.agent.Profiler(builtins=False)  # a timer in Python would need a frame too
    p.enable()
    traced_depth = depth()
    p.disable()
    # The limit is where it was, and each frame that was entered was left.
    assert abs(bare - traced_depth) <= 3, (bare, traced_depth)
    (entry,) = [each for each in p.getstats() if traced.name_of(each.code) == "deeper"]
    assert traced_depth <= entry.callcount <= traced_depth + 1, (entry, traced_depth)
    assert entry.callcount - entry.reccallcount == 1
    return {}


# --- called by C ------------------------------------------------------------------------------------------------------


def double(x):
    clock.now += 1
    return 2 * x


def small(x):
    clock.now += 10
    return x < 2


class Odd:
    def __init__(self, n):
        clock.now += 1
        self.n = n

    def __eq__(self, other):
        clock.now += 10
        return self.n == other.n

    def __hash__(self):
        clock.now += 100
        return 1

    def __del__(self):
        clock.now += 1000


@case(
    """
case 1/1 0 36
  double 6/6 6 6
  small 3/3 30 30
double 6/6 6 6
small 3/3 30 30
"""
)
def called_by_c():
    list(map(double, range(3)))
    list(filter(small, range(3)))
    sorted([3, 1, 2], key=double)


@case(
    """
__del__ 3/3 3000 3000
__eq__ 2/2 20 20
__hash__ 2/2 200 200
__init__ 3/3 3 3
case 1/1 0 3223
  __del__ 3/3 3000 3000
  __eq__ 2/2 20 20
  __hash__ 2/2 200 200
  __init__ 3/3 3 3
"""
)
def special_methods_called_by_c():
    one, two, three = Odd(1), Odd(2), Odd(2)
    assert [one, two].index(three) == 1  # compares twice
    {one: 1}[one]  # the same object: hashed twice, not compared
    del one, two, three


def key_of(x):
    clock.now += 1
    return len(x)


@case(
    """
<built-in method builtins.len> 3/3 0 0
<built-in method builtins.sorted> 1/1 0 3
  key_of 3/3 3 3
case 1/1 0 3
  <built-in method builtins.sorted> 1/1 0 3
key_of 3/3 3 3
  <built-in method builtins.len> 3/3 0 0
""",
    builtins=True,
)
def sort_key_between():
    sorted(["aa", "b", "c"], key=key_of)


if __name__ == "__main__":
    traced.main(clock)
