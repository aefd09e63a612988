# SPDX-License-Identifier: MIT
"""For programs in which threads hammer one thing: threads that begin together, counts, a clock, and who is still alive."""

from __future__ import annotations

import gc
import random
import threading
import weakref
from collections.abc import Callable

Work = Callable[[int, random.Random], None]


def hammer(threads: int, work: Work) -> None:
    """Runs work(number, random) in each of so many threads, which begin together; raises what the first of them raised."""
    failures: list[BaseException] = []
    start = threading.Barrier(threads)

    def run(number: int) -> None:
        try:
            start.wait()
            work(number, random.Random(number))
        except BaseException as error:
            failures.append(error)

    running = [threading.Thread(target=run, args=(number,)) for number in range(threads)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    if failures:
        raise failures[0]


class Counted:
    """A number that threads count together. itertools.count is not atomic without a GIL."""

    def __init__(self) -> None:
        self.number = 0
        self.lock = threading.Lock()

    def add(self, by: int = 1) -> int:
        with self.lock:
            self.number += by
            return self.number


class Living:
    """Objects that can be asked later whether they are all gone."""

    def __init__(self) -> None:
        self.references: list[weakref.ref[object]] = []
        self.lock = threading.Lock()

    def see(self, thing: object) -> None:
        reference = weakref.ref(thing)
        with self.lock:
            self.references.append(reference)

    def check_none(self, what: str) -> None:
        for _ in range(3):
            gc.collect()
        left = [alive for reference in self.references if (alive := reference()) is not None]
        assert not left, f"{len(left)} of {len(self.references)} {what} are still alive: {left[:3]}"


class Clock:
    """A timer= that the threads move on."""

    def __init__(self) -> None:
        self.moved = Counted()

    def __call__(self) -> float:
        return self.moved.number / 16


class Kept:
    """When results were kept. A time to live begins then, not in the load: by the time that its call returns, it was kept."""

    def __init__(self) -> None:
        self.own = threading.local()
        self.times: dict[object, float] = {}

    def made(self, key: int) -> tuple[int, object]:
        """A result, which the calling thread loads."""
        self.own.mark = object()
        return key, self.own.mark

    def since(self, result: tuple[int, object], clock: Clock) -> float:
        """No earlier than it was kept. Infinite where the call that loaded it has not returned yet."""
        mark = result[1]
        if getattr(self.own, "mark", None) is mark and mark not in self.times:
            self.times[mark] = clock()
        return self.times.get(mark, float("inf"))
