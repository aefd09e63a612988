# SPDX-License-Identifier: MIT
"""The benches of the tracer and of the caches: their parts agree, and what they run does what it says of itself."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

# A module with a sanitizer in it is not for a Python without.
OURS = () if "OUTPACE_SANITIZER" in os.environ else ("outpace", "outpace, s3fifo")
WORKLOADS = ("fib", "builtins", "generators", "tree", "tokenizer", "gather")


def ask(root: Path, code: str, bench: str = "tracer") -> object:
    """What code in the bench's folder prints as JSON."""
    done = subprocess.run(
        [sys.executable, "-c", f"import json; {code}"], cwd=root / "bench" / bench, check=True, capture_output=True, text=True
    )
    return json.loads(done.stdout)


def cache_part(root: Path, tmp_path: Path, part: str, **settings: object) -> dict[str, Any]:
    """What a part of the bench of caches answers."""
    out = tmp_path / "out.json"
    asked = {"part": part, "out": str(out), "path": [str(root / "python")], **settings}
    subprocess.run([sys.executable, str(root / "bench/cache/driver.py"), json.dumps(asked)], check=True)
    told = json.loads(out.read_text(encoding="utf-8"))
    assert isinstance(told, dict)
    return told


def test_every_variant_is_known_to_the_driver(root: Path) -> None:
    keys = ask(root, "from variants import VARIANTS; print(json.dumps([each.key for each in VARIANTS]))")
    floors = ask(root, "from variants import VARIANTS; print(json.dumps([key for each in VARIANTS for key in each.floor]))")
    known = ask(root, "from driver import VARIANTS; print(json.dumps(list(VARIANTS)))")
    assert isinstance(keys, list) and isinstance(floors, list) and isinstance(known, list)
    assert len(set(keys)) == len(keys)
    assert set(keys) - {"outpace-command"} | {"bare"} == set(known)  # the command runs the bare program
    assert set(floors) <= set(keys)


def test_every_aim_is_of_a_workload(root: Path) -> None:
    aims = ask(root, "from aims import AIMS; print(json.dumps(AIMS))")
    assert isinstance(aims, dict)
    assert set(aims["calls"]) == set(WORKLOADS) == {path.stem for path in (root / "bench/tracer/workloads").glob("*.py")}
    assert all(set(of) <= set(WORKLOADS) for of in aims.values())


@pytest.mark.parametrize("workload", WORKLOADS)
def test_a_workload_has_the_calls_that_it_tells(root: Path, workload: str, tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    asked = {
        "variant": "cprofile",
        "workload": str(root / f"bench/tracer/workloads/{workload}.py"),
        "rounds": 1,
        "out": str(out),
    }
    subprocess.run([sys.executable, str(root / "bench/tracer/driver.py"), json.dumps(asked)], check=True)
    told = json.loads(out.read_text(encoding="utf-8"))
    assert told["counted"] == told["expected"] > 0


def test_the_aims_of_the_caches_are_of_what_is_measured(root: Path) -> None:
    code = "from aims import *; print(json.dumps([[[each.case, each.base_case] for each in AIMS], list(ENTRIES.items())]))"
    told = ask(root, code, "cache")
    assert isinstance(told, list)
    aims, entries = told
    cases = ask(root, "from cases import CASES; print(json.dumps([each.key for each in CASES]))", "cache")
    keepers = ask(root, "from entries import KEEPERS; print(json.dumps(list(KEEPERS)))", "cache")
    assert isinstance(cases, list) and isinstance(keepers, list)
    assert len(set(cases)) == len(cases)
    assert {case for pair in aims for case in pair} <= set(cases)
    assert {keeper for pair in entries for keeper in pair} <= set(keepers)


def test_each_line_gives_the_same_with_each_cache_and_hits_call_nothing(root: Path, tmp_path: Path) -> None:
    told = ask(root, "from cases import CASES; print(json.dumps([[c.key, c.turns, c.recipe] for c in CASES]))", "cache")
    assert isinstance(told, list)
    libraries = ["no cache", "functools", *OURS]
    found = cache_part(root, tmp_path, "smoke", cases=[key for key, _, _ in told], libraries=libraries)
    for key, turns, recipe in told:
        of = found.get(key, {})
        assert len({json.dumps(value) for value, _ in of.values()}) <= 1, (key, of)
        # Three turns and a look: one key or four.
        expected = 0 if "mapping" in recipe else 1 if turns == "same" else 4
        assert all(calls == expected for library, (_, calls) in of.items() if library != "no cache"), (key, of)
    assert all("functools" in found[key] for key in ("int", "str2", "kwargs", "method", "typed", "fresh", "hundred", "miss"))
    assert not OURS or all("outpace" in of for of in found.values())


def test_times_and_threads_are_told_of_each_cache(root: Path, tmp_path: Path) -> None:
    cases, libraries = ["int", "miss", "async_int"], ["no cache", "functools"]
    times = cache_part(root, tmp_path, "times", cases=cases, libraries=libraries, repeat_ns=10_000, seconds=0, least_rounds=2)
    assert {key: sorted(of) for key, of in times["ns"].items()} == {
        "int": ["functools", "no cache"],
        "miss": ["functools", "no cache"],
        "async_int": ["no cache"],
    }
    assert times["rounds"] == 2 and not times["reasons"]
    threads = cache_part(root, tmp_path, "threads", libraries=["functools"], case="hundred", rounds=1, repeat_ns=100_000)
    assert set(threads["functools"]) == {"1", "2"} and min(threads["functools"].values()) > 0


def test_traces_are_what_their_names_say(root: Path, tmp_path: Path) -> None:
    code = "from traces import traces; print(json.dumps(traces(1000, 20000, 50)))"
    found = ask(root, code, "cache")
    assert isinstance(found, dict)
    zipf, scanned, read, loop = found.values()
    assert all(len(trace) == 20000 for trace in found.values())
    assert 0.23 < sum(request >= 1_000_000_000 for request in scanned) / 20000 < 0.27
    assert len(set(scanned) - set(zipf)) == sum(request >= 1_000_000_000 for request in scanned)
    assert sum(request >= 1_000_000_000 for request in read) > 250
    assert set(loop) == set(range(62))
    policies = ["functools, LRU", *(["outpace, lru", "outpace, s3fifo"] if OURS else [])]
    told = cache_part(root, tmp_path, "ratios", objects=1000, requests=20000, sizes=[50], policies=policies)["50"]
    for trace, of in told.items():
        assert sorted(of) == sorted(policies)
        assert 0 <= of["functools, LRU"] < 1
        assert of.get("outpace, lru", of["functools, LRU"]) == of["functools, LRU"], trace
        assert of.get("outpace, s3fifo", 1) > of["functools, LRU"], trace


def test_an_entry_takes_memory(root: Path, tmp_path: Path) -> None:
    """The driver reads /proc/self/statm through a descriptor that it is given."""
    out = tmp_path / "out.json"
    asked = {"part": "memory", "out": str(out), "path": [], "library": "functools.lru_cache", "keys": "int", "count": 20_000}
    command = [sys.executable, str(root / "bench/cache/driver.py"), json.dumps(asked)]
    subprocess.run(["sh", "-c", 'exec 9</proc/self/statm; exec "$@"', "sh", *command], check=True)
    assert 40 < json.loads(out.read_text(encoding="utf-8"))["bytes"] < 1000
