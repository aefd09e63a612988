# SPDX-License-Identifier: MIT
"""The same calls to functools.lru_cache and to ours: the same results, calls of the function, and cache_info after each.

A sequence is data: (maxsize, typed, steps); a step is ("call", numbers of values, pairs of (name, number of a value)),
("clear",), ("method", number of an instance, numbers of values). So hypothesis can make and shrink it (test_cache_functions.py),
and so can a plain seed, on an interpreter that has no hypothesis.

Functions give the number of their call, so equal results mean equal hits, and in the long run the same order of evictions.
"""

import decimal
import fractions
import functools
import gc
import random
import sys

import subject

NAMES = ("a", "b", "c", "self", "key")
MAXSIZES = (None, 0, 1, 2, 3, 5, 8, -1, True)


class Text(str):
    """Equal to its like, and no lone str for functools."""


class Whole(int):
    pass


class Odd:
    """Equal to all, as a bad `__eq__` may be. Its hash is its own: which of several equal keys is found is nobody's promise."""

    def __hash__(self):
        return 987654321

    def __eq__(self, other):
        return True


class Counted:
    """Tells of each hash that is asked for; equal by value."""

    def __init__(self, number, log):
        self.number = number
        self.log = log

    def __hash__(self):
        self.log.append(self.number)
        return self.number % 3

    def __eq__(self, other):
        return isinstance(other, Counted) and other.number == self.number


class Act:
    """As first argument: tells the function what to do."""

    def __init__(self, kind, others=()):
        self.kind = kind
        self.others = others


class Failure(Exception):
    pass


def values():
    log = []
    nan = float("nan")
    plain = [
        *(0, 1, 2, 3, -1, -2, 2**61 - 1, 2**61, 2**64, -(2**70), 10**40),
        *(True, False, None, 0.0, -0.0, 1.0, 2.0, 0.5, nan, float("nan"), float("inf"), 1 + 0j),
        *(fractions.Fraction(1), decimal.Decimal(1), decimal.Decimal("1.0"), Whole(1), Whole(2)),
        *("", "a", "b", "ab", "1", "".join(["a", "b"]), "\udc80", "ä", Text("a"), Text("ab"), b"", b"a", b"ab"),
        *((), (1,), (1.0,), (True,), (1, 2), (1.0, 2), ("a",), ((1,), "a"), ((1.0,), Text("a")), (nan,), (None,)),
        *(frozenset(), frozenset({1}), range(2), range(0, 2, 1), int, float, object, len, Ellipsis, NotImplemented),
        *([], {}, {1}, ([],), bytearray(b"a")),
        *(Odd(), Odd()),
        *(Counted(number, log) for number in (1, 4, 7, 1)),
    ]
    acts = [
        Act("raise"),
        Act("raise"),
        Act("again"),
        Act("again"),
        Act("others", ((1,), (2,), ("a",))),
        Act("others", tuple((number,) for number in range(12))),
        Act("raise after", ((3,),)),
        Act("deep"),
    ]
    return plain + acts, log


def make(decorate):
    """A decorated function, and a class with a decorated method; each gives the number of its call."""
    state = {"calls": 0, "depth": 0}

    def perform(function, act, rest):
        if act.kind == "raise":
            raise Failure(state["calls"])
        state["depth"] += 1
        try:
            if act.kind == "again" and state["depth"] < 3:
                return function(act, *rest)
            if act.kind == "deep" and state["depth"] < 6:
                return function(act, state["depth"])
            for other in act.others:
                function(*other)
        finally:
            state["depth"] -= 1
        if act.kind == "raise after":
            raise Failure(state["calls"])
        return state["calls"]

    @decorate
    def function(*args, **kwargs):
        state["calls"] += 1
        number = state["calls"]
        if args and type(args[0]) is Act:
            return number, perform(function, args[0], args[1:])
        return number

    class Plain:
        @decorate
        def method(self, *args, **kwargs):
            state["calls"] += 1
            return state["calls"]

    return function, Plain, state


def outcome(function, args, kwargs):
    try:
        return "gave", function(*args, **kwargs)
    except Exception as error:
        # The text of ours is its own where it names what has no hash.
        return "raised", type(error), error.args if type(error) is Failure else None, error.__context__ is None


class Pair:
    """Both sides, and the values that they are called with."""

    def __init__(self, maxsize, typed):
        self.values, self.log = values()
        self.mine, mine_class, self.my_state = make(subject.module.lru_cache(maxsize, typed))
        self.theirs, their_class, self.their_state = make(functools.lru_cache(maxsize, typed))
        self.instances = [(mine_class(), their_class()) for _ in range(3)]
        self.my_methods, self.their_methods = mine_class.method, their_class.method

    def step(self, step):
        kind, *rest = step
        if kind == "clear":
            self.mine.cache_clear()
            self.theirs.cache_clear()
        elif kind == "call":
            args = [self.values[number % len(self.values)] for number in rest[0]]
            kwargs = {NAMES[name % len(NAMES)]: self.values[number % len(self.values)] for name, number in rest[1]}
            self.same(self.mine, self.theirs, args, kwargs, step)
        else:
            mine, theirs = self.instances[rest[0] % len(self.instances)]
            args = [self.values[number % len(self.values)] for number in rest[1]]
            self.same(mine.method, theirs.method, args, {}, step)
        mine = self.mine.cache_info(), self.my_methods.cache_info(), self.my_state
        theirs = self.theirs.cache_info(), self.their_methods.cache_info(), self.their_state
        assert mine == theirs, (step, mine, theirs)
        assert type(mine[0]) is functools._CacheInfo

    def same(self, mine, theirs, args, kwargs, step):
        self.log.clear()
        my_outcome, my_log = outcome(mine, args, kwargs), list(self.log)
        self.log.clear()
        their_outcome, their_log = outcome(theirs, args, kwargs), list(self.log)
        assert my_outcome == their_outcome, (step, args, kwargs, my_outcome, their_outcome)
        # A failing hash is asked for once more, to name the argument.
        if my_outcome[:2] != ("raised", TypeError):
            assert my_log == their_log, (step, args, kwargs, my_log, their_log)


def run(maxsize, typed, steps):
    pair = Pair(maxsize, typed)
    before = [sys.getrefcount(value) for value in pair.values]
    for step in steps:
        pair.step(step)
    # A cache that was cleared holds nothing: no reference was lost on any way.
    pair.mine.cache_clear()
    pair.theirs.cache_clear()
    pair.my_methods.cache_clear()
    pair.their_methods.cache_clear()
    pair.log.clear()
    gc.collect()
    after = [sys.getrefcount(value) for value in pair.values]
    # Small ints, interned strings and types belong to all: others may hold one more by now.
    changed = [
        (value, was, now)
        for value, was, now in zip(pair.values, before, after)
        if was != now and was < 20 and not isinstance(value, (int, str, type))
    ]
    assert not changed, changed


def steps_of(random, count):
    """Calls with few different arguments, so that many hit."""
    some = [random.randrange(1000) for _ in range(random.choice((2, 4, 12)))]

    def arguments(most):
        return [random.choice(some) for _ in range(random.choice((1, 1, 1, 2, 2, 0, 3)[: most + 4]))]

    steps = []
    for _ in range(count):
        dice = random.random()
        if dice < 0.02:
            steps.append(("clear",))
        elif dice < 0.12:
            steps.append(("method", random.randrange(3), arguments(2)))
        elif dice < 0.4:
            names = random.sample(range(len(NAMES)), random.randrange(1, 4))
            steps.append(("call", arguments(1), [(name, random.choice(some)) for name in names]))
        else:
            steps.append(("call", arguments(3), []))
    return steps


def test_seeded_sequences():
    for seed in subject.seeds(300):
        source = random.Random(seed)
        maxsize, typed = source.choice(MAXSIZES), source.random() < 0.4
        steps = steps_of(source, 120)
        try:
            run(maxsize, typed, steps)
        except AssertionError as error:
            raise AssertionError(f"seed {seed}, maxsize {maxsize}, typed {typed}: {error}") from error


def test_order_of_evictions():
    for maxsize in (1, 2, 3, 5, 64):
        pair = Pair(maxsize, False)
        source = random.Random(maxsize)
        for _ in range(3000):
            argument = int(source.expovariate(1 / maxsize))
            assert pair.mine(argument) == pair.theirs(argument)
            assert pair.mine(argument, b=argument) == pair.theirs(argument, b=argument)
        assert pair.mine.cache_info() == pair.theirs.cache_info()


def test_many_entries_that_collide():
    class Same:
        def __init__(self, number):
            self.number = number

        def __hash__(self):
            return 42

        def __eq__(self, other):
            return self.number == other.number

    for maxsize in (None, 50):
        pair = Pair(maxsize, False)
        keys = [Same(number) for number in range(100)]
        source = random.Random(5)
        for _ in range(1500):
            key = source.choice(keys)
            assert pair.mine(key) == pair.theirs(key)
            assert pair.mine(1, key) == pair.theirs(1, key)
        assert pair.mine.cache_info() == pair.theirs.cache_info()


def test_table_grows_and_shrinks():
    pair = Pair(None, False)
    for _ in range(2):
        for number in range(20_000):
            assert pair.mine(number) == pair.theirs(number)
        for number in range(0, 20_000, 7):
            assert pair.mine(number) == pair.theirs(number)
        assert pair.mine.cache_info() == pair.theirs.cache_info()
        pair.step(("clear",))


def test_names_that_are_equal_and_not_identical():
    pair = Pair(None, False)
    for _ in range(2):
        for name in ("alpha", "".join(["al", "pha"]), Text("alpha"), "\u00e4", "key"):
            for value in (1, 1.0, "x"):
                assert pair.mine(**{name: value}) == pair.theirs(**{name: value})
                assert pair.mine(0, **{name: value}) == pair.theirs(0, **{name: value})
    assert pair.mine.cache_info() == pair.theirs.cache_info()


def test_kinds_of_callables():
    class Thing:
        def __init__(self, *args):
            self.args = args

        def __call__(self, *args, **kwargs):
            return args, kwargs

    kinds = [len, str.upper, int, Thing, Thing(), functools.partial(pow, 2), lambda *args: args, "x".join, Thing().__call__]
    for kind in kinds:
        for arguments in (("ab",), (1,), ("ab",), (), ("1",)):
            mine, theirs = subject.module.lru_cache(kind), functools.lru_cache(kind)
            for _ in range(2):
                one, other = outcome(mine, arguments, {}), outcome(theirs, arguments, {})
                assert one[0] == other[0], (kind, arguments, one, other)
                if kind is not Thing:
                    assert one == other, (kind, arguments, one, other)
            assert mine.cache_info() == theirs.cache_info()


def test_arguments_of_the_decorator():
    def function(x):
        return x

    def made(module, args, kwargs):
        try:
            wrapper = module.lru_cache(*args, **kwargs)
            wrapper = wrapper if hasattr(wrapper, "cache_info") else wrapper(function)
            wrapper(1)
            wrapper(1)
            return wrapper.cache_info(), wrapper.cache_parameters()
        except Exception as error:
            return type(error)

    class Index:
        def __index__(self):
            return 3

    cases = [
        *(((size,), {}) for size in (None, 0, 1, 5, -5, True, False, 2**40, 2**62)),  # more than 2**63 is too much for functools
        *(((size,), {}) for size in (1.5, "1", [], Index(), object(), Whole(3))),
        *(((), {"maxsize": size}) for size in (None, 0, 3, -3, function, "x")),
        *(((3, typed), {}) for typed in (True, False, 0, 1, None, "x", [])),
        ((), {}),
        ((function,), {}),
        ((function, True), {}),
        ((function,), {"typed": True}),
        ((int,), {}),
        ((len,), {}),
        ((), {"maxsize": 3, "typed": True}),
        ((1, 2, 3), {}),
        ((1,), {"maxsize": 3}),
    ]
    for args, kwargs in cases:
        mine, theirs = made(subject.module, args, kwargs), made(functools, args, kwargs)
        assert mine == theirs, (args, kwargs, mine, theirs)
