#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Depth shares of fib, sampled, against a stopped reference: the target is stopped at Poisson times, dumped, continued.

tests/oracle/depths.py [--stops N] [--seconds S] [--rate HZ] [VERSION...]
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import os
import random
import signal
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import interpreters
import judge
import recorder
from interpreters import Interpreter

MEAN_GAP_SECONDS = 0.004


@dataclass
class Share:
    depth: int
    found: float
    truth: float


@dataclass
class Compared:
    version: str
    shares: list[Share]
    samples: int
    stops: int
    waited: float
    slices: int

    def chance(self, share: Share) -> float:
        """The standard deviation. A target that waits for a processor is sampled again and again in one state, so
        that part of the samples counts only once a time slice."""
        middle = (share.found + share.truth) / 2
        spread = math.sqrt(middle * (1 - middle))
        sampled = spread * ((1 - self.waited) / math.sqrt(self.samples) + self.waited / math.sqrt(max(self.slices, 1)))
        return math.hypot(spread / math.sqrt(self.stops), sampled)

    def worst(self) -> Share:
        return max(self.shares, key=lambda share: abs(share.found - share.truth) - 4 * self.chance(share))

    def table(self) -> str:
        lines = [
            f"Python {self.version}: {self.samples} samples, {self.stops} stops, kept waiting {100 * self.waited:.0f} %",
            "depth  sampled %  stopped %  difference",
        ]
        for share in self.shares:
            found, truth = 100 * share.found, 100 * share.truth
            chance = 196 * self.chance(share)
            lines.append(f"{share.depth:5}  {found:9.2f}  {truth:9.2f}  {found - truth:+10.2f} (chance: {chance:.2f})")
        worst = max(self.shares, key=lambda share: abs(share.found - share.truth))
        lines.append(f"largest difference: {100 * abs(worst.found - worst.truth):.2f} points, at depth {worst.depth}")
        return "\n".join(lines)


def _state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def _ran_ns(pid: int) -> int:
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0])


def stopped_stacks(pid: int, stops: int, chance: random.Random) -> list[list[str]]:
    """The main thread's functions, leaf first, at times that the target's own processor clock spaces at random."""
    stacks: list[list[str]] = []
    for _ in range(stops):
        until = _ran_ns(pid) + int(1e9 * chance.expovariate(1 / MEAN_GAP_SECONDS))
        while _ran_ns(pid) < until:
            time.sleep(0.0002 + 0.0006 * chance.random())
        os.kill(pid, signal.SIGSTOP)
        try:
            while _state(pid) != "T":
                time.sleep(0.0001)
            told = json.loads(recorder.tool(["dump", "--json", "-p", str(pid)]).stdout)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
        stacks.append([frame["function"].rsplit(".", 1)[-1] for frame in told["threads"][0]["frames"]])
    return stacks


def compare(interpreter: Interpreter, seconds: float, stops: int, rate: int = 10_000) -> Compared:
    chance = random.Random(20)
    with recorder.placed(interpreter, "fib") as (_folder, command), recorder.running(command) as target:
        recording = recorder.attach(target.pid, seconds, rate)
        truth = Counter(names.count("fib") for names in stopped_stacks(target.pid, stops, chance))
    found: Counter[int] = Counter()
    for stack in recording.stacks:
        if not stack.labels & set(judge.LABELLED):
            found[stack.names().count("fib")] += stack.count
    samples = sum(found.values())
    shares = [Share(depth, found[depth] / samples, truth[depth] / stops) for depth in sorted(set(found) | set(truth))]
    return Compared(interpreter.version, shares, samples, stops, recording.waited, recording.slices)


def main() -> None:
    parser = argparse.ArgumentParser(description="Depth shares of fib against a stopped reference.")
    parser.add_argument("--stops", type=int, default=2000)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--rate", type=int, default=10_000)
    parser.add_argument("versions", nargs="*", metavar="VERSION")
    options = parser.parse_args()
    for interpreter in interpreters.find():
        if not options.versions or any(interpreter.version.startswith(each) for each in options.versions):
            print(compare(interpreter, options.seconds, options.stops, options.rate).table(), end="\n\n", flush=True)


if __name__ == "__main__":
    main()
