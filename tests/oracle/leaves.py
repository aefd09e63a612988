#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Which function runs, sampled, against a stopped reference, for programs whose functions last for 20 to 100 ns.

tests/oracle/leaves.py [--stops N] [--seconds S] [--program NAME]... [VERSION...]
"""

from __future__ import annotations

import argparse
import random
from collections import Counter

import depths
import interpreters
import judge
import recorder

PROGRAMS = ["classes", "callbacks", "expressions", "shared", "polymorphic", "generators", "awaits"]
RATE = 100_000


def main() -> None:
    parser = argparse.ArgumentParser(description="Shares of short functions against a stopped reference.")
    parser.add_argument("--stops", type=int, default=400)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--program", action="append", choices=PROGRAMS)
    parser.add_argument("versions", nargs="*", metavar="VERSION")
    options = parser.parse_args()
    for interpreter in interpreters.find():
        if options.versions and not any(interpreter.version.startswith(each) for each in options.versions):
            continue
        for name in options.program or PROGRAMS:
            found: Counter[str] = Counter()
            with recorder.placed(interpreter, name) as (_folder, command), recorder.running(command) as target:
                recording = recorder.attach(target.pid, options.seconds, RATE)
                stopped = depths.stopped_stacks(target.pid, options.stops, random.Random(20))
            for stack in recording.stacks:
                if stack.frames and not stack.labels & set(judge.LABELLED):
                    found[stack.frames[-1].name] += stack.count
            truth = Counter(names[0] for names in stopped if names)
            shares = [
                (name, 100 * found[name] / sum(found.values()), 100 * truth[name] / options.stops)
                for name, _count in (truth + found).most_common()
            ]
            words = ", ".join(f"{name} {ours:.0f}/{theirs:.0f}" for name, ours, theirs in shares if max(ours, theirs) >= 1)
            print(f"{name} on {interpreter.version}, % sampled/stopped: {words}", flush=True)


if __name__ == "__main__":
    main()
