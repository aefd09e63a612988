# SPDX-License-Identifier: MIT
"""Code of the program that runs inside the cache (hashes, equalities, destructors, weighers, timers, key and copy functions)
and does anything to that very cache, by chance. Afterwards the cache is whole, and nothing was lost or left over."""

import gc
import random
import weakref

import outpace
import subject

BUDGET = 4


class Angry(Exception):
    pass


class Chaos:
    """A cache, and hooks that do something to it, seldom and not too deep."""

    def __init__(self, seed, make):
        self.random = random.Random(seed)
        self.depth = 0
        self.rate = self.random.choice((0.02, 0.1, 0.4))
        self.alive = weakref.WeakSet()
        self.number = 0
        self.function = None
        self.keys = [Key(self, number, number % 5) for number in range(16)]
        self.function = make(self)

    def hook(self):
        if self.function is None or self.depth >= BUDGET or self.random.random() > self.rate:
            return
        self.depth += 1
        try:
            self.act()
        except Angry:
            pass
        finally:
            self.depth -= 1

    def act(self):
        dice = self.random.randrange(12)
        function = self.function
        key, other = self.random.choice(self.keys), self.random.choice(self.keys)
        args, names = self.random.choice([((key,), {}), ((key, other), {}), ((), {"a": key}), ((key,), {"b": other})])
        if dice < 5:
            result = function(*args, **names)
            assert isinstance(result, Value), result
        elif dice == 5:
            function.cache_clear()
        elif dice == 6:
            assert function.cache_invalidate(*args, **names) in (True, False)
        elif dice == 7:
            function.cache_put(Value(self), *args, **names)
        elif dice == 8:
            try:
                assert isinstance(function.cache_peek(*args, **names), Value)
            except KeyError:
                pass
        elif dice == 9:
            assert function.cache_contains(*args, **names) in (True, False)
        elif dice == 10:
            function.cache_info(), function.cache_stats()
        else:
            gc.collect(0)

    def load(self, *args, **names):
        self.hook()
        self.number += 1
        return Value(self)


class Key:
    def __init__(self, chaos, number, hashed):
        self.chaos, self.number, self.hashed = chaos, number, hashed

    def __hash__(self):
        self.chaos.hook()
        return self.hashed

    def __eq__(self, other):
        self.chaos.hook()
        return isinstance(other, Key) and self.number == other.number

    def __del__(self):
        self.chaos.hook()


class Value:
    def __init__(self, chaos):
        self.chaos = chaos
        self.weight = chaos.random.randrange(5)
        chaos.alive.add(self)

    def __del__(self):
        self.chaos.hook()


def run_chaos(seed, make, steps=300):
    chaos = Chaos(seed, make)
    function = chaos.function
    for _ in range(steps):
        chaos.act()
        key = Key(chaos, (number := chaos.random.randrange(16)), number % 5)
        assert isinstance(function(key), Value)
        info = function.cache_info()
        maxsize = info.maxsize
        if maxsize is not None:
            assert info.currsize <= max(maxsize, 0), info
        stats = function.cache_stats()
        assert stats.loading == 0
    chaos.rate = 0.0
    # It is whole still: what it says to hold can be found again.
    found = sum(function.cache_contains(key) for key in chaos.keys)
    found += sum(function.cache_contains(a=key) for key in chaos.keys)
    found += sum(function.cache_contains(key, other) for key in chaos.keys for other in chaos.keys)
    found += sum(function.cache_contains(key, b=other) for key in chaos.keys for other in chaos.keys)
    assert found == function.cache_info().currsize
    function.cache_clear()
    assert function.cache_info().currsize == 0 and function.cache_stats().weight == 0
    gc.collect()
    assert not chaos.alive, f"{len(chaos.alive)} values are left over"
    reference = weakref.ref(function)
    chaos.function = None
    del function
    gc.collect()
    assert reference() is None


def seeds(make, count=60, steps=200):
    for seed in subject.seeds(count):
        try:
            run_chaos(seed, make, steps)
        except AssertionError as error:
            raise AssertionError(f"seed {seed}: {error}") from error


def test_chaos_lru():
    seeds(lambda chaos: outpace.lru_cache(maxsize=chaos.random.choice((1, 2, 5, 30)))(chaos.load))


def test_chaos_unbounded():
    seeds(lambda chaos: outpace.lru_cache(maxsize=None)(chaos.load))


def test_chaos_typed():
    seeds(lambda chaos: outpace.lru_cache(maxsize=chaos.random.choice((None, 0, 4)), typed=True)(chaos.load), 30)


def test_chaos_s3fifo():
    seeds(lambda chaos: outpace.lru_cache(maxsize=chaos.random.choice((1, 2, 5, 30)), policy="s3fifo")(chaos.load))


def test_chaos_weights():
    def make(chaos):
        def weigh(value):
            chaos.hook()
            return value.weight

        policy = chaos.random.choice(("lru", "s3fifo"))
        maxsize = chaos.random.choice((None, 3, 20))
        return outpace.lru_cache(maxsize=maxsize, max_bytes=chaos.random.choice((4, 20, 60)), weigh=weigh, policy=policy)(
            chaos.load
        )

    seeds(make)


def test_chaos_ttl():
    def make(chaos):
        clock = subject.Clock()

        def timer():
            chaos.hook()
            clock.advance(chaos.random.random())
            return clock.now

        maxsize = chaos.random.choice((None, 3, 20))
        return outpace.lru_cache(maxsize=maxsize, ttl=chaos.random.choice((0.5, 5, 500)), timer=timer)(chaos.load)

    for seed in subject.seeds(60):
        chaos = Chaos(seed, make)
        for _ in range(200):
            chaos.act()
            info = chaos.function.cache_info()
            assert info.maxsize is None or info.currsize <= info.maxsize
        chaos.rate = 0.0
        chaos.function.cache_clear()
        gc.collect()
        assert not chaos.alive


def test_chaos_key_and_copy():
    def make(chaos):
        def key(*args, **names):
            chaos.hook()
            return tuple(each.number for each in args), tuple((name, each.number) for name, each in names.items())

        def copy(value):
            chaos.hook()
            return value

        return outpace.lru_cache(maxsize=chaos.random.choice((None, 2, 20)), key=key, copy=copy)(chaos.load)

    seeds(make)


def test_chaos_once():
    seeds(lambda chaos: outpace.lru_cache(maxsize=chaos.random.choice((None, 2, 20)), once=True)(chaos.load))


def test_chaos_exceptions_that_are_kept():
    def make(chaos):
        def load(*args, **names):
            chaos.hook()
            if chaos.random.random() < 0.3:
                raise Angry(Value(chaos))
            return Value(chaos)

        cached = outpace.lru_cache(maxsize=chaos.random.choice((None, 2, 20)), cache_exceptions=Angry)(load)
        return cached

    for seed in subject.seeds(60):
        chaos = Chaos(seed, make)
        for _ in range(200):
            try:
                chaos.act()
            except Angry as error:
                assert isinstance(error.args[0], Value)
        chaos.rate = 0.0
        chaos.function.cache_clear()
        gc.collect()
        assert not chaos.alive


def test_chaos_where_all_raises():
    """Hashes, equalities, weighers and timers that raise now and then; nothing is lost or counted wrong."""
    for seed in subject.seeds(60):
        source = random.Random(seed)
        live = weakref.WeakSet()

        def trap(source=source):
            if source.random() < 0.05:
                raise Angry

        class Thing:
            def __init__(self, number, live=live):
                self.number = number
                live.add(self)

            __hash__ = object.__hash__

        class Wild:
            def __init__(self, number):
                self.number = number

            def __hash__(self, trap=trap):
                trap()
                return self.number % 3

            def __eq__(self, other, trap=trap):
                trap()
                return self.number == other.number

        def weigh(value, trap=trap):
            trap()
            return 2

        clock = subject.Clock()

        def timer(trap=trap, clock=clock):
            trap()
            clock.advance(0.01)
            return clock.now

        options = {"maxsize": source.choice((None, 3, 10))}
        if source.random() < 0.5:
            options |= {"max_bytes": 12, "weigh": weigh}
        if source.random() < 0.5:
            options |= {"ttl": 1.0, "timer": timer}
        if source.random() < 0.5:
            options |= {"policy": "s3fifo"}
        if source.random() < 0.5:
            options |= {"once": True}
        function = outpace.lru_cache(**options)(lambda *args, Thing=Thing, **names: trap() or Thing(args[0].number))
        for _ in range(400):
            key, other = Wild(source.randrange(12)), Wild(source.randrange(3))
            dice = source.randrange(8)
            try:
                if dice < 4:
                    assert function(key, other).number == key.number
                elif dice == 4:
                    function.cache_invalidate(key, other)
                elif dice == 5:
                    function.cache_put(Thing(key.number), key, other)
                elif dice == 6:
                    assert function.cache_peek(key, other).number == key.number
                else:
                    info = function.cache_info()
                    assert info.maxsize is None or info.currsize <= info.maxsize
            except (Angry, KeyError):
                pass
        for _ in range(1000):
            try:
                assert function.cache_stats().loading == 0
                break
            except Angry:
                pass
        function.cache_clear()
        gc.collect()
        assert not live
