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


def test_calls(place: tracing.Place) -> None:
    place.judge("traced_calls", 34)


def test_classes_and_switches(place: tracing.Place) -> None:
    place.judge("traced_classes", 25)


def test_threads_and_timers(place: tracing.Place) -> None:
    place.judge("traced_threads", 18)
