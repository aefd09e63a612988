# SPDX-License-Identifier: MIT
"""Measures one part in the interpreter that is measured, and writes what it found. Python 3.10+, alone.

    python driver.py '{"part": "times", "out": FILE, "path": [FOLDER...], "libraries": [NAME...], ...}'

The parts, each with its own settings and its own form of answer, are the functions in PARTS.
"""

from __future__ import annotations

import gc
import json
import re
import sys
import threading
import time
from collections.abc import Callable
from typing import Any


def subject(case: Any, library: str, function: Callable[..., Any]) -> Any:
    """What the library makes for the case. Raises LookupError, with the reason, where it makes nothing."""
    from libraries import recipes_of

    recipes = recipes_of(library)
    if isinstance(recipes, str):
        raise LookupError(recipes)
    if case.recipe not in recipes:
        raise LookupError("")
    try:
        return recipes[case.recipe](function)
    except Exception as error:      # of a library that is measured: to be told, not to end the run
        raise LookupError(str(error) or type(error).__name__) from error


def identity(a: Any, b: Any = None, c: Any = None) -> Any:
    return a


async def async_identity(a: Any, b: Any = None, c: Any = None) -> Any:
    return a


def times(asked: dict[str, Any]) -> dict[str, Any]:
    """{"ns": {case: {library: ns}}, "reasons": {library: {case: why not}}}"""
    from cases import BY_KEY
    from clockwork import Bench

    bench = Bench(asked["repeat_ns"])
    reasons: dict[str, dict[str, str]] = {}
    for key in asked["cases"]:
        case = BY_KEY[key]
        for library in asked["libraries"]:
            try:
                bench.add(case, library, subject(case, library, async_identity if case.is_async else identity))
            except Exception as error:      # also of its first use
                if not isinstance(error, LookupError) or error.args[0]:
                    reasons.setdefault(library, {})[key] = re.sub(r" at 0x\w+", "", str(error)) or type(error).__name__
    gc.collect()
    gc.freeze()
    ends = time.monotonic() + asked["seconds"]
    rounds = 0
    while rounds < asked["least_rounds"] or time.monotonic() < ends:
        bench.round()
        rounds += 1
    figures = bench.figures()
    bench.close()
    return {"ns": figures, "reasons": reasons, "rounds": rounds}


def smoke(asked: dict[str, Any]) -> dict[str, Any]:
    """Runs each line three times and once more for its value: {case: {library: [the value, calls of the function]}}"""
    import asyncio

    from cases import BY_KEY
    from clockwork import Bench, Timed

    told: dict[str, dict[str, Any]] = {}
    bench = Bench(1)
    for key in asked["cases"]:
        case = BY_KEY[key]
        for library in asked["libraries"]:
            calls: list[Any] = []

            def counted(a: Any, b: Any = None, c: Any = None, calls: list[Any] = calls) -> Any:
                calls.append(a)
                return a

            async def async_counted(a: Any, b: Any = None, c: Any = None, calls: list[Any] = calls) -> Any:
                calls.append(a)
                return a

            try:
                made = subject(case, library, async_counted if case.is_async else counted)
            except LookupError:
                continue
            timed = Timed(case, case.line, made)
            timed.count = 3
            timed.run(bench.events)
            scope: dict[str, Any] = {case.name: made, "k": 7}
            value = case.line.partition(" = ")[0].removeprefix("await ")
            found = eval(value, scope) if " = " not in case.line or case.hit else len(made)
            if case.is_async:
                async def wait(awaitable: Any = found) -> Any:
                    return await awaitable

                found = bench.events.run_until_complete(asyncio.wait_for(wait(), 10))
            told.setdefault(key, {})[library] = [found, len(calls)]
    bench.close()
    return told


def threads(asked: dict[str, Any]) -> dict[str, Any]:
    """Two threads on one cache, and one: {library: {"1": ns a call of all threads together, "2": ...}}; the least of each."""
    from itertools import cycle, islice

    from cases import BY_KEY
    from clockwork import Timed

    case = BY_KEY["hundred"]
    found: dict[str, dict[int, list[float]]] = {}
    cells = {}
    for library in asked["libraries"]:
        try:
            made = subject(BY_KEY[asked["case"]], library, identity)
        except LookupError:
            continue
        for key in range(100):
            made(key)
        cells[library] = made

    def once(made: Any, count: int, number: int) -> float:
        gate = threading.Barrier(number + 1)
        spans: list[tuple[int, int]] = []

        def work(loop: Any, turns: Any) -> None:
            gate.wait()
            began = time.perf_counter_ns()
            loop(turns, made, time.perf_counter_ns)
            spans.append((began, time.perf_counter_ns()))

        workers = [threading.Thread(target=work, args=(Timed(case, case.line, made).loop, islice(cycle(range(100)), count)))
                   for _ in range(number)]
        for worker in workers:
            worker.start()
        gate.wait()
        for worker in workers:
            worker.join()
        return (max(end for _, end in spans) - min(began for began, _ in spans)) / (count * number)

    counts = {library: max(100, int(asked["repeat_ns"] / once(made, 2000, 1))) for library, made in cells.items()}
    gc.disable()
    for _ in range(asked["rounds"]):
        for library, made in cells.items():
            for number in (1, 2):
                found.setdefault(library, {}).setdefault(number, []).append(once(made, counts[library] // number, number))
    return {library: {number: min(values) for number, values in of.items()} for library, of in found.items()}


def memory(asked: dict[str, Any]) -> dict[str, Any]:
    from entries import bytes_an_entry

    return {"bytes": bytes_an_entry(asked["library"], asked["keys"], asked["count"])}


def ratios(asked: dict[str, Any]) -> dict[str, Any]:
    from traces import hit_ratios

    return hit_ratios(asked["objects"], asked["requests"], asked["sizes"], asked["policies"])


PARTS = {"times": times, "smoke": smoke, "threads": threads, "memory": memory, "ratios": ratios}


def main() -> None:
    asked = json.loads(sys.argv[1])
    sys.path[:0] = asked["path"]
    told = PARTS[asked["part"]](asked)
    with open(asked["out"], "w", encoding="utf-8") as file:
        json.dump(told, file)


if __name__ == "__main__":
    main()
