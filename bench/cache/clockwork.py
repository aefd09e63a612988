# SPDX-License-Identifier: MIT
"""Times lines of code against each other: short repeats in turn, the least of each counts. Python 3.10+, alone."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Iterable
from itertools import cycle, islice, repeat
from typing import Any

from cases import HUNDRED, NEW, Case

FIRST_NEW = 1_000_000       # small ints are objects that are there already
LOOP = """
{prefix}def timed(turns, {name}, clock):
    began = clock()
    for k in turns:
        {lines}
    return clock() - began
"""


class Timed:
    """A line in a loop of its own code object: what the interpreter learns about one cell says nothing to the next."""

    def __init__(self, case: Case, line: str, subject: Any) -> None:
        self.case, self.subject = case, subject
        self.count, self.least, self.start = 1, float("inf"), FIRST_NEW
        scope: dict[str, Any] = {}
        prefix = "async " if case.is_async else ""
        exec(LOOP.format(prefix=prefix, name=case.name, lines="\n        ".join([line] * case.repeated)), scope)
        self.loop = scope["timed"]

    def turns(self) -> Iterable[Any]:
        if self.case.turns == NEW:
            self.start += self.count
            return range(self.start - self.count, self.start)
        return islice(cycle(range(100)), self.count) if self.case.turns == HUNDRED else repeat(None, self.count)

    def run(self, events: asyncio.AbstractEventLoop) -> int:
        """Nanoseconds of one repeat."""
        took = self.loop(self.turns(), self.subject, time.perf_counter_ns)
        return int(events.run_until_complete(took) if self.case.is_async else took)

    def prepare(self, events: asyncio.AbstractEventLoop, repeat_ns: int) -> None:
        """Fills the cache, lets the interpreter learn, and finds out how many turns take about `repeat_ns`.

        The least of some runs tells: the first ones import and fill, and any may be interrupted.
        """
        while (took := min(self.run(events) for _ in range(5))) < repeat_ns // 2 and self.count < 1 << 24:
            self.count *= 2
        self.count = max(1, int(self.count * repeat_ns / max(took, 1)))

    def measure(self, events: asyncio.AbstractEventLoop) -> None:
        gc.disable()
        try:
            took = self.run(events)
        finally:
            gc.enable()
        self.least = min(self.least, took / (self.count * self.case.repeated))


class Bench:
    """Cells by case and library; each is less the loop that its case stands in."""

    def __init__(self, repeat_ns: int) -> None:
        self.events = asyncio.new_event_loop()
        self.repeat_ns = repeat_ns
        self.cells: dict[tuple[str, str], Timed] = {}
        self.loops: dict[tuple[bool, str, str], Timed] = {}

    @staticmethod
    def loop_of(case: Case) -> tuple[bool, str, str]:
        return case.is_async, case.turns, case.rest

    def add(self, case: Case, library: str, subject: Any) -> None:
        """Raises what the library raises at first use."""
        cell = Timed(case, case.line, subject)
        cell.prepare(self.events, self.repeat_ns)
        self.cells[case.key, library] = cell
        if self.loop_of(case) not in self.loops:
            loop = Timed(case, case.rest, None)
            loop.prepare(self.events, self.repeat_ns)
            self.loops[self.loop_of(case)] = loop

    def round(self) -> None:
        for timed in (*self.loops.values(), *self.cells.values()):
            timed.measure(self.events)
        gc.collect()

    def figures(self) -> dict[str, dict[str, float]]:
        """Nanoseconds a line, net of the loop, by case and library."""
        told: dict[str, dict[str, float]] = {}
        for (key, library), cell in self.cells.items():
            told.setdefault(key, {})[library] = cell.least - self.loops[self.loop_of(cell.case)].least
        return told

    def close(self) -> None:
        """Tasks that libraries keep alive are cancelled, so that the loop ends without a word."""
        tasks = asyncio.all_tasks(self.events)
        for task in tasks:
            task.cancel()
        if tasks:
            self.events.run_until_complete(asyncio.wait(tasks))
        self.events.close()
