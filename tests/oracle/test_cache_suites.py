# SPDX-License-Identifier: MIT
"""CPython's own tests of functools.lru_cache and functools.cache pass with ours in their place; none is left out."""

from __future__ import annotations

import json

import interpreters
import places
import pytest


def results(place: places.Place, module: str) -> dict[str, str]:
    done = place.run(str(place.oracle / "cache_suite_shim.py"), module)
    assert done.returncode == 0, done.stderr
    told: dict[str, str] = json.loads(done.stdout.splitlines()[-1])
    if not told:
        pytest.skip(f"{place.interpreter.version} has no test package")
    bad = {name: text for name, text in told.items() if text not in ("ok", "skipped")}
    assert not bad, module + "\n" + "\n".join(f"{name}\n{text}" for name, text in bad.items())
    return told


def test_tests_of_cpython(interpreter: interpreters.Interpreter) -> None:
    with places.for_caches(interpreter) as place:
        # In its own place functools passes, or it is the way in which the tests are run that fails.
        wanted = results(place, "functools")
        assert list(wanted.values()).count("ok") >= 54, wanted
        assert results(place, "outpace") == wanted
