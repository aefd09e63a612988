# SPDX-License-Identifier: MIT
"""The bench of the tracer: its parts agree, and its workloads do what they say of themselves."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

WORKLOADS = ("fib", "builtins", "generators", "tree", "tokenizer", "gather")


def ask(root: Path, code: str) -> object:
    """What code in the bench's folder prints as JSON."""
    done = subprocess.run(
        [sys.executable, "-c", f"import json; {code}"], cwd=root / "bench/tracer", check=True, capture_output=True, text=True
    )
    return json.loads(done.stdout)


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
