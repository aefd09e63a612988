# SPDX-License-Identifier: MIT
"""Cached coroutine functions on every Python: their suites, in asyncio's debug mode and Python's, with every warning an error."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import cache_awaits
import cache_cancel_suite
import cache_coroutine_suite
import cache_dropped_coroutine_suite
import cache_loads_suite
import cache_loops_suite
import places
import pytest
from conftest import FOUND

SUITES = (cache_coroutine_suite, cache_dropped_coroutine_suite, cache_loads_suite, cache_cancel_suite, cache_loops_suite)
PARTS = [
    f"{suite.__name__}.{name}"
    for suite in SUITES
    for name, value in vars(suite).items()
    if isinstance(value, type) and value.__module__ == suite.__name__ and any(word.startswith("test_") for word in vars(value))
]


@pytest.fixture(scope="module", params=FOUND, ids=[each.version for each in FOUND])
def here(request: pytest.FixtureRequest) -> Iterator[places.Place]:
    """A place for all of this file's tests, with the suites in it."""
    with places.for_caches(request.param) as place:
        for module in (cache_awaits, *SUITES):
            shutil.copy(Path(str(module.__file__)), place.outside)
        yield place


@pytest.mark.parametrize("part", PARTS)
def test_suites(here: places.Place, part: str) -> None:
    done = here.run("-X", "dev", "-W", "error", "-m", "unittest", "-q", part, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "Ran 0 tests" not in done.stderr
