# SPDX-License-Identifier: MIT
"""Lines of functions that run by turns: generators, coroutines, threads; and which functions are profiled, and when."""

import asyncio
import contextlib
import sys
import threading
import time
import traceback

import traced
import traced_marks
import traced_threads
from traced_marks import lines, seconds_of


# --- generators and coroutines ----------------------------------------------------------------------------------------


def counting(n):
    total = 0  #: 1
    for i in range(n):  #: 4
        total += 1  #: 3
        yield i  #: 3
        total += 2  #: 3
    return total  #: 1


@lines(counting)
def generator():
    list(counting(3))


def closing(n):
    try:  #: 2
        for i in range(n):  #: 4
            yield i  #: 4
    finally:
        n = 0  #: 2
    return n  #: 0


@lines(closing)
def generator_closed():
    g = closing(9)
    next(g)
    next(g)
    g.close()
    g = closing(9)
    next(g)
    next(g)
    del g


def catching():
    n = 0  #: 1
    while n < 3:  #: 4
        try:  #: 3
            yield n  #: 3
            n += 1  #: 1
        except ValueError:  #: 2
            n += 1  #: 2
    return n  #: 1


@lines(catching)
def generator_throws():
    g = catching()
    assert next(g) == 0
    assert g.throw(ValueError) == 1
    assert next(g) == 2
    with contextlib.suppress(StopIteration):
        g.throw(ValueError("text"))


def delegating():
    before = 1  #: 1
    result = yield from counting(3)  #: 1
    return before, result  #: 1


@lines(delegating)
def generator_yield_from():
    assert list(delegating()) == [0, 1, 2]


def interleaved(n):
    for i in range(n):  #: 10
        yield i  #: 9


@lines(interleaved)
def generators_interleaved():
    assert len(list(zip(interleaved(3), interleaved(4), interleaved(4)))) == 3  # two stand at a yield then


def pausing():
    yield 1
    yield 2


@lines()
def suspended_time_is_no_time(profiler):
    profiler.add_code(pausing.__code__)
    g = pausing()
    next(g)
    time.sleep(0.05)
    next(g)
    assert seconds_of(profiler, "pausing") < 0.02


async def step(n):
    await asyncio.sleep(0)  #: 6
    return n  #: 6


async def walk(n):
    total = 0  #: 3
    for i in range(n):  #: 9
        total += await step(i)  #: 6
    return total  #: 3


async def together():
    return await asyncio.gather(walk(1), walk(2), walk(3))  #: 1


@lines(step, walk, together)
def coroutines_gathered():
    assert asyncio.run(together()) == [0, 1, 3]


async def producing(n):
    for i in range(n):  #: 4
        yield i  #: 3
        await asyncio.sleep(0)  #: 3


async def consuming():
    total = 0  #: 1
    async for i in producing(3):  #: 4
        total += i  #: 3
    async with contextlib.AsyncExitStack():  #: 2
        total += 1  #: 1
    return total  #: 1


@lines(producing, consuming)
def async_generator():
    assert asyncio.run(consuming()) == 4


# --- threads ----------------------------------------------------------------------------------------------------------


def shared(n):
    total = 0  #: 4
    for i in range(n):  #: 4004
        total += i  #: 4000
    return total  #: 4


@lines(shared)
def threads_in_one_function():
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    threads = [threading.Thread(target=shared, args=(1000,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sys.setswitchinterval(interval)


def moves():
    for i in range(3):  #: 4
        yield i  #: 3


@lines(moves)
def generator_moves_to_another_thread():
    g = moves()
    next(g)
    thread = threading.Thread(target=next, args=(g,))
    thread.start()
    thread.join()
    assert list(g) == [2]


@lines()
def switched_by_many_threads(profiler):
    traced_threads.storm(
        [
            profiler.enable,
            profiler.disable,
            profiler.results,
            lambda: profiler.add_code(shared.__code__),
            lambda: profiler.select([(__file__, "")]),
            lambda: profiler.select([]),
        ],
        [lambda: shared(3), lambda: list(moves()), lambda: int("x")],
    )
    profiler.disable()


# --- what is chosen ---------------------------------------------------------------------------------------------------

choose = lambda n: n + 1  #: 3


@lines(choose)
def lambdas():
    choose(1), choose(2), choose(3)


def makes():
    def made(n):
        return n  #: 0

    return made


@lines()
def nested_function(profiler):
    one, two = makes(), makes()
    assert one.__code__ is two.__code__
    profiler.add_code(one.__code__)
    one(1), two(2), one(3)
    ((_file, _first, name, rows),) = profiler.results()
    assert [hits for _line, hits, _ns in rows] == [3] and name in ("makes.<locals>.made", "made"), (name, rows)


TWIN = "def twin(n):\n    n += 1\n    return n\n"


@lines()
def twins_of_one_text(profiler):
    scopes = [{}, {}]
    for scope in scopes:
        exec(compile(TWIN, "twin.py", "exec"), scope)
    one, two = (scope["twin"] for scope in scopes)
    assert one.__code__ == two.__code__ and one.__code__ is not two.__code__
    profiler.add_code(one.__code__)
    profiler.add_code(two.__code__)
    one(1), two(1), two(1)
    found = sorted([hits for _line, hits, _ns in rows] for _file, _first, _name, rows in profiler.results())
    assert found == [[1, 1], [2, 2]], found


@lines()
def lambdas_on_a_line(profiler):
    one, two = lambda: 1, lambda: 2  # fmt: skip
    profiler.add_code(one.__code__)
    profiler.add_code(two.__code__)
    one(), two(), two()
    found = sorted(hits for _file, _first, _name, rows in profiler.results() for _line, hits, _ns in rows)
    assert found == [1, 2], found


@lines()
def far_down(profiler):
    text = "\n" * 70000 + "def far(n):\n    for _ in range(n):\n        n += 1\n    return n\n"
    scope = {}
    exec(compile(text, "far.py", "exec"), scope)
    profiler.add_code(scope["far"].__code__)
    scope["far"](1000)
    ((_file, first, _name, rows),) = profiler.results()
    assert first == 70001
    assert [(line, hits) for line, hits, _ns in rows] == [(70002, 1001), (70003, 1000), (70004, 1)], rows


@lines()
def code_of_two_files(profiler):
    # As made by templates: a line before the first of the function.
    scope = {}
    exec(compile("\n\n\ndef f():\n    return 1\n", "f.py", "exec"), scope)
    code = scope["f"].__code__.replace(co_firstlineno=2)
    scope["f"].__code__ = code
    profiler.add_code(code)
    scope["f"]()
    assert sum(hits for _f, _n, _q, rows in profiler.results() for _l, hits, _ns in rows) == 1


@lines()
def selected_by_file(profiler):
    profiler.disable()
    scope = {}
    exec(compile(TWIN + "def other(n):\n    return twin(n)\n", "/some/folder/chosen.py", "exec"), scope)
    exec(compile("def third():\n    return 1\n", "/some/folder2/chosen.py", "exec"), scope)
    for choices, expected in (
        ([("/some/folder/chosen.py", "")], {"twin": 3, "other": 1}),
        ([("/some/folder/chosen.py", "other")], {"other": 1}),
        ([("/some/folder/chosen.py", "oth")], {}),
        ([("/some/folder/", "")], {"twin": 3, "other": 1}),
        ([("/some/folder/", "twin"), ("/some/folder2/chosen.py", "")], {"twin": 3, "third": 1}),
        ([], {}),
    ):
        each = traced.agent.LineProfiler()
        each.select(choices)
        each.enable()
        scope["twin"](1), scope["twin"](1), scope["other"](1), scope["third"]()
        each.disable()
        found = {name: rows[-1][1] for _file, _first, name, rows in each.results()}
        assert found == expected, (choices, found)


@lines()
def switched_off_and_on(profiler):
    # Off inside of the function itself, and on again.
    def switches(n):
        n += 1
        profiler.disable()
        n += 1
        profiler.enable()
        n += 1
        return n

    profiler.add_code(switches.__code__)
    switches(1)
    first = switches.__code__.co_firstlineno
    ((_file, _first, _name, rows),) = profiler.results()
    found = {line - first: hits for line, hits, _ns in rows}
    assert found[1] == 1 and found[2] == 1 and 3 not in found and found.get(5, 1) == 1, found
    switches(1)
    ((_file, _first, _name, rows),) = profiler.results()
    found = {line - first: hits for line, hits, _ns in rows}
    assert found[1] == 2 and found[2] == 2 and 3 not in found, found


@lines()
def added_while_it_runs(profiler):
    def runs(n):
        n += 1
        profiler.add_code(runs.__code__)
        n += 1
        return n

    runs(1)
    runs(1)
    ((_file, first, _name, rows),) = profiler.results()
    found = {line - first: hits for line, hits, _ns in rows}
    assert found[1] == 1 and found[3] in (1, 2), found  # from where it is added, or from its next call on


@lines()
def program_behaves_the_same(profiler):
    # What a line profiler that wraps functions breaks: generator.throw, sys.exit, tracebacks, recursion.
    profiler.add_code(catching.__code__)
    g = catching()
    next(g)
    assert g.throw(ValueError) == 1
    g.close()

    def fails():
        raise KeyError("text")

    profiler.add_code(fails.__code__)
    try:
        fails()
    except KeyError as error:
        frames = traceback.extract_tb(error.__traceback__)
        assert [each.name for each in frames] == ["program_behaves_the_same", "fails"], frames
        assert error.args == ("text",) and error.__context__ is None


if __name__ == "__main__":
    traced_marks.main()
