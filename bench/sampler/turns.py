# SPDX-License-Identifier: MIT
"""The slowdown of a target in short turns, and how much of it is the copy of its stack alone.

A tool is stopped (SIGSTOP) and let go again every some hundredths of a second, so that what drifts meets both alike. Only
for tools that bear it: one that stops its target would leave it stopped, and one that makes up for missed samples would take
twice as many.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from measure import SLOWDOWN_AIMS, Bench, Runner, Spun, Unreadable, big
from profilers import Outcome, Recording
from stats import Summary, summarise
from table import Cell, Figure
from targets import Target

TURN_SECONDS = 0.04
SLACK_BYTES = 512       # what Outpace copies above the stack that it expects


def in_turns(target: Target, processes: list[subprocess.Popen[bytes]], turns: int) -> tuple[list[Summary], float]:
    """For each process the ratio of the time of the same work with it to that without, and for how many seconds each was let
    go. They take turns: a virtual machine whose processors share a core for a while meets all of them."""
    units = target.units_for(TURN_SECONDS)
    ratios: list[list[float]] = [[] for _ in processes]
    seconds = 0.0
    try:
        for process in processes:
            process.send_signal(signal.SIGSTOP)
        before = target.work(units)
        for _ in range(turns):
            for process, found in zip(processes, ratios, strict=True):
                process.send_signal(signal.SIGCONT)
                watched = target.work(units)
                process.send_signal(signal.SIGSTOP)
                after = target.work(units)
                found.append(2 * watched / (before + after))
                seconds += watched / 1e9
                before = after
    finally:
        for process in processes:
            process.send_signal(signal.SIGCONT)
    return [summarise(found) for found in ratios], seconds / len(processes)


@contextmanager
def bare_copy(target: Target, hz: float) -> Iterator[subprocess.Popen[bytes]]:
    start, size = target.stack()
    command = [sys.executable, str(Path(__file__).with_name("bare_copy.py")), str(target.pid), str(start),
               str(size + SLACK_BYTES), str(hz)]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)
    try:
        time.sleep(0.3)
        if process.poll() is not None:
            raise Unreadable("the bare copy ended")
        yield process
    finally:
        process.kill()
        process.wait()


def cell(ratio: Summary, rate: float | None) -> Cell:
    middle, low, high = (100 * (value - 1) for value in (ratio.median, ratio.low, ratio.high))
    text = f"{middle:+.2f} % [{low:+.2f}, {high:+.2f}]" + ("" if rate is None else f"; at {big(rate)}/s")
    return Cell(middle, text, low, high, True, {**vars(ratio), "rate": rate})


def watched(bench: Bench, runner: Runner, hz: float) -> tuple[Cell, Cell]:
    """Outpace, and the bare copy."""
    with Target(runner.python, "fib") as target, bare_copy(target, hz) as copy, \
            bench.recording(runner, target.pid, hz) as recording:
        time.sleep(runner.tool.settle)
        (ours, bare), seconds = in_turns(target, [recording.process, copy], bench.scale.turns)
        outcome = recording.stop()
    return cell(ours, rate_of(runner, recording, outcome, seconds)), cell(bare, None)


def rate_of(runner: Runner, recording: Recording, outcome: Outcome, seconds: float) -> float | None:
    """Samples a second while it was let go; its start and end, of some tenths of a second, are in it."""
    if outcome.size == 0:
        return None
    spun = Spun(runner, "fib", recording.out, outcome, 0, 0)
    try:
        return sum(count for stack, count in spun.stacks().items() if "fib" in stack) / (seconds + runner.tool.settle)
    except Unreadable:
        return None


def turns(bench: Bench) -> list[Figure]:
    figures = []
    for hz, name, aim in SLOWDOWN_AIMS:
        turn = f"in turns of {1000 * TURN_SECONDS:.0f} ms"
        ours = Figure(f"slowdown of fib at {name}, {turn}", aim, f"<= {aim:g} %", False, floor=0.1)
        copy = Figure(f"slowdown of fib by a bare copy of its stack at {name}, {turn}", None, "-", False)
        for runner in bench.runners:
            if runner.tool.key != "outpace":
                continue
            bench.say(f"{ours.label}: {runner.lane.title}")
            ours.cells[runner.lane.key], copy.cells[runner.lane.key] = watched(bench, runner, hz)
        figures += [ours, copy]
    return figures
