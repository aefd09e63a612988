# SPDX-License-Identifier: MIT
"""Calls of generators, coroutines and what exceptions leave, whose table is known by construction."""

import asyncio
import contextlib
import sys

import traced
from traced import Clock, case

clock = Clock()
kept = []  # so that it is dropped at no moment of a table


def leaf():
    clock.now += 1


def double(x):
    clock.now += 1
    return 2 * x


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
