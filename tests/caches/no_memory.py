# SPDX-License-Identifier: MIT
"""Each allocation in turn fails: the call raises MemoryError or is right, the cache is whole afterwards, nothing is lost.

The interpreter's own allocations fail too, so what an act does besides is kept small. Each act runs in a process of its own
(the file starts itself with the act's name), as a crash of one would hide the others.
"""

import gc
import os
import sys
import unittest

import outpace
import subject

MOST = 400  # allocations of one act, by far
CALM = 12  # so many tries without a failure, and all allocations have had their turn


class Thing:
    pass


class Odd:
    def __init__(self, number):
        self.number = number

    def __hash__(self):
        return 3

    def __eq__(self, other):
        return self.number == other.number


VALUE, KEY, OTHER, ODD = Thing(), Thing(), Thing(), Odd(1)


def give(*args, **names):
    return VALUE


class Acts:
    """Each method prepares, and gives an act and what is to hold afterwards whether it failed or not."""

    def cached(self, **options):
        return outpace.lru_cache(**options)(give)

    def check_calls(self, function, *calls):
        def check():
            for args, names in calls:
                assert function(*args, **names) is VALUE
                assert function(*args, **names) is VALUE
            info = function.cache_info()
            assert info.maxsize is None or info.currsize <= info.maxsize
            assert function.cache_stats().loading == 0
            function.cache_clear()
            assert function.cache_info() == (0, 0, info.maxsize, 0)

        return check

    def simple(self, **options):
        function = self.cached(**options)

        def act():
            assert function(KEY) is VALUE

        return act, self.check_calls(function, ((KEY,), {}), ((1,), {}))

    def miss(self):
        return self.simple(maxsize=None)

    def miss_bounded(self):
        return self.simple(maxsize=4)

    def miss_typed(self):
        return self.simple(typed=True)

    def miss_s3fifo(self):
        return self.simple(policy="s3fifo")

    def miss_ttl(self):
        return self.simple(ttl=60)

    def miss_timer(self):
        return self.simple(ttl=60, timer=lambda: 1.5)

    def miss_weights(self):
        return self.simple(max_bytes=100, weigh=lambda value: 7)

    def miss_key(self):
        return self.simple(key=lambda *args: args)

    def miss_copy(self):
        return self.simple(copy=lambda value: value)

    def miss_once(self):
        return self.simple(once=True)

    def miss_ttl_cache(self):
        function = outpace.ttl_cache(60, stale=5)(give)

        def act():
            assert function(KEY) is VALUE

        return act, self.check_calls(function, ((KEY,), {}))

    def names(self):
        function = self.cached()

        def act():
            assert function(KEY, a=1, b=OTHER) is VALUE

        return act, self.check_calls(function, ((KEY,), {"a": 1, "b": OTHER}), ((), {"a": 1}))

    def hit(self):
        function = self.cached()
        function(KEY, 2), function(ODD)
        args = (KEY, 2)

        def act():
            assert function(*args) is VALUE
            assert function(ODD) is VALUE

        return act, self.check_calls(function, (args, {}))

    def growth(self, **options):
        function = self.cached(**options)
        for number in range(8):
            function(number)

        def act():
            for number in range(40):
                assert function(number) is VALUE

        return act, self.check_calls(function, ((1,), {}), ((30,), {}))

    def growth_unbounded(self):
        return self.growth(maxsize=None)

    def growth_lru(self):
        return self.growth(maxsize=30)

    def growth_s3fifo(self):
        return self.growth(maxsize=30, policy="s3fifo")

    def growth_ttl(self):
        return self.growth(maxsize=None, ttl=60)

    def growth_weights(self):
        return self.growth(maxsize=None, max_bytes=100, weigh=lambda value: 1, policy="s3fifo")

    def eviction(self):
        function = self.cached(maxsize=2)
        function(1), function(2)

        def act():
            function(3), function(KEY, 4)

        return act, self.check_calls(function, ((3,), {}), ((KEY, 4), {}))

    def put(self):
        function = self.cached(maxsize=2)

        def act():
            function.cache_put(VALUE, KEY, 1)
            function.cache_put(VALUE, KEY, 1)
            function.cache_put(VALUE, a=OTHER)

        return act, self.check_calls(function, ((KEY, 1), {}))

    def doors(self):
        function = self.cached(maxsize=3)
        function(KEY, 1), function(2)

        def act():
            assert function.cache_contains(KEY, 1) in (True, False)
            try:
                assert function.cache_peek(KEY, 1) is VALUE
                function.cache_peek(KEY, 5)
            except KeyError:
                pass
            assert function.cache_invalidate(KEY, 1) in (True, False)
            function.cache_info(), function.cache_stats(), function.cache_parameters()

        return act, self.check_calls(function, ((KEY, 1), {}))

    def clear(self):
        function = self.cached(maxsize=None)
        for number in range(20):
            function(number, KEY)

        return function.cache_clear, self.check_calls(function, ((1,), {}))

    def collide(self):
        function = self.cached(maxsize=None)
        for number in range(6):
            function(Odd(number))
        key = Odd(5)

        def act():
            assert function(key) is VALUE
            assert function.cache_invalidate(key) in (True, False)

        return act, self.check_calls(function, ((key,), {}))

    def unhashable(self):
        function = self.cached()
        key = [1]

        def act():
            try:
                function(1, key)
            except TypeError:
                pass

        return act, self.check_calls(function, ((1,), {}))

    def exceptions(self):
        # Not a function in Python: without memory that one may lose its exception, and its caller finds none.
        function = outpace.lru_cache(cache_exceptions=KeyError)({}.__getitem__)

        def act():
            for _ in range(2):
                try:
                    function(KEY)
                except KeyError as error:
                    assert error.args == (KEY,)

        def check():
            for _ in range(3):
                assert subject.raises(KeyError, function, KEY).args == (KEY,)
            assert function.cache_stats().loading == 0
            function.cache_clear()

        return act, check

    def method(self, **options):
        class Owner:
            method = outpace.lru_cache(**options)(give)

        one, other = Owner(), Owner()
        other.method(KEY)
        function = Owner.method

        def act():
            assert one.method(KEY) is VALUE
            assert one.method(KEY, 2) is VALUE

        def check():
            nonlocal one, other
            assert one.method(KEY) is VALUE and one.method(KEY, 2) is VALUE and other.method(KEY) is VALUE
            one = other = None
            gc.collect()
            assert function.cache_info().currsize == 0

        return act, check

    def method_bounded(self):
        return self.method(maxsize=2)

    def method_of_many(self):
        class Owner:
            method = outpace.lru_cache(maxsize=None)(give)

        owners = [Owner() for _ in range(30)]

        def act():
            for owner in owners:
                assert owner.method() is VALUE

        def check():
            for owner in owners:
                assert owner.method() is VALUE
            assert Owner.method.cache_info().currsize == 30
            del owners[:15], owner
            assert Owner.method.cache_info().currsize == 15
            owners.clear()
            assert Owner.method.cache_info().currsize == 0

        return act, check

    def instance_dies(self):
        class Owner:
            method = outpace.lru_cache(maxsize=None)(give)

        owners = [Owner(), Owner()]
        for owner in owners:
            owner.method(), owner.method(KEY)
        del owner

        def act():
            owners.pop() if owners else None

        def check():
            owners.clear()
            gc.collect()
            # Python itself drops a callback that it has no memory to call; what it left is found in time.
            for _ in range(3000):
                Owner().method()
            assert Owner.method.cache_info().currsize == 0

        return act, check

    def per_instance(self):
        class Owner:
            method = outpace.lru_cache(per_instance=True)(give)

        one = Owner()
        Owner.method.__set_name__(Owner, "method")

        def act():
            assert one.method(KEY) is VALUE
            one.method.cache_info()

        def check():
            assert one.method(KEY) is VALUE
            assert one.method.cache_info().currsize == 1
            one.method.cache_clear()

        return act, check

    def decorate(self):
        options = ({}, {"maxsize": None}, {"ttl": 5.0}, {"max_bytes": 50}, {"policy": "s3fifo"}, {"once": True})
        # The type itself: Python crashes where it has no memory for the closures of the decorator.
        made = type(outpace.lru_cache(give))
        info_type = type(outpace.lru_cache(give).cache_info())

        def act():
            for each in options:
                made(give, info_type=info_type, **each)(KEY)

        return act, lambda: None


def try_all(name):
    import _testcapi

    acts = Acts()
    calm = 0
    tried = [VALUE, KEY, OTHER, ODD]
    before = None
    for start in range(MOST):
        act, check = getattr(acts, name)()
        gc.collect()
        gc.disable()
        failed = False
        _testcapi.set_nomemory(start, start + 1)
        try:
            act()
        except MemoryError:
            failed = True
        finally:
            _testcapi.remove_mem_hooks()
        gc.enable()
        check()
        check = act = None
        gc.collect()
        now = [sys.getrefcount(each) for each in tried]
        assert before is None or now == before, f"allocation {start}: {before} references before, {now} after"
        before = now
        calm = 0 if failed else calm + 1
        if calm == CALM:
            return
    raise AssertionError(f"{name} still fails at allocation {start}")


def test_each_allocation_fails():
    try:
        import _testcapi
    except ImportError:
        raise unittest.SkipTest("there is no _testcapi, which lets allocations fail") from None
    if not hasattr(_testcapi, "set_nomemory"):
        raise unittest.SkipTest("_testcapi lets no allocations fail")
    acts = {name: each.__code__ for name, each in vars(Acts).items() if callable(each)}
    names = [name for name, code in acts.items() if code.co_argcount == 1 and name not in ("cached", "simple", "growth")]
    failed = []
    for name in names:
        program = f"import sys; sys.path.insert(0, {os.path.dirname(os.path.abspath(__file__))!r})\n"
        try:
            subject.child(program + f"import no_memory; no_memory.try_all({name!r})")
        except AssertionError as error:
            failed.append(f"{name}: {error}")
    assert not failed, "\n".join(failed)
