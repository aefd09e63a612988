# SPDX-License-Identifier: MIT
"""What is timed. Runs in the measured interpreter: Python 3.10+, alone.

A case is a line of code in a loop, and the same loop with what of that line is no work of the cache: its cost is taken off.
"""

from __future__ import annotations

from dataclasses import dataclass

MAXSIZE = 128
SAME, HUNDRED, NEW = "same", "hundred", "new"       # what the loop's variable k is: not asked for; 100 ints in turn; never seen


@dataclass(frozen=True)
class Case:
    key: str
    title: str
    recipe: str             # what a library has to make for it: see libraries.py
    line: str               # f is a function, o an object with the method m, c a mapping
    turns: str = SAME
    rest: str = "pass"      # what stands in the line in any case
    hit: bool = True

    @property
    def name(self) -> str:
        """What the line calls what the recipe makes."""
        return {"method": "o", "mapping": "c", "ttl mapping": "c"}.get(self.recipe, "f")

    @property
    def is_async(self) -> bool:
        return self.recipe == "async"

    @property
    def repeated(self) -> int:
        """How often the line stands in the loop: the loop itself weighs less then."""
        return 10 if self.turns == SAME else 1


SYNC = (
    Case("int", "one int", "lru", "f(1)"),
    Case("str2", "two str", "lru", "f('user', 'page')"),
    Case("kwargs", "one int, b=, c=", "lru", "f(1, b=2, c=3)"),
    Case("method", "method, one int", "method", "o.m(1)"),
    Case("typed", "one int, typed=True", "typed", "f(1)"),
    Case("fresh", "a new str each time", "lru", "f(f'key {k}')", HUNDRED, "f'key {k}'"),
    Case("hundred", "100 ints in turn", "lru", "f(k)", HUNDRED),
    Case("unbounded", "one int, no maxsize", "unbounded", "f(1)"),
    Case("once", "one int, one load a key", "once", "f(1)"),
    Case("ttl", "one int, with a ttl", "ttl", "f(1)"),
    Case("miss", "miss and evict", "lru", "f(k)", NEW, hit=False),
    Case("once_miss", "miss and evict, one load a key", "once", "f(k)", NEW, hit=False),
    Case("ttl_miss", "miss and evict, with a ttl", "ttl", "f(k)", NEW, hit=False),
)
MAPPING = (
    Case("getitem", "c[1]", "mapping", "c[1]"),
    Case("get", "c.get(1)", "mapping", "c.get(1)"),
    Case("get_ttl", "c.get(1), with a ttl", "ttl mapping", "c.get(1)"),
    Case("set", "c[1] = 2, which is there", "mapping", "c[1] = 2"),
    Case("set_new", "c[k] = 2, new, and evict", "mapping", "c[k] = 2", NEW, hit=False),
)
ASYNC = (
    Case("async_int", "coroutine: hit, one int", "async", "await f(1)"),
    Case("async_kwargs", "coroutine: hit, one int, b=, c=", "async", "await f(1, b=2, c=3)"),
    Case("async_miss", "coroutine: miss and evict", "async", "await f(k)", NEW, hit=False),
)
CASES = (*SYNC, *MAPPING, *ASYNC)
BY_KEY = {case.key: case for case in CASES}
