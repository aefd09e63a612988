# SPDX-License-Identifier: MIT
"""Threads that are switched as often as can be, on one cache: results are right, counts add up, bounds hold."""

import gc
import random
import sys
import threading
import time
import weakref

import outpace
import subject

THREADS, ROUNDS = 5, 1500


def together(work, threads=THREADS):
    """Calls work(number) in so many threads at a time, with the shortest time slice; what they raised."""
    errors = []
    gate = threading.Barrier(threads)

    def run(number):
        try:
            gate.wait(60)
            work(number)
        except BaseException as error:
            errors.append(error)

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        workers = [threading.Thread(target=run, args=(number,)) for number in range(threads)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
    finally:
        sys.setswitchinterval(before)
    if errors:
        raise errors[0]


class Key:
    """Its `__eq__` is code of the program, in which threads are switched."""

    def __init__(self, number):
        self.number = number

    def __hash__(self):
        return self.number % 4

    def __eq__(self, other):
        return isinstance(other, Key) and self.number == other.number


def calls_of(random):
    number = random.randrange(20)
    return random.choice(
        [((number,), {}), ((number, "x"), {}), ((Key(number),), {}), ((), {"a": number}), ((number,), {"b": Key(number)})]
    )


def same(value, args, names):
    """The result has the arguments in it."""
    numbers = [each.number if isinstance(each, Key) else each for each in (*args, *names.values())]
    assert value[0] == numbers, (value, numbers)


def load(*args, **names):
    return [[each.number if isinstance(each, Key) else each for each in (*args, *names.values())]]


SHAPES = (
    {},
    {"maxsize": None},
    {"maxsize": 7},
    {"maxsize": 1},
    {"maxsize": 7, "policy": "s3fifo"},
    {"maxsize": 7, "ttl": 0.001},
    {"max_bytes": 40, "weigh": lambda value: 3},
    {"maxsize": 7, "once": True},
    {"typed": True, "copy": lambda value: value},
    {"maxsize": 7, "key": lambda *args, **names: (args, *names.items())},
)


def test_counts_add_up():
    for options in SHAPES:
        function = outpace.lru_cache(**options)(load)

        def work(number, function=function):
            source = random.Random(number)
            for _ in range(ROUNDS):
                args, names = calls_of(source)
                same(function(*args, **names), args, names)

        together(work)
        info, stats = function.cache_info(), function.cache_stats()
        assert info.hits + info.misses == THREADS * ROUNDS, (options, info)
        assert info.maxsize is None or info.currsize <= info.maxsize, (options, info)
        assert stats.loading == 0 and stats.loads <= info.misses
        if "once" not in options:
            assert stats.loads == info.misses


def test_everything_at_once():
    for options in SHAPES:
        function = outpace.lru_cache(**options)(load)
        size = function.cache_info().maxsize

        def work(number, function=function, size=size):
            source = random.Random(number)
            for _ in range(ROUNDS):
                args, names = calls_of(source)
                dice = source.randrange(40)
                if dice < 25:
                    same(function(*args, **names), args, names)
                elif dice < 30:
                    assert function.cache_invalidate(*args, **names) in (True, False)
                elif dice < 33:
                    function.cache_put(load(*args, **names), *args, **names)
                elif dice < 35:
                    assert function.cache_contains(*args, **names) in (True, False)
                elif dice < 37:
                    try:
                        same(function.cache_peek(*args, **names), args, names)
                    except KeyError:
                        pass
                elif dice == 37:
                    function.cache_clear()
                else:
                    currsize = function.cache_info().currsize
                    assert size is None or currsize <= size
                    function.cache_stats()

        together(work)
        function.cache_clear()
        assert function.cache_info() == (0, 0, size, 0) and function.cache_stats().weight == 0


def test_nothing_is_left_over():
    class Thing:
        def __init__(self):
            alive.add(self)

    alive = weakref.WeakSet()
    lock = threading.Lock()

    def make(*args):
        with lock:
            return Thing()

    function = outpace.lru_cache(maxsize=5)(make)

    def work(number):
        for round in range(ROUNDS):
            function(round % 11, number % 2)
            if round % 50 == 0:
                function.cache_clear()

    together(work)
    function.cache_clear()
    gc.collect()
    assert not alive


def test_finalizers_call_the_cache_from_all_threads():
    class Last:
        def __del__(self):
            function.cache_info()
            function.cache_invalidate(1)

    function = outpace.lru_cache(maxsize=3)(lambda x: Last())

    def work(number):
        for round in range(ROUNDS // 3):
            assert isinstance(function(round % 8), Last)

    together(work)
    function.cache_clear()


def test_what_was_forgotten_is_not_served_again():
    """A new version is there, then its key is forgotten: who asks from then on gets it, or a later one."""
    for options in ({}, {"maxsize": None}, {"once": True}, {"ttl": 60}, {"ttl": 60, "once": True}):
        version = told = 0
        wrong = []
        done = threading.Event()

        @outpace.lru_cache(**options)
        def function(x):
            seen = version
            time.sleep(0)
            return seen

        def work(number, function=function, wrong=wrong, done=done):
            nonlocal version, told
            if number > 0:
                while not done.is_set():
                    before = told
                    value = function(1)
                    if value < before:
                        wrong.append((value, before))
                return
            for version in range(1, 400):
                if version % 3:
                    function.cache_invalidate(1)
                else:
                    function.cache_clear()
                told = version
                time.sleep(0)
            done.set()

        together(work)
        assert not wrong, (options, wrong[:5])


def test_one_load_at_a_time():
    running, most, loads = 0, 0, 0
    lock = threading.Lock()

    @outpace.lru_cache(once=True)
    def function(x):
        nonlocal running, most, loads
        with lock:
            running += 1
            loads += 1
            most = max(most, running)
        time.sleep(0.001)
        with lock:
            running -= 1
        return [x]

    seen = set()

    def work(number):
        for round in range(60):
            seen.add(id(function(round)))

    together(work, 8)
    assert most == 1 and loads == 60, (most, loads)
    stats = function.cache_stats()
    assert stats.loads == 60 and stats.hits + stats.misses == 480 and stats.waits <= stats.misses - 60


def test_recursion_in_threads():
    for options in ({}, {"maxsize": None}, {"once": True}, {"maxsize": 3, "once": True}):

        @outpace.lru_cache(**options)
        def fibonacci(n):
            return n if n < 2 else fibonacci(n - 1) + fibonacci(n - 2)

        def work(number, fibonacci=fibonacci):
            for n in range(14):
                assert fibonacci(n) == [0, 1, 1, 2, 3, 5, 8, 13, 21, 34, 55, 89, 144, 233][n]

        together(work)


def test_decorating_in_threads():
    def work(number):
        for round in range(300):
            function = outpace.lru_cache(maxsize=2)(lambda x: [x])
            assert function(round) is function(round)

    together(work)
    subject.collect()
