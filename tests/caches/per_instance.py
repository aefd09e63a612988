# SPDX-License-Identifier: MIT
"""per_instance=True: every instance has a cache of its own, gone with the instance."""

import gc
import weakref

import outpace


def test_per_instance():
    class Thing:
        def __init__(self, number):
            self.number = number
            self.calls = 0

        @outpace.lru_cache(maxsize=2, per_instance=True)
        def method(self, x=0):
            """Says."""
            self.calls += 1
            return self.number, x

    one, other = Thing(1), Thing(2)
    for x in (0, 1, 0, 1):
        assert one.method(x) == (1, x)
    assert other.method(0) == (2, 0)
    assert one.method.cache_info() == (2, 2, 2, 2)
    assert other.method.cache_info() == (0, 1, 2, 1)
    assert one.method.cache_parameters() == {"maxsize": 2, "typed": False, "per_instance": True}
    one.method(5)
    assert one.method.cache_info() == (2, 3, 2, 2)
    one.method.cache_clear()
    assert one.method.cache_info() == (0, 0, 2, 0)
    assert other.method.cache_info() == (0, 1, 2, 1)
    assert other.method.cache_contains(0) and other.method.cache_invalidate(0)
    reference = weakref.ref(one)
    del one
    assert reference() is None
    assert Thing.method.__doc__ == "Says." and Thing.method.__name__ == "method"


def test_per_instance_makes_no_cycle_and_no_mistake():
    class Thing:
        def __init__(self, number):
            self.number = number

        @outpace.lru_cache(per_instance=True)
        def method(self):
            return self.number

    gc.disable()
    try:
        for number in range(100_000):
            thing = Thing(number)
            assert thing.method() == number == thing.method()
        reference = weakref.ref(thing)
        del thing
        assert reference() is None
    finally:
        gc.enable()


def test_per_instance_of_instances_that_are_equal():
    """Each has its own, though a dictionary would take them for one."""

    class Thing:
        def __init__(self, number):
            self.number = number

        def __eq__(self, other):
            return True

        def __hash__(self):
            return 1

        @outpace.lru_cache(per_instance=True)
        def method(self):
            return self.number

    things = [Thing(number) for number in range(10)]
    for _ in range(2):
        assert [thing.method() for thing in things] == list(range(10))
    assert all(thing.method.cache_info()[:2] == (1, 1) for thing in things)


def test_per_instance_of_unhashable_instances():
    class Thing(dict):
        @outpace.lru_cache(per_instance=True)
        def method(self, x):
            return len(self) + x

    thing = Thing(a=1)
    assert thing.method(1) == 2
    thing["b"] = 2
    assert thing.method(1) == 2 and thing.method(2) == 4
