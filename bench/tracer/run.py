#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The exact tracer beside cProfile, line_profiler, yappi and viztracer, in one run: prints a Markdown table a Python.

    bench/tracer/run.py [--quick] [--only WORKLOAD]... [--variant NAME]... [--python WHICH]... [--json FILE] [--outpace EXE]

WHICH: a version such as 3.13, or `all` (from 3.10 on); 3.13 unless given, else the newest that is found. A full run
takes about a quarter of an hour a Python and wants an idle machine; --quick takes two pairs of one round each.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path[:0] = [str(HERE), str(HERE.parent / "common"), str(ROOT / "tests/oracle")]

from aims import WORKLOADS  # noqa: E402
from interpreters import Interpreter  # noqa: E402
from machine import TOOL_CPU, describe  # noqa: E402
from pythons import pythons  # noqa: E402
from report import finite, hush, revision, say  # noqa: E402
from stage import Stage  # noqa: E402
from table import Results, markdown, remarks, whole  # noqa: E402
from variants import PEERS, VARIANTS, Variant  # noqa: E402

PAIRS, QUICK_PAIRS = 5, 2


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="The exact tracer beside its peers, in one run.")
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_PAIRS} pairs of one round; resolves little")
    parser.add_argument("--only", action="append", metavar="WORKLOAD", choices=WORKLOADS,
                        help="of: " + ", ".join(WORKLOADS) + "; may be repeated")
    parser.add_argument("--variant", action="append", metavar="NAME",
                        help="a variant, or all whose name begins so: " + ", ".join(each.key for each in VARIANTS))
    parser.add_argument("--python", action="append", metavar="WHICH", help="3.13, 3.13.0, ... or all; may be repeated")
    parser.add_argument("--pairs", type=int, metavar="N", help=f"pairs of bare and profiled runs (default {PAIRS})")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all values there too")
    parser.add_argument("--outpace", type=Path, metavar="EXE", default=ROOT / "build/outpace", help="default: build/outpace")
    return parser.parse_args()


def chosen_variants(names: list[str] | None, python: Interpreter) -> list[Variant]:
    version = tuple(map(int, python.version.split(".")[:2]))
    return [variant for variant in VARIANTS if version >= variant.oldest
            and (names is None or any(variant.key.startswith(name) for name in names))]


def measure(stage: Stage, results: Results, variants: list[Variant], pairs: int, quick: bool) -> None:
    """Pair by pair over everything, so that what drifts meets all alike; who begins a pair alternates."""
    for pair in range(pairs):
        for workload in results.workloads:
            for variant in variants:
                cell = results.cell(variant.key, workload)
                if cell.reason:
                    continue
                say(f"{stage.python.version}, pair {pair + 1} of {pairs}, {workload}: {variant.key}")
                if reason := stage.why_not(variant):
                    cell.reason = reason
                    continue
                rounds = 1 if quick or variant.slow else stage.rounds(workload)
                order = ["bare", variant.key] if pair % 2 == 0 else [variant.key, "bare"]
                runs = {key: stage.run(key, workload, rounds) for key in order}
                bare, watched = runs["bare"], runs[variant.key]
                if bare.reason:
                    raise SystemExit(f"error: {workload} fails on {stage.python.version}: {bare.reason}")
                if watched.reason:
                    cell.reason = watched.reason
                    cell.inside, cell.whole = [], []
                    continue
                cell.inside.append(watched.inside / bare.inside)
                if rounds == stage.rounds(workload):    # else the start outweighs the work
                    cell.whole.append(watched.whole / bare.whole)
                cell.miscounted = cell.miscounted or watched.miscounted
                results.bare.setdefault(workload, []).append(bare.inside / rounds * stage.rounds(workload))


def clock_costs() -> str:
    """What reading a clock takes here: a function of a few instructions and an indirect call around it."""
    with tempfile.TemporaryDirectory() as scratch:
        program = Path(scratch) / "clock"
        try:
            subprocess.run(["cc", "-O2", "-o", program, HERE / "clock.c"], check=True)
            words = subprocess.run([program], check=True, capture_output=True, text=True).stdout.split()
        except (OSError, subprocess.CalledProcessError):
            return "not measured"
    return f"{words[0]} ns the time-stamp counter, {words[1]} ns CLOCK_MONOTONIC"


def write_json(path: Path, about: dict[str, object], tables: list[Results]) -> None:
    rows = [{"python": table.version, "variant": key, "workload": workload, **vars(cell)}
            for table in tables for (key, workload), cell in table.cells.items()]
    bare = {table.version: table.bare for table in tables}
    path.write_text(json.dumps(finite({**about, "bare": bare, "cells": rows}), indent=1) + "\n", encoding="utf-8")


def main() -> int:
    chosen = options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    if (os.cpu_count() or 1) > 1:
        os.sched_setaffinity(0, {TOOL_CPU})     # the workloads run on another
    began, machine = time.monotonic(), describe()
    pairs = chosen.pairs or (QUICK_PAIRS if chosen.quick else PAIRS)
    workloads = [name for name in WORKLOADS if not chosen.only or name in chosen.only]
    tables: list[Results] = []
    try:
        for python in pythons(chosen.python):
            variants = chosen_variants(chosen.variant, python)
            results = Results(python.version, workloads)
            with Stage(python, chosen.outpace, {each.package for each in variants if each.package}) as stage:
                measure(stage, results, variants, pairs, chosen.quick)
            tables.append(results)
    finally:
        hush()
    command = shlex.join(["bench/tracer/run.py", *sys.argv[1:]])
    print(f"`{command}` at {revision()}, {time.strftime('%Y-%m-%d')}, {time.monotonic() - began:.0f} s\n")
    print(f"- ratio of processor time to the bare program: median of {pairs} pairs of fresh processes, pinned to one processor,")
    print(f"  with its {'95 % interval' if pairs >= 5 else 'range'}; the floor is an empty callback for the same events")
    print(f"- one reading of the clock: {clock_costs()}; exact times need two a call, which the floor does without")
    print(f"- peers: cProfile of the Python, {', '.join(peer.replace('==', ' ') for peer in PEERS)}")
    for results in tables:
        print("\n" + "\n\n".join(filter(None, (f"### Python {results.version}", markdown(results), whole(results)))))
        if said := remarks(results):
            print("\n" + "\n".join(f"- {line}" for line in said))
    print(f"\nmachine: {machine}; load at the end {os.getloadavg()[0]:.2f}")
    if chosen.json:
        about = {"command": command, "revision": revision(), "machine": machine, "peers": PEERS, "pairs": pairs,
                 "seconds": time.monotonic() - began}
        write_json(chosen.json, about, tables)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        print("\nbench: interrupted", file=sys.stderr)
        sys.exit(130)
