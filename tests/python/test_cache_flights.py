# SPDX-License-Identifier: MIT
"""One load a key for threads: who gets what of it, and that nobody waits for ever. A program that hangs runs into its limit."""

from __future__ import annotations

import subprocess

import caches
import pytest
from places import Place

START = """
import gc, os, signal, sys, threading, time, weakref
import outpace

def until(true):
    while not true():
        time.sleep(0.001)

def waiting(cached, number):
    until(lambda: cached.cache_stats().waits >= number)

class Thread(threading.Thread):
    "Keeps what its function gives, or raises."
    def __init__(self, function, *arguments, **options):
        super().__init__(**options)
        self.function, self.arguments, self.result, self.error = function, arguments, None, None
        self.start()
    def run(self):
        try:
            self.result = self.function(*self.arguments)
        except BaseException as error:
            self.error = error
    def end(self):
        self.join()
        return self.error if self.error is not None else self.result
"""


def run(place: Place, program: str, *words: str) -> list[str]:
    return caches.run(place, START + program, *words)


def test_fifty_threads_have_one_load(place: Place) -> None:
    program = """
OTHERS = 49
values = []

@outpace.lru_cache(once=True)
def load(key):
    waiting(load, OTHERS)
    values.append(object())
    return values[-1]

base = sys.getrefcount(load)
results = {thread.end() for thread in [Thread(load, 1) for _ in range(OTHERS + 1)]}
print(results == set(values), len(values))
stats = load.cache_stats()
print(stats.loads, stats.waits, stats.misses, stats.hits, stats.loading)
results.clear()
load.cache_clear()
lone = object()
print(sys.getrefcount(values[0]) - sys.getrefcount(lone), sys.getrefcount(load) - base)
"""
    # The list holds what `lone` does not: one reference.
    assert run(place, program) == ["True 1", "1 49 50 0 0", "0 0"]


def test_a_mapping_has_one_load_a_key(place: Place) -> None:
    program = """
cache = outpace.Cache(maxsize=10)
loads = []

def loader(key):
    until(lambda: cache.stats().waits == 9)
    loads.append(key)
    return [key]

results = [thread.end() for thread in [Thread(cache.get_or_load, "k", loader) for _ in range(10)]]
print(loads, len(set(map(id, results))), cache["k"] is results[0])
"""
    assert run(place, program) == ["['k'] 1 True"]


def test_an_exception_reaches_all(place: Place) -> None:
    program = """
OTHERS = 49

class Marked: pass
marks = []

def deeper(mark):
    raise ValueError("no")

@outpace.lru_cache(once=True)
def load(key):
    waiting(load, OTHERS)
    mark = Marked()
    marks.append(weakref.ref(mark))
    deeper(mark)

def depth(traceback):
    return 0 if traceback is None else 1 + depth(traceback.tb_next)

depths, errors = [], []
def call():
    try:
        load(1)
    except ValueError as error:
        depths.append(depth(error.__traceback__))
        errors.append(error)

print({thread.end() for thread in [Thread(call) for _ in range(OTHERS + 1)]})
print(len(marks), len(errors), len(set(map(id, errors))), repr(errors[0]), errors[0].__context__, errors[0].__cause__)
# Some frames of each of two threads at most, and not of fifty.
print(3 <= max(depths) <= 10, load.cache_stats().load_errors, load.cache_info().currsize)
error = errors.pop()
errors.clear()
other = ValueError("no")
print(sys.getrefcount(error) - sys.getrefcount(other))
del error
gc.collect()
print(marks[0]())
marks.clear()
"""
    assert run(place, program) == ["{None}", "1 50 1 ValueError('no') None None", "True 1 0", "0", "None"]


def test_what_a_waiter_raises_leads_to_the_load(place: Place) -> None:
    program = """
import traceback

@outpace.lru_cache(once=True)
def load(key):
    waiting(load, 1)
    raise LookupError(key)

def caller():
    try:
        load(1)
    except LookupError as error:
        return [frame.name for frame in traceback.extract_tb(error.__traceback__)]

first = Thread(caller)
until(lambda: load.cache_stats().loading)
second = Thread(caller)
print(first.end(), second.end())
"""
    assert run(place, program) == ["['caller', 'load'] ['caller', 'load']"]


def test_a_call_of_itself_goes_through(place: Place) -> None:
    program = """
depth = 0

@outpace.lru_cache(once=True)
def load(key):
    global depth
    depth += 1
    return (key, depth) if depth == 3 else load(key)

print(load(1), load(1), load.cache_stats().loads, load.cache_stats().waits)

# And through another key.
@outpace.lru_cache(once=True)
def ping(key):
    global depth
    depth += 1
    return depth if depth > 6 else ping(1 - key)

print(ping(0), ping(1), ping.cache_stats().waits)
"""
    assert run(place, program) == ["(1, 3) (1, 3) 3 0", "7 7 0"]


@pytest.mark.parametrize("threads", [2, 3, 7])
def test_a_ring_of_loads_does_not_hang(place: Place, threads: int) -> None:
    program = """
THREADS = int(sys.argv[1])
local = threading.local()
barrier = None

# One function a key, so that the circle leads through several caches.
def function(own):
    @outpace.lru_cache(once=True)
    def load(key):
        if getattr(local, "inside", False):
            return own   # it went through
        local.inside = True
        barrier.wait()
        return own, functions[(own + 1) % THREADS](key)
    return load

functions = [function(own) for own in range(THREADS)]
for key in range(20):
    barrier = threading.Barrier(THREADS)
    results = [thread.end() for thread in [Thread(each, key) for each in functions]]
    closed = 0
    for own, result in enumerate(results):
        assert result[0] == own, results
        after = (own + 1) % THREADS
        closed += result[1] == after
        assert result[1] == after or result[1] == results[after], results
    assert closed == 1, results
print(sum(each.cache_stats().waits for each in functions), {each.cache_stats().loading for each in functions})
"""
    # All wait but the one that closes the circle; it does so as it begins to.
    assert run(place, program, str(threads)) == [f"{20 * threads} {{0}}"]


def test_two_threads_that_load_each_other_s_keys(place: Place) -> None:
    program = """
local = threading.local()

@outpace.lru_cache(once=True)
def load(key):
    if getattr(local, "inside", False):
        return key
    local.inside = True
    barrier.wait()
    return [key, load({"a": "b", "b": "a"}[key])]

for _ in range(50):
    barrier = threading.Barrier(2)
    a, b = [thread.end() for thread in [Thread(load, "a"), Thread(load, "b")]]
    assert (a, b) in ((["a", "b"], ["b", ["a", "b"]]), (["a", ["b", "a"]], ["b", "a"])), (a, b)
    # What a load without a flight gave is kept, and the first to be kept stays.
    load.cache_clear()
print("done")
"""
    assert run(place, program) == ["done"]


def test_forgetting_during_a_load(place: Place) -> None:
    program = """
gates = [threading.Event(), threading.Event()]
began = []

@outpace.lru_cache(once=True)
def load(key):
    number = len(began)
    began.append(key)
    gates[number].wait()
    return number

for forget in (lambda: load.cache_invalidate(1), load.cache_clear):
    began.clear()
    for gate in gates:
        gate.clear()
    before = load.cache_stats().waits
    first = Thread(load, 1)
    until(lambda: len(began) == 1)
    waiter = Thread(load, 1)
    until(lambda: load.cache_stats().waits == before + 1)
    print(forget(), end=" ")
    before = load.cache_stats().waits
    second = Thread(load, 1)
    until(lambda: len(began) == 2)
    late = Thread(load, 1)
    until(lambda: load.cache_stats().waits == before + 1)
    gates[0].set()
    print(first.end(), waiter.end(), load.cache_contains(1), end=" ")
    gates[1].set()
    print(second.end(), late.end(), load.cache_peek(1))
    load.cache_clear()
"""
    assert run(place, program) == ["False 0 0 False 1 1 1", "None 0 0 False 1 1 1"]


def test_a_waiter_can_be_interrupted(place: Place) -> None:
    program = """
over = threading.Event()
go = threading.Event()

@outpace.lru_cache(once=True)
def load(key):
    go.wait()
    return [key]

def interrupt(number):
    waiting(load, number)
    while not over.wait(0.01):
        signal.pthread_kill(threading.main_thread().ident, signal.SIGUSR1)

class Interrupted(BaseException): pass
def handler(*_):
    if not over.is_set():
        over.set()
        raise Interrupted
signal.signal(signal.SIGUSR1, handler)

loader = Thread(load, 1)
until(lambda: load.cache_stats().loading)
other = Thread(load, 1)
waiting(load, 1)
sender = Thread(interrupt, 2)
try:
    load(1)
except Interrupted:
    print("interrupted", load.cache_stats().loading)
sender.end()
go.set()
print(loader.end() is other.end() is load(1), load.cache_stats().loads)
"""
    assert run(place, program) == ["interrupted 1", "True 1"]


def test_a_signal_s_handler_may_wait_itself(place: Place) -> None:
    program = """
go = threading.Event()
handled = []

@outpace.lru_cache(once=True)
def load(key):
    go.wait()
    return key

@outpace.lru_cache(once=True)
def other(key):
    waiting(other, 1)
    return key

def handler(*_):
    if not handled:   # more signals may come meanwhile
        handled.append(5)
        second = Thread(other, 5)
        until(lambda: other.cache_stats().loading)
        handled.append(other(5))
        second.end()
        go.set()
signal.signal(signal.SIGUSR1, handler)

def interrupt():
    waiting(load, 1)
    while not go.wait(0.01):
        signal.pthread_kill(threading.main_thread().ident, signal.SIGUSR1)

loader = Thread(load, 1)
until(lambda: load.cache_stats().loading)
sender = Thread(interrupt)
print(load(1), handled, loader.end(), load.cache_stats().waits)
sender.end()
"""
    assert run(place, program) == ["1 [5, 5] 1 1"]


@pytest.mark.parametrize("error", ["KeyboardInterrupt", "SystemExit", "GeneratorExit", "asyncio.CancelledError"])
def test_an_interrupt_of_the_load_is_not_spread(place: Place, error: str) -> None:
    program = f"""
import asyncio
began = []

@outpace.lru_cache(once=True)
def load(key):
    began.append(threading.get_ident())
    if len(began) == 1:
        waiting(load, 4)
        raise {error}("mine")
    return key

first = Thread(load, 1)
until(lambda: began)
others = [Thread(load, 1) for _ in range(4)]
print(repr(first.end()), [other.end() for other in others], len(began), first.ident == began[0])
"""
    assert run(place, program) == [f"{error.split('.')[-1]}('mine') [1, 1, 1, 1] 2 True"]


def test_a_fork_during_the_load_of_another_thread(place: Place) -> None:
    program = """
import warnings
warnings.simplefilter("ignore", DeprecationWarning)
go = threading.Event()
parent = os.getpid()

@outpace.lru_cache(once=True)
def load(key):
    if os.getpid() == parent:
        go.wait()
    return (os.getpid() == parent, key)

def forked(check):
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        try:
            check()
            sys.stdout.flush()
        finally:
            os._exit(0)
    os.waitpid(child, 0)

def in_child():
    print("child", load(1), load(1))
    # Its own threads share loads as ever; and their numbers are new ones, though the system's may be used again.
    load.cache_clear()
    print("child", {thread.end() for thread in [Thread(load, 2) for _ in range(8)]}, load.cache_stats().loads)
    forked(lambda: print("grandchild", load(2), load(3)))

loader = Thread(load, 1)
until(lambda: load.cache_stats().loading)
waiter = Thread(load, 1)
waiting(load, 1)
forked(in_child)
go.set()
print("parent", loader.end(), waiter.end())
"""
    assert run(place, program) == [
        "child (False, 1) (False, 1)",
        "child {(False, 2)} 1",
        "grandchild (False, 2) (False, 3)",
        "parent (True, 1) (True, 1)",
    ]


def test_a_load_that_forks(place: Place) -> None:
    program = """
import warnings
warnings.simplefilter("ignore", DeprecationWarning)
parent = os.getpid()

@outpace.lru_cache(once=True)
def load(key):
    waiting(load, 1)
    child = os.fork()
    if child == 0:
        # The thread that forked is there, so its flight counts: others wait for it.
        return "child", Thread(lambda: other_key()).end()
    os.waitpid(child, 0)
    return "parent"

@outpace.lru_cache(once=True)
def other_key():
    return load.cache_stats().loading

def call():
    result = load(1)
    if os.getpid() != parent:
        print(result, load(1) is result)
        sys.stdout.flush()
        os._exit(0)
    return result

loader = Thread(call)
until(lambda: load.cache_stats().loading)
waiter = Thread(call)
print(loader.end(), waiter.end())
"""
    assert run(place, program) == ["('child', 1) True", "parent parent"]


def test_no_wait_at_the_end_of_the_program(place: Place) -> None:
    program = """
@outpace.lru_cache(once=True)
def load(key, main=threading.main_thread(), current=threading.current_thread):
    if current() is not main:
        threading.Event().wait()
    return key

class Last:
    def __del__(self, load=load, write=os.write):
        write(1, b"%d" % load(7))

thread = Thread(load, 7, daemon=True)
until(lambda: load.cache_stats().loading)
# Not a global here: the frames of the other thread hold these for ever.
sys.modules["last"] = type(sys)("last")
sys.modules["last"].last = Last()
"""
    try:
        assert run(place, program) == ["7"]
    except subprocess.TimeoutExpired:
        pytest.fail("it waits for a thread that never runs again")


def test_comparisons_that_raise_leave_nobody_waiting(place: Place) -> None:
    program = """
class Key:
    hurt = was_hurt = False
    def __init__(self, number): self.number = number
    def __hash__(self): return 1
    def __eq__(self, other):
        if Key.hurt:
            raise ArithmeticError("no comparison")
        return self.number == other.number

go = threading.Event()

@outpace.lru_cache(once=True)
def load(key):
    if key.number == 1:
        go.wait()
    elif not Key.was_hurt:
        waiting(load, 1)
        Key.hurt = Key.was_hurt = True
    return key.number

# While 1 is under way, its key is compared with that of 2 when this is to be kept, and when it lands.
one = Thread(load, Key(1))
until(lambda: load.cache_stats().loading == 1)
two = Thread(load, Key(2))
until(lambda: load.cache_stats().loading == 2)
waiter = Thread(load, Key(2))
results = [two.end(), waiter.end()]
print({type(result).__name__ for result in results})
Key.hurt = False
# Its flight may lie in the table still. Who comes upon it loads.
print(load(Key(2)), load.cache_stats().waits)
go.set()
print(one.end(), load(Key(1)), load(Key(2)), load.cache_stats().loading)
"""
    assert run(place, program) == ["{'ArithmeticError'}", "2 1", "1 1 2 0"]


def test_random_loads_that_need_each_other(place: Place) -> None:
    program = """
import random

KEYS, THREADS, CALLS = 40, 8, 300
lock = threading.Lock()
bodies = 0

# Each key needs lower ones, so there is no circle but through the threads' luck; the values are known.
@outpace.lru_cache(maxsize=15, once=True)
def total(key):
    global bodies
    with lock:
        bodies += 1
    return 1 + sum(total(lower) for lower in needed(key))

def needed(key):
    return [key // 2, key - 1][: key] if key > 1 else []

known = {}
for key in range(KEYS):
    known[key] = 1 + sum(known[lower] for lower in needed(key))

def work(seed):
    chance = random.Random(seed)
    for _ in range(CALLS):
        key = chance.randrange(KEYS)
        if chance.random() < 0.1:
            total.cache_invalidate(chance.randrange(KEYS))
        assert total(key) == known[key], key

sys.setswitchinterval(1e-5)
print({thread.end() for thread in [Thread(work, seed) for seed in range(THREADS)]})
stats = total.cache_stats()
print(stats.loads == bodies, stats.loading, stats.load_errors, stats.currsize <= 15)
"""
    assert run(place, program) == ["{None}", "True 0 0 True"]


def test_interpreters_that_have_a_gil_of_their_own(place: Place) -> None:
    if place.interpreter.minor < 12:
        pytest.skip("before 3.12 all interpreters of a process share one")
    program = """
import importlib.util
found = next(name for name in ("_interpreters", "_xxsubinterpreters") if importlib.util.find_spec(name) is not None)
interpreters = importlib.import_module(found)
execute = getattr(interpreters, "exec", None) or interpreters.run_string

PROGRAM = "import sys; sys.path[:] = %r" % sys.path + '''
import threading, time
import outpace

@outpace.lru_cache(once=True)
def load(key):
    time.sleep(0.001)
    return [key]

class Thing:
    @outpace.lru_cache
    def shared(self): return [1]
    @outpace.lru_cache(per_instance=True)
    def own(self): return [1]

for key in range(20):
    results = []
    threads = [threading.Thread(target=lambda: results.append(load(key))) for _ in range(4)]
    for thread in threads: thread.start()
    for thread in threads: thread.join()
    assert len(set(map(id, results))) == 1
    thing = Thing()
    assert thing.shared() is thing.shared() and thing.own() is thing.own()
del thing
assert Thing.shared.cache_info() == (20, 20, 128, 0)
'''

def run():
    interpreter = interpreters.create()
    failed = execute(interpreter, PROGRAM)
    interpreters.destroy(interpreter)
    return failed

print({thread.end() for thread in [Thread(run) for _ in range(4)]})
"""
    assert run(place, program) == ["{None}"]
