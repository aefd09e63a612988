# SPDX-License-Identifier: MIT
"""Loads: what is forgotten while they run, what is served while they run, and one a key."""

import threading

import outpace
import subject
from outpace._cache import Loaded

# ---- what is forgotten while it is loaded -----------------------------------------------------------------------------


def test_forgetting_during_a_load_wins():
    for options in ({}, {"maxsize": None}, {"once": True}, {"ttl": 60}, {"typed": True}, {"maxsize": 1}):
        for action in ("cache_clear", "cache_invalidate", "put", "other", "many others"):
            act = []

            @outpace.lru_cache(**options)
            def function(x, act=act):
                if act:
                    act.pop()()
                return ["loaded", x]

            acts = {
                "cache_clear": function.cache_clear,
                "cache_invalidate": lambda: function.cache_invalidate(1),
                "put": lambda: function.cache_put("put", 1),
                "other": lambda: (function.cache_invalidate(2), function.cache_put(1, 3), function.cache_invalidate(3)),
                "many others": lambda: [function.cache_invalidate(number) for number in range(2, 200)],
            }
            act.append(acts[action])
            assert function(1) == ["loaded", 1], "the caller gets what was loaded"
            if action == "put":
                assert function.cache_peek(1) == "put" and function(1) == "put"
            elif action == "other":
                assert function.cache_contains(1), "what did not concern it is no matter"
            elif action != "many others":
                assert not function.cache_contains(1), (options, action)
            assert function(1) in (["loaded", 1], "put")
            assert function.cache_contains(1), "the next load is kept"


def test_forgetting_by_another_thread_wins():
    for options in ({}, {"maxsize": None}, {"once": True}):
        for door in ("cache_clear", "cache_invalidate", "cache_put"):
            began, go_on = threading.Event(), threading.Event()

            @outpace.lru_cache(**options)
            def function(x, began=began, go_on=go_on):
                began.set()
                go_on.wait(30)
                return "loaded"

            results = []
            thread = threading.Thread(target=lambda: results.append(function(1)))
            thread.start()
            began.wait(30)
            {
                "cache_clear": function.cache_clear,
                "cache_invalidate": lambda: function.cache_invalidate(1),
                "cache_put": lambda: function.cache_put("put", 1),
            }[door]()
            go_on.set()
            thread.join()
            assert results == ["loaded"]
            if door == "cache_put":
                assert function.cache_peek(1) == "put"
            else:
                assert not function.cache_contains(1), (options, door)


# ---- stale ------------------------------------------------------------------------------------------------------------


def test_stale():
    clock = subject.Clock()
    counter = subject.Counter()
    function = outpace.ttl_cache(10, stale=5, timer=clock)(counter)
    assert function(1) == 1
    clock.advance(12)
    assert not function.cache_contains(1), "stale is not fresh"
    subject.raises(KeyError, function.cache_peek, 1)
    assert function(1) == 2, "who finds it so refreshes it, and has the new one"
    assert function(1) == 2
    clock.advance(15)
    assert function(1) == 3, "too old to be served at all"
    clock.advance(14.9)
    assert function(1) == 4


def test_a_refresh_that_clears_the_cache():
    clock = subject.Clock()
    counter = subject.Counter()

    def load(x):
        if counter.calls > 0:
            function.cache_clear()
        return counter()

    function = outpace.ttl_cache(10, stale=5, timer=clock)(load)
    assert function(1) == 1
    clock.advance(12)
    assert function(1) == 2
    assert function.cache_info() == (0, 0, 128, 0)
    assert function.cache_stats().hits == 0


def test_a_refresh_that_fails():
    clock = subject.Clock()
    fails = []

    @outpace.ttl_cache(10, stale=5, timer=clock)
    def function(x):
        if fails:
            raise fails[0]
        return "good"

    assert function(1) == "good"
    clock.advance(12)
    fails.append(KeyError("now"))
    assert function(1) == "good" and function(1) == "good"
    assert function.cache_stats().load_errors == 2
    fails[0] = KeyboardInterrupt()
    subject.raises(KeyboardInterrupt, function, 1)
    fails[0] = KeyError("now")
    clock.advance(3)
    subject.raises(KeyError, function, 1)
    fails.clear()
    assert function(1) == "good"


def test_others_get_the_old_value_at_once_while_one_refreshes():
    clock = subject.Clock()
    began, go_on = threading.Event(), threading.Event()
    calls = []

    @outpace.ttl_cache(10, stale=5, timer=clock)
    def function(x):
        calls.append(x)
        if len(calls) == 2:
            began.set()
            go_on.wait(30)
        return len(calls)

    assert function(1) == 1
    clock.advance(12)
    results = []
    thread = threading.Thread(target=lambda: results.append(function(1)))
    thread.start()
    began.wait(30)
    assert [function(1) for _ in range(3)] == [1, 1, 1]
    assert len(calls) == 2
    go_on.set()
    thread.join()
    assert results == [2] and function(1) == 2 and len(calls) == 2


def test_an_invalidation_ends_staleness():
    clock = subject.Clock()
    function = outpace.ttl_cache(10, stale=5, timer=clock)(subject.Counter())
    function(1)
    clock.advance(12)
    assert function.cache_invalidate(1) is False
    assert function(1) == 2


# ---- once -------------------------------------------------------------------------------------------------------------


def test_once():
    began, go_on = threading.Event(), threading.Event()
    calls = []

    @outpace.lru_cache(once=True)
    def function(x):
        calls.append(x)
        began.set()
        go_on.wait(30)
        return [x]

    results = []
    threads = [threading.Thread(target=lambda: results.append(function(1))) for _ in range(8)]
    for thread in threads:
        thread.start()
    began.wait(30)
    subject.wait_until(lambda: function.cache_stats().misses == 8)
    go_on.set()
    for thread in threads:
        thread.join()
    assert calls == [1] and len(results) == 8 and all(each is results[0] for each in results)
    assert function.cache_stats().loads == 1


def test_once_with_results_that_live_for_a_while():
    """As a second tier gives them: with a time to live where the cache itself has none."""
    counter = subject.Counter()

    @outpace.lru_cache(once=True)
    def function(*args):
        return Loaded(counter(), 0.05 if args[0] == 1 else None)

    for args in ((1,), (1, 2)):
        first = function(*args)
        lasting = function(2, *args), function("a")
        subject.wait_until(lambda args=args: not function.cache_contains(*args))
        assert function(*args) > first, "what has expired is not served"
        assert (function(2, *args), function("a")) == lasting
    assert function.cache_stats().expiries >= 2


def test_once_with_nothing_to_keep():
    """maxsize=0 keeps nothing, and still there is one load at a time."""
    function = outpace.lru_cache(maxsize=0, once=True)(subject.Counter())
    assert function(1) == 1 and function(1) == 2
    assert function.cache_info() == (0, 2, 0, 0)
