# SPDX-License-Identifier: MIT
"""The measurements: each returns rows of the table."""

from __future__ import annotations

import itertools
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from math import isnan
from pathlib import Path

from interpreters import Interpreter
from machine import wake_percent
from profilers import Outcome, Recording, Tool
from stacks import Stacks, judge, upper_bound_text
from stats import Summary, summarise
from table import Cell, Figure, Lane
from targets import Target

MOST_HZ = (100_000, 1_000_000)     # asked where the most that a tool reaches is wanted; the better of both counts
SLOWDOWN_AIMS = ((100, "100 Hz", 0.1), (1000, "1 kHz", 0.3), (10_000, "10 kHz", 1.0), (100_000, "100 kHz", 3.0))  # percent
HOPELESS = 1.5      # a target slowed that much needs no further pairs
WORST_FRACTION = 0.5    # of the asked rate: below it the cell says that the rate was not kept


@dataclass
class Scale:
    """How long and how often; two of them: the full run and --quick."""

    spin: float         # seconds of a recording
    repeats: int        # recordings of each
    work: float         # seconds of fixed work
    rounds: int         # targets a slowdown is measured on
    pairs: int          # pairs of with and without, a target
    turns: int          # short turns of a tool that is stopped and let go
    starts: int         # starts of a command
    attaches: int
    memory: float       # seconds of the memory run
    together: bool      # the memory runs all at once

    @property
    def lots(self) -> str:
        return f"{self.rounds * self.pairs} pairs of {self.work:g} s"

    @property
    def recordings(self) -> str:
        return f"{self.repeats} recordings of {self.spin:g} s" if self.repeats > 1 else f"one recording of {self.spin:g} s"


FULL = Scale(spin=5, repeats=3, work=1.0, rounds=4, pairs=6, turns=100, starts=50, attaches=15, memory=60, together=False)
QUICK = Scale(spin=0.8, repeats=1, work=0.2, rounds=1, pairs=2, turns=10, starts=10, attaches=3, memory=10, together=True)


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
        self.examples: list[str] = []       # of impossible stacks

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

    def each(self, name: str, repeats: int | None = None) -> Iterator[Runner]:
        """Each runner in turn, again and again: what drifts meets all of them."""
        for _ in range(self.scale.repeats if repeats is None else repeats):
            for runner in self.runners:
                self.say(f"{name}: {runner.lane.title}")
                yield runner

    def spin(self, runner: Runner, workload: str, hz: float, seconds: float, threads: int = 1) -> Spun:
        """Records a busy target for a while. Once more, with patience, where a tool was stopped before it was ready."""
        spun = self.spin_once(runner, workload, hz, seconds, threads, runner.tool.settle)
        if spun.outcome.size == 0:
            spun = self.spin_once(runner, workload, hz, seconds, threads, 5 * runner.tool.settle)
        return spun

    def spin_once(self, runner: Runner, workload: str, hz: float, seconds: float, threads: int, settle: float) -> Spun:
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

    def forget(self) -> None:
        for path in self.out.parent.glob(self.out.stem + ".*"):     # they are large
            path.unlink()

    def stacks(self) -> Stacks:
        try:
            if not self.out.exists():
                lines = self.outcome.text.strip().splitlines() or [f"exit code {self.outcome.code}"]
                raise Unreadable(lines[-1])
            return self.runner.tool.stacks(self.out)
        except (OSError, ValueError, RuntimeError, subprocess.CalledProcessError) as error:
            raise Unreadable(str(error)) from error
        finally:
            self.forget()


def failed(error: Exception) -> Cell:
    return Cell(None, f"failed: {str(error)[:60]}".replace("|", "/").replace("\n", " "))


def big(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def missed_text(missed: float, samples: float) -> str:
    """What it gave up, of what it tried."""
    if isnan(missed):
        return "given up: not told"
    return f"given up {missed:.0f} ({100 * missed / max(1, missed + samples):.2g} %)"


class Collected:
    """The values of repeated recordings, by lane; the cells are their medians with ranges."""

    def __init__(self) -> None:
        self.values: dict[str, list[dict[str, float]]] = {}
        self.failures: dict[str, Cell] = {}

    def add(self, runner: Runner, **values: float) -> None:
        self.values.setdefault(runner.lane.key, []).append(values)

    def fail(self, runner: Runner, error: Exception) -> None:
        self.failures[runner.lane.key] = failed(error)

    def fill(self, figure: Figure, cell: Callable[[dict[str, Summary], dict[str, float]], Cell]) -> None:
        """`cell` gets the summary of each value, and the sums."""
        figure.cells.update(self.failures)
        for key, rows in self.values.items():
            summaries = {name: summarise([row[name] for row in rows]) for name in rows[0]}
            figure.cells[key] = cell(summaries, {name: sum(row[name] for row in rows) for name in rows[0]})
            figure.cells[key].detail = {"repeats": rows}


def ranged(summary: Summary, show: Callable[[float], str], unit: str = "") -> str:
    middle = f"{show(summary.median)}{unit}"
    return middle if summary.count < 2 else f"{middle} ({show(summary.least)}-{show(summary.most)})"


def not_taken(spun: Spun) -> float:
    return float("nan") if spun.missed is None else float(spun.missed)


# ---- samples a second ---------------------------------------------------------------------------------------------


def throughput(bench: Bench) -> list[Figure]:
    figures = []
    for workload, label in (("fib", "fib"), ("real", "a real program")):
        figure = Figure(f"samples a second into a file, one core: {label}", 100_000, ">= 100,000", True)
        collected = Collected()
        for runner in bench.each(figure.label):
            best: dict[str, float] = {}
            for hz in MOST_HZ:
                spun = bench.spin(runner, workload, hz, bench.scale.spin)
                try:
                    samples = sum(spun.stacks().values())
                except Unreadable as error:
                    collected.fail(runner, error)
                    continue
                if not best or samples / spun.seconds > best["rate"]:
                    best = {"rate": samples / spun.seconds, "asked": hz, "samples": samples, "missed": not_taken(spun),
                            "cpu": spun.cpu, "finish_s": spun.outcome.finish, "file_bytes": spun.outcome.size}
            if best:
                collected.add(runner, **best)
        collected.fill(figure, lambda of, total: Cell(
            of["rate"].median, f"{ranged(of['rate'], big)}; {missed_text(total['missed'], total['samples'])}",
            of["rate"].least, of["rate"].most))
        figures.append(figure)
    return figures


# ---- slowdown of the target ---------------------------------------------------------------------------------------


@dataclass
class Slowed:
    ratio: Summary      # time with the tool, of the time without
    rate: float | None  # samples a second that it took of the work, in the last pair
    kept: bool          # most of what was asked


def slowdowns(bench: Bench, hz: float, threads: int, label: str) -> dict[str, Slowed]:
    """The time of the same work with and without, both in one process: a run with the tool between two without it."""
    ratios: dict[str, list[float]] = {}
    last: dict[str, tuple[Spun, float]] = {}
    hopeless: set[str] = set()
    pythons = {runner.python.label: runner.python for runner in bench.runners}
    for round_number in range(bench.scale.rounds):
        for python in pythons.values():
            runners = [runner for runner in bench.runners if runner.python is python]
            bench.say(f"{label}: round {round_number + 1} of {bench.scale.rounds} on {python.label}")
            with Target(python, "fib", threads) as target:
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
                        after = target.work(units)
                        if key in last:
                            last[key][0].forget()
                        last[key] = Spun(runner, "fib", recording.out, outcome, 0, 0), watched / 1e9
                        if alive and outcome.size:
                            ratios.setdefault(key, []).append(watched / ((before + after) / 2))
                            if ratios[key][-1] > HOPELESS:
                                hopeless.add(key)
                        before = after
    found = {}
    for key, values in ratios.items():
        spun, seconds = last[key]
        try:
            rate = sum(count for stack, count in spun.stacks().items() if "fib" in stack) / seconds
        except Unreadable:
            rate = None
        found[key] = Slowed(summarise(values), rate, rate is not None and rate >= hz * WORST_FRACTION)
    return found


def at_rate(slowed: Slowed) -> str:
    if slowed.rate is None:
        return ""
    return f"; at {big(slowed.rate)}/s" + ("" if slowed.kept else " **(rate not kept)**")


def slowdown(bench: Bench) -> list[Figure]:
    figures = []
    for hz, name, aim in SLOWDOWN_AIMS:
        figure = Figure(f"slowdown of fib at {name}", aim, f"<= {aim:g} %", False, floor=0.1)
        found = slowdowns(bench, hz, 1, figure.label)
        for runner in bench.runners:
            slowed = found.get(runner.lane.key)
            if slowed is None:
                figure.cells[runner.lane.key] = Cell(None, "no recording succeeded")
                continue
            ratio = slowed.ratio
            middle, low, high, least, most = (100 * (value - 1) for value in
                                              (ratio.median, ratio.low, ratio.high, ratio.least, ratio.most))
            text = f"{middle:+.2f} % [{low:+.2f}, {high:+.2f}], {least:+.1f} to {most:+.1f}"
            if middle > 10:
                text = f"{middle:+,.0f} %" + (f" [{low:+,.0f}, {high:+,.0f}]" if ratio.count > 1 else ", once")
            figure.cells[runner.lane.key] = Cell(middle, text + at_rate(slowed), low, high, slowed.kept,
                                                 {**vars(ratio), "rate": slowed.rate})
        figures.append(figure)
    return figures


def threads(bench: Bench) -> list[Figure]:
    figure = Figure("256 threads, all but one idle, at 100 Hz: the target's time", 1.01, "<= 1.01x", False)
    found = slowdowns(bench, 100, 256, figure.label)
    for runner in bench.runners:
        slowed = found.get(runner.lane.key)
        if slowed is None:
            figure.cells[runner.lane.key] = Cell(None, "no recording succeeded")
            continue
        ratio = slowed.ratio
        text = f"{ratio.median:.3f}x" + (f" [{ratio.low:.3f}, {ratio.high:.3f}]" if ratio.count > 1 else ", once")
        figure.cells[runner.lane.key] = Cell(ratio.median, text + at_rate(slowed), ratio.low, ratio.high, slowed.kept,
                                             {**vars(ratio), "rate": slowed.rate})
    return [figure]


# ---- own cost -----------------------------------------------------------------------------------------------------


def cpu(bench: Bench) -> list[Figure]:
    floor = Figure("a bare loop of 1,000 sleeps a second (Python)", None, "-", False)
    percent = summarise([wake_percent(bench.scale.spin) for _ in range(bench.scale.repeats)])
    text = f"{ranged(percent, lambda value: f'{value:.1f}')} % of a core"
    floor.cells[bench.runners[0].lane.key] = Cell(percent.median, text)
    figures = [floor]
    for count, aim in ((1, 1), (16, 2), (256, 5)):
        name = f"{count} threads, all but one idle" if count > 1 else "1 busy thread"
        figure = Figure(f"own CPU at 1 kHz, {name}", aim, f"<= {aim} % of a core", False, floor=0.05)
        collected = Collected()
        for runner in bench.each(figure.label):
            spun = bench.spin(runner, "fib", 1000, bench.scale.spin, count)
            try:
                # Of the busy thread: some tools write the idle ones too.
                samples = sum(number for stack, number in spun.stacks().items() if "fib" in stack)
            except Unreadable as error:
                collected.fail(runner, error)
                continue
            outcome = spun.outcome
            collected.add(runner, percent=100 * spun.cpu, rate=samples / spun.seconds,
                          whole_run_percent=100 * outcome.cpu / outcome.elapsed, cpu_s=outcome.cpu, elapsed_s=outcome.elapsed)

        def cell(of: dict[str, Summary], _total: dict[str, float]) -> Cell:
            kept = of["rate"].median >= 1000 * WORST_FRACTION
            text = f"{ranged(of['percent'], lambda value: f'{value:.1f}')} % at {big(of['rate'].median)}/s"
            text += f"; whole run {of['whole_run_percent'].median:.1f} %" + ("" if kept else " **(rate not kept)**")
            return Cell(of["percent"].median, text, of["percent"].least, of["percent"].most, kept)

        collected.fill(figure, cell)
        figures.append(figure)
    return figures


def memory(bench: Bench) -> list[Figure]:
    seconds = bench.scale.memory
    peak = Figure(f"peak memory, {seconds:.0f} s at 1 kHz, fib", 8, "<= 8 MB", False)
    size = Figure(f"file, {seconds:.0f} s at 1 kHz, fib", None, "-", False)

    def run(runner: Runner) -> None:
        spun = bench.spin(runner, "fib", 1000, seconds)
        spun.forget()
        if not spun.outcome.size:
            peak.cells[runner.lane.key] = Cell(None, "no file")
            return
        megabytes, kilobytes = spun.outcome.peak / 1e6, spun.outcome.size / 1e3
        peak.cells[runner.lane.key] = Cell(megabytes, f"{megabytes:.1f} MB")
        size.cells[runner.lane.key] = Cell(kilobytes, f"{kilobytes:,.0f} kB")

    runners = list(bench.each(peak.label, 1))
    with ThreadPoolExecutor(len(runners) if bench.scale.together else 1) as pool:
        list(pool.map(run, runners))
    return [peak, size]


# ---- truth, beside the speed --------------------------------------------------------------------------------------


def judged(bench: Bench, workload: str, hz: float, figure: Figure) -> None:
    collected = Collected()
    for runner in bench.each(figure.label):
        spun = bench.spin(runner, workload, hz, bench.scale.spin)
        try:
            verdict = judge(spun.stacks(), workload)
        except Unreadable as error:
            collected.fail(runner, error)
            continue
        if verdict.example:
            bench.examples.append(f"{runner.lane.title}, {workload} at {hz:g} Hz: {verdict.example}")
        collected.add(runner, rate=(verdict.whole if workload == "deep" else verdict.samples) / spun.seconds,
                      samples=verdict.samples, impossible=verdict.impossible, labelled=verdict.labelled,
                      rootless=verdict.rootless, missed=not_taken(spun))

    def cell(of: dict[str, Summary], total: dict[str, float]) -> Cell:
        share = 100 * total["impossible"] / max(1, total["samples"])
        text = f"{ranged(of['rate'], big)}/s; impossible {total['impossible']:.0f}"
        text += f" ({share:.2g} %)" if share else f" of {total['samples']:,.0f} (< {upper_bound_text(int(total['samples']))})"
        for name in ("labelled", "rootless"):
            text += f"; {name} {total[name]:.0f}" if total[name] else ""
        text += "; " + missed_text(total["missed"], total["samples"])
        if workload == "deep":
            return Cell(of["rate"].median, text, of["rate"].least, of["rate"].most)
        return Cell(share, text)

    collected.fill(figure, cell)


def deep(bench: Bench) -> list[Figure]:
    figure = Figure("recursion 2,000 deep at 1 kHz: whole stacks accepted a second", 990, ">= 990/s", True)
    judged(bench, "deep", 1000, figure)
    return [figure]


def chains(bench: Bench) -> list[Figure]:
    figures = []
    for hz, name in ((1000, "1 kHz"), (10_000, "10 kHz"), (100_000, "100 kHz")):
        figure = Figure(f"alternating chains at {name}: accepted, impossible without a label", 0, "none", False,
                        show_ratio=False)
        judged(bench, "chains", hz, figure)
        figures.append(figure)
    return figures
