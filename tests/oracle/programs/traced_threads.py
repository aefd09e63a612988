# SPDX-License-Identifier: MIT
"""Calls of several threads and greenlets."""

import _thread
import os
import resource
import sys
import threading
import time
import warnings

import traced
from traced import MINOR, case

try:
    import greenlet
except ImportError:
    greenlet = None


class Clock(threading.local):
    """Each thread its own time."""

    now = 0

    def read(self):
        return self.now


clock = Clock()


def leaf():
    clock.now += 1


def leaf_a():
    clock.now += 2


def leaf_b():
    clock.now += 3


def in_thread(function, *args):
    thread = threading.Thread(target=function, args=args)
    thread.start()
    thread.join()


class Turns:
    """Two threads step by step: lock number n is released when step n may begin. Locks are C: no calls of Python."""

    def __init__(self, count):
        self.locks = [_thread.allocate_lock() for _ in range(count)]
        for lock in self.locks:
            lock.acquire()

    def wait(self, step):
        self.locks[step].acquire()

    def go(self, step):
        self.locks[step].release()


# --- threads ------------------------------------------------------------------------------------------------------------


def five_a(turns):
    for step in range(5):
        turns.locks[2 * step].acquire()
        leaf_a()
        turns.locks[2 * step + 1].release()


# The thread's calls lie between those of main, which is inside of `case` all the time: two stacks.
@case(
    """
case 1/1 0 15
  leaf_b 5/5 15 15
five_a 1/1 0 10
  leaf_a 5/5 10 10
leaf_a 5/5 10 10
leaf_b 5/5 15 15
""",
    manual=True,
)
def threads_have_their_own_stacks(p):
    turns = Turns(10)
    thread = threading.Thread(target=five_a, args=(turns,))

    def case():
        thread.start()
        for step in range(5):
            turns.locks[2 * step].release()
            leaf_b()
            turns.locks[2 * step + 1].acquire()
        thread.join()

    p.enable()
    case()
    p.disable()


def down(n, turns):
    clock.now += 1
    if n:
        down(n - 1, turns)
    else:
        turns.locks[0].release()
        turns.locks[1].acquire()


# Main's recursion runs while the thread stands in the depth of its own: each is primitive once.
@case("down 10/2 10 10\n  down 8/2 8 8", manual=True)
def recursion_in_two_threads(p):
    turns, other = Turns(2), Turns(2)
    other.locks[1].release()
    thread = threading.Thread(target=down, args=(4, turns))
    p.enable()
    thread.start()
    turns.locks[0].acquire()
    down(4, other)
    turns.locks[1].release()
    thread.join()
    p.disable()


@case("five_a 8/8 0 80\n  leaf_a 40/40 80 80\nleaf_a 40/40 80 80", manual=True)
def eight_threads_at_once(p):
    all_turns = [Turns(10) for _ in range(8)]
    threads = [threading.Thread(target=five_a, args=(turns,)) for turns in all_turns]
    p.enable()
    for thread in threads:
        thread.start()
    for step in range(5):
        for turns in all_turns:
            turns.locks[2 * step].release()
    for thread in threads:
        thread.join()
    p.disable()


# Started before: what it calls from then on; the function that it was in is not entered, and its end is no harm.
@case("later 1/1 7 9\n  leaf_a 1/1 2 2\nleaf_a 3/3 6 6", manual=True)
def thread_started_before(p):
    turns = Turns(2)

    def later():
        clock.now += 7
        leaf_a()

    def runs():
        leaf_a()
        turns.locks[0].release()
        turns.locks[1].acquire()
        leaf_a()
        later()
        leaf_a()

    thread = threading.Thread(target=runs)
    thread.start()
    turns.locks[0].acquire()
    p.enable()
    turns.locks[1].release()
    thread.join()
    p.disable()


# A function that is open in a thread when the profiler goes off ends there.
@case("leaf_a 1/1 2 2\nruns 1/1 0 2\n  leaf_a 1/1 2 2", manual=True)
def thread_ends_after(p):
    turns = Turns(2)

    def runs():
        leaf_a()
        turns.locks[0].release()
        turns.locks[1].acquire()
        leaf_a()

    thread = threading.Thread(target=runs)
    clock.now = 0
    p.enable()
    thread.start()
    turns.locks[0].acquire()
    clock.now = 2  # what is open is closed by the time of the thread that disables
    p.disable()
    turns.locks[1].release()
    thread.join()


@case("in_thread 1/1 0 0\nleaf_a 1/1 2 2\nleaf_b 1/1 3 3\nswitches 1/1 0 2\n  leaf_a 1/1 2 2", manual=True)
def disabled_in_another_thread(p):
    def switches():
        leaf_a()
        p.disable()
        leaf_a()

    p.enable()
    leaf_b()
    in_thread(switches)
    leaf_b()


@case("leaf_a 1/1 2 2\nleaf_b 2/2 6 6", manual=True)
def enabled_in_another_thread(p):
    def switches():
        leaf_a()
        p.enable()
        leaf_a()

    in_thread(switches)
    leaf_b()
    leaf_b()
    p.disable()


@case("leaf_a 3/3 6 6", manual=True, only=MINOR >= 12)
def threads_of_c(p):
    # Without the threading module. On 3.10 and 3.11 nothing tells of the start of one.
    turns = Turns(3)

    def runs(step):
        leaf_a()
        turns.locks[step].release()

    p.enable()
    for step in range(3):
        _thread.start_new_thread(runs, (step,))
        turns.locks[step].acquire()
    p.disable()
    found = traced.rows_of(p, files={__file__})
    return {key: row for key, row in found.items() if key == (None, "leaf_a")}  # the last `runs` may still be open


@case("leaf_a 10000/10000 20000 20000", manual=True)
def ten_thousand_threads(p):
    # One after the other; by _thread, as the module threading takes 10 times as long.
    turns = Turns(1)
    lock = turns.locks[0]

    def runs():
        leaf_a()
        lock.release()

    def start_many(count):
        for _ in range(count):
            if MINOR >= 12:
                _thread.start_new_thread(runs, ())
                lock.acquire()
            else:
                in_thread(leaf_a)

    p.enable()
    start_many(1000)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start_many(9000)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    p.disable()
    assert grown < 4096, "%d KiB more" % grown
    found = traced.rows_of(p, files={__file__})
    return {(None, "leaf_a"): found[None, "leaf_a"]}


@case("", manual=True)
def switched_by_many_threads(_):
    # On and off at any moment, while others call, yield, raise and are called by C: nothing falls, and all is off after.
    # A timer in Python lets others run in the midst of an event.
    for p in (traced.agent.Profiler(), traced.agent.Profiler(clock.read, 1.0)):
        storm(
            [p.enable, p.disable, p.getstats, p.clear],
            [lambda: list(iter_three()), lambda: sorted([2, 1], key=lambda x: -x), lambda: int("x"), leaf],
        )
        p.disable()
        p.clear()
        p.enable()
        leaf()
        p.disable()
        assert traced.rows_of(p, files={__file__})[None, "leaf"][:2] == (1, 1)
    return {}


def iter_three():
    yield from (1, 2, 3)


def storm(switches, calls, seconds=0.3):
    stop, wrong = [], []

    def repeat(functions):
        number = 0
        while not stop:
            number += 1
            try:
                functions[hash((number, len(functions), "abc")) % len(functions)]()
            except ValueError:  # it is on already, by another; and of int("x")
                pass
            except BaseException as error:
                wrong.append(error)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    threads = [threading.Thread(target=repeat, args=(each,)) for each in (switches, calls, switches, calls, calls)]
    for thread in threads:
        thread.start()
    time.sleep(seconds)
    stop.append(True)
    for thread in threads:
        thread.join()
    sys.setswitchinterval(interval)
    assert not wrong, wrong[:3]


@case("", manual=True)
def counted_on_in_a_child(p):
    # A profiler in memory goes on in a child, with what it has.
    warnings.simplefilter("ignore", DeprecationWarning)  # of threads that are just ending
    p.enable()
    leaf()
    pid = os.fork()
    if pid == 0:
        leaf()
        in_thread(leaf)
        p.disable()
        os._exit(traced.rows_of(p, files={__file__})[None, "leaf"][0])
    leaf()
    p.disable()
    assert os.WEXITSTATUS(os.waitpid(pid, 0)[1]) == 3
    assert traced.rows_of(p, files={__file__}) == traced.parse("leaf 2/2 2 2")
    return {}


# A generator that another thread goes on with: each entry belongs to the thread that makes it.
@case("gen 3/3 21 21\nin_thread 1/1 0 0", manual=True)
def generator_moves_to_another_thread(p):
    def gen():
        clock.now += 1
        for _ in range(3):
            yield
            clock.now += 10

    g = gen()
    p.enable()
    next(g)
    in_thread(next, g)
    next(g)
    p.disable()


# --- greenlets ----------------------------------------------------------------------------------------------------------


@case("", manual=True, only=greenlet is not None)
def greenlets(p):
    def deep(other):
        clock.now += 1
        other.switch()

    def one():
        clock.now += 10
        deep(second)
        leaf()
        deep(second)

    def two():
        clock.now += 100
        deep(first)
        leaf()
        deep(first)

    def case():
        first.switch()
        second.switch()
        leaf()

    first, second = greenlet.greenlet(one), greenlet.greenlet(two)
    p.enable()
    case()
    leaf()
    p.disable()
    # All counts are exact, and nothing stays open: the last leaf is called by nobody that was seen. Which greenlet a
    # moment belongs to one stack a thread cannot tell, so times are not looked at.
    rows = traced.rows_of(p, files={__file__})
    calls = {name: row[0] for (caller, name), row in rows.items() if caller is None}
    assert calls == {"case": 1, "one": 1, "two": 1, "deep": 4, "leaf": 4}, calls
    assert sum(row[0] for (caller, name), row in rows.items() if caller and name == "leaf") == 3, rows
    return {}


@case("", manual=True, only=greenlet is not None)
def greenlets_of_ended_threads(p):
    # More threads than are kept apart: none begins in what another's greenlet, which nobody goes on with, left open.
    kept = []

    def waits():
        kept[-1].parent.switch()

    def runs():
        kept.append(greenlet.greenlet(waits))
        kept[-1].switch()

    p.enable()
    for _ in range(70):
        in_thread(runs)
    in_thread(leaf)
    p.disable()
    (entry,) = [each for each in p.getstats() if each.code is waits.__code__]
    called = {traced.name_of(each.code) for each in entry.calls or ()}
    assert entry.callcount == 70 and not called & {"_bootstrap", "_bootstrap_inner", "run", "runs"}, called
    return {}


if __name__ == "__main__":
    traced.main(clock)
