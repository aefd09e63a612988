#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Caches side by side in one run: functools, Outpace and its peers. Prints Markdown tables a Python.

    bench/cache/run.py [--quick] [--python WHICH]... [--only PART]... [-o FILE] [--build FOLDER]

WHICH: a version such as 3.13, or `all` (from 3.10 on); 3.13 unless given, else the newest that is found. Where
OUTPACE_FREE_THREADED names a free-threaded Python, `free` is that one, and is in `all`. A full run takes about six minutes a
Python and wants an idle machine; --quick takes less than one.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import signal
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path[:0] = [str(HERE), str(HERE.parent / "common"), str(ROOT / "tests/oracle")]

from cases import CASES  # noqa: E402
from entries import KEEPERS, KEYS  # noqa: E402
from interpreters import Interpreter, free_threaded  # noqa: E402
from libraries import LIBRARIES  # noqa: E402
from machine import describe  # noqa: E402
from pythons import pythons  # noqa: E402
from report import finite, hush, revision, say  # noqa: E402
from stage import Stage  # noqa: E402
from table import Results, aims_met, markdown, remarks  # noqa: E402
from traces import POLICIES  # noqa: E402

PEERS = ("cachetools==8.0.2", "cachebox==6.2.10", "theine==2.0.0", "dogpile.cache==1.5.0", "async-lru==2.4.0",
         "cachetools-async==0.0.5", "aiocache==0.12.3", "cashews==7.6.0")
# The last that can be installed in an older Python.
OLDER = {"cachetools==8.0.2": (11, "cachetools==7.3.3")}
PARTS = ("times", "threads", "memory", "ratios")
THREADED = ("functools", "outpace", "outpace, s3fifo", "cachebox")    # those that more than one thread may use


@dataclass(frozen=True)
class Effort:
    processes: int          # fresh ones, each with a hash seed of its own
    seconds: float          # that the rounds of one of them last
    repeat_ns: int
    threads: tuple[int, int, int]       # processes, rounds, nanoseconds of a round
    entries: int
    keepers: tuple[str, ...]
    trace: tuple[int, int, list[int]]   # objects, requests, sizes of caches


FULL = Effort(9, 12, 1_000_000, (5, 9, 200_000_000), 1_000_000, tuple(KEEPERS), (100_000, 600_000, [1_000, 10_000]))
QUICK = Effort(2, 4, 300_000, (2, 5, 40_000_000), 100_000, tuple(name for name in KEEPERS if "TTL" not in name),
               (10_000, 60_000, [100, 1_000]))


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Caches side by side in one run.")
    parser.add_argument("--quick", action="store_true", help="less than a minute; resolves little")
    parser.add_argument("--only", action="append", metavar="PART", choices=PARTS, help="of: " + ", ".join(PARTS))
    parser.add_argument("--python", action="append", metavar="WHICH", help="3.13, 3.13.0, free or all; may be repeated")
    parser.add_argument("-o", "--json", type=Path, metavar="FILE", help="write all values there too")
    parser.add_argument("--build", type=Path, metavar="FOLDER", default=ROOT / "build", help="default: build")
    return parser.parse_args()


def chosen_pythons(wanted: list[str] | None) -> list[Interpreter]:
    free = [replace(each, version=f"{each.version}t") for each in free_threaded()]
    free = free if wanted and {"free", "all"} & set(wanted) else []
    others = [word for word in wanted or () if word != "free"]
    if wanted and "free" in wanted and not free:
        raise SystemExit("error: OUTPACE_FREE_THREADED does not name a free-threaded Python")
    return [*(pythons(others or None) if others or not wanted else ()), *free]


def peers_for(python: Interpreter) -> tuple[str, ...]:
    return tuple(older if python.minor < least else peer
                 for peer in PEERS for least, older in (OLDER.get(peer, (0, "")),))


def measure(stage: Stage, effort: Effort, parts: list[str]) -> Results:
    results = Results(stage.python.version, dict(stage.missing))

    def told(text: str) -> None:
        say(f"{stage.python.version}: {text}")

    if "times" in parts:
        for number in range(effort.processes):
            told(f"times, process {number + 1} of {effort.processes}")
            results.add_times(stage.run("times", number + 1, cases=[case.key for case in CASES], libraries=list(LIBRARIES),
                                        repeat_ns=effort.repeat_ns, seconds=effort.seconds, least_rounds=3))
    if "threads" in parts:
        processes, rounds, repeat_ns = effort.threads
        for number in range(processes):
            told(f"threads, process {number + 1} of {processes}")
            results.add_threads(stage.run("threads", number + 1, pinned=False, libraries=THREADED, case="hundred",
                                          rounds=rounds, repeat_ns=repeat_ns))
    there = [keeper for keeper in effort.keepers if KEEPERS[keeper][0] not in stage.missing]
    for keeper in there if "memory" in parts else ():
        for keys in KEYS:
            told(f"memory, {keeper}, {keys}")
            try:
                one = stage.run("memory", 1, library=keeper, keys=keys, count=effort.entries)
            except RuntimeError as error:
                where = results.reasons.setdefault(str(error), [])
                if f"memory of {keeper}" not in where:
                    where.append(f"memory of {keeper}")
                continue
            results.bytes.setdefault(keeper, {})[keys] = one["bytes"]
    if "ratios" in parts:
        told("hit ratios")
        objects, requests, sizes = effort.trace
        results.ratios = stage.run("ratios", 1, objects=objects, requests=requests, sizes=sizes, policies=list(POLICIES))
    return results


def main() -> int:
    chosen = options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    began, machine = time.monotonic(), describe()
    effort = QUICK if chosen.quick else FULL
    parts = [part for part in PARTS if not chosen.only or part in chosen.only]
    tables: list[Results] = []
    try:
        for python in chosen_pythons(chosen.python):
            with Stage(python, chosen.build.resolve(), peers_for(python)) as stage:
                tables.append(measure(stage, effort, parts))
    finally:
        hush()
    command = shlex.join(["bench/cache/run.py", *sys.argv[1:]])
    print(f"`{command}` at {revision()}, {time.strftime('%Y-%m-%d')}, {time.monotonic() - began:.0f} s\n")
    print(f"- ns a line, net of its loop: the least of short repeats in turn, median of {effort.processes} processes"
          f" and its {'95 % interval' if effort.processes >= 5 else 'range'}")
    print(f"- peers: {', '.join(peer.replace('==', ' ') for peer in PEERS)}, each in its cheapest form")
    for results in tables:
        print(f"\n### Python {results.version}\n\n" + "\n\n".join(filter(None, (*markdown(results), aims_met(results)))))
        if said := remarks(results):
            print("\n" + "\n".join(f"- {line}" for line in said))
    print(f"\nmachine: {machine}; load at the end {os.getloadavg()[0]:.2f}")
    if chosen.json:
        about = {"command": command, "revision": revision(), "machine": machine, "peers": PEERS,
                 "seconds": time.monotonic() - began, "pythons": [vars(results) for results in tables]}
        chosen.json.write_text(json.dumps(finite(about), indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        print("\nbench: interrupted", file=sys.stderr)
        sys.exit(130)
