# SPDX-License-Identifier: MIT
"""Shares of time against the program's own clock, and depth shares against a stopped reference."""

from __future__ import annotations

import math

import depths
import pytest
import recorder
from interpreters import Interpreter

TRUTH = {"spin_sixty": 0.6, "spin_thirty": 0.3, "spin_ten": 0.1}
POINTS = 0.02


@pytest.mark.parametrize("mode", ["wall", "cpu"])
def test_burners(interpreter: Interpreter, mode: str) -> None:
    recording = recorder.attached(interpreter, "burners", 1.5, 10_000, "--mode", mode)
    shares = {name: recording.own_ns(name) for name in TRUTH}
    total = sum(shares.values())
    samples = recording.summary["totals"]["samples"]
    assert samples >= 300, recording.note()
    for name, truth in TRUTH.items():
        deviation = math.sqrt(truth * (1 - truth) / samples)
        # On a busy machine the wall also counts what the target waits for: whole slices that fall to one function.
        if mode == "wall" and recording.slices:
            deviation += recording.waited * math.sqrt(truth * (1 - truth) / recording.slices)
        found = shares[name] / total
        assert abs(found - truth) <= POINTS + 3 * deviation, f"{name}: {100 * found:.1f} % of {samples}; {recording.note()}"


def test_fib_depths(interpreter: Interpreter) -> None:
    """A light form of depths.py: few stops, so the bound is wide; it finds a gross bias only."""
    if interpreter.minor < 11:
        pytest.skip("frames that are heap objects are cut where they move: shallow stacks are too frequent (docs/measured.md)")
    compared = depths.compare(interpreter, seconds=0.5, stops=60)
    worst = compared.worst()
    assert abs(worst.found - worst.truth) <= 0.03 + 4 * compared.chance(worst), compared.table()
