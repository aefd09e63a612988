# SPDX-License-Identifier: MIT
"""What our decorators have and functools' has not: key, ttl, jitter, weights, copy, and the doors of one key."""

import copy
import sys
import traceback
import weakref

import outpace
import subject

# ---- key= -------------------------------------------------------------------------------------------------------------


def test_key_function():
    calls = []

    def key(*args, **kwargs):
        calls.append((args, kwargs))
        return args[0]["id"]

    counter = subject.Counter()
    function = outpace.lru_cache(key=key)(counter)
    assert function({"id": 1}, [2], x={}) == 1
    assert calls == [(({"id": 1}, [2]), {"x": {}})]
    assert function({"id": 1}) == 1 and function({"id": 1.0}) == 1 and function({"id": 2}) == 2
    assert function.cache_contains({"id": 2}) and not function.cache_contains({"id": 3})
    assert function.cache_peek({"id": 2}, 5) == 2
    assert function.cache_invalidate({"id": 2}) and function({"id": 2}) == 3
    function.cache_put("put", {"id": 4})
    assert function({"id": 4}) == "put"
    error = subject.raises(TypeError, function, {"id": []})
    assert "key" in str(error) and "list" in str(error)
    assert subject.raises(KeyError, function, {}).args == ("id",)
    assert counter.calls == 3 and function.cache_info().currsize == 3


def test_key_function_of_a_method():
    class Thing:
        @outpace.lru_cache(key=lambda self, x: x)
        def method(self, x):
            return [x]

    assert Thing().method(1) is Thing().method(1) is not Thing().method(2)


# ---- ttl, jitter ------------------------------------------------------------------------------------------------------


def test_ttl():
    for make in (outpace.lru_cache, outpace.ttl_cache):
        clock = subject.Clock()
        function = make(ttl=10, timer=clock)(subject.Counter())
        assert function(1) == 1
        clock.advance(9.999)
        assert function(1) == 1 and function.cache_contains(1) and function.cache_peek(1) == 1
        clock.advance(0.001)
        assert not function.cache_contains(1)
        subject.raises(KeyError, function.cache_peek, 1)
        assert function(1) == 2
        clock.advance(5)
        assert function(1) == 2
        clock.advance(-1000)  # a clock that goes back brings nothing back and breaks nothing
        assert function(1) == 2
        clock.advance(2000)
        assert function(1) == 3
        assert function.cache_stats().expiries == 2
        clock.advance(10)
        assert function.cache_info().currsize == 0
        assert function.cache_stats().expiries == 3


def test_a_hit_does_not_make_it_live_longer():
    clock = subject.Clock()
    function = outpace.ttl_cache(1, timer=clock)(subject.Counter())
    for _ in range(9):
        assert function(1) == 1
        clock.advance(0.125)
        if _ == 7:
            break
    assert function(1) == 2


def test_time_goes_by_during_the_load():
    """The time to live begins when the load ends, not when it begins."""
    clock = subject.Clock()

    @outpace.ttl_cache(10, timer=clock)
    def function(x):
        clock.advance(8)
        return [x]

    value = function(1)
    clock.advance(5)
    assert function(1) is value
    clock.advance(5)
    assert function(1) is not value


def test_jitter():
    clock = subject.Clock()
    function = outpace.lru_cache(maxsize=None, ttl=100, jitter=40, timer=clock)(subject.Counter())
    for number in range(2000):
        function(number)
    alive = []
    for _ in range(11):
        alive.append(sum(function.cache_contains(number) for number in range(2000)))
        clock.advance(10)
    # At 0, 10, ... 100 s: all to 60 s, none at 100 s, and about a quarter less every 10 s between.
    assert alive[:7] == [2000] * 7 or (alive[:6] == [2000] * 6 and alive[6] >= 1990), alive
    assert alive[10] == 0, alive
    for share, count in zip((0.75, 0.5, 0.25), alive[7:10]):
        assert abs(count - share * 2000) < 200, alive


def test_expired_entries_are_swept():
    """They do not pile up where nobody asks for them again."""
    clock = subject.Clock()
    marks = weakref.WeakSet()

    class Value:
        def __init__(self):
            marks.add(self)

    function = outpace.lru_cache(maxsize=None, ttl=1, timer=clock)(lambda x: Value())
    for number in range(5000):
        function(number)
        clock.advance(0.01)
    assert len(marks) < 500, len(marks)


# ---- weights ----------------------------------------------------------------------------------------------------------


def test_max_bytes():
    function = outpace.lru_cache(maxsize=None, max_bytes=1000)(lambda count: b"x" * count)
    for count in (100, 200, 300):
        function(count)
    assert function.cache_stats().weight == sum(sys.getsizeof(b"x" * count) for count in (100, 200, 300))
    assert function(2000) == b"x" * 2000
    assert not function.cache_contains(2000) and function.cache_contains(100)
    function(500)
    assert not function.cache_contains(100) and function.cache_contains(300)
    assert function.cache_stats().weight <= 1000
    error = subject.raises(ValueError, function.cache_put, b"x" * 5000, 1)
    assert "heavy" in str(error)
    assert not function.cache_contains(1)


def test_weighers_that_are_wrong():
    counter = subject.Counter()

    def failing(value):
        raise ZeroDivisionError("scales")

    for weigh, classes in (
        (failing, ZeroDivisionError),
        (lambda value: -1, ValueError),
        (lambda value: "x", TypeError),
        (lambda value: 1.5, TypeError),
        (lambda value: -(10**30), ValueError),
    ):
        function = outpace.lru_cache(max_bytes=10, weigh=weigh)(counter)
        error = subject.raises(classes, function, 1)
        text = "".join(traceback.format_exception(error))
        assert "weigh" in text or "scales" in text, text
        subject.raises(classes, function.cache_put, 1, 1)
        assert function.cache_info().currsize == 0 and function.cache_stats().weight == 0
        assert not function.cache_contains(1)
    function = outpace.lru_cache(max_bytes=10, weigh=lambda value: 10**30)(counter)
    assert function(1) and function.cache_info().currsize == 0
    function = outpace.lru_cache(maxsize=2, weigh=lambda value: True)(counter)
    assert function(1) and function.cache_stats().weight == 1


def test_weights_without_a_bound():
    function = outpace.lru_cache(maxsize=None, weigh=len)(lambda count: "x" * count)
    for count in range(10):
        function(count)
    assert function.cache_stats().weight == 45 and function.cache_stats().currsize == 10
    function.cache_invalidate(9)
    function.cache_put("four", 3)
    assert function.cache_stats().weight == 45 - 9 + 1


def test_a_heavier_value_in_place_makes_others_go():
    function = outpace.lru_cache(maxsize=None, max_bytes=10, weigh=len)(lambda key: "xx")
    for key in range(5):
        function(key)
    function.cache_put("x" * 9, 2)
    assert function.cache_stats().weight <= 10 and function.cache_peek(2) == "x" * 9


# ---- copy= ------------------------------------------------------------------------------------------------------------


def test_copy():
    function = outpace.lru_cache(copy=True)(lambda x: {"x": [x]})
    first = function(1)
    first["x"].append("mine")
    second = function(1)
    assert second == {"x": [1]} and second is not first
    second["x"].append(2)
    assert function(1) == {"x": [1]} and function.cache_info()[:2] == (2, 1)
    assert function.cache_peek(1) == {"x": [1]}
    function.cache_peek(1)["x"].append(5)
    assert function(1) == {"x": [1]}
    shallow = outpace.lru_cache(copy=copy.copy)(lambda x: {"x": [x]})
    assert shallow(1) is not shallow(1) and shallow(1)["x"] is shallow(1)["x"]


def test_a_copy_that_raises():
    def refuse(value):
        raise ZeroDivisionError

    function = outpace.lru_cache(copy=refuse)(subject.Counter())
    for _ in range(2):
        subject.raises(ZeroDivisionError, function, 1)


# ---- one key ----------------------------------------------------------------------------------------------------------


def test_doors_of_one_key():
    for options in ({}, {"maxsize": None}, {"typed": True}, {"once": True}, {"ttl": 60}, {"policy": "s3fifo"}):
        counter = subject.Counter()
        function = outpace.lru_cache(**options)(counter)
        calls = [
            ((), {}),
            ((1,), {}),
            ((1, 2), {}),
            ((1,), {"a": 2}),
            ((), {"a": 1, "b": 2}),
            ((), {"b": 2, "a": 1}),
            (("x",), {}),
        ]
        for number, (args, names) in enumerate(calls):
            assert not function.cache_contains(*args, **names)
            assert function.cache_invalidate(*args, **names) is False
            subject.raises(KeyError, function.cache_peek, *args, **names)
            assert function(*args, **names) == number + 1
            assert function.cache_contains(*args, **names) is True
            assert function.cache_peek(*args, **names) == number + 1
        before = function.cache_info()
        for args, names in calls:
            function.cache_contains(*args, **names), function.cache_peek(*args, **names)
        assert function.cache_info() == before
        for args, names in calls:
            assert function.cache_put(["put", args, names], *args, **names) is None
            assert function(*args, **names) == ["put", args, names]
        assert function.cache_info().currsize == len(calls) and counter.calls == len(calls)
        for args, names in calls:
            assert function.cache_invalidate(*args, **names) is True
        assert function.cache_info().currsize == 0
        subject.raises(TypeError, function.cache_put)
        subject.raises(TypeError, function.cache_put, value=1)
        for door in (function.cache_contains, function.cache_invalidate, function.cache_peek):
            subject.raises(TypeError, door, [])
        subject.raises(TypeError, function.cache_put, 1, [])


def test_put_names_any_argument():
    """The value is positional only, so that an argument may be called value, or self."""
    function = outpace.lru_cache(lambda **names: 0)
    function.cache_put(5, value=1, self=2)
    assert function(value=1, self=2) == 5


def test_peeking_does_not_keep_from_eviction():
    function = outpace.lru_cache(maxsize=2)(subject.Counter())
    function(1), function(2)
    function.cache_peek(1), function.cache_contains(1)
    function(3)
    assert not function.cache_contains(1) and function.cache_contains(2)
    function.cache_put("new", 2)
    function(4)
    assert function.cache_contains(2) and not function.cache_contains(3)


def test_put_with_nothing_kept():
    function = outpace.lru_cache(maxsize=0)(subject.Counter())
    function.cache_put(9, 1)
    assert function(1) == 1 and not function.cache_contains(1) and function.cache_invalidate(1) is False


def test_stats():
    clock = subject.Clock()

    @outpace.lru_cache(maxsize=2, ttl=10, timer=clock)
    def function(x):
        assert function.cache_stats().loading == 1
        if x < 0:
            raise KeyError
        return x

    for x in (1, 1, 2, 3, 3, -1):
        subject.outcome(function, x)
    stats = function.cache_stats()
    assert (stats.hits, stats.misses, stats.evictions, stats.expiries) == (2, 4, 1, 0)
    assert (stats.loads, stats.load_errors, stats.waits, stats.loading) == (3, 1, 0, 0)
    assert stats.currsize == 2 and stats.weight == 2 and 0 <= stats.load_time < 5
    clock.advance(11)
    assert function.cache_stats().expiries == 2 and function.cache_stats().currsize == 0
    function.cache_clear()
    assert function.cache_stats()[:8] == (0, 0, 0, 0, 0, 0, 0.0, 0)
