# SPDX-License-Identifier: MIT
"""Caches in other interpreters of the process, one after the other and at a time, with a GIL of their own where there is one."""

import sys

import subject

SUBINTERPRETER = """
import outpace, gc
@outpace.lru_cache(maxsize=3)
def function(x):
    return [x]
for number in range(10):
    assert function(number) == [number]
    assert function(number) == [number]
assert function.cache_info() == (10, 10, 3, 3)
class Owner:
    @outpace.lru_cache
    def method(self):
        return 5
for _ in range(10):
    assert Owner().method() == 5
assert Owner.method.cache_info().currsize == 0
once = outpace.lru_cache(once=True)(lambda x: x)
assert once(1) == once(1) == 1
"""
# Runs code in an interpreter of its own, with the GIL that all share or with its own one; the error, or None.
RUN = """
import sys
try:
    import _interpreters as api
except ImportError:
    import _xxsubinterpreters as api
def run(code, own_gil=False):
    if sys.version_info >= (3, 13):
        other = api.create("isolated" if own_gil else "legacy")
    else:
        other = api.create(isolated=own_gil)
    code = f"import sys; sys.path[:] = {sys.path!r}\\n" + code
    try:
        failed = api.exec(other, code) if hasattr(api, "exec") else api.run_string(other, code)
        return failed and failed.formatted
    except api.RunFailedError as error:
        return str(error)
    finally:
        api.destroy(other)
"""


def test_other_interpreters():
    """One after the other and with the first one's caches alive, each with a module of its own."""
    program = f"""
import outpace
mine = outpace.lru_cache(lambda x: [x])
kept = mine(1)
code = {SUBINTERPRETER!r}
for _ in range(3):
    error = run(code)
    assert error is None, error
exec(code)
assert mine(1) is kept
print("end")
"""
    assert subject.child(RUN + program) == "end\n"


def test_interpreters_in_threads():
    for own_gil in (False, True):
        if own_gil and sys.version_info < (3, 12):
            continue
        assert subject.child(RUN + interpreters_in_threads(own_gil)) == "end\n"


def interpreters_in_threads(own_gil):
    return f"""
import threading
code = {SUBINTERPRETER!r} + '''
for _ in range(200):
    function.cache_clear()
    for number in range(20):
        assert function(number) == [number]
        assert once(number) == number
'''
errors = []
threads = [threading.Thread(target=lambda: errors.append(run(code, {own_gil}))) for _ in range(3)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
assert errors == [None] * 3, errors
print("end")
"""
