# SPDX-License-Identifier: MIT
"""Threads hammer one cache; says what went wrong. Run by test_cache_threads.py, on each Python that is found.

    cache_threads.py [--threads N] [--rounds N] [--seconds N] [SCENARIO...]      without a scenario: all, one after the other

A round is one call of each thread. What is random comes from a fixed seed a thread; how the threads interleave does not.
"""

from __future__ import annotations

import argparse
import asyncio
import copy
import faulthandler
import functools
import gc
import itertools
import random
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import outpace
from hammer import Clock, Counted, Kept, Living, hammer

SCENARIOS: dict[str, Callable[[int, int], None]] = {}


def scenario(function: Callable[[int, int], None]) -> Callable[[int, int], None]:
    SCENARIOS[function.__name__] = function
    return function


class Value:
    """What a load gives: knows the key that it is for, and can be asked for by a weak reference."""

    def __init__(self, key: object) -> None:
        self.key = key
        self.until = float("inf")  # when it has expired at the latest


class Key:
    """A key whose `__eq__` and `__hash__` are Python's; many are equal in hash, few are equal."""

    def __init__(self, number: int, called: Callable[[], object] | None = None) -> None:
        self.number = number
        self.called = called

    def __hash__(self) -> int:
        return self.number % 7

    def __eq__(self, other: object) -> bool:
        called, self.called = self.called, None  # once: what it calls may compare this very key
        if called is not None:
            called()
        return isinstance(other, Key) and self.number == other.number


@scenario
def counts(threads: int, rounds: int) -> None:
    """Hits and misses are the calls, evictions are what was kept and is not there: without any clear."""
    for policy in ("lru", "s3fifo"):
        for maxsize in (0, 1, 24, None):
            calls, loads = Counted(), Counted()

            @outpace.lru_cache(maxsize=maxsize, policy=policy)
            def function(key: object, loads: Counted = loads) -> tuple[str, object]:
                loads.add()
                return ("of", key)

            def work(number: int, chance: random.Random, function: Any = function, calls: Counted = calls) -> None:
                for _ in range(rounds):
                    key: object = chance.choice((chance.randrange(48), str(chance.randrange(48)), (chance.randrange(9), "t")))
                    assert function(key) == ("of", key)
                    info = function.cache_info()
                    assert info.maxsize is None or info.currsize <= info.maxsize, info
                calls.add(rounds)

            hammer(threads, work)
            info = function.cache_info()
            assert info.hits + info.misses == calls.number, (info, calls.number)
            assert info.misses == loads.number, (info, loads.number)
            stats = function.cache_stats()
            assert (stats.loads, stats.load_errors, stats.loading) == (loads.number, 0, 0), stats
            assert stats.currsize + stats.evictions <= stats.loads, stats


@scenario
def clears(threads: int, rounds: int) -> None:
    """Clears, invalidations and puts between calls: values are right, bounds are kept, and nothing lives on afterwards."""
    living = Living()

    def made(*args: object, **keywords: object) -> Value:
        value = Value((args, tuple(keywords.items())))
        living.see(value)
        return value

    function = outpace.lru_cache(maxsize=16, typed=True)(made)

    def work(number: int, chance: random.Random) -> None:
        for _ in range(rounds):
            what = chance.randrange(40)
            args = (chance.randrange(24), "a" * chance.randrange(2))
            keywords = {"name": chance.randrange(2)} if what % 3 == 0 else {}
            wanted = (args, tuple(keywords.items()))
            if what == 0:
                function.cache_clear()
            elif what in (1, 2, 3):
                assert function.cache_invalidate(*args, **keywords) in (True, False)
            elif what == 4:
                function.cache_put(made(*args, **keywords), *args, **keywords)
            elif what == 5:
                try:
                    assert function.cache_peek(*args, **keywords).key == wanted
                except KeyError:
                    pass
            elif what == 6:
                assert function.cache_contains(*args, **keywords) in (True, False)
            elif what == 7:
                assert function.cache_info().currsize <= 16
                assert 0 <= function.cache_stats().currsize <= 16
                assert function.__sizeof__() > 0
            else:
                assert function(*args, **keywords).key == wanted

    hammer(threads, work)
    function.cache_clear()
    living.check_none("values")


@scenario
def python_keys(threads: int, rounds: int) -> None:
    """Keys with an `__eq__` of Python that calls back into the cache, clears it, or raises."""
    living = Living()

    class Refused(Exception):
        pass

    @outpace.lru_cache(maxsize=12)
    def function(key: Key, more: int = 0) -> Value:
        value = Value((key.number, more))
        living.see(value)
        return value

    def refuse() -> None:
        raise Refused

    def work(number: int, chance: random.Random) -> None:
        for _ in range(rounds):
            plain = Key(chance.randrange(18))
            actions: dict[int, Callable[[], object]] = {
                0: lambda: function(Key(3)),
                1: function.cache_clear,
                2: refuse,
                3: functools.partial(function.cache_invalidate, plain),
            }
            key = Key(chance.randrange(18), actions.get(chance.randrange(30)))
            living.see(key)
            try:
                assert function(key).key == (key.number, 0)
                assert function(key, 1).key == (key.number, 1)
            except Refused:
                pass
            assert function.cache_info().currsize <= 12

    hammer(threads, work)
    function.cache_clear()
    living.check_none("keys and values")


@scenario
def reused_values(threads: int, rounds: int) -> None:
    """Destructors of values and keys call the cache that they go out of."""
    alive = Counted()
    cache: Any = None

    class Calls:
        def __init__(self, number: int) -> None:
            self.number = number
            alive.add()

        def __hash__(self) -> int:
            return self.number % 5

        def __eq__(self, other: object) -> bool:
            return isinstance(other, Calls) and self.number == other.number

        def __del__(self) -> None:
            alive.add(-1)
            cache.cache_invalidate(-self.number)
            cache.cache_info()

    def function(key: object) -> object:
        return Calls(key.number) if isinstance(key, Calls) else key

    cache = outpace.lru_cache(maxsize=8)(function)

    def work(number: int, chance: random.Random) -> None:
        for _ in range(rounds):
            key = Calls(chance.randrange(16))
            given = cache(key)
            assert isinstance(given, Calls) and given.number == key.number
            assert cache(-key.number) == -key.number
            if chance.randrange(50) == 0:
                cache.cache_clear()

    hammer(threads, work)
    cache.cache_clear()
    for _ in range(3):
        gc.collect()
    assert alive.number == 0, f"{alive.number} keys and values are still alive"


@scenario
def weights(threads: int, rounds: int) -> None:
    """What is kept never weighs more than max_bytes."""
    for policy in ("lru", "s3fifo"):

        @outpace.lru_cache(maxsize=None, max_bytes=500, weigh=len, policy=policy)
        def function(length: int) -> str:
            return "x" * length

        def work(number: int, chance: random.Random, function: Any = function) -> None:
            for _ in range(rounds):
                length = chance.randrange(120)
                assert len(function(length)) == length
                stats = function.cache_stats()
                assert 0 <= stats.weight <= 500, stats
                if chance.randrange(30) == 0:
                    function.cache_put("x" * length, length)
                if chance.randrange(100) == 0:
                    function.cache_invalidate(length)

        hammer(threads, work)
        stats = function.cache_stats()
        function.cache_clear()
        assert (stats.loading, function.cache_stats().weight) == (0, 0)


@scenario
def expiry(threads: int, rounds: int) -> None:
    """Nothing is served past its time, and one key has one load at a time."""
    clock, under_way, kept = Clock(), [Counted() for _ in range(6)], Kept()

    @outpace.ttl_cache(1.0, 4, timer=clock)
    def function(key: int) -> tuple[int, object]:
        assert under_way[key].add() == 1, f"two loads of {key}"
        under_way[key].add(-1)
        return kept.made(key)

    def work(number: int, chance: random.Random) -> None:
        for _ in range(rounds):
            key, now = chance.randrange(6), clock()
            given = function(key)
            assert given[0] == key
            assert now - kept.since(given, clock) < 1.0, f"kept since {kept.since(given, clock)} at {now}"
            if chance.randrange(4) == 0:
                clock.moved.add()
            assert function.cache_info().currsize <= 4

    hammer(threads, work)
    stats = function.cache_stats()
    assert stats.loading == 0 and stats.load_errors == 0, stats


@scenario
def stale(threads: int, rounds: int) -> None:
    """A stale value is served for so long as it may be; loads that fail leave it, and are counted."""
    clock, failed, kept = Clock(), Counted(), Kept()

    @outpace.ttl_cache(1.0, 8, stale=1.0, jitter=0.5, timer=clock)
    def function(key: int) -> tuple[int, object]:
        if clock.moved.number % 5 == 0:
            failed.add()
            raise OSError(key)
        return kept.made(key)

    def work(number: int, chance: random.Random) -> None:
        for _ in range(rounds):
            key, now = chance.randrange(6), clock()
            try:
                given = function(key)
                assert given[0] == key
                assert now - kept.since(given, clock) < 2.0, f"kept since {kept.since(given, clock)} at {now}"
            except OSError as error:
                assert error.args == (key,)
            clock.moved.add(chance.randrange(3))

    hammer(threads, work)
    stats = function.cache_stats()
    assert (stats.loading, stats.load_errors) == (0, failed.number), (stats, failed.number)


@scenario
def once(threads: int, rounds: int) -> None:
    """One load a key; loads that need each other's keys go through; a load that raises frees those that wait."""
    loads = Counted()

    @outpace.lru_cache(maxsize=None, once=True)
    def kept(key: int) -> Value:
        loads.add()
        return Value(key)

    def same(number: int, chance: random.Random) -> None:
        for key in range(rounds):
            assert kept(key).key == key

    hammer(threads, same)
    assert loads.number == rounds, f"{loads.number} loads of {rounds} keys"

    @outpace.lru_cache(maxsize=2, once=True)
    def crossed(key: int, depth: int) -> tuple[int, int]:
        if depth == 0:
            raise LookupError(key)
        if depth > 1:
            crossed((key + 1) % 3, depth - 1)
            crossed(key, depth)  # itself
        return key, depth

    nested = threading.local()

    @outpace.lru_cache(maxsize=2, once=True)
    def circle(key: int) -> int:
        # Calls the next key, which calls the next: threads that began at different keys wait for each other.
        depth = getattr(nested, "depth", 0)
        if depth < 4:
            nested.depth = depth + 1
            try:
                assert circle((key + 1) % 3) == (key + 1) % 3
            finally:
                nested.depth = depth
        return key

    def circles(number: int, chance: random.Random) -> None:
        for _ in range(rounds // 4):
            key = chance.randrange(3)
            assert circle(key) == key
            if chance.randrange(3) == 0:
                circle.cache_invalidate(chance.randrange(3))
            try:
                crossed(chance.randrange(3), 0)
                raise AssertionError("a load that raises was swallowed")
            except LookupError:
                pass

    hammer(threads, circles)
    assert circle.cache_stats().loading == crossed.cache_stats().loading == 0


@scenario
def raised(threads: int, rounds: int) -> None:
    """Those who wait for a load that raises get its exception: that very one with a GIL, without one each its own like it."""
    shared = getattr(sys, "_is_gil_enabled", lambda: True)()
    got: list[tuple[int, OSError]] = []
    turn = threading.Barrier(threads)

    @outpace.lru_cache(once=True)
    def function(key: int) -> None:
        while function.cache_stats().waits < (key + 1) * (threads - 1):
            time.sleep(0)
        try:
            raise LookupError("cause")
        except LookupError as cause:
            raise FileNotFoundError(key, "gone", "a file") from cause

    def work(number: int, chance: random.Random) -> None:
        for key in range(rounds // 20):
            turn.wait()
            try:
                function(key)
            except OSError as error:
                got.append((key, error))

    hammer(threads, work)
    assert len(got) == threads * (rounds // 20)
    for key, error in got:
        assert type(error) is FileNotFoundError and error.errno == key, error
        assert (error.strerror, error.filename, error.__suppress_context__) == ("gone", "a file", True)
        assert isinstance(error.__cause__, LookupError) and error.__traceback__ is not None
    distinct = len({id(error) for _, error in got})
    assert distinct == (rounds // 20 if shared else len(got)), (distinct, len(got), shared)


@scenario
def forgotten(threads: int, rounds: int) -> None:
    """A load that began before an invalidation is not kept: what is read after it is not older than it."""
    truth, settled, lock = Counted(), 0, threading.Lock()

    @outpace.ttl_cache(1e6, 8)
    def function(key: int) -> int:
        read = truth.number
        time.sleep(1e-4)  # others change the truth meanwhile
        return read

    def work(number: int, chance: random.Random) -> None:
        nonlocal settled
        for _ in range(rounds):
            if chance.randrange(3) == 0:
                changed = truth.add()
                function.cache_invalidate(0)
                with lock:
                    settled = max(settled, changed)
            else:
                least = settled
                assert (got := function(0)) >= least, f"{got}, which was forgotten for {least}"

    hammer(threads, work)


@scenario
def methods(threads: int, rounds: int) -> None:
    """Instances die while threads call their cached methods; their entries go with them."""
    living = Living()

    class Thing:
        def __init__(self, number: int) -> None:
            self.number = number
            living.see(self)

        @outpace.lru_cache(maxsize=64)
        def shared(self, by: int) -> int:
            return self.number * by

        @outpace.lru_cache(maxsize=4, per_instance=True)
        def own(self, by: int) -> int:
            return self.number + by

    common = [Thing(number) for number in range(4)]

    def work(number: int, chance: random.Random) -> None:
        for turn in range(rounds):
            thing = Thing(turn) if chance.randrange(2) else chance.choice(common)
            by = chance.randrange(6)
            assert thing.shared(by) == thing.number * by
            assert thing.own(by) == thing.number + by
            assert Thing.shared.cache_info().currsize <= 64
            if chance.randrange(60) == 0:
                Thing.shared.cache_clear()

    hammer(threads, work)
    common.clear()
    living.check_none("instances")
    assert Thing.shared.cache_info().currsize == 0, Thing.shared.cache_info()


@scenario
def exceptions(threads: int, rounds: int) -> None:
    """Exceptions that are kept, and copies that are handed out."""
    clock = Clock()

    @outpace.ttl_cache(2.0, 8, cache_exceptions={KeyError: 1.0}, copy=True, timer=clock)
    def function(key: int) -> list[int]:
        if key % 2:
            raise KeyError(key)
        return [key]

    def work(number: int, chance: random.Random) -> None:
        for _ in range(rounds):
            key = chance.randrange(12)
            try:
                given = function(key)
                assert given == [key] and key % 2 == 0
                given.append(-1)
            except KeyError as error:
                assert error.args == (key,) and key % 2 == 1
            if chance.randrange(8) == 0:
                clock.moved.add()

    hammer(threads, work)


@scenario
def mapping(threads: int, rounds: int) -> None:
    """outpace.Cache: all that a mapping does, by all threads at once."""
    living, clock = Living(), Clock()

    def made(key: object) -> Value:
        value = Value(key)
        living.see(value)
        return value

    for policy in ("lru", "s3fifo"):
        cache: Any = outpace.Cache(20, ttl=4.0, policy=policy, timer=clock)

        def work(number: int, chance: random.Random, cache: Any = cache) -> None:
            for _ in range(rounds):
                what, key, now = chance.randrange(14), chance.randrange(40), clock()
                value: Value | None = None
                if what in (0, 1):
                    new = made(key)
                    cache.set(key, new, ttl=0.5) if what else cache.update({key: new})
                    new.until = clock() + (0.5 if what else 4.0)
                elif what == 2:
                    value = cache.pop(key, None)
                elif what == 3:
                    try:
                        del cache[key]
                    except KeyError:
                        pass
                elif what in (4, 11):
                    try:
                        value = cache[key] if what == 4 else cache.peek(key)
                    except KeyError:
                        pass
                elif what == 5:
                    assert 0 <= len(cache) <= 20
                    assert cache.stats().currsize <= 20
                elif what == 6:
                    try:
                        assert all(isinstance(each, int) for each in itertools.islice(cache, 5))
                    except RuntimeError:
                        pass  # changed during iteration
                elif what == 7:
                    assert (key in cache) in (True, False)
                elif what == 8 and chance.randrange(10) == 0:
                    cache.clear()
                elif what == 9:
                    clock.moved.add()
                elif what == 10 and chance.randrange(10) == 0:
                    assert len(copy.copy(cache)) <= 20
                elif what == 12:
                    value = cache.get(key)
                else:
                    value = cache.get_or_load(key, made)
                    assert value is not None
                assert value is None or (value.key == key and now < value.until)

        hammer(threads, lambda number, chance: work(number, chance))
        cache.clear()
        living.check_none("values")


@scenario
def coroutines(threads: int, rounds: int) -> None:
    """Event loops of several threads share cached coroutine functions, one of which raises."""
    under_way, clock = [Counted() for _ in range(5)], Clock()

    @outpace.ttl_cache(1.0, 3, timer=clock)
    async def function(key: int) -> int:
        assert under_way[key].add() == 1, f"two loads of {key}"
        await asyncio.sleep(0)
        under_way[key].add(-1)
        return key

    @outpace.ttl_cache(1.0, 3, timer=clock)
    async def failing(key: int) -> int:
        await asyncio.sleep(0)
        raise LookupError(key)

    def work(number: int, chance: random.Random) -> None:
        async def one() -> None:
            key = chance.randrange(5)
            assert await function(key) == key
            clock.moved.add()

        async def bad() -> None:
            key = chance.randrange(2)
            try:
                await failing(key)
                raise AssertionError("a load that raises was swallowed")
            except LookupError as error:
                assert error.args == (key,)

        async def main() -> None:
            for _ in range(rounds // 8 + 1):
                await asyncio.gather(*(one() for _ in range(4)), bad(), bad())

        asyncio.run(main())

    hammer(threads, work)
    assert function.cache_stats().loading == failing.cache_stats().loading == 0


def main() -> int:
    parser = argparse.ArgumentParser(description="Threads hammer one cache.")
    parser.add_argument("--threads", type=int, default=6)
    parser.add_argument("--rounds", type=int, default=400)
    parser.add_argument("--seconds", type=float, default=250, help="after which all stacks are shown, as something hangs")
    parser.add_argument("scenarios", nargs="*", metavar="SCENARIO", help=", ".join(SCENARIOS))
    options = parser.parse_args()
    faulthandler.dump_traceback_later(options.seconds, exit=True)
    sys.setswitchinterval(1e-5)
    for name in options.scenarios or SCENARIOS:
        SCENARIOS[name](options.threads, options.rounds)
        print(f"{name}: ok", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
