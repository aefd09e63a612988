# SPDX-License-Identifier: MIT
"""Test modules of the standard library under cProfile and under outpace.Profiler, with a counter for a clock: each function
has the same calls, primitive calls, own time and total time, and so has each caller of it, wherever cProfile is right.

What cProfile gets wrong, and is therefore not compared:

- Several functions of a name, file and line overwrite each other in its `stats`, so both are read by our snapshot_stats.
- A C method that a subclass overrides is named after the Python function that overrides it, with an address, because
  the name is looked up in the type of the object: "<function Random.seed at 0x7f...>". Compared without their names.
- 3.11 tells that a generator was left, but not that it was entered, where an exception is thrown into it through a
  `yield from`; so does 3.15 for the code of a generator expression that a test makes a function of. cProfile then takes
  the caller off its stack, and all that follows stands under wrong callers: CONFUSED.
- Threads have one stack together from 3.12 on, and before only the one thread counts: no module here starts any.
  (test_functools does, and test_lru_cache_threaded then hangs under cProfile of 3.12 and 3.13.)
"""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import Any

import interpreters
import places
import pytest

MODULES = ["test_bisect", "test_contextlib", "test_copy", "test_generators", "test_textwrap"]
CONFUSED = {("test_generators", 11), ("test_generators", 15)}  # module, minor version
ADDRESS = re.compile(r"0x[0-9a-f]+")
MISNAMED = re.compile(r"<function (?:\w+\.)*(\w+) at 0x>")

Label = tuple[str, int, str]


def label(place: str, line: int, name: str) -> Label:
    if "disable" in name and "Profiler" in name:
        return "~", 0, "the end"
    return place, line, ADDRESS.sub("0x", name)


def table(place: places.Place, which: str, module: str) -> dict[Label, Any]:
    done = place.run(str(place.oracle / "parity_shim.py"), which, f"test.{module}", PYTHONHASHSEED="0", timeout=100)
    if "No module named 'test." in done.stderr or "No module named 'test'" in done.stderr:
        pytest.skip(f"{place.interpreter.version} has no test package")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["tests"] > 20
    return {
        label(*key): (figures, {label(*caller): times for caller, times in callers}) for key, figures, callers in told["rows"]
    }


@pytest.mark.parametrize("module", MODULES)
def test_same_table_as_cprofile(interpreter: interpreters.Interpreter, module: str) -> None:
    with places.of(interpreter) as place:
        theirs, ours = table(place, "cProfile", module), table(place, "outpace", module)
    for key, (figures, callers) in ours.items():
        by_callers = sum(times[0] for times in callers.values())
        # What ran or ran on without a caller is what was called by the program itself, once.
        assert figures[1] - by_callers in (0, 1), (key, figures, callers)
    if (module, interpreter.minor) in CONFUSED:
        assert theirs != ours, "cProfile is right now: take it off the list"
        return
    named = {name[1] for key in theirs if (name := MISNAMED.fullmatch(key[2]))}

    def only(one: dict[Label, Any], other: dict[Label, Any]) -> dict[Label, Any]:
        return {key: one[key] for key in one if key not in other}

    def without_names(rows: dict[Label, Any]) -> Counter[str]:
        return Counter(json.dumps([figures, sorted(callers.values())]) for figures, callers in rows.values())

    lost, new = only(theirs, ours), only(ours, theirs)
    assert all(MISNAMED.fullmatch(name) for _, _, name in lost), lost
    assert all(re.fullmatch(rf"<.*\b({'|'.join(named)})\b.*>", name) for _, _, name in new), new
    assert without_names(lost) == without_names(new)
    different = {key: (theirs[key], ours[key]) for key in theirs if key in ours and theirs[key] != ours[key]}
    assert not different, "\n".join(f"{key}\n  cProfile {one}\n  outpace  {other}" for key, (one, other) in different.items())
