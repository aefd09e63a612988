# SPDX-License-Identifier: MIT
"""What Outpace aims at: each figure as a share of another one of the same run."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Aim:
    title: str
    case: str           # of cases.py
    share: float
    base_case: str
    base_library: str


AIMS = (
    Aim("one int, of functools", "int", 0.45, "int", "functools"),
    Aim("two str, of functools", "str2", 0.32, "str2", "functools"),
    Aim("one int, b=, c=, of functools", "kwargs", 0.20, "kwargs", "functools"),
    Aim("method, of functools", "method", 0.55, "method", "functools"),
    Aim("one int with a ttl, of functools' one int", "ttl", 0.60, "int", "functools"),
    Aim("miss and evict, of functools", "miss", 1.0, "miss", "functools"),
    Aim("coroutine: hit, of a bare await", "async_int", 1.2, "async_int", "no cache"),
)
THREADS = 1.0       # time a call of two threads on one cache, of functools
# Bytes an entry, of the other: what is measured, and of what.
ENTRIES = {"outpace.lru_cache": "functools.lru_cache", "outpace.cache": "functools.cache"}
