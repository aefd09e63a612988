# SPDX-License-Identifier: MIT
"""Hit ratios on made traces. Python 3.10+, alone."""

from __future__ import annotations

import importlib
import random
from collections.abc import Callable, Iterator
from itertools import accumulate, count, islice
from typing import Any

SKEW = 0.9
SCANNED = 0.25      # the share of requests that are for something never asked for again
POLICIES: dict[str, tuple[str, Callable[[Any, int], Any]]] = {
    "functools, LRU": ("functools", lambda library, size: library.lru_cache(maxsize=size)),
    "outpace, lru": ("outpace", lambda library, size: library.lru_cache(maxsize=size)),
    "outpace, s3fifo": ("outpace", lambda library, size: library.lru_cache(maxsize=size, policy="s3fifo")),
    "theine, W-TinyLFU": ("theine", lambda library, size: library.Memoize(size, None, nolock=True)),
}


def zipf(objects: int, requests: int) -> list[int]:
    weights = list(accumulate(1 / rank ** SKEW for rank in range(1, objects + 1)))
    return random.Random(1).choices(range(objects), cum_weights=weights, k=requests)


def scanned(trace: list[int]) -> Iterator[int]:
    """As many requests: a quarter of them are for new objects, the others are the first of the trace."""
    chance, new, old = random.Random(2), count(1_000_000_000), iter(trace)
    for _ in trace:
        yield next(new) if chance.random() < SCANNED else next(old)


def read_through(trace: list[int], size: int) -> Iterator[int]:
    """Now and then somebody reads a table of five times the size of the cache from end to end."""
    for number, request in enumerate(trace):
        if number % (20 * size) == 10 * size:
            yield from range(1_000_000_000, 1_000_000_000 + 5 * size)
        yield request


def traces(objects: int, requests: int, size: int) -> dict[str, list[int]]:
    base = zipf(objects, requests)
    loop = size + size // 4
    return {
        f"Zipf {SKEW}": base,
        f"Zipf {SKEW}, a quarter asked once": list(scanned(base)),
        f"Zipf {SKEW}, a table read now and then": list(islice(read_through(base, size), requests)),
        "a loop a quarter larger than the cache": [number % loop for number in range(requests)],
    }


def hit_ratios(objects: int, requests: int, sizes: list[int], policies: list[str]) -> dict[str, Any]:
    """{size: {trace: {policy: the share of calls that did not run the function}}}"""
    told: dict[str, dict[str, dict[str, float]]] = {}
    for size in sizes:
        for title, trace in traces(objects, requests, size).items():
            for policy in policies:
                module, decorator = POLICIES[policy]
                missed = count()

                def function(key: int, missed: Iterator[int] = missed) -> None:
                    next(missed)

                try:
                    kept = decorator(importlib.import_module(module), size)(function)
                except (ImportError, AttributeError):
                    continue
                for key in trace:
                    kept(key)
                told.setdefault(str(size), {}).setdefault(title, {})[policy] = 1 - next(missed) / len(trace)
    return told
