# SPDX-License-Identifier: MIT
"""Profilers that end while others, forks, threads and timers go on: what is gone is not used."""

import os
import sys
import threading

import traced
from traced import MINOR, Clock, case

clock = Clock()


def leaf():
    clock.now += 1


def status_of_child(body):
    pid = os.fork()
    if pid == 0:
        try:
            body()
        except BaseException:
            os._exit(1)
        os._exit(0)
    return os.waitpid(pid, 0)[1]


# --- forks ----------------------------------------------------------------------------------------------------------


@case("leaf 2/2 2 2", builtins=False, manual=True)
def fork_after_another_profiler_is_gone(p):
    for _ in range(3):
        gone = traced.agent.Profiler()
        gone.enable()
        leaf()
        gone.disable()
        del gone
        assert status_of_child(leaf) == 0
    p.enable()
    leaf()
    status = status_of_child(leaf)
    leaf()
    p.disable()
    assert status == 0, status
    return {key: row for key, row in traced.rows_of(p, files={__file__}).items() if key == (None, "leaf")}


# --- timers that let other threads run ------------------------------------------------------------------------------


class Slow:
    """A timer in which `thread` waits, the first time that it asks."""

    def __init__(self):
        self.thread = threading.Thread(target=self.run)
        self.inside, self.go_on = threading.Event(), threading.Event()

    def run(self):
        for _ in range(3):
            leaf()

    def read(self):
        if threading.current_thread() is self.thread and not self.inside.is_set():
            self.inside.set()
            self.go_on.wait()
        return clock.now


def while_in_timer(body):
    slow = Slow()
    profiler = [traced.agent.Profiler(slow.read, 1.0, True, False)]
    profiler[0].enable()
    slow.thread.start()
    slow.inside.wait()
    body(profiler, slow)
    slow.go_on.set()
    slow.thread.join()
    return profiler


@case(manual=True)
def gone_while_a_thread_is_in_the_timer(p):
    def body(profiler, slow):
        profiler.pop().disable()

    for _ in range(5):
        while_in_timer(body)


@case(manual=True)
def made_anew_while_a_thread_is_in_the_timer(p):
    def body(profiler, slow):
        profiler[0].disable()
        try:
            profiler[0].__init__()
        except RuntimeError as error:
            assert "disable() it first" in str(error)
        else:
            raise AssertionError("it was made anew")

    for _ in range(5):
        while_in_timer(body)[0].__init__()


@case(manual=True)
def on_again_while_a_thread_is_in_the_timer(p):
    def body(profiler, slow):
        profiler[0].disable()
        profiler[0].clear()
        profiler[0].enable()

    profiler = while_in_timer(body)[0]
    profiler.disable()
    rows = traced.rows_of(profiler, files={__file__})
    assert rows[None, "leaf"] == (3, 3, 3, 3), rows
    return {}


@case(manual=True)
def timer_of_no_number(p):
    for wrong in (float("inf"), float("nan"), -1e300):
        profiler = traced.agent.Profiler(lambda wrong=wrong: wrong)
        profiler.enable()
        leaf()
        profiler.disable()
        assert all(entry.totaltime == 0 for entry in profiler.getstats())


@case(manual=True)
def more_generators_wait_than_are_kept(p):
    def waits():
        yield

    p.enable()
    waiting = [waits() for _ in range(600_000)]
    for each in waiting:
        next(each)
    p.disable()
    rows = traced.rows_of(p, files={__file__})
    assert rows[None, "waits"][0] == 600_000, rows
    return {}


# --- ids of sys.monitoring ------------------------------------------------------------------------------------------


@case(manual=True, only=MINOR >= 12)
def an_id_that_the_program_gave_to_another_tool(p):
    p.enable()
    leaf()
    (tool,) = [number for number in range(6) if sys.monitoring.get_tool(number) == "outpace"]
    sys.monitoring.free_tool_id(tool)
    sys.monitoring.use_tool_id(tool, "other")
    started = []
    sys.monitoring.register_callback(tool, sys.monitoring.events.PY_START, lambda code, offset: started.append(code))
    sys.monitoring.set_events(tool, sys.monitoring.events.PY_START)
    try:
        p.disable()
        leaf()
        assert started == [leaf.__code__], started
        assert sys.monitoring.get_tool(tool) == "other"
    finally:
        sys.monitoring.set_events(tool, 0)
        sys.monitoring.register_callback(tool, sys.monitoring.events.PY_START, None)
        sys.monitoring.free_tool_id(tool)
    p.clear()
    p.enable()
    leaf()
    p.disable()
    assert traced.rows_of(p, files={__file__}) == traced.parse("leaf 1/1 1 1")
    return {}


# --- the hooks of 3.10 and 3.11 ---------------------------------------------------------------------------------------


def ours(frame, event, arg):
    pass


@case(manual=True, only=MINOR < 12)
def the_hook_that_threading_was_given_meanwhile_stays(p):
    try:
        p.enable()
        threading.setprofile(ours)
        p.disable()
        assert threading._profile_hook is ours
        p.enable()
        p.disable()
        assert threading._profile_hook is ours
    finally:
        threading.setprofile(None)
    p.clear()


@case(manual=True, only=MINOR < 12)
def the_hook_is_called_by_hand(p):
    p.enable()
    hook = sys.getprofile()
    for words in ((), (1, "call", None), (sys._getframe(), 2, None), (None, None, None)):
        try:
            hook(*words)
        except TypeError:
            continue
        raise AssertionError(words)
    assert sys.getprofile() is hook
    p.disable()
    p.clear()


if __name__ == "__main__":
    traced.main(clock)
