# SPDX-License-Identifier: MIT
"""The measurements: each returns rows of the table."""

from __future__ import annotations

import itertools
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from machine import Interpreter
from stacks import judge, upper_bound_text
from stats import Summary, summarise
from table import Cell, Figure, Lane
from targets import Target
from tools import Outcome, Recording, Tool
from workloads import TICK_NS

AS_FAST_AS_IT_CAN = 1_000_000      # Hz asked where the most that a tool reaches is wanted
HOPELESS = 1.5      # a target slowed that much needs no further pairs
WORST_FRACTION = 0.5    # of the asked rate: below it the cell says that the rate was not kept


@dataclass
class Scale:
    """How long and how often; two of them: the full run and --quick."""

    spin: float         # seconds of a recording
    work: float         # seconds of fixed work
    rounds: int         # targets a slowdown is measured on
    pairs: int          # pairs of with and without, a target
    starts: int         # starts of a command
    attaches: int
    memory: float       # seconds of the memory run

    @property
    def lots(self) -> str:
        return f"{self.rounds * self.pairs} pairs of {self.work:g} s"


FULL = Scale(spin=10, work=1.0, rounds=4, pairs=6, starts=50, attaches=15, memory=60)
QUICK = Scale(spin=1.5, work=0.2, rounds=1, pairs=3, starts=15, attaches=3, memory=10)


@dataclass
class Runner:
    lane: Lane
    tool: Tool
    python: Interpreter


@dataclass
class Bench:
    runners: list[Runner]
    scale: Scale
    folder: Path
    say: Callable[[str], None]

    def __post_init__(self) -> None:
        self.serial = itertools.count()

    def start(self, runner: Runner, pid: int, hz: float) -> Recording:
        out = self.folder / f"{next(self.serial)}{runner.tool.ending}"
        return Recording(runner.tool, pid, hz, out)

    @contextmanager
    def recording(self, runner: Runner, pid: int, hz: float) -> Iterator[Recording]:
        recording = self.start(runner, pid, hz)
        try:
            yield recording
        finally:
            if not recording.ended():
                recording.stop()

    def each(self, name: str) -> Iterator[Runner]:
        for runner in self.runners:
            self.say(f"{name}: {runner.lane.title}")
            yield runner

    def spin(self, runner: Runner, workload: str, hz: float, seconds: float, threads: int = 1) -> Spun:
        """Records a busy target for a while, and reads back what was written."""
        settle = runner.tool.settle
        with Target(runner.python, workload, threads) as target:
            target.spin(settle + seconds + 0.5)
            with self.recording(runner, target.pid, hz) as recording:
                time.sleep(settle)
                begin, cpu = time.monotonic(), recording.cpu()
                while time.monotonic() - begin < seconds:
                    time.sleep(min(0.5, max(0.0, begin + seconds - time.monotonic())))
                    recording.look()
                cpu, window = recording.cpu() - cpu, time.monotonic() - begin
                outcome = recording.stop()
        return Spun(runner, workload, recording.out, outcome, cpu / window, settle + window)


class Unreadable(Exception):
    """A tool left no file that can be read."""


@dataclass
class Spun:
    runner: Runner
    workload: str
    out: Path
    outcome: Outcome
    cpu: float      # share of a core while it sampled
    waited: float   # from its start until it was told to stop

    @property
    def seconds(self) -> float:
        """What it says that it sampled, else the time it was given."""
        return self.runner.tool.window(self.outcome.text) or self.waited

    @property
    def missed(self) -> int | None:
        return self.runner.tool.missed(self.outcome.text)

    def stacks(self):  # noqa: ANN201 - a Counter
        try:
            if not self.out.exists():
                raise Unreadable(self.outcome.text.strip().splitlines()[-1:] or [f"exit code {self.outcome.code}"])
            return self.runner.tool.stacks(self.out)
        except (OSError, ValueError, RuntimeError, subprocess.CalledProcessError) as error:
            raise Unreadable(str(error)) from error
        finally:
            for path in self.out.parent.glob(self.out.stem + ".*"):     # they are large
                path.unlink()


def failed(error: Exception) -> Cell:
    return Cell(None, f"failed: {str(error)[:60]}".replace("|", "/").replace("\n", " "))


def big(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def missed_text(missed: int | None, samples: int) -> str:
    """What it gave up, of what it tried."""
    if missed is None:
        return "given up: not told"
    return f"given up {missed} ({100 * missed / max(1, missed + samples):.2g} %)"


# ---- samples a second ---------------------------------------------------------------------------------------------


def throughput(bench: Bench) -> list[Figure]:
    figures = []
    for workload, label in (("fib", "fib"), ("real", "a real program")):
        figure = Figure(f"samples a second into a file, one core: {label}", 100_000, ">= 100,000", True)
        for runner in bench.each(figure.label):
            spun = bench.spin(runner, workload, AS_FAST_AS_IT_CAN, bench.scale.spin)
            try:
                samples = sum(spun.stacks().values())
            except Unreadable as error:
                figure.cells[runner.lane.key] = failed(error)
                continue
            rate = samples / spun.seconds
            figure.cells[runner.lane.key] = Cell(rate, f"{big(rate)}; {missed_text(spun.missed, samples)}", detail={
                "samples": samples, "seconds": spun.seconds, "given_up": spun.missed, "finish_s": spun.outcome.finish,
                "file_bytes": spun.outcome.size, "cpu": spun.cpu})
        figures.append(figure)
    return figures


# ---- slowdown of the target ---------------------------------------------------------------------------------------


def slowdowns(bench: Bench, workload: str, hz: float, threads: int, label: str) -> dict[str, tuple[Summary, int]]:
    """Ratio of the time for the same work with and without, both in one process: a run with the tool between two
    without it. The summary of the ratios, by lane; and the samples a second in the last."""
    ratios: dict[str, list[float]] = {}
    rates: dict[str, int] = {}
    hopeless: set[str] = set()
    pythons = {runner.python.label: runner.python for runner in bench.runners}
    for round_number in range(bench.scale.rounds):
        for python in pythons.values():
            runners = [runner for runner in bench.runners if runner.python is python]
            bench.say(f"{label}: round {round_number + 1} of {bench.scale.rounds} on {python.label}")
            with Target(python, workload, threads) as target:
                units = target.units_for(bench.scale.work)
                before = target.work(units)
                for pair in range(bench.scale.pairs):
                    turn = (pair + round_number) % len(runners)
                    for runner in runners[turn:] + runners[:turn]:
                        key = runner.lane.key
                        if key in hopeless:
                            continue
                        with bench.recording(runner, target.pid, hz) as recording:
                            time.sleep(runner.tool.settle)
                            watched = target.work(units)
                            alive = not recording.ended()
                            outcome = recording.stop()
                        for path in recording.out.parent.glob(recording.out.stem + ".*"):
                            path.unlink()
                        after = target.work(units)
                        if alive and outcome.size:
                            ratios.setdefault(key, []).append(watched / ((before + after) / 2))
                            rates[key] = outcome.size
                            if ratios[key][-1] > HOPELESS:
                                hopeless.add(key)
                        before = after
    return {key: (summarise(values), rates[key]) for key, values in ratios.items()}


def slowdown(bench: Bench) -> list[Figure]:
    figures = []
    for hz, name, aim in ((100, "100 Hz", 0.1), (1000, "1 kHz", 0.3), (10_000, "10 kHz", 1.0), (100_000, "100 kHz", 3.0)):
        figure = Figure(f"slowdown of fib at {name}", aim, f"<= {aim:g} %", False, floor=0.1)
        found = slowdowns(bench, "fib", hz, 1, figure.label)
        for runner in bench.runners:
            if runner.lane.key not in found:
                figure.cells[runner.lane.key] = Cell(None, "no recording succeeded")
                continue
            summary, _ = found[runner.lane.key]
            low, middle, high = (100 * (value - 1) for value in (summary.low, summary.median, summary.high))
            text = f"{middle:+.2f} % [{low:+.2f}, {high:+.2f}], {100 * (summary.least - 1):+.1f} to {100 * (summary.most - 1):+.1f}"
            if middle > 10:
                text = f"{middle:+,.0f} % [{low:+,.0f}, {high:+,.0f}]"
            figure.cells[runner.lane.key] = Cell(middle, text, low, high, detail=vars(summary))
        figures.append(figure)
    return figures


def threads(bench: Bench) -> list[Figure]:
    figure = Figure("256 threads, all but one idle, at 100 Hz: the target's time", 1.01, "<= 1.01x", False)
    found = slowdowns(bench, "fib", 100, 256, figure.label)
    for runner in bench.runners:
        if runner.lane.key not in found:
            figure.cells[runner.lane.key] = Cell(None, "no recording succeeded")
            continue
        summary, _ = found[runner.lane.key]
        text = f"{summary.median:.3f}x [{summary.low:.3f}, {summary.high:.3f}]"
        figure.cells[runner.lane.key] = Cell(summary.median, text, summary.low, summary.high, detail=vars(summary))
    return [figure]


# ---- own cost -----------------------------------------------------------------------------------------------------


def cpu(bench: Bench) -> list[Figure]:
    figures = []
    for count, aim in ((1, 1), (16, 2), (256, 5)):
        name = f"{count} thread{'s' if count > 1 else ''}"
        figure = Figure(f"own CPU at 1 kHz, {name}, {'all but one idle' if count > 1 else 'busy'}", aim, f"<= {aim} % of a core",
                        False, floor=0.05)
        for runner in bench.each(figure.label):
            spun = bench.spin(runner, "fib", 1000, bench.scale.spin, count)
            try:
                # Of the busy thread: some tools write the idle ones too.
                samples = sum(number for stack, number in spun.stacks().items() if "fib" in stack)
            except Unreadable as error:
                figure.cells[runner.lane.key] = failed(error)
                continue
            whole, rate = spun.outcome.cpu / spun.outcome.elapsed, samples / spun.seconds
            text = f"{100 * spun.cpu:.1f} % at {big(rate)}/s"
            if rate < 1000 * WORST_FRACTION:
                text += " **(rate not kept)**"
            figure.cells[runner.lane.key] = Cell(100 * spun.cpu, text, detail={
                "whole_run_percent": 100 * whole, "cpu_s": spun.outcome.cpu, "elapsed_s": spun.outcome.elapsed, "rate": rate})
        figures.append(figure)
    return figures


def memory(bench: Bench) -> list[Figure]:
    seconds = bench.scale.memory
    peak = Figure(f"peak memory, {seconds:.0f} s at 1 kHz, fib", 8, "<= 8 MB", False)
    size = Figure(f"file, {seconds:.0f} s at 1 kHz, fib", None, "-", False)
    for runner in bench.each(peak.label):
        spun = bench.spin(runner, "fib", 1000, seconds)
        if not spun.outcome.size:
            peak.cells[runner.lane.key] = Cell(None, "no file")
            continue
        megabytes = spun.outcome.peak / 1e6
        peak.cells[runner.lane.key] = Cell(megabytes, f"{megabytes:.1f} MB")
        size.cells[runner.lane.key] = Cell(spun.outcome.size / 1e3, f"{spun.outcome.size / 1e3:,.0f} kB")
    return [peak, size]


# ---- truth, beside the speed --------------------------------------------------------------------------------------


def judged(bench: Bench, runner: Runner, workload: str, hz: float, figure: Figure) -> None:
    spun = bench.spin(runner, workload, hz, bench.scale.spin)
    try:
        verdict = judge(spun.stacks(), workload)
    except Unreadable as error:
        figure.cells[runner.lane.key] = failed(error)
        return
    rate = (verdict.whole if workload == "deep" else verdict.samples) / spun.seconds
    share = 100 * verdict.impossible / max(1, verdict.samples)
    text = f"{big(rate)}/s; impossible {verdict.impossible}"
    text += f" ({share:.2g} %)" if verdict.impossible else f" (< {upper_bound_text(verdict.samples)})"
    if verdict.labelled:
        text += f"; labelled {verdict.labelled}"
    if verdict.rootless:
        text += f"; rootless {verdict.rootless}"
    text += "; " + missed_text(spun.missed, verdict.samples)
    value = rate if workload == "deep" else share
    figure.cells[runner.lane.key] = Cell(value, text, detail={**vars(verdict), "given_up": spun.missed, "seconds": spun.seconds})


def deep(bench: Bench) -> list[Figure]:
    figure = Figure("recursion 2,000 deep at 1 kHz: whole stacks accepted a second", 990, ">= 990/s", True)
    for runner in bench.each(figure.label):
        judged(bench, runner, "deep", 1000, figure)
    return [figure]


def chains(bench: Bench) -> list[Figure]:
    figures = []
    for hz, name in ((1000, "1 kHz"), (10_000, "10 kHz"), (100_000, "100 kHz")):
        figure = Figure(f"alternating chains at {name}: accepted, impossible without a label", 0, "none", False, floor=0.001)
        for runner in bench.each(figure.label):
            judged(bench, runner, "chains", hz, figure)
        figures.append(figure)
    return figures


# ---- how soon -----------------------------------------------------------------------------------------------------


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


def latency(bench: Bench) -> list[Figure]:
    version = Figure("start and end of `--version` (3.15's sampler: `--help`)", 2, "<= 2 ms", False)
    dump = Figure("`dump` of a running process", 10, "<= 10 ms", False)
    attach = Figure("attach to first sample, at 1 kHz", 15, "<= 15 ms", False)
    floor = summarise([start_time(["true"], dict(os.environ)) for _ in range(bench.scale.starts)]).median
    version.label += f"; `true` takes {floor:.2f} ms"
    for runner in bench.each("latency"):
        tool, key = runner.tool, runner.lane.key
        starts = max(3, bench.scale.starts // 5) if tool.key == "sampler315" else bench.scale.starts
        try:
            version.cells[key] = timed([start_time(tool.version(), tool.environment) for _ in range(starts)])
        except Unreadable as error:
            version.cells[key] = failed(error)
        try:
            with Target(runner.python, "fib") as target:
                target.spin(1.0 if tool.key != "sampler315" else 1.0 + starts)
                dump.cells[key] = timed([start_time(tool.dump(target.pid), tool.environment) for _ in range(starts)])
        except Unreadable as error:
            dump.cells[key] = failed(error)
        try:
            attach.cells[key] = timed([first_sample(bench, runner) for _ in range(bench.scale.attaches)])
        except Unreadable as error:
            attach.cells[key] = failed(error)
    return [version, dump, attach]


GROUPS: dict[str, Callable[[Bench], list[Figure]]] = {
    "throughput": throughput,
    "slowdown": slowdown,
    "cpu": cpu,
    "threads": threads,
    "deep": deep,
    "latency": latency,
    "memory": memory,
    "chains": chains,
}
