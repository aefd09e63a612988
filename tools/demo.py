#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The main job on a real program: records examples/parse_stdlib.py, which tokenises and parses the whole standard
library. Ends with a short table, the honesty line, and the path of a flame graph on the last line."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
OUTPACE = ROOT / "build/outpace"
PROFILE = ROOT / "demo.outpace"
PICTURE = ROOT / "demo.svg"


def show(*words: str) -> None:
    print("$ " + shlex.join(["outpace", *words]), flush=True)


def outpace(*words: str | Path, stdout: int | None = None) -> subprocess.CompletedProcess[str]:
    """Its stderr is kept; its stdout goes where `stdout` says, by default to the terminal."""
    done = subprocess.run([OUTPACE, *words], cwd=ROOT, text=True, stdout=stdout, stderr=subprocess.PIPE)
    if done.returncode:
        sys.stderr.write(done.stderr)
        raise SystemExit(done.returncode)
    return done


def main() -> None:
    program = "examples/parse_stdlib.py"
    show("record", "-o", PROFILE.name, "--", "python", program)
    print("(tokenises and parses the standard library: some ten seconds)", flush=True)
    recorded = outpace("record", "-o", PROFILE, "--", sys.executable, program)
    honesty = recorded.stderr.strip().splitlines()[-1:]

    show("report", PROFILE.name, "--sort", "own", "--top", "8")
    table = outpace("report", PROFILE, "--sort", "own", "--top", "8", stdout=subprocess.PIPE).stdout
    # What was measured, and the functions; the hottest lines and the call tree are for the reader to ask for.
    print("\n\n".join(table.strip().split("\n\n")[:2]))
    print("\n".join(honesty))

    show("report", PROFILE.name, "-o", PICTURE.name)
    outpace("report", PROFILE, "-o", PICTURE)
    print(PICTURE)


if __name__ == "__main__":
    main()
