# SPDX-License-Identifier: MIT
"""lru_cache, cache and ttl_cache: the programs of tests/caches on every Python found, and sequences of calls by hypothesis here.

The programs run without pytest: their tests are plain functions that tests/caches/run.py calls, a process a file.
"""

from __future__ import annotations

import importlib
import json
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import interpreters
import places
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

CACHES = Path(__file__).resolve().parents[1] / "caches"
HELPERS = {"run", "subject", "fuzz"}
PROGRAMS = sorted(path.stem for path in CACHES.glob("*.py") if path.stem not in HELPERS)
FOUND = [each for each in interpreters.find() if each.minor >= places.OLDEST]
SANITIZED = os.environ.get("OUTPACE_SANITIZER") == "address"


@pytest.fixture(scope="session", params=FOUND, ids=[each.version for each in FOUND])
def place(request: pytest.FixtureRequest) -> Iterator[places.Place]:
    with places.for_caches(request.param) as place:
        shutil.copytree(CACHES, place.outside / "caches", ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(Path(__file__).with_name("cache_models.py"), place.outside / "caches")
        yield place


@pytest.mark.parametrize("program", PROGRAMS)
def test_program(place: places.Place, program: str) -> None:
    folder = place.folder / "caches"
    done = place.run(str(folder / "run.py"), str(folder / f"{program}.py"), timeout=900)
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    told = {line["name"]: line["outcome"] for line in lines if "name" in line}
    bad = {name: text for name, text in told.items() if text != "ok" and not text.startswith("skipped: ")}
    assert not bad, "\n".join(f"{name}\n{text}" for name, text in bad.items())
    begun = [line["begins"] for line in lines if "begins" in line]
    assert begun == list(told), f"{begun[-1]} ended the interpreter: exit code {done.returncode}\n{done.stderr[-4000:]}"
    assert done.returncode == 0 and told, done.stderr[-4000:]


if SANITIZED:

    def test_the_sanitizer_is_there(place: places.Place) -> None:
        done = place.run("-c", "import outpace._cache as c; print(c.__file__); print(open('/proc/self/maps').read())")
        assert "agents-address" in done.stdout.splitlines()[0] and "libasan" in done.stdout, done.stderr


# ---- hypothesis -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def programs(build: Path) -> Iterator[Any]:
    """The modules of tests/caches, imported here."""
    if not list((build / "agents").glob(f"_cache.cpython-3{sys.version_info[1]}-*.so")):
        pytest.skip("no agent for this Python: run make agents")
    sys.path.insert(0, str(CACHES))
    yield importlib.import_module
    sys.path.remove(str(CACHES))


numbers = st.integers(0, 90)
calls = st.tuples(st.just("call"), st.lists(numbers, max_size=3), st.lists(st.tuples(st.integers(0, 4), numbers), max_size=2))
methods = st.tuples(st.just("method"), st.integers(0, 2), st.lists(numbers, max_size=2))
steps = st.one_of(calls, calls, methods, st.just(("clear",)))
few = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))


@few
@given(maxsize=st.sampled_from((None, 0, 1, 2, 3, 5, 8)), typed=st.booleans(), sequence=st.lists(steps, max_size=40))
def test_same_as_functools(programs: Any, maxsize: int | None, typed: bool, sequence: list[Any]) -> None:
    programs("differential").run(maxsize, typed, sequence)


keys = st.integers(0, 11)
model_steps = st.one_of(
    st.tuples(st.just("load"), keys, st.integers(0, 9)),
    st.tuples(st.just("load"), keys, st.integers(0, 9)),
    st.tuples(st.just("set"), keys, st.integers(0, 12)),
    st.tuples(st.just("tick"), st.sampled_from((0.5, 1.0, 3.0))),
    st.tuples(st.just("delete"), keys),
    st.tuples(st.just("peek"), keys),
    st.just(("clear",)),
)


@few
@given(data=st.data(), sequence=st.lists(model_steps, max_size=60))
def test_same_as_the_model(programs: Any, data: st.DataObject, sequence: list[Any]) -> None:
    models = programs("models")
    bounds = models.cache_models.Bounds(
        maxsize=data.draw(st.sampled_from((None, 0, 1, 2, 3, 5, 8, 11))),
        max_bytes=data.draw(st.sampled_from((None, 10, 25))),
        weighed=data.draw(st.booleans()),
        ttl=data.draw(st.sampled_from((None, 0.5, 2.0, 10.0))),
        policy=data.draw(st.sampled_from(("lru", "s3fifo"))),
    )
    if models.is_playable(bounds):
        models.FunctionPlay(bounds).play(sequence)
