# SPDX-License-Identifier: MIT
"""How soon: a start, a dump, the first sample."""

from __future__ import annotations

import os
import time

from measure import Bench, Runner, Spun, Unreadable, failed
from stats import summarise
from table import Cell, Figure
from targets import Target
from workloads import TICK_NS


def start_time(command: list[str], environment: dict[str, str]) -> float:
    """Milliseconds from spawn to end. posix_spawn, as fork would copy this process's tables first."""
    sink = os.open(os.devnull, os.O_RDWR)
    try:
        actions = [(os.POSIX_SPAWN_DUP2, sink, stream) for stream in (0, 1, 2)]
        begin = time.perf_counter_ns()
        pid = os.posix_spawnp(command[0], command, environment, file_actions=actions)
        _, status = os.waitpid(pid, 0)
        elapsed = (time.perf_counter_ns() - begin) / 1e6
    finally:
        os.close(sink)
    if os.waitstatus_to_exitcode(status) != 0:
        raise Unreadable(f"exit code {os.waitstatus_to_exitcode(status)}")
    return elapsed


def timed(values: list[float]) -> Cell:
    summary = summarise(values)
    digits = 2 if summary.median < 10 else 1 if summary.median < 100 else 0
    text = f"{summary.median:.{digits}f} ms ({summary.least:.{digits}f}-{summary.most:.{digits}f})"
    return Cell(summary.median, text, summary.low, summary.high, detail=vars(summary))


def first_sample(bench: Bench, runner: Runner) -> float:
    """Milliseconds from the tool's start to the first sample in its file."""
    with Target(runner.python, "ticks") as target:
        target.say("ticks")
        start = int(target.answer())
        time.sleep(0.05)
        with bench.recording(runner, target.pid, 1000) as recording:
            time.sleep(runner.tool.settle + 0.1)
            outcome = recording.stop()
    spun = Spun(runner, "ticks", recording.out, outcome, 0, 0)
    ticks = [int(name[5:]) for stack in spun.stacks() for name in stack if name.startswith("tick_")]
    if not ticks:
        raise Unreadable("no sample")
    return (start + (min(ticks) + 0.5) * TICK_NS - recording.started) / 1e6


def dump_time(runner: Runner) -> float:
    with Target(runner.python, "fib") as target:
        target.spin(3)
        time.sleep(0.02)
        return start_time(runner.tool.dump(target.pid), runner.tool.environment)


def latency(bench: Bench) -> list[Figure]:
    version = Figure("start and end of `--version` (3.15's sampler: `--help`)", 2, "<= 2 ms", False)
    dump = Figure("`dump` of a running process", 10, "<= 10 ms", False)
    attach = Figure("attach to first sample, at 1 kHz", 15, "<= 15 ms", False)
    floor = summarise([start_time(["true"], dict(os.environ)) for _ in range(bench.scale.starts)]).median
    version.label += f"; `true` takes {floor:.2f} ms"

    def version_time(runner: Runner) -> float:
        return start_time(runner.tool.version(), runner.tool.environment)

    plan = ((version, bench.scale.starts, version_time), (dump, bench.scale.attaches * 2, dump_time),
            (attach, bench.scale.attaches, lambda runner: first_sample(bench, runner)))
    for figure, repeats, measure in plan:
        values: dict[str, list[float]] = {}
        for runner in bench.each(figure.label, repeats):
            key = runner.lane.key
            if figure is version and runner.tool.key == "outpace" and key != runner.lane.tool:
                continue    # the same program as in the first lane
            try:
                values.setdefault(key, []).append(measure(runner))
            except Unreadable as error:
                figure.cells[key] = failed(error)
        figure.cells.update({key: timed(of) for key, of in values.items() if of})
    return [version, dump, attach]
