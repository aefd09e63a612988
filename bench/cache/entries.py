# SPDX-License-Identifier: MIT
"""Bytes that an entry takes, by what a fresh process grows: allocators of all kinds are in it. Python 3.10+, alone."""

from __future__ import annotations

import ctypes
import gc
import importlib
import os
from collections.abc import Callable
from datetime import timedelta
from itertools import count as count_from_zero
from typing import Any

HOUR = 3600
STATM = 9       # a descriptor of /proc/self/statm, opened by who starts this: a Python in a root of its own has no /proc
INTS, TWO_STR = "int", "two str"
KEYS = (INTS, TWO_STR)
# Name: module, and a decorator that keeps `count` entries.
KEEPERS: dict[str, tuple[str, Callable[[Any, int], Any]]] = {
    "functools.lru_cache": ("functools", lambda library, count: library.lru_cache(maxsize=count)),
    "outpace.lru_cache": ("outpace", lambda library, count: library.lru_cache(maxsize=count)),
    "functools.cache": ("functools", lambda library, _: library.cache),
    "outpace.cache": ("outpace", lambda library, _: library.cache),
    "outpace.ttl_cache": ("outpace", lambda library, count: library.ttl_cache(HOUR, maxsize=count)),
    "outpace, s3fifo": ("outpace", lambda library, count: library.lru_cache(maxsize=count, policy="s3fifo")),
    "cachetools, LRUCache": ("cachetools", lambda library, count: library.cached(library.LRUCache(count))),
    "cachetools, TTLCache": ("cachetools", lambda library, count: library.cached(library.TTLCache(count, HOUR))),
    "cachebox, LRUCache": ("cachebox", lambda library, count: library.cached(library.LRUCache(count), lock=False)),
    "cachebox, TTLCache": ("cachebox", lambda library, count: library.cached(library.TTLCache(count, HOUR), lock=False)),
    "theine": ("theine", lambda library, count: library.Memoize(count, timedelta(seconds=HOUR), nolock=True)),
}


def resident() -> int:
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    return int(os.pread(STATM, 200, 0).split()[1]) * os.sysconf("SC_PAGE_SIZE")


def bytes_an_entry(keeper: str, keys: str, count: int) -> float:
    """Keys are objects that were there before, and each result is None: only what the cache adds is counted."""
    module, decorator = KEEPERS[keeper]

    missed = count_from_zero()

    def function(a: Any, b: Any = None) -> None:
        next(missed)

    kept = decorator(importlib.import_module(module), count)(function)
    firsts: list[Any] = list(range(1_000_000, 1_000_000 + count))
    if keys == INTS:
        kept(-1)        # what comes once, not an entry at a time
        before = resident()
        for first in firsts:
            kept(first)
    else:
        firsts = [f"user {number}" for number in firsts]
        seconds = [f"item {first}" for first in firsts]
        hash(tuple(map(hash, firsts + seconds)))
        kept("", "")
        before = resident()
        for first, second in zip(firsts, seconds):
            kept(first, second)
    grown = resident() - before
    if keys == INTS:    # a policy that admits not everything keeps less than was asked for
        calls = next(missed)
        sample = firsts[::1000]
        for first in sample:
            kept(first)
        count -= int(count * (next(missed) - calls - 1) / len(sample))
    return grown / count
