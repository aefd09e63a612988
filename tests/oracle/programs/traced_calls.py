# SPDX-License-Identifier: MIT
"""Calls of one thread whose table is known by construction."""

import asyncio
import contextlib
import functools
import sys

import traced
from traced import MINOR, Clock, case

clock = Clock()
kept = []  # so that it is dropped at no moment of a table


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


# --- generators -------------------------------------------------------------------------------------------------------


def gen(n):
    clock.now += 1
    for i in range(n):
        yield i
        clock.now += 10


@case(
    """
case 1/1 0 101
  gen 11/11 101 101
gen 11/11 101 101
"""
)
def generator_listed():
    list(gen(10))


@case(
    """
case 1/1 500 521
  gen 3/3 21 21
gen 3/3 21 21
"""
)
def generator_partly():
    g = gen(10)
    for _ in range(3):
        next(g)
    clock.now += 500  # it waits meanwhile
    kept.append(g)


def guarded(n):
    clock.now += 1
    try:
        for i in range(n):
            yield i
    finally:
        clock.now += 50


@case(
    """
case 1/1 0 51
  guarded 3/3 51 51
guarded 3/3 51 51
"""
)
def generator_closed():
    g = guarded(9)
    next(g)
    next(g)
    g.close()


@case(
    """
case 1/1 0 51
  guarded 3/3 51 51
guarded 3/3 51 51
"""
)
def generator_dropped():
    g = guarded(9)
    next(g)
    next(g)
    del g


# 3.13.0 runs nothing of a generator that waits outside of any `try`.
@case(lambda: "case 1/1 0 1\n  gen {0}/{0} 1 1\ngen {0}/{0} 1 1".format(entries_of_close()))
def generator_closed_bare():
    g = gen(9)
    next(g)
    g.close()


def entries_of_close():
    """By cProfile's own hook: how often an unguarded generator is entered by next() and close()."""
    import cProfile

    profiler = cProfile.Profile(builtins=False)
    profiler.enable()
    g = gen(9)
    next(g)
    g.close()
    profiler.disable()
    (found,) = [each.callcount for each in profiler.getstats() if traced.name_of(each.code) == "gen"]
    return found


def catching():
    clock.now += 1
    while True:
        try:
            yield
            clock.now += 10
        except ValueError:
            clock.now += 100


@case(
    """
case 1/1 0 311
  catching 5/5 311 311
catching 5/5 311 311
"""
)
def generator_throws():
    g = catching()
    next(g)
    g.throw(ValueError)
    g.throw(ValueError("text"))
    next(g)
    g.throw(ValueError)
    kept.append(g)


@case(
    """
case 1/1 0 11
  catching 3/3 11 11
catching 3/3 11 11
"""
)
def generator_throws_out():
    g = catching()
    next(g)
    next(g)
    with_error = False
    try:
        g.throw(KeyError)
    except KeyError:
        with_error = True
    assert with_error


def outer_gen():
    clock.now += 100
    result = yield from inner_gen()
    clock.now += 100
    return result


def inner_gen():
    clock.now += 1
    yield 1
    clock.now += 10
    yield 2
    return 3


@case(
    """
case 1/1 0 211
  outer_gen 3/3 200 211
inner_gen 3/3 11 11
outer_gen 3/3 200 211
  inner_gen 3/3 11 11
"""
)
def generator_yield_from():
    assert list(outer_gen()) == [1, 2]


def tree(n):
    clock.now += 1
    if n:
        yield from tree(n - 1)
    yield n


@case(
    """
case 1/1 0 3
  tree 4/4 1 3
tree 9/4 3 3
  tree 5/3 2 2
"""
)
def generator_recursive():
    # Entries of depth 0, 1, 2: 4, 3, 2. The first entry opens three levels, then two, then one, then none.
    assert list(tree(2)) == [0, 1, 2]


@case(
    """
<genexpr> 4/4 0 3
  double 3/3 3 3
case 1/1 0 3
  <genexpr> 4/4 0 3
double 3/3 3 3
"""
)
def generator_expression():
    assert sum(double(i) for i in range(3)) == 6


def failing_gen():
    clock.now += 1
    yield 1
    raise ValueError


@case(
    """
case 1/1 0 1
  failing_gen 2/2 1 1
failing_gen 2/2 1 1
"""
)
def generator_raises():
    g = failing_gen()
    next(g)
    try:
        next(g)
    except ValueError:
        pass


# --- coroutines -------------------------------------------------------------------------------------------------------


async def job(n):
    clock.now += 1
    for _ in range(n):
        await asyncio.sleep(0)
        clock.now += 10
    return n


async def jobs():
    return await asyncio.gather(job(1), job(2), job(3))


# Entries: a start, and a resumption an await. 2 + 3 + 4; of jobs a start and the end of the gather.
@case(
    """
case 1/1 0 63
job 9/9 63 63
jobs 2/2 0 0
"""
)
def coroutines_gathered():
    assert asyncio.run(jobs()) == [1, 2, 3]


async def waits():
    clock.now += 1
    await job(2)
    clock.now += 100


@case(
    """
case 1/1 0 122
job 3/3 21 21
waits 3/3 101 122
  job 3/3 21 21
"""
)
def coroutine_awaits():
    asyncio.run(waits())


async def agen(n):
    clock.now += 1
    try:
        for i in range(n):
            yield i
            await asyncio.sleep(0)
            clock.now += 10
    finally:
        clock.now += 500


async def consumes():
    async for _ in agen(2):
        clock.now += 1000


# agen is entered to start, twice after a yield, twice after an await.
@case(
    """
agen 5/5 521 521
case 1/1 0 2521
consumes 3/3 2000 2521
  agen 5/5 521 521
"""
)
def async_generator():
    asyncio.run(consumes())


async def closes():
    g = agen(5)
    async for _ in g:
        break
    await g.aclose()


@case(
    """
agen 2/2 501 501
case 1/1 0 501
closes 1/1 0 501
  agen 2/2 501 501
"""
)
def async_generator_closed():
    asyncio.run(closes())


async def cancelled():
    clock.now += 1
    try:
        await asyncio.sleep(1000)
    except asyncio.CancelledError:
        clock.now += 10
        raise


async def cancels():
    task = asyncio.ensure_future(cancelled())
    await asyncio.sleep(0)
    task.cancel()
    try:
        await task
    except asyncio.CancelledError:
        clock.now += 100


@case(
    """
cancelled 2/2 11 11
cancels 3/3 100 100
case 1/1 0 111
"""
)
def coroutine_cancelled():
    asyncio.run(cancels())


# --- exceptions -------------------------------------------------------------------------------------------------------


def raises(n):
    clock.now += 1
    if n == 0:
        raise ValueError
    raises(n - 1)


def catches():
    clock.now += 10
    try:
        raises(99)
    except ValueError:
        leaf()


@case(
    """
case 1/1 0 111
  catches 1/1 10 111
catches 1/1 10 111
  leaf 1/1 1 1
  raises 1/1 1 100
leaf 1/1 1 1
raises 100/1 100 100
  raises 99/1 99 99
"""
)
def exception_through_frames():
    catches()


def cleans():
    try:
        clock.now += 1
        raise KeyError
    finally:
        leaf()


@case(
    """
case 1/1 0 6
  cleans 3/3 3 6
cleans 3/3 3 6
  leaf 3/3 3 3
leaf 3/3 3 3
"""
)
def exception_with_finally():
    for _ in range(3):
        with contextlib.suppress(KeyError):
            cleans()


def exits():
    clock.now += 1
    sys.exit(3)


@case(
    """
<built-in method sys.exit> 1/1 0 0
case 1/1 0 2
  exits 1/1 1 1
  leaf 1/1 1 1
exits 1/1 1 1
  <built-in method sys.exit> 1/1 0 0
leaf 1/1 1 1
""",
    builtins=True,
)
def sys_exit():
    try:
        exits()
    except SystemExit:
        leaf()


@case(
    """
<built-in method builtins.len> 1/1 0 0
<built-in method builtins.sorted> 1/1 0 1
  raises 1/1 1 1
<method 'pop' of 'list' objects> 1/1 0 0
case 1/1 0 2
  <built-in method builtins.len> 1/1 0 0
  <built-in method builtins.sorted> 1/1 0 1
  <method 'pop' of 'list' objects> 1/1 0 0
  leaf 1/1 1 1
leaf 1/1 1 1
raises 1/1 1 1
""",
    builtins=True,
)
def c_functions_raise():
    try:
        [].pop()
    except IndexError:
        pass
    try:
        len(3)
    except TypeError:
        pass
    try:
        sorted([0], key=raises)
    except ValueError:
        pass
    leaf()


if __name__ == "__main__":
    traced.main(clock)
