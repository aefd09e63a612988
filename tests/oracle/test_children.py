# SPDX-License-Identifier: MIT
"""Every child is in the profile, whichever way it came; --no-children leaves them out; launchers are no obstacle."""

from __future__ import annotations

import shlex
from collections import defaultdict

import judge
import pytest
import recorder
from interpreters import Interpreter

SECONDS = "0.8"


def spins(recording: recorder.Recording) -> dict[int, set[str]]:
    by_process: dict[int, set[str]] = defaultdict(set)
    for stack in recording.stacks:
        by_process[stack.pid] |= {name for name in stack.names() if name.startswith("spin_")}
    return by_process


def check(recording: recorder.Recording) -> None:
    by_process = {pid: names for pid, names in spins(recording).items() if names}
    found = sorted(sorted(names) for names in by_process.values())
    assert found == [[f"spin_{number}"] for number in range(4)], f"{by_process}; {recording.note()}"


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_pool_launched(interpreter: Interpreter, method: str) -> None:
    with recorder.placed(interpreter, "pool") as (_folder, command):
        check(recorder.launched([*command, "0", method, SECONDS], 2000))


def test_pool_attached(interpreter: Interpreter) -> None:
    with recorder.placed(interpreter, "pool") as (_folder, command):
        with recorder.running([*command, "0", "fork", "20"]) as target:
            check(recorder.attach(target.pid, 1.0, 2000))
        with recorder.running([*command, "0", "fork", "20"]) as target:
            alone = recorder.attach(target.pid, 0.4, 2000, "--no-children", "--idle")
    assert set(spins(alone)) == {target.pid}
    assert len(alone.summary["processes"]) == 1


@pytest.mark.parametrize("launcher", ["sh-pipe", "env", "nested"])
def test_launcher(interpreter: Interpreter, launcher: str) -> None:
    with recorder.placed(interpreter, "shared") as (_folder, command):
        words = [*command, "0.4"]
        line = " ".join(map(shlex.quote, words))
        recording = recorder.launched(
            {
                "sh-pipe": ["sh", "-c", f"{line} | cat"],
                "env": ["env", "A=1", *words],
                "nested": ["sh", "-c", f"env A=1 sh -c {shlex.quote(line + '; true')}; true"],
            }[launcher],
            20_000,
        )
    verdict = judge.judge("shared", recording.stacks, launched=True)
    share = judge.impossible_share(interpreter.minor)
    assert verdict.wrong <= judge.allowed(share, verdict.samples), verdict.examples()
    assert verdict.samples - verdict.outside >= 50, recording.note()
