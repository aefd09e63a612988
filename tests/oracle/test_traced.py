# SPDX-License-Identifier: MIT
"""The exact tracer on programs whose calls and lines are known by construction, with a clock that only they advance."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import tracing


@pytest.fixture(scope="module", params=tracing.FOUND, ids=[each.version for each in tracing.FOUND])
def place(request: pytest.FixtureRequest) -> Iterator[tracing.Place]:
    with tracing.placed(request.param) as there:
        yield there


# How many cases each has at least, so that one that is skipped by mistake is seen.
PROGRAMS = {
    "traced_calls": 14,
    "traced_generators": 20,
    "traced_classes": 9,
    "traced_builtins": 7,
    "traced_switches": 13,
    "traced_threads": 11,
    "traced_timers": 9,
    "traced_lives": 6,
    "traced_lines": 15,
    "traced_line_turns": 21,
}


@pytest.mark.parametrize("program", PROGRAMS)
def test_table(place: tracing.Place, program: str) -> None:
    place.judge(program, PROGRAMS[program])
