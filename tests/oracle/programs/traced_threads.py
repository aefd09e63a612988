# SPDX-License-Identifier: MIT
"""Calls of several threads, greenlets and profilers, and timers of every kind."""

import _thread
import resource
import sys
import threading

import traced
from traced import MINOR, case, name_of

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


# --- several profilers --------------------------------------------------------------------------------------------------


@case("leaf 3/3 3 3\nmiddle 1/1 10 11\n  leaf 1/1 1 1", manual=True, only=MINOR >= 12)
def two_profilers_at_once(p):
    other = traced.agent.Profiler(clock.read, 1.0, builtins=False)

    def middle():
        clock.now += 10
        other.enable()
        leaf()

    p.enable()
    leaf()
    middle()
    leaf()
    p.disable()
    leaf()
    other.disable()
    found = traced.rows_of(other, files={__file__})
    assert found == traced.parse("leaf 3/3 3 3"), found


@case("leaf 1/1 1 1", manual=True)
def more_profilers_than_ids(p):
    many = [traced.agent.Profiler(clock.read, 1.0, builtins=False) for _ in range(3 if MINOR >= 12 else 1)]
    for each in many:
        each.enable()
    if MINOR >= 12:
        before = [sys.monitoring.get_tool(number) for number in range(6)]
    try:
        p.enable()
    except ValueError as error:
        text = str(error)
    else:
        raise AssertionError("one too many")
    assert text.startswith("Another profiling tool is already active"), text
    if MINOR >= 12:
        assert text.endswith("(2 by outpace, 3 by outpace, 4 by outpace)"), text
        assert before == [sys.monitoring.get_tool(number) for number in range(6)]
    leaf()
    for each in many:
        each.disable()
        assert traced.rows_of(each, files={__file__}) == traced.parse("leaf 1/1 1 1")
    p.enable()  # free again
    leaf()
    p.disable()


@case("leaf 1/1 1 1", manual=True, only=MINOR >= 12)
def ids_of_others(p):
    monitoring = sys.monitoring
    names = {0: "a debugger", 1: "coverage", 2: "cProfile", 3: "mine", 4: "yours", 5: "an optimizer"}
    for number, name in names.items():
        monitoring.use_tool_id(number, name)
    try:
        p.enable()
    except ValueError as error:
        assert str(error).endswith("(2 by cProfile, 3 by mine, 4 by yours)"), error
    else:
        raise AssertionError("one too many")
    try:
        traced.agent.LineProfiler().enable()
    except ValueError as error:
        assert "4 by yours" in str(error)
    else:
        raise AssertionError("one too many")
    assert {number: monitoring.get_tool(number) for number in names} == names
    monitoring.free_tool_id(3)
    seen = []
    monitoring.register_callback(2, monitoring.events.PY_START, lambda code, offset: seen.append(code.co_name))
    monitoring.set_events(2, monitoring.events.PY_START)
    p.enable()
    assert monitoring.get_tool(3) == "outpace"
    leaf()
    p.disable()
    assert monitoring.get_tool(3) is None
    leaf()
    monitoring.set_events(2, 0)
    assert seen.count("leaf") == 2, seen  # theirs goes on
    del names[3]
    assert {number: monitoring.get_tool(number) for number in names} == names
    monitoring.register_callback(2, monitoring.events.PY_START, None)
    for number in names:
        monitoring.free_tool_id(number)


@case("leaf 3/3 3 3", manual=True)
def beside_setprofile_and_settrace(p):
    seen = []

    def hook(frame, event, arg):
        if event == "call":
            seen.append(frame.f_code.co_name)

    sys.settrace(hook)
    p.enable()
    leaf()
    p.disable()
    assert sys.gettrace() is hook
    sys.settrace(None)
    assert seen.count("leaf") == 1, seen
    sys.setprofile(hook)
    p.enable()
    leaf()
    p.disable()
    assert sys.getprofile() is hook, sys.getprofile()
    leaf()
    sys.setprofile(None)
    assert seen.count("leaf") >= 2, seen
    p.enable()
    leaf()
    p.disable()
    # One that is set while we are on is left there; before 3.12 it takes the place of ours.
    p.enable()
    sys.setprofile(hook)
    p.disable()
    assert sys.getprofile() is hook
    sys.setprofile(None)


# --- timers -------------------------------------------------------------------------------------------------------------


@case("", manual=True)
def timers(_):
    for read, unit, scale in (
        (lambda: clock.now, 1.0, 1.0),
        (lambda: clock.now, 0.25, 0.25),
        (lambda: clock.now, 1e-6, 1e-6),
        (lambda: clock.now * 0.5, 0.0, 0.5),
        (lambda: float(clock.now), 0.0, 1.0),
        (lambda: clock.now, 0.0, 1.0),
    ):
        p = traced.agent.Profiler(read, unit, builtins=False)
        p.enable()
        leaf_b()
        leaf_b()
        p.disable()
        (row,) = p.getstats()
        assert abs(row.totaltime - 6 * scale) < 1e-9 * scale + 1e-12, (unit, row)
    return {}


@case("", manual=True)
def timer_is_asked_once_an_event(_):
    reads = 0

    def read():
        nonlocal reads
        reads += 1
        return reads

    p = traced.agent.Profiler(read, 1.0, builtins=False)
    p.enable()
    leaf()
    leaf_b()
    p.disable()
    assert reads == 4, reads
    assert {name_of(each.code): each.totaltime for each in p.getstats()} == {"leaf": 1, "leaf_b": 1}
    return {}


def unraisable(function):
    told = []
    hook, sys.unraisablehook = sys.unraisablehook, told.append
    try:
        function()
    finally:
        sys.unraisablehook = hook
    return [each.exc_type for each in told]


@case("", manual=True)
def timer_raises(_):
    def read():
        raise ZeroDivisionError

    for timer, error in ((read, ZeroDivisionError), (lambda: None, TypeError), (lambda: "text", TypeError)):
        p = traced.agent.Profiler(timer, builtins=False)

        def run():
            p.enable()
            leaf()
            try:
                raise KeyError
            except KeyError:
                pass
            p.disable()

        assert unraisable(run) == [error] * 2, error
        (row,) = p.getstats()
        assert row.callcount == 1 and row.totaltime == 0
    return {}


@case("", manual=True)
def timer_calls_back(_):
    for name in ("enable", "disable", "clear", "getstats"):
        p = None

        def read():
            getattr(p, name)()
            return 0

        p = traced.agent.Profiler(read, builtins=False)

        def run():
            p.enable()
            leaf()
            sys.setprofile(None) if MINOR < 12 else None
            p.disable()

        found = unraisable(run)
        assert found and set(found) == {RuntimeError}, (name, found)
    return {}


@case("", manual=True)
def timer_goes_back(_):
    times = iter([10, 20, 5, 4, 30, 40])
    p = traced.agent.Profiler(lambda: next(times), 1.0, builtins=False)
    p.enable()
    leaf()
    leaf()
    leaf()
    p.disable()
    (row,) = p.getstats()
    assert (row.callcount, row.totaltime, row.inlinetime) == (3, 20, 20), row
    return {}


@case("", manual=True)
def own_clock(_):
    import time

    p = traced.agent.Profiler(builtins=False)

    def sleeps():
        time.sleep(0.02)

    p.enable()
    begun = time.perf_counter()
    sleeps()
    took = time.perf_counter() - begun
    p.disable()
    (row,) = [each for each in p.getstats() if name_of(each.code) == "sleeps"]
    assert 0.02 <= row.totaltime * 1.0005 and row.totaltime <= took * 1.01, (row, took)
    return {}


# Nothing names it any more; what the interpreter holds does. For ever, so this is the last.
@case("", manual=True, held=True)
def timer_drops_the_profiler(_):
    holder = []

    def read():
        holder.clear()
        return 0

    holder.append(traced.agent.Profiler(read, builtins=False))
    holder[0].enable()
    leaf()
    leaf()
    return {}


if __name__ == "__main__":
    traced.main(clock)
