# SPDX-License-Identifier: MIT
"""outpace.Cache on every Python: its suites, and sequences of calls against slow models."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import cache_bounds_suite
import cache_hostile_suite
import cache_mapping_suite
import cache_models
import fuzz_cache
import outpace
import places
import pytest
from conftest import FOUND
from hypothesis import given, settings
from hypothesis import strategies as st

SUITES = (cache_mapping_suite, cache_bounds_suite, cache_hostile_suite)
FILES = ("cache_models.py", "cache_function_models.py", "fuzz_cache.py", *(f"{suite.__name__}.py" for suite in SUITES))
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
        for name in FILES:
            shutil.copy(Path(__file__).with_name(name), place.outside)
        yield place


@pytest.mark.parametrize("part", PARTS)
def test_suites(here: places.Place, part: str) -> None:
    # With the checks of the allocator, and every warning an error.
    done = here.run("-X", "dev", "-W", "error", "-X", "faulthandler", "-m", "unittest", "-q", part)
    assert done.returncode == 0, done.stderr
    assert "Ran 0 tests" not in done.stderr


def test_random_calls(here: places.Place) -> None:
    done = here.run("-X", "dev", "fuzz_cache.py", "--seed", "1", "--rounds", "60", "--seconds", "120")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "no difference" in done.stdout


FAILING = """
import ctypes, random, sys
from outpace import Cache

tool = ctypes.PyDLL(sys.argv[1])
failures = 0
shapes = [{"maxsize": 50}, {"maxsize": 50, "policy": "s3fifo"}, {"max_bytes": 50, "weigh": lambda value: 1, "policy": "s3fifo"}]
for shape in shapes:
    number = 0
    while number < 500:
        number += 1
        tool.fail_at(number)
        chance, errors = random.Random(1), 0
        cache = Cache(**shape)
        for value in range(600):
            try:
                cache[chance.randrange(200)] = value
                cache.get(chance.randrange(200))
                if value % 30 == 0:
                    cache.pop(chance.randrange(200), None)
            except MemoryError:
                errors += 1
            assert len(cache) == len(dict(cache.items())) <= 50
        assert errors <= 1
        failures += errors
        while cache:
            cache.popitem()
        if tool.is_to_come():
            break
    assert number < 500
    tool.fail_at(0)
print(failures)
"""


def test_memory_that_is_not_pythons_may_fail(here: places.Place) -> None:
    if here.interpreter.root != Path("/"):
        pytest.skip("it is built with the headers and the C library of this root")
    tool = here.outside / "failing_malloc.so"
    source = Path(__file__).with_name("failing_malloc.c")
    subprocess.run(["cc", "-O1", "-fPIC", "-fno-builtin", "-shared", "-o", tool, source, "-ldl"], check=True, timeout=60)
    done = here.run("-X", "dev", "-c", FAILING, str(tool), LD_PRELOAD=str(tool))
    assert (done.returncode, done.stderr) == (0, "")
    assert int(done.stdout) >= 6  # of links, and of marks, as they grow; that there is a ghost less is no error


# ---- sequences that hypothesis thinks of, and makes short where they fail ----------------------------------------------

KEYS = st.one_of(
    st.integers(-2, 12),
    st.sampled_from(["a", "b", "c", None, 1.0, 2.5, False, (1, "a"), (1.0, "a"), 1 << 64, float(1 << 64)]),
    st.builds(fuzz_cache.Colliding, st.integers(0, 5)),
)
WEIGHTS = st.integers(0, 7)
STEPS = st.one_of(
    st.tuples(st.just("set"), KEYS, WEIGHTS),
    st.tuples(st.just("set"), KEYS, WEIGHTS, st.sampled_from([0.5, 2.0, 9.0])),
    st.tuples(st.sampled_from(["load", "setdefault"]), KEYS, WEIGHTS),
    st.tuples(st.sampled_from(["get", "item", "peek", "contains", "delete", "pop"]), KEYS),
    st.tuples(st.just("tick"), st.sampled_from([0.5, 1.0, 4.0])),
    st.tuples(st.sampled_from(["popitem", "clear", "expire"])),
)
BOUNDS = st.builds(
    cache_models.Bounds,
    maxsize=st.one_of(st.none(), st.integers(0, 12)),
    max_bytes=st.none(),
    weighed=st.booleans(),
    ttl=st.sampled_from([None, 1.0, 5.0]),
    policy=st.sampled_from(["lru", "s3fifo"]),
)
WEIGHED = st.builds(
    cache_models.Bounds,
    maxsize=st.one_of(st.none(), st.integers(0, 12)),
    max_bytes=st.integers(1, 20),
    weighed=st.just(True),
    ttl=st.sampled_from([None, 5.0]),
    policy=st.sampled_from(["lru", "s3fifo"]),
)


@settings(max_examples=300, deadline=None)
@given(st.one_of(BOUNDS, WEIGHED), st.lists(STEPS, max_size=60), st.booleans())
def test_it_does_what_its_model_does(bounds: cache_models.Bounds, steps: list[cache_models.Step], tidy: bool) -> None:
    cache_models.stage(bounds, outpace.Cache, tidy).play(steps)


def test_a_wrong_cache_is_found_out() -> None:
    class Wrong(outpace.Cache[object, object]):
        """Its get is no use."""

        def get(self, key: object, default: object = None) -> object:
            return self.peek(key) if key in self else default

    bounds = cache_models.Bounds(maxsize=2)
    steps: list[cache_models.Step] = [("set", 1, 1), ("set", 2, 1), ("get", 1), ("set", 3, 1)]
    cache_models.stage(bounds, outpace.Cache, True).play(steps)
    for tidy in (True, False):
        with pytest.raises(cache_models.Difference):
            cache_models.stage(bounds, Wrong, tidy).play(steps)
