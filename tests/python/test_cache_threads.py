# SPDX-License-Identifier: MIT
"""Threads hammer the caches (cache_threads.py): on each Python that is found, and on those without a GIL that
OUTPACE_FREE_THREADED names. One that has the thread sanitizer ends with exit code 66 where it saw a race."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import agents
import interpreters
import pytest
from places import Place

PROGRAM = Path(__file__).resolve().parent / "cache_threads.py"
SCENARIOS = 14
FREE = [pytest.param(each, id=each.command[-1]) for each in interpreters.free_threaded()]
NONE = pytest.param(None, marks=pytest.mark.skip(reason="OUTPACE_FREE_THREADED names no Python without a GIL"), id="none")


def check(done: subprocess.CompletedProcess[str]) -> None:
    assert done.returncode == 0, done.stdout + done.stderr[-20_000:]
    ended = [line.partition(": ")[2] for line in done.stdout.splitlines()]
    assert ended == ["ok"] * SCENARIOS, done.stdout


def test_threads_hammer_a_cache(place: Place) -> None:
    for name in (PROGRAM.name, "hammer.py"):
        (place.outside / name).write_bytes((PROGRAM.parent / name).read_bytes())
    check(place.run(PROGRAM.name, "--rounds", "1000"))


@pytest.mark.parametrize("interpreter", FREE or [NONE])
def test_threads_hammer_a_cache_without_a_gil(interpreter: interpreters.Interpreter, root: Path, build: Path) -> None:
    target = agents.target_of(interpreter)
    assert target is not None, f"{interpreter.command[-1]} has no Python.h"
    folder = build / target.folder
    if not (folder / f"_cache{target.suffix}").is_file():
        pytest.skip("its modules are not built: run tools/agents.py")
    environment = {name: text for name, text in os.environ.items() if not name.startswith(("OUTPACE_", "PYTHON"))}
    environment |= {"PYTHONPATH": str(root / "python"), "OUTPACE_TRACE_AGENT": str(folder)}
    # That the module switches no GIL on: else nothing would be tested here.
    code = f"import sys, outpace._cache as c; print(c.__file__.startswith({str(folder)!r}), sys._is_gil_enabled())"
    told = subprocess.run([*interpreter.command, "-c", code], env=environment, capture_output=True, text=True, timeout=300)
    assert told.stdout.split() == ["True", "False"], told.stdout + told.stderr
    words = ["--threads", "4", "--rounds", "400", "--seconds", "1400"]
    command = [*interpreter.command, str(PROGRAM), *words]
    check(subprocess.run(command, env=environment, capture_output=True, text=True, timeout=1500))
