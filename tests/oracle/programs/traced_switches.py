# SPDX-License-Identifier: MIT
"""Calls of one thread: when the profiler is switched on and off in the midst of them."""

import resource

import traced
from traced import Clock, case

clock = Clock()


def leaf():
    clock.now += 1


# --- on and off ---------------------------------------------------------------------------------------------------------


@case("also 1/1 10 10", manual=True)
def running_at_enable(p):
    def already():
        clock.now += 1
        p.enable()
        clock.now += 2
        also()
        # returns: it was never entered

    def also():
        clock.now += 10

    def outer():
        already()
        clock.now += 1000

    outer()
    p.disable()


@case("again 4/1 16 16\n  again 3/1 12 12", manual=True)
def running_at_enable_and_recursive(p):
    def again(n):
        if n == 4:
            p.enable()
        clock.now += 4
        if n:
            again(n - 1)

    again(4)  # this one is running, the four below it are entered
    clock.now += 1000
    p.disable()


@case(
    """
second 1/1 2 32
  third 1/1 30 30
third 1/1 30 30
""",
    manual=True,
)
def disabled_deeper_than_enabled(p):
    def second():
        clock.now += 2
        third()
        clock.now += 1000  # is not seen any more

    def third():
        clock.now += 30
        p.disable()
        clock.now += 1000

    p.enable()
    second()
    clock.now += 1000


@case("leaf 1/1 1 1\nother 1/1 10 10", manual=True)
def disabled_less_deep_than_enabled(p):
    def on():
        p.enable()
        leaf()

    def deeper():
        on()
        other()

    def other():
        clock.now += 10

    deeper()
    p.disable()
    leaf()


@case("leaf 3/3 3 3\nmiddle 1/1 100 101\n  leaf 1/1 1 1", manual=True)
def enabled_twice(p):
    def middle():
        clock.now += 100
        p.enable()
        leaf()

    p.enable()
    leaf()
    p.enable()
    middle()
    leaf()
    p.disable()
    p.disable()
    leaf()


@case("leaf 2/2 2 2", manual=True)
def enabled_again(p):
    for _ in range(2):
        p.enable()
        leaf()
        p.disable()
        leaf()


@case("leaf 100/100 100 100", manual=True)
def enabled_a_hundred_times(p):
    for _ in range(100):
        p.enable()
        leaf()
        p.disable()


@case("around 1/1 100 102\n  leaf 2/2 2 2\nleaf 2/2 2 2", manual=True)
def generator_runs_at_enable(p):
    def enables():
        yield 1
        p.enable()
        yield 2
        clock.now += 7
        yield 3

    def around():
        clock.now += 100
        leaf()
        leaf()

    g = enables()
    next(g)
    next(g)  # leaves by a yield, and was never entered
    around()
    p.disable()
    next(g)


@case("leaf 1/1 1 1\nopen_still 1/1 0 1\n  leaf 1/1 1 1", manual=True)
def cleared(p):
    def open_still():
        leaf()
        leaf()
        clock.now += 100
        p.clear()
        leaf()

    p.enable()
    leaf()
    open_still()
    p.disable()


@case("", manual=True)
def read_while_enabled(p):
    def ask():
        clock.now += 1
        leaf()
        return traced.rows_of(p, files={__file__})

    p.enable()
    leaf()
    found = ask()
    p.disable()
    assert found == traced.parse("leaf 2/2 2 2"), found  # what is open is not there yet
    found = traced.rows_of(p, files={__file__})
    assert (None, "ask") in found and found[None, "leaf"] == (2, 2, 2.0, 2.0), found
    return {}


@case("", manual=True)
def profilers_leave_nothing(_):
    def twice():
        yield 1
        yield 2

    def run():
        p = traced.agent.Profiler()
        p.enable()
        list(twice())
        p.disable()
        p.getstats()
        lines = traced.agent.LineProfiler()
        lines.add_code(twice.__code__)
        lines.enable()
        list(twice())
        lines.disable()
        lines.results()

    for _ in range(50):
        run()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for _ in range(300):
        run()
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 2048
    return {}


@case("", manual=True)
def calls_past_a_million(_):
    p = traced.agent.Profiler(builtins=False)
    p.enable()
    for _ in range(1_100_000):
        nothing()
    p.disable()
    (row,) = [each for each in p.getstats() if traced.name_of(each.code) == "nothing"]
    assert row.callcount == 1_100_000 and row.reccallcount == 0
    return {}


def nothing():
    pass


# What the interpreter holds keeps it alive. For ever, so this is the last.
@case("", manual=True, held=True)
def dropped_while_enabled(_):
    p = traced.agent.Profiler(clock.read, 1.0)
    p.enable()
    leaf()
    del p
    leaf()
    return {}


if __name__ == "__main__":
    traced.main(clock)
