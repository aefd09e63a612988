# SPDX-License-Identifier: MIT
"""How caches end: the collector, fork, the end of the interpreter."""

import gc
import os
import signal
import threading
import time
import tracemalloc
import warnings
import weakref

import outpace
import subject


class Thing:
    pass


def cycles():
    """(name, a function that makes a decorated function which refers to itself in one way)"""

    def by_closure():
        function = outpace.lru_cache(lambda x: function)
        return function

    def by_result():
        function = outpace.lru_cache(lambda x: [x])
        function(1).append(function)
        return function

    def by_key():
        key = Thing()
        function = outpace.lru_cache(lambda x: 0)
        key.function = function
        function(key)
        return function

    def by_many_keys():
        key = Thing()
        function = outpace.lru_cache(maxsize=None)(lambda *args, **names: 0)
        key.function = function
        for number in range(1000):
            function(key, number), function(number, a=key)
        return function

    def by_attribute():
        function = outpace.lru_cache(lambda x: 0)
        function.me = function
        return function

    def option(**options):
        def make():
            holder = Thing()
            given = {name: (lambda *args, make=make, holder=holder: make(*args)) for name, make in options.items()}
            more = {"max_bytes": 100} if "weigh" in options else {"ttl": 5} if "timer" in options else {}
            function = holder.function = outpace.lru_cache(maxsize=10, **given, **more)(lambda x: x)
            function(1), function(1)
            return function

        return make

    def by_exception():
        class Angry(Exception):
            pass

        @outpace.lru_cache(cache_exceptions=Angry)
        def function(x):
            error = Angry()
            error.function = function
            raise error

        subject.raises(Angry, function, 1)
        subject.raises(Angry, function, 1)
        return function

    def by_instance():
        class Owner:
            @outpace.lru_cache
            def method(self):
                return [self]

        owner = Owner()
        owner.method()
        return Owner.method

    def by_instance_held():
        class Owner:
            __slots__ = ("held",)

            @outpace.lru_cache
            def method(self):
                return 0

        owner = Owner()
        owner.held = owner
        owner.method()
        return Owner.method

    def by_once():
        function = outpace.lru_cache(once=True)(lambda x: function)
        function(1)
        return function

    def by_stale():
        clock = subject.Clock()
        function = outpace.ttl_cache(1, stale=10, timer=clock)(lambda x: function)
        function(1)
        clock.advance(2)
        function(1)
        return function

    def by_caches_of_each_other():
        one = outpace.lru_cache(lambda x: other)
        other = outpace.lru_cache(lambda x: one)
        one(1), other(1)
        return one

    makers = [each for each in locals().values() if callable(each) and each is not option]
    return {
        **{each.__name__: each for each in makers},
        "by weigh": option(weigh=lambda value: 1),
        "by timer": option(timer=lambda: 1.0),
        "by key": option(key=lambda x: x),
        "by copy": option(copy=lambda x: x),
    }


def test_cycles_are_collected():
    for name, make in cycles().items():
        for clear in (False, True):
            function = make()
            reference = weakref.ref(function)
            assert reference() is not None
            if clear and hasattr(function, "cache_clear"):
                function.cache_clear()
            del function
            subject.collect()
            assert reference() is None, name


def test_the_collector_runs_all_the_time():
    before = gc.get_threshold()
    gc.set_threshold(1)
    try:
        for make in cycles().values():
            for _ in range(20):
                make()
        function = outpace.lru_cache(maxsize=5, typed=True)(lambda *args, **names: [args, names])
        for number in range(500):
            function((number,), a=[1] and (1, number))
            function((number % 3,))
            function.cache_invalidate((number % 2,))
    finally:
        gc.set_threshold(*before)


def test_the_collector_sees_what_is_kept():
    marker, key = Thing(), Thing()
    for options in ({}, {"maxsize": None}, {"ttl": 9}, {"policy": "s3fifo"}):
        function = outpace.lru_cache(**options)(lambda *args: marker)
        function(key), function(key, 1)
        found = gc.get_referents(function)
        assert gc.is_tracked(function)
        assert any(each is marker for each in found) and any(each is key for each in found)


def test_garbage_with_finalizers_that_call_the_cache():
    told = []

    class Last:
        def __init__(self, function):
            self.function = function

        def __del__(self):
            # In any order, and perhaps when the function was cleared by the collector: an exception is as good as a result.
            for act in (self.function.cache_info, self.function.cache_clear, lambda: self.function("again")):
                try:
                    act()
                    told.append("ok")
                except Exception as error:
                    told.append(type(error).__name__)

    def make(options):
        function = outpace.lru_cache(**options)(lambda x: Last(function) if x != "again" else None)
        for number in range(5):
            function(number)

    for options in ({}, {"maxsize": None}, {"once": True}, {"policy": "s3fifo"}):
        for _ in range(50):
            make(options)
        subject.collect()
    assert told and set(told) <= {"ok", "ReferenceError", "TypeError"}, set(told)


def test_finalizers_that_run_while_the_garbage_is_cleared():
    """The collector does not know of objects without fields: their finalizers run when all around them is half gone."""
    told = []

    def make(options):
        class Owner:
            @outpace.lru_cache(**options)
            def method(self, x):
                return Untracked()

        class Untracked:
            __slots__ = ()

            def __del__(self):
                method = Owner.method
                for name in ("cache_info", "cache_stats", "cache_parameters", "cache_clear"):
                    act(getattr(method, name))
                act(owner.method, 1), act(owner.method, 2)
                act(method.cache_put, Untracked, owner, 3)
                act(method.cache_invalidate, owner, 3)
                act(method.cache_peek, owner, 1)

        def act(function, *args):
            if depth or not budget:  # without an end to it the garbage would fill the cache anew each time
                return
            depth.append(budget.pop())
            try:
                told.append(type(function(*args)).__name__)
            except Exception as error:
                told.append(type(error).__name__)
            depth.clear()

        depth, budget = [], [None] * 30
        owner = Owner()
        for number in range(5):
            owner.method(number)
        return weakref.ref(Owner.method)

    every = [
        {},
        {"maxsize": None},
        {"once": True},
        {"policy": "s3fifo"},
        {"ttl": 5},
        {"max_bytes": 1000},
        {"timer": lambda: 1.0, "ttl": 9},
    ]
    every += [
        {"copy": lambda x: x},
        {"cache_exceptions": True},
        {"weigh": lambda x: 1},
        {"typed": True},
        {"key": lambda *args: args[1:]},
    ]
    for options in every:
        left = [make(options) for _ in range(10)]
        for _ in range(4):
            subject.collect()
        assert all(each() is None for each in left), options
    assert told


def test_memory_is_given_back():
    """What is allocated besides objects: tables, orders, ghosts, owners, keys."""
    shapes = [{}, {"maxsize": None}, {"maxsize": 20}, {"typed": True}, {"policy": "s3fifo", "maxsize": 30}, {"ttl": 60}]
    shapes += [{"max_bytes": 1000, "weigh": lambda x: 50}, {"once": True}, {"max_bytes": 500, "policy": "s3fifo"}]

    def use(options, Owner):
        @outpace.lru_cache(**options)
        def function(*args, **names):
            return None

        for number in range(200):
            function(number), function(number, a=1)
        function.cache_clear()
        owners = [Owner() for _ in range(60)]
        for owner in owners:
            owner.method(), owner.method(1)
        for number in range(100):
            function(number)
            function.cache_invalidate(number % 7)
            function.cache_put(1, number)
        del owners[:30], owner
        Owner.method.cache_clear()

    def blocks(options, Owner, rounds):
        for _ in range(rounds):
            use(options, Owner)
        subject.collect()
        return tracemalloc.get_traced_memory()[0]

    tracemalloc.start()
    try:
        for options in shapes:
            # One for all rounds, as Python's table of subclasses grows by much at once.
            Owner = type("Owner", (), {"method": outpace.lru_cache(**options)(lambda self, x=0: None)})
            blocks(options, Owner, 3)
            before = blocks(options, Owner, 2)
            after = blocks(options, Owner, 30)
            assert after - before < 15_000, (options, after - before)
    finally:
        tracemalloc.stop()


def test_weak_references_die_before_the_garbage():
    """The callback of an owner in the garbage, of a cache in the garbage: in both orders, and both at once."""
    for _ in range(200):

        class Owner:
            @outpace.lru_cache(maxsize=None)
            def method(self, x=0):
                return [self]

        owners = [Owner() for _ in range(5)]
        for owner in owners:
            owner.method(), owner.method(1)
            owner.me = owner
        del owner, owners, Owner
    subject.collect()


def in_child(function):
    """Runs it in a forked child; its exit code, 0 where it returned."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # that other threads run is the point
        pid = os.fork()
    if pid == 0:
        code = 1
        try:
            signal.alarm(60)
            function()
            code = 0
        except BaseException:
            import traceback

            traceback.print_exc()
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def test_a_child_has_what_was_kept():
    function = outpace.lru_cache(maxsize=3)(subject.Counter())
    function(1), function(2)

    def check():
        assert function(1) == 1 and function(2) == 2 and function(3) == 3 and function(4) == 4
        assert function.cache_info() == (2, 4, 3, 3)
        function.cache_clear()
        assert function(1) == 5

    assert in_child(check) == 0
    assert function(1) == 1 and function.cache_info().hits == 1


def test_a_load_of_another_thread_at_the_fork():
    """The child has not that thread: it loads itself, and does not wait for ever."""
    for options in ({}, {"once": True}, {"once": True, "maxsize": None}):
        release, began = threading.Event(), threading.Event()
        parent = os.getpid()

        @outpace.lru_cache(**options)
        def function(x, release=release, began=began, parent=parent):
            if os.getpid() == parent:
                began.set()
                release.wait(60)
                return "parent"
            return "child"

        thread = threading.Thread(target=function, args=(1,))
        thread.start()
        began.wait(60)

        def check(function=function):
            assert function(1) == "child" and function(1) == "child"
            assert function(2) == "child"
            function.cache_invalidate(1)
            assert function(1) == "child"
            function.cache_clear()
            assert function.cache_info().currsize == 0

        try:
            assert in_child(check) == 0
        finally:
            release.set()
            thread.join()
        assert function(1) == "parent"


def test_a_thread_that_waits_at_the_fork():
    release, began = threading.Event(), threading.Event()
    parent = os.getpid()

    @outpace.lru_cache(once=True)
    def function(x):
        if os.getpid() == parent:
            began.set()
            release.wait(60)
            return "parent"
        return "child"

    threads = [threading.Thread(target=function, args=(1,)) for _ in range(3)]
    threads[0].start()
    began.wait(60)
    for thread in threads[1:]:
        thread.start()
    subject.wait_until(lambda: function.cache_stats().waits >= 2 or time.sleep(0.01))

    def check():
        results = []
        workers = [threading.Thread(target=lambda: results.append(function(1))) for _ in range(3)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        assert results == ["child"] * 3

    try:
        assert in_child(check) == 0
    finally:
        release.set()
        for thread in threads:
            thread.join()


def test_a_fork_inside_a_load():
    """The child is in that load itself: it ends it, and keeps the result."""

    @outpace.lru_cache(once=True)
    def function(x):
        pid = os.fork()
        return "child" if pid == 0 else pid

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        result = function(1)
    if result == "child":
        os._exit(0 if function(1) == "child" and function.cache_info().hits == 1 else 5)
    assert os.waitstatus_to_exitcode(os.waitpid(result, 0)[1]) == 0
    assert function(1) == result


AT_EXIT = """
import atexit, gc, sys, threading
import outpace

class Last:
    def __init__(self, act):
        self.act = act
    def __del__(self):
        self.act()

told = sys.stdout

@outpace.lru_cache(maxsize=None, {options})
def function(x):
    return Last(act)

def act(function=function, budget=[None] * 100):
    if not budget:
        return
    budget.pop()
    try:
        function("again" + str(len(str(function.cache_info()))))
        function.cache_clear()
    except Exception as error:
        pass

class Owner:
    @outpace.lru_cache(maxsize=None)
    def method(self, x=0):
        return Last(act if x else lambda: self.method(1))

function.me = function
for number in range(10):
    function(number)
owners = [Owner() for _ in range(10)]
for owner in owners:
    owner.method()
    owner.me = owner
atexit.register(lambda: function("at exit"))
sys.kept = [function, Last(act), Owner, owners]
import builtins
builtins.kept_longest = [function, Last(act)]
print("end", flush=True)
"""


def test_the_end_of_the_interpreter():
    for options in ("", "once=True", "ttl=5, once=True", "copy=lambda x: x", "key=lambda x: x", "max_bytes=10**6"):
        assert subject.child(AT_EXIT.replace("{options}", options)) == "end\n"


def test_the_end_while_threads_use_the_cache():
    program = """
    import threading, time, outpace
    @outpace.lru_cache(maxsize=5, {options})
    def function(x):
        return [x]
    def work():
        number = 0
        while True:
            number += 1
            function(number % 10)
            if number % 50 == 0:
                function.cache_clear()
    @outpace.lru_cache(once=True)
    def slow(x):
        time.sleep(100)
    for _ in range(3):
        threading.Thread(target=work, daemon=True).start()
        threading.Thread(target=slow, args=(1,), daemon=True).start()
    time.sleep(0.2)
    print("end", flush=True)
    """
    for options in ("", "once=True"):
        assert subject.child(program.replace("{options}", options)) == "end\n"


def test_the_module_goes_first():
    """A cache outlives its module in sys.modules, and the state that belongs to it."""
    assert (
        subject.child("""
        import gc, sys
        import outpace
        function = outpace.lru_cache(maxsize=4)(lambda x: [x])
        function(1)
        class Owner:
            @outpace.lru_cache
            def method(self): return 1
        for name in [name for name in sys.modules if name.startswith("outpace")]:
            del sys.modules[name]
        del outpace
        gc.collect()
        for number in range(10):
            function(number)
        assert function.cache_stats().evictions == 6
        assert Owner().method() == 1
        import outpace
        again = outpace.lru_cache(maxsize=4)(lambda x: [x])
        assert again(1) == [1] and again.cache_info().misses == 1
        assert type(again) is not type(function)
        del function, again, outpace, Owner
        gc.collect()
        print("end")
        """)
        == "end\n"
    )
