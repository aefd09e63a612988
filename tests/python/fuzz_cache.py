#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Random sequences of calls of caches and cached functions against slow models, for as long as is said.

    tests/python/fuzz_cache.py [--seconds N] [--seed N] [--rounds N]

Where one differs from its model it prints the seed, the bounds and the shortest sequence found that still shows it, and
ends with exit code 1. Needs the standard library only.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import cache_function_models
import cache_models
from cache_function_models import Call
from cache_models import Bounds, Stage, Step

STEPS = 300


class Colliding:
    """Equal by number, with few hashes."""

    def __init__(self, number: int) -> None:
        self.number = number

    def __hash__(self) -> int:
        return self.number % 3

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Colliding) and self.number == other.number

    def __repr__(self) -> str:
        return f"Colliding({self.number})"


def random_bounds(random: random.Random) -> Bounds:
    shape = random.randrange(4)
    return Bounds(
        maxsize=random.choice((0, 1, 2, 3, 5, 8, 20, 40)) if shape in (1, 3) else None,
        max_bytes=random.choice((1, 5, 12, 40)) if shape in (2, 3) else None,
        weighed=shape in (2, 3) or random.random() < 0.2,
        ttl=random.choice((None, None, 1.0, 4.0)),
        policy=random.choice(("lru", "s3fifo")),
    )


def keys(random: random.Random, count: int) -> list[Any]:
    kinds: list[Callable[[int], Any]] = [
        lambda n: n,
        lambda n: n,
        str,
        lambda n: (n, str(n)),
        float,
        Colliding,
        lambda n: 1 << (n + 60),
        lambda n: n % 2 == 0,
        lambda n: None,
    ]
    # Skewed, so that some are used again and again.
    return [random.choice(kinds)(min(int(random.expovariate(1) * 6), 30)) for _ in range(count)]


def random_steps(random: random.Random, count: int) -> list[Step]:
    def weight() -> int:
        return random.choice((0, 1, 1, 2, 3, 6, 15))

    steps: list[Step] = []
    for key in keys(random, count):
        choice = random.random()
        if choice < 0.28:
            ttl = random.choice((None, None, None, 0.5, 3.0))
            steps.append(("set", key, weight()) if ttl is None else ("set", key, weight(), ttl))
        elif choice < 0.55:
            steps.append((random.choice(("get", "item")), key))
        elif choice < 0.75:
            steps.append((random.choice(("load", "setdefault")), key, weight()))
        elif choice < 0.85:
            steps.append((random.choice(("delete", "pop")), key))
        elif choice < 0.92:
            steps.append((random.choice(("peek", "contains")), key))
        elif choice < 0.98:
            steps.append(("tick", random.choice((0.5, 1.0, 3.0))))
        else:
            steps.append((random.choice(("popitem", "popitem", "expire", "clear")),))
    return steps


def random_shape(random: random.Random, typed: bool) -> Callable[[Any], Call]:
    """Calls of all forms, mostly with a lone argument."""

    def shape(key: Any) -> Call:
        form = random.randrange(6)
        if form == 0:
            return Call((key, 1), (), typed)
        if form == 1:
            return Call((), (("name", key),), typed)
        if form == 2:
            return Call((key,), (("name", 1), ("other", key)), typed)
        return Call((key,), (), typed)

    return shape


def fails(stage: Callable[[], Stage], steps: list[Step]) -> str:
    """What is wrong, or nothing."""
    try:
        stage().play(steps)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return ""


def shorten(steps: list[Step], still_fails: Callable[[list[Step]], bool]) -> list[Step]:
    size = len(steps) // 2
    while size > 0:
        start = 0
        while start < len(steps):
            without = steps[:start] + steps[start + size :]
            if still_fails(without):
                steps = without
            else:
                start += size
        size //= 2
    return steps


def one_round(seed: int) -> bool:
    import outpace

    chance = random.Random(seed)
    bounds, tidy = random_bounds(chance), chance.random() < 0.7
    steps = random_steps(chance, STEPS)
    what, typed, once = chance.choice(("mapping", "function")), chance.random() < 0.3, chance.random() < 0.5
    if what == "function":
        steps = cache_function_models.as_function(steps, random_shape(chance, typed))

    def stage() -> Stage:
        if what == "mapping":
            return cache_models.stage(bounds, outpace.Cache, tidy)
        return cache_function_models.stage(bounds, partial(outpace.lru_cache, typed=typed, once=once), tidy)

    if not fails(stage, steps):
        return True
    steps = shorten(steps, lambda fewer: bool(fails(stage, fewer)))
    print(f"--seed {seed} --rounds 1: a {what}, {bounds}, tidy={tidy}, typed={typed}, once={once}", fails(stage, steps), sep="\n")
    print("[", *(f"    {step}," for step in steps), "]", sep="\n")
    return False


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=10.0, help="stop after so many (10)")
    parser.add_argument("--rounds", type=int, default=0, help="stop after so many, too")
    parser.add_argument("--seed", type=int, default=None, help="of the first round; the next is one more")
    options = parser.parse_args()

    first = random.SystemRandom().randrange(1 << 32) if options.seed is None else options.seed
    end = time.monotonic() + options.seconds
    rounds = 0
    while time.monotonic() < end and (rounds < options.rounds or options.rounds == 0):
        if not one_round(first + rounds):
            return 1
        rounds += 1
    print(f"{rounds} sequences of {STEPS} calls from seed {first}: no difference")
    return 0


if __name__ == "__main__":
    sys.exit(main())
