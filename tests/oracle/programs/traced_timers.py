# SPDX-License-Identifier: MIT
"""Timers of every kind, and several profilers or other users of the hooks at once."""

import sys

import traced
from traced import MINOR, Clock, case, name_of

clock = Clock()


def leaf():
    clock.now += 1


def leaf_b():
    clock.now += 3


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
