#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Outpace beside py-spy, Austin and Python 3.15's own sampler, in one run: prints a Markdown table.

    bench/sampler/run.py [--quick] [--only NAME]... [--json FILE] [--python EXE] [--outpace EXE]

NAME: throughput, slowdown, turns, cpu, threads, deep, latency, memory, chains. --quick takes about three minutes and
resolves little; the full run takes about 45 minutes, and an idle machine of two processors or more.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import signal
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "common")]

from interpreters import interpreter_315, main_interpreter  # noqa: E402
from latency import latency  # noqa: E402
from machine import ROOT, TOOL_CPU, describe  # noqa: E402
from measure import FULL, QUICK, Bench, Runner, chains, cpu, deep, memory, slowdown, threads, throughput  # noqa: E402
from profilers import Outpace, find_peers  # noqa: E402
from report import finite, hush, revision, say  # noqa: E402
from table import Figure, Lane, losses, markdown  # noqa: E402
from turns import turns  # noqa: E402

GROUPS = {
    "throughput": throughput,
    "slowdown": slowdown,
    "turns": turns,
    "cpu": cpu,
    "threads": threads,
    "deep": deep,
    "latency": latency,
    "memory": memory,
    "chains": chains,
}


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Outpace beside other profilers, in one run.")
    parser.add_argument("--quick", action="store_true", help="about three minutes; resolves little")
    parser.add_argument("--only", action="append", metavar="NAME", choices=[*GROUPS],
                        help="of: " + ", ".join(GROUPS) + "; may be repeated")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all values there too")
    parser.add_argument("--python", metavar="EXE", help="the interpreter that is watched (default: 3.13, 3.12 or 3.11)")
    parser.add_argument("--outpace", type=Path, metavar="EXE", default=ROOT / "build/outpace", help="default: build/outpace")
    return parser.parse_args()


def write_json(path: Path, about: dict[str, object], figures: list[Figure]) -> None:
    rows = [{"figure": figure.label, "aim": figure.aim_text,
             "cells": {key: vars(cell) for key, cell in figure.cells.items()}} for figure in figures]
    path.write_text(json.dumps(finite({**about, "figures": rows}), indent=1) + "\n", encoding="utf-8")


def main() -> int:
    chosen = options()
    if not chosen.outpace.exists():
        print(f"error: there is no {chosen.outpace}\nhint: run make first", file=sys.stderr)
        return 2
    # A runner in the background would hand an ignored Ctrl-C down to the tools, which are stopped by it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    if (os.cpu_count() or 1) > 1:
        os.sched_setaffinity(0, {TOOL_CPU})     # tools inherit it; targets are moved away
    began, machine = time.monotonic(), describe()
    main_python, python315 = main_interpreter(chosen.python), interpreter_315()
    peers, left_out = find_peers(python315)

    outpace = Outpace([str(chosen.outpace.resolve())])
    first = Lane("outpace", f"Outpace, {main_python.label}", "outpace", "outpace")
    runners = [Runner(first, outpace, main_python)]
    for tool in peers:
        if tool.key != "sampler315":
            runners.append(Runner(Lane(tool.key, f"{tool.name}, {main_python.label}", tool.key, "outpace"), tool, main_python))
    if python315 is not None:
        lane = Lane("outpace315", f"Outpace, {python315.label}", "outpace", "outpace315")
        runners.append(Runner(lane, outpace, python315))
        for tool in peers:
            if tool.key == "sampler315":
                runners.append(Runner(Lane(tool.key, tool.name, tool.key, "outpace315"), tool, python315))

    versions = ", ".join(tool.said_version() for tool in [outpace, *peers])
    scale = QUICK if chosen.quick else FULL
    figures: list[Figure] = []
    try:
        with tempfile.TemporaryDirectory(prefix="outpace-bench-") as folder:
            bench = Bench(runners, scale, Path(folder), say)
            for name in chosen.only or GROUPS:
                figures += GROUPS[name](bench)
    finally:
        if python315 is not None and python315.folder is not None:
            python315.folder.cleanup()
        hush()

    lanes = [runner.lane for runner in runners]
    command = shlex.join(["bench/sampler/run.py", *sys.argv[1:]])
    print(f"`{command}` at {revision()}, {time.strftime('%Y-%m-%d')}, {time.monotonic() - began:.0f} s\n")
    print(f"- machine: {machine}; load at the end {os.getloadavg()[0]:.2f}")
    print(f"- tools: {versions}")
    print(f"- tool on processor {TOOL_CPU}, target on another; a slowdown is the median of {scale.lots},")
    print(f"  with its 95 % interval and its range; other rows: {scale.recordings}, median and range;")
    print("  \"ratio\" is how many times better Outpace is on the same interpreter")
    for reason in left_out:
        print(f"- left out: {reason}")
    print("\n" + markdown(figures, lanes) + "\n")
    lost = losses(figures, lanes)
    print("Where Outpace loses or misses its aim:\n" if lost else "Outpace loses nowhere in this run.")
    for line in lost:
        print(f"- {line}")
    if bench.examples:
        print("\nImpossible stacks, one a recording (root first):\n")
        for example in bench.examples[:20]:
            print(f"- `{example}`")
    if chosen.json:
        about = {"command": command, "revision": revision(), "machine": machine, "tools": versions, "left_out": left_out,
                 "seconds": time.monotonic() - began}
        write_json(chosen.json, about, figures)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        print("\nbench: interrupted", file=sys.stderr)
        sys.exit(130)
