#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The long run: so many accepted samples a version, and how many stacks among them cannot be. Prints markdown.

    tests/oracle/million.py [--samples N] [--rate HZ] [VERSION...]

Default: 1,000,000 a version (or OUTPACE_ORACLE_SAMPLES), spread evenly over the programs of judge.py, at 100,000/s.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections import Counter
from datetime import datetime, timezone

import interpreters
import judge
import recorder
from interpreters import Interpreter

FIRST_SECONDS, MOST_SECONDS = 1.0, 20.0
PROGRAM_SECONDS = 60.0  # of recording: a program that is slow to walk stays below its number


def measure(interpreter: Interpreter, name: str, samples: int, rate: int) -> tuple[judge.Verdict, Counter[str]]:
    verdict, counters, seconds, recorded = judge.Verdict(), Counter(), FIRST_SECONDS, 0.0
    with recorder.placed(interpreter, name) as (_folder, command):
        while verdict.accepted < samples and recorded < PROGRAM_SECONDS:
            with recorder.running(command) as target:
                recording = recorder.attach(target.pid, seconds, rate)
            recorded += seconds
            one = judge.judge(name, recording.stacks)
            verdict.add(one)
            counters.update(recording.counters)
            if not one.accepted:
                break
            missing = samples - verdict.accepted
            seconds = min(MOST_SECONDS, max(FIRST_SECONDS, 1.1 * seconds * missing / one.accepted))
    return verdict, counters


def row(version: str, verdict: judge.Verdict, counters: Counter[str]) -> str:
    accepted = verdict.accepted
    bound = judge.upper_95(verdict.wrong)
    asked = max(1, verdict.samples + counters["given_up"])
    cells = [
        version,
        f"{accepted:,}",
        str(verdict.wrong),
        f"{bound:.1f} ({1e6 * bound / max(1, accepted):.1f} in a million)",
        *(f"{100 * verdict.labelled[label] / asked:.4f} %" for label in judge.LABELLED),
        f"{100 * counters['given_up'] / asked:.4f} %",
        str(counters["lost"]),
    ]
    return f"| {' | '.join(cells)} |"


def main() -> int:
    parser = argparse.ArgumentParser(description="Counts impossible stacks in a long run.")
    parser.add_argument("--samples", type=int, default=int(os.environ.get("OUTPACE_ORACLE_SAMPLES", "1000000")))
    parser.add_argument("--rate", type=int, default=100_000)
    parser.add_argument("--programs", default=",".join(judge.PROGRAMS), help="of: " + ",".join(judge.PROGRAMS))
    parser.add_argument("versions", nargs="*", metavar="VERSION")
    options = parser.parse_args()
    programs = options.programs.split(",")

    print(
        f"{datetime.now(timezone.utc):%Y-%m-%d}, {os.cpu_count()} processors, {options.rate:,}/s asked, attached, "
        f"over {len(programs)} programs ({', '.join(programs)}).\n"
    )
    print("| Python | accepted | impossible | 95 % bound | unproven | unreadable | truncated | gone | given up | lost |")
    print("|---|---|---|---|---|---|---|---|---|---|", flush=True)
    survivors: list[str] = []
    for interpreter in interpreters.find():
        if options.versions and not any(interpreter.version.startswith(each) for each in options.versions):
            continue
        verdict, counters = judge.Verdict(), Counter()
        for name in programs:
            print(f"{interpreter.version} {name} ...", file=sys.stderr, flush=True)
            one, counted = measure(interpreter, name, -(-options.samples // len(programs)), options.rate)
            verdict.add(one)
            counters.update(counted)
            survivors += [f"- {interpreter.version} {name}: {count} x `{text}`" for text, count in one.impossible.most_common(3)]
        print(row(interpreter.version, verdict, counters), flush=True)
    if survivors:
        print("\nImpossible stacks, the most frequent of each program:\n")
        print("\n".join(survivors))
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main())
