# SPDX-License-Identifier: MIT
"""Code of the program that runs inside the cache and calls that very cache, case by case. By chance: chaos.py."""

import gc
import sys

import outpace
import subject


class Hooked:
    """A key whose hash or equality does something once."""

    def __init__(self, number, on_hash=None, on_eq=None):
        self.number, self.on_hash, self.on_eq = number, on_hash, on_eq

    def __hash__(self):
        act, self.on_hash = self.on_hash, None
        if act is not None:
            act()
        return 3

    def __eq__(self, other):
        act, self.on_eq = self.on_eq, None
        if act is not None:
            act()
        return self.number == other.number


def test_equality_changes_the_table_under_the_search():
    for maxsize in (None, 4, 100):
        function = outpace.lru_cache(maxsize=maxsize)(subject.Counter())
        actions = [
            function.cache_clear,
            lambda: function.cache_invalidate(Hooked(1)),
            lambda: function(Hooked(1)),
            lambda: function(Hooked(2)),
            lambda: [function(number) for number in range(3000)],
            lambda: [function(Hooked(number)) for number in range(10, 60)],
            lambda: function.cache_put("put", Hooked(2)),
            lambda: (function.cache_clear(), function.cache_put("put", Hooked(2))),
        ]
        for action in actions:
            for where in (0, 1, 2):
                function.cache_clear()
                stored = [Hooked(number) for number in range(3)]
                for key in stored:
                    function(key)
                stored[where].on_eq = action
                assert function(Hooked(2)) is not None
                assert function.cache_contains(Hooked(2))
                stored[where].on_eq = action
                assert function.cache_invalidate(Hooked(2)) in (True, False)
                stored[where].on_eq = action
                function.cache_put("x", Hooked(2))
                # What was cleared, set or forgotten meanwhile came before it or after it.
                assert function.cache_contains(Hooked(2)) in (True, False)
                function.cache_put("x", Hooked(2))
                assert function.cache_peek(Hooked(2)) == "x"
                function(Hooked(2, on_eq=action))
                info = function.cache_info()
                assert maxsize is None or info.currsize <= maxsize


def test_equality_takes_the_argument_away():
    """The caller's reference goes while the cache compares: it has its own."""
    function = outpace.lru_cache(maxsize=8)(lambda *args: len(args))
    box = []
    stored = Hooked(1)
    function(stored)
    for _ in range(100):
        box[:] = [Hooked(2, on_eq=box.clear)]
        stored.on_eq = box.clear
        assert function(*box) == 1
        stored.on_eq = lambda: (function.cache_clear(), gc.collect())
        assert function(Hooked(2)) == 1
        function(stored)


def test_hash_changes_the_cache():
    function = outpace.lru_cache(maxsize=4)(subject.Counter())
    function(Hooked(1))
    assert function(Hooked(1, on_hash=function.cache_clear)) == 2
    assert function(Hooked(1, on_hash=lambda: function.cache_put("new", Hooked(1)))) == "new"
    assert function(Hooked(1, on_hash=lambda: function.cache_invalidate(Hooked(1)))) == 3


def test_the_death_of_what_is_evicted_calls_the_cache():
    class Last:
        def __init__(self, act):
            self.act = act

        def __del__(self):
            self.act()

    for policy in ("lru", "s3fifo"):
        told = []
        function = outpace.lru_cache(maxsize=3, policy=policy)(lambda x, act=None: Last(act or (lambda: None)))

        def evicted(function=function, told=told):
            told.append(function.cache_info().currsize)
            function("inside")

        for number in range(50):
            function(number, act=evicted)
            assert function.cache_info().currsize <= 3
        assert len(told) >= 40 and max(told) <= 3
        function.cache_clear()
        assert function.cache_info().currsize <= 1
        for number in range(50):
            function(number, act=function.cache_clear)
        for number in range(3):
            function(number, act=lambda: function.cache_put(1, 1))
        function.cache_put(None, 0, act=None)
        function.cache_clear()


def test_the_death_of_a_replaced_or_invalidated_value_calls_the_cache():
    class Last:
        def __init__(self, act):
            self.act = act

        def __del__(self):
            self.act()

    function = outpace.lru_cache(maxsize=None)(lambda x: x)
    seen = []
    function.cache_put(Last(lambda: seen.append(function.cache_peek(1))), 1)
    function.cache_put("second", 1)
    assert seen == ["second"], "it is whole when the old value dies"
    function.cache_put(Last(lambda: function.cache_put("risen", 2)), 2)
    assert function.cache_invalidate(2) is True
    assert function.cache_peek(2) == "risen"
    function.cache_put(Last(function.cache_clear), 3)
    function.cache_invalidate(3)
    assert function.cache_info().currsize == 0
    function.cache_put(Last(lambda: function.cache_put("late", 4)), 4)
    function.cache_clear()
    assert function.cache_peek(4) == "late"


def test_an_exception_on_its_way_survives_the_dying():
    class Last:
        def __del__(self):
            try:
                raise ValueError
            except ValueError:
                function.cache_info()

    @outpace.lru_cache(maxsize=1)
    def function(x):
        if x == "raise":
            function.cache_clear()
            raise KeyError(x)
        return Last()

    function(1)
    assert subject.raises(KeyError, function, "raise").args == ("raise",)
    for _ in range(5):
        function(1)
        function(2)


def test_a_weigher_that_calls_the_cache():
    acts = []

    def weigh(value):
        while acts:
            acts.pop()()
        return 1

    function = outpace.lru_cache(maxsize=None, max_bytes=3, weigh=weigh)(subject.Counter())
    for act in (
        lambda: function(1),
        lambda: function(2),
        function.cache_clear,
        lambda: function.cache_invalidate(1),
        lambda: function.cache_put(5, 1),
        lambda: [function(number) for number in range(20)],
        lambda: function.cache_stats(),
    ):
        acts.append(act)
        assert function(1) is not None
        acts.append(act)
        function.cache_put(1, 1)
        stats = function.cache_stats()
        assert stats.weight == stats.currsize <= 3
        function.cache_clear()


def test_a_weigher_that_forgets_the_key_wins():
    function = outpace.lru_cache(max_bytes=100, weigh=lambda value: (function.cache_invalidate(1), 1)[1])(subject.Counter())
    assert function(1) == 1
    assert not function.cache_contains(1)
    assert function(1) == 2


def test_a_timer_that_calls_the_cache():
    acts = []

    def timer():
        if acts:
            acts.pop()()
        return 5.0

    function = outpace.lru_cache(maxsize=3, ttl=10, timer=timer)(subject.Counter())
    for act in (lambda: function(1), lambda: function(2), function.cache_clear, lambda: function.cache_put(5, 1)):
        for use in (
            lambda: function(1),
            lambda: function.cache_put(1, 1),
            lambda: function.cache_invalidate(1),
            lambda: function.cache_contains(1),
            function.cache_info,
            function.cache_stats,
        ):
            acts.extend([act, act])
            use()
            acts.clear()
            assert function.cache_info().currsize <= 3
    assert function(1) == function(1)


def test_a_key_function_that_calls_the_cache():
    acts = []

    def key(x):
        if acts:
            acts.pop()()
        return x

    function = outpace.lru_cache(maxsize=3, key=key)(subject.Counter())
    for act in (lambda: function(1), function.cache_clear, lambda: function.cache_invalidate(1)):
        acts.append(act)
        assert function(1) == function(1)
        acts.append(act)
        assert function.cache_contains(1) in (True, False)


def test_a_copy_that_calls_the_cache():
    acts = []

    def copy(value):
        if acts:
            acts.pop()()
        return [value]

    function = outpace.lru_cache(maxsize=3, copy=copy)(subject.Counter())
    for act in (lambda: function(1), function.cache_clear, lambda: function.cache_put(9, 1)):
        acts.append(act)
        assert function(1) is not function(1)
        acts.append(act)
        assert isinstance(function(1), list)


def test_no_reference_is_lost_or_left():
    """What went through each door as often as this would show in the number of references."""

    class Thing:
        pass

    class Odd(Thing):
        def __hash__(self):
            return 5

        def __eq__(self, other):
            return self is other

    value, plain, odd, other = Thing(), Thing(), Odd(), Odd()
    makers = {
        "lru": lambda: outpace.lru_cache(maxsize=2),
        "unbounded": lambda: outpace.lru_cache(maxsize=None),
        "none": lambda: outpace.lru_cache(maxsize=0),
        "typed": lambda: outpace.lru_cache(maxsize=2, typed=True),
        "s3fifo": lambda: outpace.lru_cache(maxsize=2, policy="s3fifo"),
        "ttl": lambda: outpace.lru_cache(maxsize=2, ttl=100),
        "once": lambda: outpace.lru_cache(maxsize=2, once=True),
        "weights": lambda: outpace.lru_cache(max_bytes=2, weigh=lambda value: 1),
        "heavy": lambda: outpace.lru_cache(max_bytes=2, weigh=lambda value: 3),
        "bad weigher": lambda: outpace.lru_cache(max_bytes=2, weigh=lambda value: -1),
        "bad timer": lambda: outpace.lru_cache(ttl=2, timer=lambda: "x"),
        "key": lambda: outpace.lru_cache(maxsize=2, key=lambda *args, **names: (args, tuple(names))),
        "bad key": lambda: outpace.lru_cache(maxsize=2, key=lambda *args, **names: [args]),
        "copy": lambda: outpace.lru_cache(maxsize=2, copy=lambda value: value),
        "exceptions": lambda: outpace.lru_cache(maxsize=2, cache_exceptions=KeyError),
    }
    for name, maker in makers.items():
        function = maker()(lambda *args, **names: value)
        failing = maker()(lambda *args, **names: {}[plain])

        def attempt(call, *args, **names):
            try:
                call(*args, **names)
            except (TypeError, ValueError, KeyError):
                pass

        def round(function=function, failing=failing, attempt=attempt):
            for each in (function, failing):
                for args in ((plain,), (odd,), (other,), (plain, odd), (1, plain), ([], plain), (plain, odd, other)):
                    for call in (each, each, each.cache_contains, each.cache_peek, each.cache_invalidate, each):
                        attempt(call, *args)
                        attempt(call, *args, name=plain)
                    attempt(each.cache_put, value, *args)
                    attempt(each.cache_put, value, *args)
                each.cache_clear()

        round()
        gc.collect()
        before = [sys.getrefcount(each) for each in (value, plain, odd, other)]
        for _ in range(30):
            round()
        gc.collect()
        after = [sys.getrefcount(each) for each in (value, plain, odd, other)]
        assert before == after, (name, before, after)
